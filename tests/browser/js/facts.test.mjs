import assert from "node:assert/strict";
import test from "node:test";

import { clockWords } from "../../../web/player/facts.js";

const words = (wallOffsetMs, errorMs) => clockWords({ known: true, wallOffsetMs, errorMs });

test("the server's clock is ahead of this device's or behind it", () => {
  assert.equal(words(137, 3.2), "137 ms ahead of this device's clock, give or take 4 ms");
  assert.equal(words(-358, 12), "358 ms behind this device's clock, give or take 12 ms");
  assert.equal(words(-240_137, 30), "240 s behind this device's clock, give or take 1 s");
});

test("nothing is told that is not known", () => {
  assert.equal(words(-14, 20), "the same as this device's clock, give or take 20 ms");
  assert.equal(words(0, 0.5), "the same as this device's clock, give or take 1 ms");
  assert.equal(
    clockWords({ known: false, wallOffsetMs: 240_000, errorMs: Infinity }),
    "which the server has not told since this page began",
  );
});
