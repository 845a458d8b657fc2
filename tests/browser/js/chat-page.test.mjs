/** The parts of the chat page that need no page: pieces of text, signed addresses, lengths of time, the rooms. */

import assert from "node:assert/strict";
import test from "node:test";

import { reason } from "../../../web/chat/dialogs.js";
import { duration } from "../../../web/chat/elements.js";
import { FileLinks, readAddress } from "../../../web/chat/files.js";
import { begun, matching } from "../../../web/chat/names.js";
import { everything, RoomBook } from "../../../web/chat/room-book.js";
import { pieces } from "../../../web/chat/text.js";

const ID = "6b017101a4c19e7d5b8f0001";
const address = (seconds, more = "") => `/files/${ID}${more}?exp=${Math.floor(Date.now() / 1000) + seconds}&sig=ab`;

test("links and names are found in what was written, and nothing is lost or added", () => {
  const of = (content) => pieces(content).map(({ kind, text }) => `${kind}:${text}`);
  assert.deepEqual(of("see https://example.org/a?b=1, @ben.x!"), [
    "text:see ",
    "link:https://example.org/a?b=1",
    "text:, ",
    "name:@ben.x",
    "text:!",
  ]);
  for (const content of ["", "javascript:alert(1)", "<b>https://x.org</b>", "https://", "@", "a@b.example (https://e.org)", "😀".repeat(99)]) {
    assert.equal(pieces(content).map(({ text }) => text).join(""), content);
    for (const { kind, text } of pieces(content)) if (kind === "link") assert.match(text, /^https?:\/\//);
  }
});

test("a name is completed where one is begun, and not within an address", () => {
  assert.deepEqual([begun("hello @an", 9), begun("@", 1), begun("hello", 5), begun("a@b", 3), begun("@ana is", 7)], ["an", "", null, null, null]);
  assert.equal(begun("@ana is", 3), "an");
  const members = [{ username: "ana", displayName: "Ana B." }, { username: "boss", displayName: "Andrea" }, { username: "carl", displayName: "" }];
  assert.deepEqual(matching(members, "AN").map(({ username }) => username), ["ana", "boss"]);
});

test("a signed address says of which file it is and when it ends, by the server's clock", () => {
  assert.deepEqual(readAddress(`/files/${ID}/thumbnail?exp=1796256000&sig=x`), { id: ID, thumbnail: true, expiresAt: 1796256000000 });
  assert.equal(readAddress("https://elsewhere.example/files/x?exp=1"), null);
  assert.equal(readAddress(null), null);
  const links = new FileLinks(null);
  assert.deepEqual([address(600), address(10), address(-10)].map((url) => links.hasEnded(url)), [false, true, true]);
  links.aheadMs = 3_600_000;
  assert.equal(links.hasEnded(address(600)), true);
});

test("a fresh address is asked for once however many need it, each gets its own kind", async () => {
  const asked = [];
  const get = async (path) => (asked.push(path), { data: { url: "/fresh", thumbnailUrl: "/small" } });
  const links = new FileLinks({ get });
  assert.deepEqual(await Promise.all([links.fresh(address(0)), links.fresh(address(0, "/thumbnail"))]), ["/fresh", "/small"]);
  assert.deepEqual(asked, [`/api/files/${ID}`]);
  await links.fresh(address(0));
  assert.equal(asked.length, 2);
});

test("lengths of time are said in units that say enough", () => {
  assert.deepEqual([400, 50_000, 540_000, 3_540_000, 7_200_000, 604_800_000].map(duration), ["1 s", "50 s", "9 min", "59 min", "2 h", "7 days"]);
});

test("a refusal says every field that is wrong, as the form calls it, and which of two is taken", () => {
  const errors = [
    { path: "email", message: "must be an address" },
    { path: "newPassword", message: "is too short" },
  ];
  assert.equal(reason({ code: "invalid", errors, message: "2 fields are wrong." }), "E-mail: must be an address.\nNew password: is too short.");
  assert.equal(reason({ errors: [{ path: "file", message: "is empty" }] }), "The file is empty.");
  const taken = ["email_taken", "username_taken"].map((code) => reason({ code, errors: null, message: "Taken." }));
  assert.deepEqual(taken.map((words) => words.split(":")[0]), ["E-mail", "Username"]);
  assert.equal(reason(new Error("No answer.")), "No answer.");
});

/** Pages of a list, two items each, as the API has them. */
function paged(items) {
  const paths = [];
  const get = async (path) => {
    paths.push(path);
    const at = Number(/cursor=(\d+)/.exec(path)?.[1] ?? 0);
    return { data: { items: items.slice(at, at + 2), next: at + 2 < items.length ? String(at + 2) : null } };
  };
  return { get, paths };
}

test("a list is read to its end", async () => {
  const api = paged([1, 2, 3, 4, 5]);
  assert.deepEqual(await everything(api, "/api/x?limit=2"), [1, 2, 3, 4, 5]);
  assert.equal(api.paths.length, 3);
});

test("all rooms are loaded, one that is only visited stays, one that was left goes", async () => {
  const changes = [];
  const api = paged(["a", "b", "c"].map((id) => ({ id, name: id === "b" ? "general" : id, myRole: "member", unread: 0 })));
  const book = new RoomBook({ api, onChange: () => changes.push(book.all.length) });
  book.put({ id: "visited", myRole: null });
  book.put({ id: "left", myRole: "member" });
  await book.load();
  assert.deepEqual(book.all.map(({ id }) => id), ["a", "b", "c", "visited"]);
  assert.deepEqual([book.first("c").id, book.first("nowhere").id, book.first(null).id], ["c", "b", "b"]);
  const before = changes.length;
  book.patch("a", { unread: 0 });
  book.patch("nowhere", { unread: 3 });
  assert.equal(changes.length, before);
  book.patch("a", { unread: 3 });
  assert.deepEqual([changes.length, book.get("a").unread], [before + 1, 3]);
});

/** An API whose answers come when they are let go, in the order of the requests. */
function slow() {
  const held = [];
  const get = (path) => new Promise((resolve) => held.push({ path, answer: (data) => resolve({ data }) }));
  return { get, held };
}

test("what was read before some news came does not undo the news, and is read again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const api = slow();
  const book = new RoomBook({ api, onChange() {} });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const room = { id: "a", version: 1, archived: false, myRole: "member", unread: 0 };
  book.put(room);

  book.refresh("a");
  book.patch("a", { archived: true, version: 2 });
  api.held.shift().answer({ ...room, unread: 4 });
  await settled();
  assert.equal(book.get("a").archived, true);
  t.mock.timers.tick(1000);
  api.held.shift().answer({ ...room, archived: true, version: 2, unread: 4 });
  await settled();
  assert.deepEqual([book.get("a").archived, book.get("a").unread, api.held.length], [true, 4, 0]);

  const fetched = book.fetch("a");
  book.patch("a", { unread: 5 });
  api.held.shift().answer({ ...room, archived: true, version: 2, unread: 4 });
  assert.equal((await fetched).unread, 4);
  assert.equal(book.get("a").unread, 5);
});

test("a late answer to an edit does not undo a later edit", () => {
  const book = new RoomBook({ api: slow(), onChange() {} });
  book.put({ id: "a", version: 3, title: "newest" });
  book.put({ id: "a", version: 2, title: "mine" });
  assert.equal(book.get("a").title, "newest");
  book.put({ id: "a", version: 3, title: "newest", myRole: "owner" });
  assert.equal(book.get("a").myRole, "owner");
});

test("news that comes while all rooms are read stays: changed, made, gone", async () => {
  const api = slow();
  const book = new RoomBook({ api, onChange() {} });
  for (const id of ["a", "b", "c"]) book.put({ id, version: 1, myRole: "member", unread: 0 });
  const loaded = book.load();
  book.patch("a", { unread: 2 });
  book.remove("b");
  book.put({ id: "made", version: 1, myRole: "owner" });
  const read = ["a", "b", "c"].map((id) => ({ id, version: 1, myRole: "member", unread: id === "c" ? 7 : 0 }));
  api.held.shift().answer({ items: read, next: null });
  await loaded;
  assert.deepEqual(book.all.map(({ id }) => id).sort(), ["a", "c", "made"]);
  assert.deepEqual([book.get("a").unread, book.get("c").unread], [2, 7]);
  assert.equal(api.held[0].path, "/api/rooms/a");
});
