/** Builds the player from its parts and starts it. */

import { ServerClock } from "../shared/clock.js";
import { MediaCache } from "./cache.js";
import { EmergencyView } from "./emergency.js";
import { factsOf } from "./facts.js";
import { startHashing } from "./hashing.js";
import { Notices } from "./notices.js";
import { PairingView } from "./pairing-view.js";
import { Player } from "./player.js";
import { Shell } from "./shell.js";
import { Stage } from "./stage.js";
import { openStore } from "./store.js";

const MEASURE_MS = 60_000;

const find = (selector) => document.querySelector(selector);

async function main() {
  const shell = new Shell();
  const store = await openStore();
  const clock = new ServerClock({ wallOffsetMs: offsetOf(await store.get("clock")) });
  const cache = new MediaCache({ store, hash: startHashing() });
  const room = measureRoom();
  const player = new Player({
    store,
    clock,
    cache,
    shell,
    page: document.documentElement,
    stage: new Stage(find("#stage"), find("#idle")),
    emergency: new EmergencyView({ root: find("#emergency"), cache }),
    notices: new Notices({ root: document, facts: () => factsOf(player, room) }),
    pairingView: new PairingView({ root: find("#pairing"), clock, address: location.host }),
    metrics: () => ({ uptimeSeconds: Math.round(performance.now() / 1000), ...room }),
  });
  watchErrors(player);
  watchSurroundings(player);
  player.notices.listen(window);
  startShell(player);
  await player.run();
}

/** What to add to this device's clock; one that lost its time in a power cut at least does not go back in it. */
function offsetOf(kept) {
  return kept ? Math.max(kept.wallOffsetMs, kept.at - Date.now()) : 0;
}

/** The worker installs beside the player: a screen does not wait for what it needs only in an outage. */
async function startShell(player) {
  const { shell, notices, store } = player;
  await shell.start().catch((error) => player.note(error));
  if (!store.durable) notices.say("This browser keeps nothing: after a reload this screen has to be paired again.");
  else if (shell.limit) notices.say(shell.limit);
}

function watchErrors(player) {
  window.addEventListener("error", ({ error, message }) => player.note(error ?? message));
  window.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    player.note(event.reason);
  });
}

function watchSurroundings(player) {
  window.addEventListener("online", () => player.uplink?.hurry());
  document.addEventListener("visibilitychange", stayAwake);
  stayAwake();
}

/** Keep the display from going to sleep, where the browser lets a page ask for that. */
async function stayAwake() {
  if (document.hidden || !("wakeLock" in navigator)) return;
  await navigator.wakeLock.request("screen").catch(() => {}); // refused on low battery: then the system decides
}

/** Ask that what is kept is kept for good, and measure it from time to time. The object's numbers stay current. */
function measureRoom() {
  const room = {};
  const measure = async () => {
    const { usage, quota } = await navigator.storage.estimate();
    Object.assign(room, { storageUsedBytes: usage, storageQuotaBytes: quota });
  };
  if (!navigator.storage?.estimate) return room; // plain http
  navigator.storage.persist().catch(() => false);
  measure().catch(() => {});
  setInterval(() => measure().catch(() => {}), MEASURE_MS);
  return room;
}

main().catch((error) => {
  console.error(error); // before there is a player nothing else can tell; the next attempt may find what was missing
  setTimeout(() => location.reload(), 30_000);
});
