/** A person's session in a page of this site: the refresh token is a cookie no script can read. */

import { Api, Problem } from "./client.js";

const EARLY_MS = 90_000; // a token that ends sooner is not worth opening a connection with
const CHANNEL = "marquee-session";

/**
 * Credentials for `Api`, and `authenticate` for `Socket`.
 *
 * The tabs of a browser share the cookie, so all of them are signed in as the same person. `onSignedIn()` is told in a
 * tab without a session when another one has got one. `onOther()` is told when the cookie has become somebody else's:
 * this tab keeps what it shows of the one person from the other, and has no session from then on.
 */
export class Session {
  user = null;
  #token = null;
  #expiresAt = 0;
  #renewing = null;
  #tabs = null;

  constructor({ base = "", onOther = () => {}, onSignedIn = () => {} } = {}) {
    Object.assign(this, { onOther, onSignedIn });
    this.door = new Api({ base });
    this.#tabs = new BroadcastChannel(CHANNEL);
    this.#tabs.onmessage = () => this.#token === null && this.onSignedIn();
  }

  token() {
    return this.#token;
  }

  async register({ email, username, password }) {
    this.#take(await this.door.post("/api/auth/register", { email, username, password, cookie: true }));
    this.#tabs.postMessage("signed in");
  }

  async signIn({ email, password }) {
    this.#take(await this.door.post("/api/auth/login", { email, password, cookie: true }));
    this.#tabs.postMessage("signed in");
  }

  /** Get a new token by the cookie: false when the server refuses it; Unreachable or Problem when nobody can say. */
  refresh() {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** End the session, there and then here; rejects where the server cannot be reached: then it goes on. */
  async signOut() {
    const headers = this.#token === null ? {} : { Authorization: `Bearer ${this.#token}` };
    try {
      await this.door.post("/api/auth/logout", {}, { headers });
    } catch (error) {
      if (!error.unauthenticated) throw error; // it has ended already
    }
    this.user = null;
    this.#clear();
  }

  /** What a `Socket` authenticates with, or null when there is no session any more. */
  async credential({ rejected }) {
    const stale = rejected || this.#token === null || this.#expiresAt - Date.now() < EARLY_MS;
    if (stale && !(await this.refresh())) return null;
    return { token: this.#token, expiresAt: this.#expiresAt };
  }

  /** Let the channel between the tabs go. */
  close() {
    this.#tabs.close();
  }

  async #renew() {
    let answer;
    try {
      answer = await this.door.post("/api/auth/refresh", {});
    } catch (error) {
      const refused = error instanceof Problem && error.code !== null && error.status < 500 && error.status !== 429;
      if (!refused) throw error;
      this.#clear();
      return false;
    }
    if (this.user !== null && this.user.id !== answer.data.user.id) {
      this.#clear();
      this.onOther();
      return false;
    }
    this.#take(answer);
    return true;
  }

  #take({ data }) {
    this.user = data.user;
    this.#token = data.accessToken;
    this.#expiresAt = Date.now() + data.expiresIn * 1000;
  }

  /** Forget the token, and not whose it was: only they may go on where the page stands. */
  #clear() {
    this.#token = null;
    this.#expiresAt = 0;
  }
}
