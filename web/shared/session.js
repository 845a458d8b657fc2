/** A person's session in a page of this site: the refresh token is a cookie no script can read. */

import { Api, Problem } from "./client.js";

const EARLY_MS = 90_000; // a token that ends sooner is not worth opening a connection with

/** Credentials for `Api`, and `authenticate` for `Socket`. */
export class Session {
  user = null;
  #token = null;
  #expiresAt = 0;
  #renewing = null;

  constructor({ base = "" } = {}) {
    this.door = new Api({ base });
  }

  token() {
    return this.#token;
  }

  async register({ email, username, password }) {
    this.#take(await this.door.post("/api/auth/register", { email, username, password, cookie: true }));
  }

  async signIn({ email, password }) {
    this.#take(await this.door.post("/api/auth/login", { email, password, cookie: true }));
  }

  /** Get a new token by the cookie: false when the server refuses it; Unreachable when nobody answers. */
  refresh() {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** End the session here and, where the server can be reached, there. */
  async signOut() {
    const headers = this.#token === null ? {} : { Authorization: `Bearer ${this.#token}` };
    this.#clear();
    await this.door.post("/api/auth/logout", {}, { headers });
  }

  /** What a `Socket` authenticates with, or null when there is no session any more. */
  async credential({ rejected }) {
    const stale = rejected || this.#token === null || this.#expiresAt - Date.now() < EARLY_MS;
    if (stale && !(await this.refresh())) return null;
    return { token: this.#token, expiresAt: this.#expiresAt };
  }

  async #renew() {
    try {
      this.#take(await this.door.post("/api/auth/refresh", {}));
      return true;
    } catch (error) {
      const refused = error instanceof Problem && error.code !== null && error.status < 500 && error.status !== 429;
      if (!refused) throw error;
      this.#clear();
      return false;
    }
  }

  #take({ data }) {
    this.user = data.user;
    this.#token = data.accessToken;
    this.#expiresAt = Date.now() + data.expiresIn * 1000;
  }

  #clear() {
    this.user = null;
    this.#token = null;
    this.#expiresAt = 0;
  }
}
