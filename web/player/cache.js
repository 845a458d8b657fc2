/** The media cache: downloads by `sha256`, goes on where a download was cut off, checks before anything is shown. */

import { Unreachable } from "../shared/client.js";

const PART_BYTES = 2 * 1024 * 1024; // what a cut costs at most, and 250 parts for the largest video
const STALL_MS = 30_000;

/**
 * Why a file cannot be had. Codes: `checksum` (what came is not what the manifest names), `refused` (`status` says how;
 * 403 means that the URL has run out), `storage_full`.
 */
export class MediaFault extends Error {
  constructor(code, message, { status = null, sha256 = null } = {}) {
    super(message);
    this.name = "MediaFault";
    Object.assign(this, { code, status, sha256 });
  }
}

export class MediaCache {
  /** `hash` is `(blob) => Promise<hex>`; it runs where it does not disturb what is playing. */
  constructor({ store, hash, partBytes = PART_BYTES, stallMs = STALL_MS }) {
    Object.assign(this, { store, hash, partBytes, stallMs });
  }

  /** Whether all of it is here and verified. */
  async has(item) {
    return (await this.store.media(item.sha256))?.verified === true;
  }

  /** The verified bytes of a manifest's item, or null. A row whose parts have gone is dropped. */
  async blob(item) {
    const row = await this.store.media(item.sha256);
    if (!row?.verified) return null;
    const blob = new Blob(await this.store.parts(item.sha256), { type: item.contentType });
    if (blob.size === row.bytes) return blob;
    await this.store.dropMedia(item.sha256);
    return null;
  }

  /**
   * Have the item here and verified when this resolves. Raises MediaFault, or Unreachable when the server or the
   * network went away: then the next call goes on after the last byte that was stored.
   */
  async ensure(item, { signal = null } = {}) {
    if (await this.has(item)) return;
    try {
      const row = await this.#download(item, signal);
      await this.#verify(row, item);
    } catch (error) {
      if (error?.name === "QuotaExceededError") {
        throw new MediaFault("storage_full", "This device has no room left for the media.", item);
      }
      throw error;
    }
  }

  /** Hash again what is stored; what does not pass is dropped. Returns whether it passed. */
  async recheck(item) {
    const blob = await this.blob(item);
    if (blob === null) return false;
    if ((await this.hash(blob)) === item.sha256) return true;
    await this.store.dropMedia(item.sha256);
    return false;
  }

  /** Drop whatever is not among `items`, unfinished downloads too. Returns how many files went. */
  async keepOnly(items) {
    const wanted = new Set(items.map((item) => item.sha256));
    const others = (await this.store.allMedia()).filter((row) => !wanted.has(row.sha256));
    for (const row of others) await this.store.dropMedia(row.sha256);
    return others.length;
  }

  async #download(item, signal) {
    let row = await this.store.media(item.sha256);
    if (row && row.bytes === item.bytes && row.have === item.bytes) return row;
    if (!row || row.bytes !== item.bytes || row.have > item.bytes) row = await this.#begin(item);
    const stop = new AbortController();
    const stall = new Watchdog(this.stallMs, () => stop.abort());
    signal?.addEventListener("abort", stop.abort.bind(stop), { signal: stop.signal });
    if (signal?.aborted) stop.abort();
    try {
      const response = await ask(item, row, stop.signal);
      if (response.status === 200 && row.have > 0) row = await this.#begin(item);
      row = { ...row, etag: strong(response.headers.get("ETag")) };
      return await this.#keep(response.body.getReader(), row, stall);
    } catch (error) {
      if (error instanceof MediaFault || error?.name === "QuotaExceededError") throw error;
      throw new Unreachable("The media could not be downloaded.", error);
    } finally {
      stall.end();
      stop.abort(); // whatever is left of the answer is of no use
    }
  }

  async #begin({ sha256, bytes, contentType }) {
    await this.store.dropMedia(sha256);
    return { sha256, bytes, contentType, etag: null, have: 0, parts: 0, verified: false };
  }

  /** Store what comes, part by part; when it stops short, what has come is stored all the same. */
  async #keep(reader, row, stall) {
    let waiting = [];
    let size = 0;
    const flush = async () => {
      if (size > 0) row = await this.store.addPart(row, new Blob(waiting));
      waiting = [];
      size = 0;
    };
    try {
      for (;;) {
        const { done, value } = await reader.read();
        stall.feed();
        if (done) break;
        waiting.push(value);
        size += value.length;
        if (row.have + size > row.bytes) await this.#refuse(row, "More bytes came than the manifest names.");
        if (size >= this.partBytes) await flush();
      }
    } catch (error) {
      if (error.name !== "QuotaExceededError" && !(error instanceof MediaFault)) await flush();
      throw error;
    }
    await flush();
    if (row.have < row.bytes) throw new Unreachable("The download was cut short.");
    return row;
  }

  async #verify(row, item) {
    const blob = new Blob(await this.store.parts(row.sha256));
    if (blob.size !== row.bytes || (await this.hash(blob)) !== item.sha256) {
      await this.#refuse(row, "The file's checksum is not the manifest's.");
    }
    await this.store.putMedia({ ...row, verified: true });
  }

  async #refuse(row, message) {
    await this.store.dropMedia(row.sha256);
    throw new MediaFault("checksum", message, row);
  }
}

/** Ask for the rest of `row`, or all of it. The hash is the judge in the end; the range only saves the way. */
async function ask(item, row, signal) {
  const headers = {};
  if (row.have > 0) {
    headers.Range = `bytes=${row.have}-`;
    // Another host would need a preflight for If-Range, which storage hosts do not grant.
    if (row.etag && sameOrigin(item.url)) headers["If-Range"] = row.etag;
  }
  const response = await fetch(item.url, { headers, signal, cache: "no-store", credentials: "omit" });
  if (response.status === 200 || (response.status === 206 && startsAt(response, row.have))) return response;
  if (response.status === 206 || response.status === 416) {
    throw new MediaFault("refused", "The server sent another range than asked.", { status: 416, sha256: item.sha256 });
  }
  if (response.status === 429 || response.status >= 500) throw new Unreachable(`The server answered ${response.status}.`);
  throw new MediaFault("refused", `The server answered ${response.status}.`, {
    status: response.status,
    sha256: item.sha256,
  });
}

function startsAt(response, offset) {
  const range = /^bytes (\d+)-/.exec(response.headers.get("Content-Range") ?? "");
  return range === null || Number(range[1]) === offset; // another host may keep the header to itself
}

function sameOrigin(url) {
  return !globalThis.location || new URL(url, location.href).origin === location.origin;
}

function strong(etag) {
  return etag !== null && !etag.startsWith("W/") ? etag : null;
}

/** Calls `bark` when it was not fed for `ms`. */
class Watchdog {
  constructor(ms, bark) {
    Object.assign(this, { ms, bark });
    this.feed();
  }

  feed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.bark, this.ms);
  }

  end() {
    clearTimeout(this.timer);
  }
}
