/** The chat's client: what is applied, how it comes back, and what it sends until somebody answers. */

import assert from "node:assert/strict";
import test from "node:test";

import { ChatClient, RoomState } from "../../../web/shared/chat.js";
import { Problem, Unreachable } from "../../../web/shared/client.js";

const message = (seq, rev, more = {}) => ({ id: `m${seq}`, roomId: "r", seq, rev, deleted: false, content: `${seq}.${rev}`, ...more });
const contents = (room) => room.shown.map((one) => (one.deleted ? "deleted" : one.content));

/** Let what is under way go on: turns of the loop are counted, for a machine that stands still makes none. */
async function soon() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** A line to nowhere: `answer(type, data)` gives or throws what a server would. */
function wired(answer, pages = () => []) {
  const asked = [];
  const socket = {
    state: "open",
    request: async (type, data) => {
      asked.push([type, data]);
      return answer(type, data, asked.length);
    },
  };
  const paths = [];
  const api = { get: async (path) => (paths.push(path), { data: { items: pages(path, paths.length) } }) };
  const ended = [];
  const none = () => ({ next: () => 0, reset() {} });
  const client = new ChatClient({ api, socket, myId: "me", backoff: none, onEnd: (room, code) => ended.push(code) });
  return { client, socket, asked, paths, ended };
}

const subscribed = (more = {}) => ({ rooms: [{ roomId: "r", epoch: "e", offset: 5, recovered: true, messages: [], more: false, ...more }] });

test("a message is what has the highest rev, whatever comes last", () => {
  const room = new RoomState("r", "me");
  room.applyPage([message(1, 1)], 50);

  assert.equal(room.apply(message(1, 4)), true);
  assert.equal(room.apply(message(1, 3)), false);
  assert.equal(room.apply(message(1, 4, { content: "again" })), false);

  assert.deepEqual(contents(room), ["1.4"]);
});

test("a tombstone takes the message's place, and an older state does not wake it", () => {
  const room = new RoomState("r", "me");
  room.applyPage([message(1, 1), message(2, 2)], 50);

  room.applyEvent({ event: "message.deleted", offset: 3, data: { id: "m1", seq: 1, rev: 3, deleted: true } });
  room.apply(message(1, 1));

  assert.deepEqual(contents(room), ["deleted", "2.2"]);
  assert.equal(room.offset, 3);
});

test("a change below what is shown is kept, and wins over an older page", () => {
  const room = new RoomState("r", "me");
  room.applyPage([message(8, 8), message(9, 9)], 2);

  room.apply(message(6, 12));
  assert.deepEqual(contents(room), ["8.8", "9.9"]);

  room.applyPage([message(6, 6), message(7, 7)], 2);
  assert.deepEqual(contents(room), ["6.12", "7.7", "8.8", "9.9"]);
  assert.equal(room.hasOlder, true);
});

test("what is unread is absolute and never negative", () => {
  const room = new RoomState("r", "me");
  room.apply(message(7, 7));
  room.lastReadSeq = 4;
  room.apply(message(7, 9));
  assert.equal(room.unread, 3);
  room.lastReadSeq = 20;
  assert.equal(room.unread, 0);
});

test("it comes back with its offset and epoch, and takes in what it missed", async () => {
  const { client, asked, paths } = wired(
    (type, data) => (data.rooms[0].after ? subscribed({ offset: 9, messages: [message(1, 9)] }) : subscribed()),
    () => [message(1, 1), message(2, 2)],
  );
  const room = client.open("r");
  await soon();
  client.greet();
  await soon();

  assert.deepEqual(asked[1][1].rooms, [{ room: "r", after: 5, epoch: "e" }]);
  assert.deepEqual(contents(room), ["1.9", "2.2"]);
  assert.equal(room.offset, 9);
  assert.equal(paths.length, 1);
});

test("what cannot be recovered is loaded anew, and what waits to be sent is kept", async () => {
  const { client, paths } = wired(
    (type, data) => {
      if (type === "message.send") throw new Problem({ status: 403, code: "forbidden" });
      return data.rooms[0].after ? subscribed({ epoch: "f", offset: 2, recovered: false }) : subscribed();
    },
    (path, n) => (n === 1 ? [message(1, 40)] : [message(1, 1, { content: "after the restore" })]),
  );
  const room = client.open("r");
  await soon();
  client.send(room, { content: "mine" });
  await soon();
  client.greet();
  await soon();

  assert.deepEqual(contents(room), ["after the restore"]);
  assert.equal(room.offset, 2);
  assert.equal(room.pending.length, 1);
  assert.equal(paths.length, 2);
});

test("an epoch's end is a new subscription, a removal an end", async () => {
  const { client, asked, ended } = wired(() => subscribed());
  client.open("r");
  await soon();
  client.hear({ event: "unsubscribed", channel: "room:r", data: { code: "epoch_changed" } });
  await soon();
  assert.equal(asked.length, 2);
  client.hear({ event: "unsubscribed", channel: "room:r", data: { code: "forbidden" } });
  client.greet();
  assert.deepEqual(ended, ["forbidden"]);
  assert.equal(asked.length, 2);
});

test("a message is shown at once and repeated with its clientId until the answer is definite", async () => {
  const author = { id: "me" };
  const { client, asked } = wired((type, data, n) => {
    if (type !== "message.send") return subscribed();
    if (n < 4) throw n === 2 ? new Unreachable("gone") : new Problem({ status: 503, code: "unavailable" });
    return message(n, n, { clientId: data.clientId, author, content: data.content });
  });
  const room = client.open("r");
  await soon();
  client.send(room, { content: "one" });
  client.send(room, { content: "two" });
  assert.deepEqual(room.pending.map((draft) => draft.content), ["one", "two"]);
  assert.equal(client.hasUnsent, true);
  await soon();
  assert.equal(client.hasUnsent, false);

  const sent = asked.filter(([type]) => type === "message.send").map(([, data]) => data);
  assert.deepEqual(sent.map((data) => data.content), ["one", "one", "one", "two"]);
  assert.equal(new Set(sent.map((data) => data.clientId)).size, 2);
  assert.deepEqual(contents(room), ["one", "two"]);
  assert.deepEqual(room.pending, []);
});

test("a refused message stays to be tried again, and does not hold up the next", async () => {
  let refuse = true;
  const { client } = wired((type, data, n) => {
    if (type !== "message.send") return subscribed();
    if (data.content === "bad" && refuse) throw new Problem({ status: 422, code: "validation_failed" });
    return message(n, n, { content: data.content, clientId: data.clientId });
  });
  const room = client.open("r");
  await soon();
  const id = client.send(room, { content: "bad" });
  client.send(room, { content: "good" });
  await soon();
  assert.deepEqual(room.pending.map((draft) => [draft.content, draft.state]), [["bad", "failed"]]);
  refuse = false;
  client.resend(room, id);
  await soon();
  assert.deepEqual(contents(room), ["good", "bad"]);
});

test("the event of one's own message acknowledges it before the reply does", () => {
  const room = new RoomState("r", "me");
  room.applyPage([], 50);
  room.add({ clientId: "c1", content: "x" });
  room.apply(message(1, 1, { clientId: "c1", author: { id: "somebody" } }));
  assert.equal(room.pending.length, 1);
  room.apply(message(2, 2, { clientId: "c1", author: { id: "me" } }));
  assert.equal(room.pending.length, 0);
});

test("a part far above is shown without what lies between, and grows together with the newest", async () => {
  const all = Array.from({ length: 200 }, (_, n) => message(n + 1, n + 1));
  const { client, paths } = wired(() => subscribed({ offset: 200 }), (path) => {
    const [, way, seq] = /&(around|after|before)=(\d+)/.exec(path) ?? [null, "newest", "0"];
    const at = Number(seq);
    if (way === "around") return all.slice(Math.max(0, at - 26), Math.max(0, at - 26) + 50);
    if (way === "after") return all.slice(at, at + 50);
    return way === "before" ? all.slice(Math.max(0, at - 51), at - 1) : all.slice(-50);
  });
  const room = client.open("r");
  await soon();
  const seqs = () => [room.shown[0].seq, room.shown.at(-1).seq, room.shown.length];
  assert.deepEqual(seqs(), [151, 200, 50]);

  await client.lookAt(room, 60);
  assert.deepEqual(seqs(), [35, 84, 50]);
  room.apply(message(201, 201));
  assert.deepEqual([room.hasNewer, room.lastSeq, ...seqs()], [true, 201, 35, 84, 50]);
  await client.older(room);
  assert.deepEqual(seqs(), [1, 84, 84]);
  assert.equal(room.hasOlder, false);

  client.lookAtNewest(room);
  assert.deepEqual(seqs(), [151, 201, 51]);
  await client.lookAt(room, 60);
  await client.newer(room);
  assert.deepEqual([room.hasNewer, room.window.high], [true, 134]);
  await client.newer(room);
  assert.deepEqual([room.hasNewer, ...seqs()], [false, 35, 201, 167]);
  const before = paths.length;
  await client.lookAt(room, 40);
  assert.equal(paths.length, before);
});

test("a thread and what is pinned are gathered into the room, wherever they stand", async () => {
  const answer = message(90, 90, { replyTo: { id: "m3", seq: 3 } });
  const { client, paths } = wired(() => subscribed(), (path) => (path.includes("thread") ? [answer] : [message(100, 100)]));
  const room = client.open("r");
  await soon();
  room.applyPage([message(99, 99)], 1);
  assert.equal(await client.gather(room, "thread=m3", "before.91"), undefined);
  assert.match(paths.at(-1), /&thread=m3&cursor=before\.91$/);
  room.apply(message(95, 120, { replyTo: { id: "m3", seq: 3 }, pinned: true }));
  assert.deepEqual(room.answersTo("m3").map(({ seq }) => seq), [90, 95]);
  assert.deepEqual(room.pinned.map(({ seq }) => seq), [95]);
  room.apply({ id: "m90", seq: 90, rev: 130, deleted: true });
  assert.deepEqual(room.answersTo("m3").map(({ seq }) => seq), [95]);
});
