/** What comes in bursts goes out at a steady pace, the latest of it. */

import assert from "node:assert/strict";
import test from "node:test";

import { Paced } from "../../../web/shared/pace.js";

test("a burst is its first at once and its latest after the pause, for each key by itself", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const ran = [];
  const paced = new Paced((key, value) => ran.push([key, value]), 1000);

  for (let seq = 1; seq <= 70; seq += 1) paced.ask("a", seq);
  paced.ask("b", 5);
  assert.deepEqual(ran, [["a", 1], ["b", 5]]);

  t.mock.timers.tick(1000);
  assert.deepEqual(ran.slice(2), [["a", 70]]);
  t.mock.timers.tick(5000);
  assert.equal(ran.length, 3);
});

test("after a pause in which nothing came it runs at once again, and after its stop no more", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const ran = [];
  const paced = new Paced((key, value) => ran.push(value), 1000);

  paced.ask("a", 1);
  t.mock.timers.tick(1000);
  paced.ask("a", 2);
  assert.deepEqual(ran, [1, 2]);

  paced.ask("a", 3);
  paced.stop();
  t.mock.timers.tick(5000);
  assert.deepEqual(ran, [1, 2]);
});
