/** Commands come at least once and run once. The uplink here is the server's ear: it notes what it is told. */

import assert from "node:assert/strict";
import test from "node:test";

import { CommandFailed, Commands } from "../../../web/player/commands.js";
import { MemoryStore } from "../../../web/player/memory-store.js";
import { Problem, Unreachable } from "../../../web/shared/client.js";

function scene({ actions = {}, store = Object.assign(new MemoryStore(), { durable: true }), refuse = {} } = {}) {
  const said = [];
  const uplink = {
    async accept(id) {
      said.push(["accept", id]);
      if (refuse.accept) throw refuse.accept;
    },
    async result(id, { ok, result }) {
      said.push(["result", id, ok, result]);
      if (refuse.result) throw refuse.result;
    },
  };
  const ran = [];
  const all = { note: async (args) => ({ result: { n: ran.push(args) } }), ...actions };
  const commands = new Commands({ store, uplink, actions: all, onTrouble: (error) => assert.fail(error) });
  return { commands, said, ran, store, refuse };
}

const command = (id, name = "note", args = {}) => ({ id, name, args, expiresAt: "2020-01-01T00:00:00.000Z" });

test("a command is accepted before it runs and reported after", async () => {
  const { commands, said, ran } = scene();
  await commands.receive(command("c1", "note", { a: 1 }));
  assert.deepEqual(said, [["accept", "c1"], ["result", "c1", true, { n: 1 }]]);
  assert.deepEqual(ran, [{ a: 1 }]);
});

test("the same command again runs no second time, but is reported again", async () => {
  const { commands, said, ran } = scene();
  await Promise.all([commands.receive(command("c1")), commands.receive(command("c1"))]);
  await commands.receive(command("c1"));
  assert.equal(ran.length, 1);
  assert.deepEqual(said.map(([what]) => what), ["accept", "result", "result"]);
});

test("a page that comes after a reload remembers what was done", async () => {
  const first = scene();
  await first.commands.receive(command("c1"));
  const second = scene({ store: first.store });
  await second.commands.receive(command("c1"));
  assert.equal(second.ran.length, 0);
  assert.deepEqual(second.said, [["result", "c1", true, { n: 1 }]]);
});

test("one that the server will not have accepted does not run", async () => {
  const { commands, ran } = scene({ refuse: { accept: new Problem({ status: 409, code: "conflict" }) } });
  await commands.receive(command("c1"));
  assert.equal(ran.length, 0);
});

test("a result that could not be delivered is delivered with the next link", async () => {
  const { commands, said, refuse } = scene({ refuse: { result: new Unreachable("gone") } });
  await commands.receive(command("c1"));
  refuse.result = null;
  await commands.flush();
  await commands.flush();
  assert.deepEqual(said.map(([what]) => what), ["accept", "result", "result"]);
});

test("a result that the server refuses for good is not offered for ever", async () => {
  const { commands, said } = scene({ refuse: { result: new Problem({ status: 409, code: "conflict" }) } });
  await commands.receive(command("c1"));
  await commands.flush();
  assert.equal(said.length, 2);
});

test("what ends the page is written down first and reported by the next page", async () => {
  const reloads = [];
  const reload = async () => ({ result: { reloaded: true }, after: () => reloads.push("now") });
  const first = scene({ actions: { reload } });
  await first.commands.receive(command("c1", "reload"));
  assert.deepEqual([reloads, first.said], [["now"], [["accept", "c1"]]]);
  const second = scene({ store: first.store });
  await second.commands.flush();
  assert.deepEqual(second.said, [["result", "c1", true, { reloaded: true }]]);
});

test("where nothing outlives the page it is reported before", async () => {
  const reload = async () => ({ result: null, after: () => {} });
  const { commands, said } = scene({ actions: { reload }, store: new MemoryStore() });
  await commands.receive(command("c1", "reload"));
  assert.deepEqual(said, [["accept", "c1"], ["result", "c1", true, null]]);
});

test("what fails, and what is unknown, is reported with its reason, and the next one runs", async () => {
  const broken = async () => {
    throw new CommandFailed("No.");
  };
  const { commands, said, ran } = scene({ actions: { broken } });
  await Promise.all([
    commands.receive(command("c1", "broken")),
    commands.receive(command("c2", "fly")),
    commands.receive(command("c3")),
  ]);
  const results = said.filter(([what]) => what === "result");
  assert.deepEqual(results[0], ["result", "c1", false, { error: "No." }]);
  assert.equal(results[1][2], false);
  assert.equal(ran.length, 1);
});
