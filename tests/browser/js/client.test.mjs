/** The REST client against a real HTTP server that answers as each test says. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import test from "node:test";

import { Api, Problem, Unreachable } from "../../../web/shared/client.js";

async function served(answer, run) {
  const asked = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      asked.push({ method: request.method, path: request.url, headers: request.headers, body });
      answer(asked.at(-1), response, asked.length);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await run(`http://127.0.0.1:${server.address().port}`, asked);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function say(response, status, body, headers = {}) {
  const type = status >= 400 ? "application/problem+json" : "application/json";
  response.writeHead(status, { "Content-Type": type, ...headers });
  response.end(body === undefined ? "" : JSON.stringify(body));
}

const expired = { status: 401, code: "token_expired", detail: "The token has expired." };

test("an answer has its body, its tag and the moments it was asked and had", async () => {
  await served(
    (_, response) => say(response, 200, { name: "Lobby" }, { ETag: '"7"' }),
    async (base, asked) => {
      const { status, data, etag, sentAt, receivedAt } = await new Api({ base }).post("/api/x", { a: 1 });
      assert.deepEqual([status, data, etag], [200, { name: "Lobby" }, '"7"']);
      assert.ok(receivedAt >= sentAt);
      assert.deepEqual([asked[0].method, asked[0].body], ["POST", '{"a":1}']);
    },
  );
});

test("a refusal carries the problem's code, detail, fields and wait", async () => {
  const body = { status: 422, code: "invalid", detail: "One field is wrong.", errors: [{ path: "a" }], requestId: "r1" };
  await served(
    (_, response) => say(response, 422, body, { "Retry-After": "3" }),
    async (base) => {
      await assert.rejects(new Api({ base }).get("/api/x"), (error) => {
        assert.ok(error instanceof Problem);
        const { status, code, message, errors, requestId, retryAfterMs } = error;
        assert.deepEqual([status, code, message, requestId], [422, "invalid", "One field is wrong.", "r1"]);
        assert.deepEqual([errors, retryAfterMs], [[{ path: "a" }], 3000]);
        return true;
      });
    },
  );
});

test("a login page of something in between is no word of the server", async () => {
  await served(
    (_, response) => {
      response.writeHead(401, { "Content-Type": "text/html" });
      response.end("<h1>Welcome to the hotel</h1>");
    },
    async (base) => {
      await assert.rejects(new Api({ base }).get("/api/x"), (error) => error.status === 401 && !error.unauthenticated);
    },
  );
});

test("nobody there, and no answer in time, are told as what they are", async () => {
  await assert.rejects(new Api({ base: "http://127.0.0.1:9" }).get("/api/x"), Unreachable);
  await served(
    () => {},
    async (base) => {
      await assert.rejects(new Api({ base, timeoutMs: 100 }).get("/api/x"), Unreachable);
    },
  );
});

test("twenty calls with an expired token refresh it once, and all succeed", async () => {
  let token = "old";
  let refreshes = 0;
  const credentials = {
    token: () => token,
    refresh: async () => {
      refreshes += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
      token = "new";
      return true;
    },
  };
  await served(
    ({ headers }, response) =>
      headers.authorization === "Bearer new" ? say(response, 200, {}) : say(response, 401, expired),
    async (base) => {
      const api = new Api({ base, credentials });
      const answers = await Promise.all(Array.from({ length: 20 }, () => api.get("/api/x")));
      assert.ok(answers.every(({ status }) => status === 200));
      assert.equal(refreshes, 1);
    },
  );
});

test("when the refresh fails the refusal stands, and is not repeated", async () => {
  const credentials = { token: () => "old", refresh: async () => false };
  await served(
    (_, response) => say(response, 401, expired),
    async (base, asked) => {
      await assert.rejects(new Api({ base, credentials }).get("/api/x"), (error) => error.unauthenticated);
      assert.equal(asked.length, 1);
    },
  );
});

test("a wrong password is no reason to refresh", async () => {
  const credentials = { token: () => "good", refresh: () => assert.fail("refreshed") };
  await served(
    (_, response) => say(response, 401, { code: "invalid_credentials", detail: "Wrong." }),
    async (base) => {
      await assert.rejects(new Api({ base, credentials }).post("/api/x"), (error) => error.code === "invalid_credentials");
    },
  );
});

test("a temporary refusal is repeated with the same key, as often as was asked", async () => {
  await served(
    (_, response, n) => (n < 3 ? say(response, 503, { code: "unavailable" }) : say(response, 201, { id: "1" })),
    async (base, asked) => {
      const options = { retries: 2, idempotencyKey: "k1" };
      const { status } = await new Api({ base }).post("/api/x", {}, options);
      assert.equal(status, 201);
      assert.deepEqual(asked.map(({ headers }) => headers["idempotency-key"]), ["k1", "k1", "k1"]);
    },
  );
});
