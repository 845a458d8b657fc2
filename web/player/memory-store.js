/** The store's twin for a browser that refuses IndexedDB: the screen plays, and forgets all at a reload. */
export class MemoryStore {
  durable = false;
  #state = new Map();
  #media = new Map();
  #parts = new Map();

  async get(key) {
    return this.#state.get(key);
  }

  async set(key, value) {
    this.#state.set(key, value);
  }

  async delete(key) {
    this.#state.delete(key);
  }

  async media(sha256) {
    return this.#media.get(sha256);
  }

  async allMedia() {
    return [...this.#media.values()];
  }

  async putMedia(row) {
    this.#media.set(row.sha256, row);
  }

  async addPart(row, blob) {
    const next = { ...row, have: row.have + blob.size, parts: row.parts + 1 };
    this.#parts.set(row.sha256, [...(await this.parts(row.sha256)).slice(0, row.parts), blob]);
    this.#media.set(row.sha256, next);
    return next;
  }

  async parts(sha256) {
    return this.#parts.get(sha256) ?? [];
  }

  async dropMedia(sha256) {
    this.#media.delete(sha256);
    this.#parts.delete(sha256);
  }
}
