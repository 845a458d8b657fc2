import assert from "node:assert/strict";
import test from "node:test";

import { Backoff, sleep } from "../../../web/shared/backoff.js";

test("the ceiling doubles from one second to sixty and stays there", () => {
  const backoff = new Backoff({ random: () => 1 });
  const waits = Array.from({ length: 9 }, () => backoff.next());
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000]);
});

test("jitter is full: a wait is anything from nothing to the ceiling", () => {
  const draws = [0, 0.5, 0.25];
  const backoff = new Backoff({ random: () => draws.shift() });
  assert.deepEqual([backoff.next(), backoff.next(), backoff.next()], [0, 1000, 1000]);
});

test("a reset starts again at the bottom", () => {
  const backoff = new Backoff({ random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 1000);
});

test("a sleep ends early when its signal is aborted, and at once when it was", async () => {
  const cut = new AbortController();
  const began = performance.now();
  setTimeout(() => cut.abort(), 20);
  await sleep(60_000, cut.signal);
  await sleep(60_000, cut.signal);
  assert.ok(performance.now() - began < 5000);
});
