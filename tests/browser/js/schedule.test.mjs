import assert from "node:assert/strict";
import test from "node:test";

import {
  carryOver,
  emergencyAt,
  endOf,
  indexAfter,
  isValid,
  mediaOf,
  nextChange,
  sameItems,
} from "../../../web/player/schedule.js";

const NOON = Date.parse("2026-05-01T12:00:00.000Z");
const at = (seconds) => new Date(NOON + seconds * 1000).toISOString();
const item = (id, more = {}) => ({ id, sha256: `sha-${id}`, durationMs: 10_000, transition: "fade", fit: "contain", ...more });

test("a window includes its start and not its end", () => {
  const windowed = item("a", { validFrom: at(0), validTo: at(10) });
  assert.equal(isValid(windowed, NOON - 1), false);
  assert.equal(isValid(windowed, NOON), true);
  assert.equal(isValid(windowed, NOON + 9999), true);
  assert.equal(isValid(windowed, NOON + 10_000), false);
  assert.equal(isValid(item("b", { validFrom: null, validTo: null }), NOON), true);
});

test("items follow each other and begin again", () => {
  const items = [item("a"), item("b"), item("c")];
  assert.deepEqual([-1, 0, 1, 2].map((last) => indexAfter(items, last, NOON)), [0, 1, 2, 0]);
});

test("what is not valid, or is left out, is passed over", () => {
  const items = [item("a"), item("b", { validTo: at(0) }), item("c", { validFrom: at(1) }), item("d")];
  assert.equal(indexAfter(items, 0, NOON), 3);
  assert.equal(indexAfter(items, 0, NOON + 1000), 2);
  assert.equal(indexAfter(items, 0, NOON, new Set(["d"])), 0);
  assert.equal(indexAfter(items, 0, NOON, new Set(["a", "d"])), -1);
});

test("an empty playlist has nothing to play", () => {
  assert.equal(indexAfter([], -1, NOON), -1);
});

test("an item ends with its duration, or sooner with its validity", () => {
  assert.equal(endOf(item("a"), NOON), NOON + 10_000);
  assert.equal(endOf(item("a", { validTo: at(4) }), NOON), NOON + 4000);
});

test("the next change is the nearest edge that lies ahead", () => {
  const items = [item("a", { validFrom: at(-5), validTo: at(60) }), item("b", { validFrom: at(20) })];
  assert.equal(nextChange(items, NOON), NOON + 20_000);
  assert.equal(nextChange(items, NOON + 20_000), NOON + 60_000);
  assert.equal(nextChange(items, NOON + 60_000), Infinity);
});

test("a new list goes on after what was playing, by item, by content, or from the top", () => {
  const items = [item("x"), item("b"), item("y", { sha256: "sha-c" })];
  assert.equal(carryOver(items, item("b")), 1);
  assert.equal(carryOver(items, item("c")), 2);
  assert.equal(carryOver(items, item("z")), -1);
  assert.equal(carryOver(items, null), -1);
});

test("lists are the same when nothing that shows differs", () => {
  const list = [item("a", { url: "/media/1?exp=1" })];
  assert.equal(sameItems(list, [item("a", { url: "/media/1?exp=2", validFrom: null })]), true);
  assert.equal(sameItems(list, [item("a", { fit: "cover" })]), false);
  assert.equal(sameItems(list, []), false);
  assert.equal(sameItems([], []), true);
});

test("an emergency is in force until its expiry, and not at it", () => {
  const manifest = { emergency: { id: "e", expiresAt: at(30) } };
  assert.equal(emergencyAt(manifest, NOON).id, "e");
  assert.equal(emergencyAt(manifest, NOON + 30_000), null);
  assert.equal(emergencyAt({ emergency: null }, NOON), null);
  assert.equal(emergencyAt(null, NOON), null);
});

test("a manifest's files are each content once, the emergency's first", () => {
  const manifest = {
    emergency: { item: item("e") },
    playlist: { items: [item("a"), item("b"), item("again", { sha256: "sha-a" })] },
  };
  assert.deepEqual(mediaOf(manifest).map(({ sha256 }) => sha256), ["sha-e", "sha-a", "sha-b"]);
  assert.deepEqual(mediaOf({ emergency: null, playlist: null }), []);
  assert.deepEqual(mediaOf(null), []);
});
