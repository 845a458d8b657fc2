/**
 * Keeps the player's own files, so that the page opens while the server is away. Media are not its business.
 *
 * The network comes first, so that a new release is there with the next reload; the kept files are only replaced all
 * at once, so that an offline page never mixes two releases.
 */

const CACHE = "marquee-player-shell";
const NETWORK_MS = 4000; // a frozen server must not keep a screen dark,
const AWAY_MS = 30_000; // and not for this long again with each of its files
const PAGE = "/player";
const FILES = [
  PAGE,
  "/player/actions.js",
  "/player/cache.js",
  "/player/commands.js",
  "/player/emergency.js",
  "/player/facts.js",
  "/player/hash-worker.js",
  "/player/hashing.js",
  "/player/main.js",
  "/player/manifest.js",
  "/player/memory-store.js",
  "/player/notices.js",
  "/player/overlays.css",
  "/player/pairing-view.js",
  "/player/pairing.js",
  "/player/playback.js",
  "/player/player.css",
  "/player/player.js",
  "/player/report.js",
  "/player/schedule.js",
  "/player/screenshot.js",
  "/player/shell.js",
  "/player/showable.js",
  "/player/stage.js",
  "/player/store.js",
  "/player/uplink.js",
  "/shared/backoff.js",
  "/shared/client.js",
  "/shared/clock.js",
  "/shared/close-codes.js",
  "/shared/sha256.js",
  "/shared/socket.js",
];

let awayUntil = 0;

self.addEventListener("install", (event) => {
  event.waitUntil(keepAll().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});

self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  const path = pathname === `${PAGE}/` ? PAGE : pathname;
  if (event.request.method !== "GET" || origin !== self.location.origin || !FILES.includes(path)) return;
  event.respondWith(freshOrKept(event.request, path));
});

self.addEventListener("message", (event) => {
  const [port] = event.ports;
  if (event.data !== "refresh" || !port) return;
  event.waitUntil(
    keepAll().then(
      (changed) => port.postMessage({ ok: true, changed }),
      (error) => port.postMessage({ ok: false, reason: String(error) }),
    ),
  );
});

async function freshOrKept(request, pathname) {
  const kept = await (await caches.open(CACHE)).match(pathname);
  if (!kept) return fetch(request);
  if (Date.now() < awayUntil) return kept;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), NETWORK_MS);
  try {
    const answer = await fetch(request, { signal: late.signal });
    return answer.ok ? answer : kept; // a proxy's error page is no player
  } catch {
    awayUntil = Date.now() + AWAY_MS;
    return kept;
  } finally {
    clearTimeout(timer);
  }
}

/** Fetch every file, then put them all in place. Resolves with whether any differs from what was there. */
async function keepAll() {
  const cache = await caches.open(CACHE);
  const fresh = await Promise.all(FILES.map(async (path) => [path, await whole(path)]));
  const differs = await Promise.all(fresh.map(async ([path, { text }]) => (await (await cache.match(path))?.text()) !== text));
  await Promise.all(fresh.map(([path, { text, init }]) => cache.put(path, new Response(text, init))));
  return differs.includes(true);
}

async function whole(path) {
  const answer = await fetch(path, { cache: "no-cache" });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return { text: await answer.text(), init: { status: 200, headers: answer.headers } };
}
