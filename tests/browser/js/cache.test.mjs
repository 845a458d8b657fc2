/** The media cache against a real HTTP server that honours ranges, breaks off, and lies. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import test from "node:test";

import { MediaCache } from "../../../web/player/cache.js";
import { MemoryStore } from "../../../web/player/memory-store.js";
import { hashBlob } from "../../../web/shared/sha256.js";
import { Unreachable } from "../../../web/shared/client.js";

const FILE = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 13) % 251));
const SHA = createHash("sha256").update(FILE).digest("hex");

/** Serve FILE; `behave(request, response, start)` may answer in another way by returning true. */
async function served(behave, run, { stallMs = 60_000 } = {}) {
  const asked = [];
  const server = createServer((request, response) => {
    const { range = null, "if-range": ifRange = null } = request.headers;
    asked.push({ range, ifRange });
    const start = range && (!ifRange || ifRange === '"v1"') ? Number(/bytes=(\d+)-/.exec(range)[1]) : 0;
    if (behave(request, response, start)) return;
    send(response, start, FILE.subarray(start));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const item = {
    url: `http://127.0.0.1:${server.address().port}/media`,
    sha256: SHA,
    bytes: FILE.length,
    contentType: "video/mp4",
  };
  const store = new MemoryStore();
  const cache = new MediaCache({ store, hash: hashBlob, partBytes: 65_536, stallMs });
  try {
    await run({ item, cache, store, asked });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function head(response, start) {
  response.writeHead(start > 0 ? 206 : 200, {
    ETag: '"v1"',
    "Content-Length": FILE.length - start,
    ...(start > 0 ? { "Content-Range": `bytes ${start}-${FILE.length - 1}/${FILE.length}` } : {}),
  });
}

function send(response, start, body) {
  head(response, start);
  response.end(body);
}

const fault = (code) => (error) => error.name === "MediaFault" && error.code === code;

test("a file is here, whole and with its type, once it has been verified", async () => {
  await served(
    () => false,
    async ({ item, cache, asked }) => {
      assert.equal(await cache.blob(item), null);
      await cache.ensure(item);
      await cache.ensure(item);
      const blob = await cache.blob(item);
      assert.equal(blob.type, "video/mp4");
      assert.ok(FILE.equals(Buffer.from(await blob.arrayBuffer())));
      assert.equal(asked.length, 1);
    },
  );
});

test("a download that broke off goes on after its last byte", async () => {
  let calls = 0;
  await served(
    (request, response, start) => {
      calls += 1;
      if (calls > 1) return false;
      head(response, start);
      response.write(FILE.subarray(0, 200_000), () => response.destroy());
      return true;
    },
    async ({ item, cache, store, asked }) => {
      await assert.rejects(cache.ensure(item), Unreachable);
      const { have } = await store.media(SHA);
      assert.ok(have > 0 && have <= 200_000);
      await cache.ensure(item);
      assert.deepEqual(asked[1], { range: `bytes=${have}-`, ifRange: '"v1"' });
      assert.equal(await cache.has(item), true);
    },
  );
});

test("when the file has changed meanwhile it is fetched from the start", async () => {
  await served(
    () => false,
    async ({ item, cache, store, asked }) => {
      const row = { sha256: SHA, bytes: FILE.length, contentType: "", etag: '"v0"', have: 0, parts: 0, verified: false };
      await store.addPart(row, new Blob([new Uint8Array(1000)]));
      await cache.ensure(item);
      assert.deepEqual(asked, [{ range: "bytes=1000-", ifRange: '"v0"' }]);
      assert.equal(await cache.recheck(item), true);
    },
  );
});

test("other bytes than the manifest's are refused and not kept", async () => {
  await served(
    (request, response, start) => {
      send(response, start, Buffer.alloc(FILE.length, 1));
      return true;
    },
    async ({ item, cache, store }) => {
      await assert.rejects(cache.ensure(item), fault("checksum"));
      assert.equal(await store.media(SHA), undefined);
      assert.equal(await cache.blob(item), null);
    },
  );
});

test("more bytes than the manifest's are refused before they fill the device", async () => {
  await served(
    (request, response) => {
      response.writeHead(200);
      response.end(Buffer.concat([FILE, FILE]));
      return true;
    },
    async ({ item, cache }) => {
      await assert.rejects(cache.ensure(item), fault("checksum"));
    },
  );
});

test("a URL that has run out says so, and a server in trouble is tried again", async () => {
  for (const [status, expected] of [
    [403, fault("refused")],
    [404, fault("refused")],
    [503, (error) => error instanceof Unreachable],
  ]) {
    await served(
      (request, response) => {
        response.writeHead(status);
        response.end();
        return true;
      },
      async ({ item, cache }) => {
        await assert.rejects(cache.ensure(item), (error) => expected(error) && (error.status ?? status) === status);
      },
    );
  }
});

test("a server that falls silent does not hold the download for ever", async () => {
  await served(
    (request, response, start) => {
      head(response, start);
      response.write(FILE.subarray(0, 70_000));
      return true;
    },
    async ({ item, cache, store }) => {
      await assert.rejects(cache.ensure(item), Unreachable);
      assert.equal((await store.media(SHA)).have, 70_000);
    },
    { stallMs: 3000 },
  );
});

test("an aborted download stops, and keeps what it has", async () => {
  await served(
    (request, response, start) => {
      head(response, start);
      response.write(FILE.subarray(0, 70_000));
      return true;
    },
    async ({ item, cache, store }) => {
      const stop = new AbortController();
      const ended = assert.rejects(cache.ensure(item, { signal: stop.signal }), Unreachable);
      while (!((await store.media(SHA))?.have > 0)) await new Promise((resolve) => setTimeout(resolve, 10));
      stop.abort();
      await ended;
      const { have } = await store.media(SHA);
      assert.ok(have >= 65_536 && have <= 70_000, `${have}`);
    },
  );
});

test("only what is named is kept, and what went bad is noticed", async () => {
  await served(
    () => false,
    async ({ item, cache, store }) => {
      await cache.ensure(item);
      await store.putMedia({ sha256: "other", bytes: 1, have: 0, parts: 0, verified: false });
      assert.equal(await cache.keepOnly([item]), 1);
      assert.equal(await cache.recheck(item), true);
      await store.dropMedia(SHA);
      await store.addPart({ sha256: SHA, bytes: 3, have: 0, parts: 0, verified: true }, new Blob(["bad"]));
      assert.equal(await cache.recheck(item), false);
      assert.equal(await cache.has(item), false);
    },
  );
});

test("a device without room says so, as an error of its own", async () => {
  await served(
    () => false,
    async ({ item, cache, store }) => {
      store.addPart = async () => {
        throw new DOMException("full", "QuotaExceededError");
      };
      await assert.rejects(cache.ensure(item), fault("storage_full"));
    },
  );
});
