/**
 * What the player keeps over a reload, in IndexedDB: small state by key, and media in parts.
 *
 * IndexedDB and not the Cache API, because it is there on plain http in a LAN too, and because a download that was
 * cut off can go on after its last stored part (docs/decisions/0010-player-cache.md).
 */

import { MemoryStore } from "./memory-store.js";

const VERSION = 1;

/** Open the store; a database that cannot be opened is thrown away once, and then memory has to do. */
export async function openStore(name = "marquee-player") {
  if (!globalThis.indexedDB) return new MemoryStore();
  try {
    return new Store(await open(name), name);
  } catch {
    try {
      await settled(indexedDB.deleteDatabase(name));
      return new Store(await open(name), name);
    } catch {
      return new MemoryStore();
    }
  }
}

function open(name) {
  const request = indexedDB.open(name, VERSION);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("state");
    request.result.createObjectStore("media", { keyPath: "sha256" });
    request.result.createObjectStore("parts"); // key: [sha256, index]
  };
  return settled(request);
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new DOMException("The database is in use elsewhere.", "InvalidStateError"));
  });
}

/**
 * A media row is `{sha256, bytes, contentType, etag, have, parts, verified}`: `have` bytes lie in `parts` parts, and
 * `verified` says that all of them together have the hash. Row and part change in one transaction.
 */
class Store {
  durable = true;

  constructor(db, name) {
    this.name = name;
    this.#hold(db);
  }

  #hold(db) {
    this.db = db;
    db.onversionchange = () => db.close();
    db.onclose = () => {
      this.db = null; // the browser closed it (site data cleared, disk trouble): the next use opens it again
    };
  }

  /** The state kept under `key`, or undefined. */
  get(key) {
    return this.#run("readonly", ["state"], (tx) => tx.objectStore("state").get(key));
  }

  set(key, value) {
    return this.#run("readwrite", ["state"], (tx) => tx.objectStore("state").put(value, key));
  }

  delete(key) {
    return this.#run("readwrite", ["state"], (tx) => tx.objectStore("state").delete(key));
  }

  media(sha256) {
    return this.#run("readonly", ["media"], (tx) => tx.objectStore("media").get(sha256));
  }

  allMedia() {
    return this.#run("readonly", ["media"], (tx) => tx.objectStore("media").getAll());
  }

  putMedia(row) {
    return this.#run("readwrite", ["media"], (tx) => tx.objectStore("media").put(row));
  }

  /** Add `blob` as the next part of `row`; returns the row as it is then. */
  async addPart(row, blob) {
    const next = { ...row, have: row.have + blob.size, parts: row.parts + 1 };
    await this.#run("readwrite", ["media", "parts"], (tx) => {
      tx.objectStore("parts").put(blob, [row.sha256, row.parts]);
      return tx.objectStore("media").put(next);
    });
    return next;
  }

  /** The stored parts in order, as Blobs that are read from disk only when used. */
  parts(sha256) {
    return this.#run("readonly", ["parts"], (tx) => tx.objectStore("parts").getAll(partsOf(sha256)));
  }

  /** Remove the row and its parts; what is playing from them plays on. */
  dropMedia(sha256) {
    return this.#run("readwrite", ["media", "parts"], (tx) => {
      tx.objectStore("parts").delete(partsOf(sha256));
      return tx.objectStore("media").delete(sha256);
    });
  }

  /** Resolve with the request's result once the transaction is committed: before that nothing is kept. */
  async #run(mode, names, ask) {
    if (this.db === null) this.#hold(await open(this.name));
    return new Promise((resolve, reject) => {
      const tx = this.db.transaction(names, mode);
      const request = ask(tx);
      tx.oncomplete = () => resolve(request.result);
      tx.onabort = () => reject(tx.error ?? request.error);
    });
  }
}

function partsOf(sha256) {
  return IDBKeyRange.bound([sha256, 0], [sha256, Number.MAX_SAFE_INTEGER]);
}
