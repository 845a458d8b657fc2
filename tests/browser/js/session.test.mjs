/** A page's session against a real HTTP server: what is believed about it, and by whom. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import test from "node:test";

import { Unreachable } from "../../../web/shared/client.js";
import { Session } from "../../../web/shared/session.js";

const session = (id, token) => ({ status: 200, body: { user: { id }, accessToken: token, expiresIn: 900 } });
const ended = { status: 401, body: { code: "unauthenticated", detail: "There is no session." } };

/** Run with a server that gives `answers` in order, each kept once the last is reached. */
async function served(answers, run) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    const { status, body } = answers.length > 1 ? answers.shift() : answers[0];
    response.writeHead(status, { "Content-Type": status < 400 ? "application/json" : "application/problem+json" });
    response.end(JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const opened = [];
  const open = (told = {}) => {
    opened.push(new Session({ base: `http://127.0.0.1:${server.address().port}`, ...told }));
    return opened.at(-1);
  };
  try {
    await run(open, asked, server);
  } finally {
    opened.forEach((one) => one.close());
    server.closeAllConnections();
    server.close();
  }
}

test("a server that is away or ails ends no session", () =>
  served([session("u", "t1"), { status: 503, body: { code: "unavailable" } }], async (open, asked, server) => {
    const one = open();
    assert.equal(await one.refresh(), true);
    await assert.rejects(one.refresh());
    server.closeAllConnections();
    server.close();
    await assert.rejects(one.refresh(), Unreachable);
    assert.deepEqual([one.token(), one.user.id], ["t1", "u"]);
  }));

test("only the server's own refusal ends it, and there is nothing to connect with then", () =>
  served([session("u", "t1"), ended], async (open) => {
    const one = open();
    await one.refresh();
    assert.equal((await one.credential({ rejected: false })).token, "t1");
    assert.equal(await one.credential({ rejected: true }), null);
    assert.equal(one.token(), null);
  }));

test("many who need a token at once ask once", () =>
  served([session("u", "t1")], async (open, asked) => {
    const one = open();
    assert.deepEqual(await Promise.all([one.refresh(), one.refresh(), one.refresh()]), [true, true, true]);
    assert.equal(asked.length, 1);
  }));

test("a cookie that has become somebody else's is not taken for one's own", () =>
  served([session("u", "t1"), session("v", "t2")], async (open) => {
    let others = 0;
    const one = open({ onOther: () => (others += 1) });
    await one.refresh();
    assert.equal(await one.refresh(), false);
    assert.deepEqual([one.token(), others], [null, 1]);
  }));

test("a sign-in is told to the tabs that have no session, and only to them", () =>
  served([session("u", "t1")], async (open) => {
    const told = [];
    const idle = await new Promise((resolve) => {
      const waiting = open({ onSignedIn: () => resolve(waiting) });
      const busy = open({ onSignedIn: () => told.push("busy") });
      busy.refresh().then(() => open().signIn({ email: "a@example.org", password: "nine quiet llamas" }));
    });
    assert.equal(idle.token(), null);
    assert.deepEqual(told, []);
  }));

test("signing out where nobody answers changes nothing; a session that has ended already is signed out", () =>
  served([session("u", "t1"), { status: 503, body: { code: "unavailable" } }, ended], async (open) => {
    const one = open();
    await one.refresh();
    await assert.rejects(one.signOut());
    assert.equal(one.token(), "t1");
    await one.signOut();
    assert.deepEqual([one.token(), one.user], [null, null]);
  }));
