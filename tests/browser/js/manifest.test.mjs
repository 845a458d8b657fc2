/** The manifest's way to the screen, against a real HTTP server: held, complete, ready. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import test from "node:test";

import { MediaCache } from "../../../web/player/cache.js";
import { ManifestSync } from "../../../web/player/manifest.js";
import { MemoryStore } from "../../../web/player/memory-store.js";
import { Backoff } from "../../../web/shared/backoff.js";
import { Api } from "../../../web/shared/client.js";
import { ServerClock } from "../../../web/shared/clock.js";
import { hashBlob } from "../../../web/shared/sha256.js";

/** A display server of one screen: `state.manifest` is what it wants, `state.media` what it serves by path. */
class World {
  state = { manifest: null, window: 1, media: {}, manifestStatus: null };
  asked = [];
  told = [];

  async open() {
    this.server = createServer((request, response) => this.answer(request, response));
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.base = `http://127.0.0.1:${this.server.address().port}`;
    this.store = new MemoryStore();
    return this;
  }

  answer({ url, headers }, response) {
    this.asked.push(url);
    const { manifest, window, media, manifestStatus } = this.state;
    if (url !== "/api/display/manifest") {
      response.writeHead(media[url] === undefined ? 403 : 200);
      response.end(media[url] ?? "");
      return;
    }
    const etag = `"${manifest.revision}.${window}"`;
    const problem = { "Content-Type": "application/problem+json" };
    if (manifestStatus) response.writeHead(manifestStatus, problem).end('{"code":"unauthenticated"}');
    else if (headers["if-none-match"] === etag) response.writeHead(304, { ETag: etag }).end();
    else response.writeHead(200, { "Content-Type": "application/json", ETag: etag }).end(JSON.stringify(manifest));
  }

  item(id, content = id) {
    const url = `/media/${id}?exp=${this.state.window}`;
    this.state.media[url] = content;
    const sha256 = createHash("sha256").update(id).digest("hex");
    return { id, mediaId: id, sha256, bytes: id.length, contentType: "image/png", url: this.base + url };
  }

  want(revision, ...items) {
    this.state.manifest = { revision, emergency: null, playlist: { items } };
  }

  sync() {
    const tell = (what) => (value) => this.told.push([what, value?.revision ?? value?.code ?? value]);
    return new ManifestSync({
      api: new Api({ base: this.base }),
      cache: new MediaCache({ store: this.store, hash: hashBlob }),
      clock: new ServerClock(),
      store: this.store,
      backoff: new Backoff({ baseMs: 20, capMs: 40 }),
      onHeld: tell("held"),
      onReady: tell("ready"),
      onTrouble: tell("trouble"),
      onRefused: tell("refused"),
    });
  }

  async until(look) {
    for (let tries = 0; tries < 3000; tries += 1) {
      if (look()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.fail(`never; told ${JSON.stringify(this.told)}, asked ${this.asked}`);
  }

  heard(what, revision) {
    return this.told.some(([name, value]) => name === what && value === revision);
  }
}

async function inWorld(run) {
  const world = await new World().open();
  const sync = world.sync();
  try {
    await run(world, sync);
  } finally {
    sync.stop();
    world.server.closeAllConnections();
    world.server.close();
  }
}

test("a manifest is held at once, and ready when all its media are verified", () =>
  inWorld(async (world, sync) => {
    world.want("r1", world.item("a"), world.item("b"));
    sync.start();
    await world.until(() => world.heard("ready", "r1"));
    assert.deepEqual(world.told.map(([what]) => what), ["held", "ready", "trouble"]);
    assert.deepEqual(world.told.at(-1), ["trouble", null]);
  }));

test("media that does not come out right keeps the manifest from the screen, until it does", () =>
  inWorld(async (world, sync) => {
    const bad = world.item("good-bytes", "evil-bytes");
    world.want("r1", bad);
    sync.start();
    await world.until(() => world.heard("trouble", "checksum"));
    assert.equal(world.heard("ready", "r1"), false);
    world.item("good-bytes");
    await world.until(() => world.heard("ready", "r1"));
    assert.deepEqual(world.told.at(-1), ["trouble", null]);
  }));

test("a revision that is held already is not fetched again, another one is", () =>
  inWorld(async (world, sync) => {
    world.want("r1", world.item("a"));
    sync.start();
    await world.until(() => world.heard("ready", "r1"));
    const before = world.asked.length;
    sync.want("r1");
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(world.asked.length, before);
    world.want("r2", world.item("a"), world.item("b"));
    sync.want("r2");
    await world.until(() => world.heard("ready", "r2"));
    assert.equal(world.asked.filter((path) => path.startsWith("/media/a")).length, 1);
  }));

test("URLs that have run out are fetched anew with the manifest", () =>
  inWorld(async (world, sync) => {
    world.want("r1", world.item("a"));
    const [url] = Object.keys(world.state.media);
    delete world.state.media[url];
    sync.start();
    await world.until(() => world.heard("trouble", "refused"));
    world.state.window = 2;
    world.want("r1", world.item("a"));
    await world.until(() => world.heard("ready", "r1"));
  }));

test("a newer manifest interrupts the downloads of an older one", () =>
  inWorld(async (world, sync) => {
    const missing = { ...world.item("a"), url: `${world.base}/media/nowhere` };
    world.want("r1", missing);
    sync.start();
    await world.until(() => world.heard("held", "r1"));
    world.want("r2", world.item("b"));
    sync.want("r2");
    await world.until(() => world.heard("ready", "r2"));
    assert.equal(world.heard("ready", "r1"), false);
  }));

test("after a reload the complete manifest plays, else the one that was on screen", () =>
  inWorld(async (world, sync) => {
    world.want("r1", world.item("a"));
    sync.start();
    await world.until(() => world.heard("ready", "r1"));
    await sync.applied(sync.held);
    world.want("r2", { ...world.item("b"), url: `${world.base}/media/nowhere` });
    sync.want("r2");
    await world.until(() => world.heard("held", "r2"));
    sync.stop();

    const reloaded = world.sync();
    assert.equal((await reloaded.restore()).revision, "r1");
    assert.equal(reloaded.held.revision, "r2");

    await reloaded.cache.ensure(world.item("b"));
    const later = world.sync();
    assert.equal((await later.restore()).revision, "r2");
  }));

test("what is on screen and what is to come stay in the cache, all else goes", () =>
  inWorld(async (world, sync) => {
    world.want("r1", world.item("a"));
    sync.start();
    await world.until(() => world.heard("ready", "r1"));
    await sync.applied(sync.held);
    world.want("r2", world.item("b"));
    sync.want("r2");
    await world.until(() => world.heard("ready", "r2"));
    assert.equal((await world.store.allMedia()).length, 2);
    await sync.applied(sync.held);
    assert.deepEqual((await world.store.allMedia()).map(({ bytes }) => bytes), [1]);
    assert.equal(await sync.cache.has(world.item("b")), true);
  }));

test("a server that knows the screen no more is believed when it says so itself", () =>
  inWorld(async (world, sync) => {
    world.want("r1");
    world.state.manifestStatus = 401;
    sync.start();
    await world.until(() => world.told.some(([what]) => what === "refused"));
  }));

test("the server's time is learnt from the manifest's answer", () =>
  inWorld(async (world, sync) => {
    sync.clock.wall = () => Date.now() + 86_400_000;
    world.want("r1");
    sync.start();
    await world.until(() => world.heard("ready", "r1"));
    assert.ok(Math.abs(sync.clock.now() - Date.now()) < 2000);
  }));
