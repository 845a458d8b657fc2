import assert from "node:assert/strict";
import test from "node:test";

import { ServerClock } from "../../../web/shared/clock.js";

/** A device whose wall clock is `wrongMs` off, and a server whose time runs with `steady`. */
function world({ wrongMs = 0, wallOffsetMs = 0 } = {}) {
  const state = { steady: 5000, server: 1_700_000_000_000 };
  const clock = new ServerClock({ wall: () => state.server + wrongMs, steady: () => state.steady, wallOffsetMs });
  const pass = (ms) => {
    state.steady += ms;
    state.server += ms;
  };
  /** One exchange that takes `there` and `back` milliseconds on its ways. */
  const exchange = (there, back) => {
    const sentAt = state.steady;
    pass(there);
    const said = new Date(state.server).toISOString();
    pass(back);
    clock.sample(said, sentAt, state.steady);
  };
  return { state, clock, pass, exchange };
}

test("before the server has spoken, the wall clock counts, with what was known before the reload", () => {
  const { clock, state } = world({ wrongMs: -240_000, wallOffsetMs: 240_000 });
  assert.equal(clock.known, false);
  assert.equal(clock.now(), state.server);
});

test("a clock that is four minutes wrong is corrected to within half a round trip", () => {
  const { clock, state, exchange } = world({ wrongMs: 240_000 });
  exchange(30, 10);
  assert.ok(Math.abs(clock.now() - state.server) <= 20);
  assert.ok(Math.abs(clock.wallOffsetMs + 240_000) <= 20);
  assert.equal(clock.errorMs, 20);
});

test("of several samples the one with the shortest round trip is believed", () => {
  const { clock, state, exchange } = world();
  exchange(900, 20);
  exchange(2, 2);
  exchange(20, 800);
  assert.ok(Math.abs(clock.now() - state.server) <= 3);
});

test("it goes on between samples, whatever is done to the wall clock", () => {
  const { clock, state, exchange, pass } = world();
  exchange(1, 1);
  pass(3_600_000);
  clock.wall = () => 0;
  assert.ok(Math.abs(clock.now() - state.server) <= 2);
});

test("after the machine has slept, the first sample counts and the old ones do not", () => {
  const { clock, state, exchange } = world();
  exchange(1, 1);
  state.server += 7_200_000; // the server went on, `steady` stood still
  exchange(40, 40);
  assert.ok(Math.abs(clock.now() - state.server) <= 41);
});

test("a coarse time, as an HTTP Date, is never preferred to a fine one", () => {
  const { clock, state, exchange } = world();
  exchange(5, 5);
  clock.sample(Math.floor(state.server / 1000) * 1000, state.steady, state.steady, 1000);
  assert.ok(Math.abs(clock.now() - state.server) <= 6);
});

test("nonsense is no sample", () => {
  const { clock, state } = world();
  clock.sample("soon", 1, 2);
  clock.sample(state.server, 10, 5);
  assert.equal(clock.known, false);
});
