/** What plays, in what order and until when: pure functions of a manifest's items and the server's time. */

/** Whether `item` may be shown at `now` (milliseconds): from `validFrom` on, and no longer at `validTo`. */
export function isValid(item, now) {
  const from = item.validFrom ? Date.parse(item.validFrom) : -Infinity;
  const to = item.validTo ? Date.parse(item.validTo) : Infinity;
  return from <= now && now < to;
}

/** The index of the item to play after index `last` (-1 at the start): the next valid one, round the end; or -1. */
export function indexAfter(items, last, now, skip = new Set()) {
  for (let step = 1; step <= items.length; step += 1) {
    const index = (((last + step) % items.length) + items.length) % items.length;
    if (isValid(items[index], now) && !skip.has(items[index].id)) return index;
  }
  return -1;
}

/** When an item that starts at `startedAt` has to end: after its duration, or when its validity does. */
export function endOf(item, startedAt) {
  const to = item.validTo ? Date.parse(item.validTo) : Infinity;
  return Math.min(startedAt + item.durationMs, to);
}

/** The next moment after `now` at which some item becomes valid or ceases to be; Infinity when there is none. */
export function nextChange(items, now) {
  let soonest = Infinity;
  for (const { validFrom, validTo } of items) {
    for (const edge of [validFrom, validTo]) {
      const at = edge ? Date.parse(edge) : Infinity;
      if (at > now) soonest = Math.min(soonest, at);
    }
  }
  return soonest;
}

/**
 * Where the new list goes on when `playing` (an item of the old one, or null) has ended: after the same item, or
 * after the same content, or from the top. The result is the index to give `indexAfter`.
 */
export function carryOver(items, playing) {
  if (playing === null) return -1;
  const same = items.findIndex((item) => item.id === playing.id);
  return same >= 0 ? same : items.findIndex((item) => item.sha256 === playing.sha256);
}

/** Whether two playlists show the same: then a new manifest needs no boundary to take over. */
export function sameItems(before, after) {
  return before.length === after.length && before.every((item, index) => faceOf(item) === faceOf(after[index]));
}

function faceOf({ id, sha256, durationMs, transition, fit, validFrom, validTo }) {
  return JSON.stringify([id, sha256, durationMs, transition, fit, validFrom ?? null, validTo ?? null]);
}

/** The emergency of `manifest` that is in force at `now`, or null. */
export function emergencyAt(manifest, now) {
  const emergency = manifest?.emergency ?? null;
  return emergency !== null && now < Date.parse(emergency.expiresAt) ? emergency : null;
}

export function itemsOf(manifest) {
  return manifest?.playlist?.items ?? [];
}

/** Every file that `manifest` needs, the emergency's first, each content once. */
export function mediaOf(manifest) {
  const all = [manifest?.emergency?.item, ...itemsOf(manifest)].filter(Boolean);
  return [...new Map(all.map((item) => [item.sha256, item])).values()];
}
