/**
 * One live connection to `/ws/*`, kept up: authentication in the first frame, requests with replies, back-off,
 * a watch for silence, and the close codes' verdicts. It knows no frame but the protocol's own; what to
 * subscribe to after a hello, and from which offset, is the caller's `onHello`.
 */

import { Backoff } from "./backoff.js";
import { Problem, Unreachable } from "./client.js";
import { REAUTHENTICATE, STOP, verdictOn } from "./close-codes.js";

const HELLO_WITHIN_MS = 15_000;
const STEADY_MS = 10_000; // a connection that lived this long was a good one: the next back-off starts low
const RENEW_BEFORE_MS = 60_000;
const NORMAL = 1000;

/** The WebSocket address of `path` on the server of this page. */
export function socketUrl(path, page = location.href) {
  const url = new URL(path, page);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/**
 * States: `idle`, `connecting` (until the hello), `open`, `waiting` (for the next attempt), `stopped` (by a close
 * code that says so, or because there is no token to be had; `start()` begins anew).
 *
 * - `authenticate({rejected})` gives `{token, expiresAt?}`, or null when there is no token to be had. `rejected` says
 *   that the server has refused the last one. What it throws counts as a failed attempt. With `expiresAt`
 *   (milliseconds of this device's clock) the live connection is extended in time.
 * - `onHello(data)`, `onEvent(frame)`, `onState({state, code, retryInMs})` are told in order and must not throw.
 */
export class Socket {
  state = "idle";
  hello = null;
  #ws = null;
  #life = 0; // raised by whatever ends an attempt, so that its late callbacks find themselves out of date
  #timers = new Set();
  #pending = new Map();
  #lastId = 0;
  #heardAt = 0;
  #rejected = false;

  constructor({ url, authenticate, onHello = () => {}, onEvent = () => {}, onState = () => {}, backoff = new Backoff() }) {
    Object.assign(this, { url, authenticate, onHello, onEvent, onState, backoff });
  }

  start() {
    if (this.state !== "idle" && this.state !== "stopped") return;
    this.#rejected = false;
    this.#connect();
  }

  /** Close for good; what waits for a reply is refused. */
  stop() {
    this.#drop();
    this.#refuse(() => true);
    this.#enter("idle");
  }

  /** Do not wait out the back-off: something says that the network is back. */
  hurry() {
    if (this.state === "waiting") this.#connect();
  }

  /**
   * Send a frame and resolve with its reply's `data`; rejects with Problem, or with Unreachable when no reply
   * came within `timeoutMs` or the connection went. With `retry` the frame waits for the next connection and is
   * sent again, within `timeoutMs`: only for what the server recognises when it comes twice.
   */
  request(type, data = {}, { timeoutMs = 10_000, retry = false } = {}) {
    if (this.state !== "open" && !retry) return Promise.reject(new Unreachable("There is no connection."));
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id, new Unreachable("No reply came in time.")), timeoutMs);
      const again = (ms) => setTimeout(() => this.#pending.has(id) && this.#transmit(frame), ms);
      const frame = { id, type, data };
      this.#pending.set(id, { frame, retry, resolve, reject, again, timer });
      if (this.state === "open") this.#transmit(frame);
    });
  }

  async #connect() {
    this.#drop();
    const life = this.#life;
    this.#enter("connecting");
    let credential;
    try {
      credential = await this.authenticate({ rejected: this.#rejected });
    } catch {
      if (life === this.#life) this.#retry(null);
      return;
    }
    if (life !== this.#life) return;
    if (credential === null) {
      this.#halt(4401);
      return;
    }
    this.#rejected = false;
    this.#open(life, credential);
  }

  #open(life, credential) {
    const ws = new WebSocket(this.url);
    this.#ws = ws;
    const current = () => life === this.#life;
    this.#after(HELLO_WITHIN_MS, () => this.#lost(null));
    ws.onopen = () => current() && ws.send(JSON.stringify({ type: "auth", data: { token: credential.token } }));
    ws.onmessage = (message) => current() && this.#hear(message.data, credential);
    ws.onclose = (event) => current() && this.#lost(event.code);
  }

  #hear(text, credential) {
    this.#heardAt = performance.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return; // not ours; the server's silence watch and replies decide what the connection is worth
    }
    if ("reply" in frame) this.#reply(frame);
    else if (frame.event === "hello") this.#greet(frame.data, credential);
    else if (frame.event === "reconnect") this.#moveOn(frame.data);
    else if (frame.event) this.onEvent(frame);
  }

  #greet(hello, credential) {
    this.#clearTimers();
    this.hello = hello;
    this.#after(STEADY_MS, () => this.backoff.reset());
    this.#watch(hello.heartbeatSeconds * 1000);
    this.#renewBefore(credential.expiresAt);
    this.#enter("open");
    const waiting = [...this.#pending.values()]; // before onHello adds its own, which go out as they are made
    this.onHello(hello);
    for (const { frame } of waiting) this.#transmit(frame);
  }

  /** Ping into a silence, and give the connection up when it goes on: a half-open one closes by itself never. */
  #watch(silenceMs) {
    const silent = performance.now() - this.#heardAt;
    if (silent >= 2 * silenceMs) {
      this.#lost(null);
      return;
    }
    if (silent >= silenceMs) this.#transmit({ id: "ping", type: "ping" });
    this.#after(silenceMs / 2, () => this.#watch(silenceMs));
  }

  #renewBefore(expiresAt) {
    if (!expiresAt) return;
    this.#after(Math.max(0, expiresAt - Date.now() - RENEW_BEFORE_MS), async () => {
      try {
        const fresh = await this.authenticate({ rejected: true });
        if (fresh === null) return; // the server closes with 4401 after its grace, and that tells the rest
        await this.request("auth", { token: fresh.token });
        this.#renewBefore(fresh.expiresAt);
      } catch {
        this.#after(RENEW_BEFORE_MS / 6, () => this.#renewBefore(expiresAt));
      }
    });
  }

  #reply({ reply, ok, data, error }) {
    const pending = this.#pending.get(reply);
    if (!pending) return; // a ping's, one that came too late, or an error about a frame without an id
    if (ok) this.#settle(reply, null, data);
    else this.#refused(pending, reply, new Problem(error));
  }

  /** What is refused for a moment only goes out again; one who is muted also hears for how long, but is refused. */
  #refused(pending, id, problem) {
    if (pending.retry && problem.temporary && problem.retryAfterMs) pending.again(problem.retryAfterMs);
    else this.#settle(id, problem);
  }

  #settle(id, error, data = null) {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if (error === null) pending.resolve(data);
    else pending.reject(error);
  }

  #transmit(frame) {
    if (this.state === "open" && this.#ws.readyState === WebSocket.OPEN) this.#ws.send(JSON.stringify(frame));
  }

  /** The server is about to stop: leave when it says, and come back at once, for it has spread the moments. */
  #moveOn({ afterMs = 0 }) {
    this.#after(afterMs, () => this.#connect());
  }

  #lost(code) {
    const verdict = verdictOn(code);
    if (verdict === STOP) {
      this.#halt(code);
      return;
    }
    this.#rejected = verdict === REAUTHENTICATE;
    this.#retry(code);
  }

  #retry(code) {
    this.#drop();
    const retryInMs = this.backoff.next();
    this.#after(retryInMs, () => this.#connect());
    this.#enter("waiting", { code, retryInMs });
  }

  #halt(code) {
    this.#drop();
    this.#refuse(() => true);
    this.#enter("stopped", { code });
  }

  #refuse(which) {
    for (const [id, pending] of this.#pending) {
      if (which(pending)) this.#settle(id, new Unreachable("The connection was lost."));
    }
  }

  #drop() {
    this.#life += 1;
    this.#clearTimers();
    this.#refuse((pending) => !pending.retry);
    const ws = this.#ws;
    this.#ws = null;
    if (ws && ws.readyState <= WebSocket.OPEN) ws.close(NORMAL);
  }

  #enter(state, { code = null, retryInMs = null } = {}) {
    this.state = state;
    this.onState({ state, code, retryInMs });
  }

  #after(ms, act) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  #clearTimers() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
