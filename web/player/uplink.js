/**
 * The screen's way to the server: the socket, and REST where that is not to be had. It beats, hands on what the server
 * wants, and finds out whether the screen still exists.
 */

import { Problem, Unreachable } from "../shared/client.js";
import { Socket, socketUrl } from "../shared/socket.js";

const BEAT_MS = 15_000; // until the server's hello says otherwise
const SOON_MS = 250; // several changes of one moment go out as one beat
const UNHURRIED_MS = 5000; // what is playing changes with each item: not a beat for each of many short ones
const FIRST_BY_REST_MS = 5000;
const AGAIN_AFTER_STOP_MS = 300_000; // contract, section 11: an unattended player that is told to stop

/**
 * - `report()` gives the heartbeat's fields.
 * - `onRevision(revision)`, `onCommand(command)`: what the server wants.
 * - `onLink("socket" | "rest" | "offline")`: whenever it changes, and at each new hello.
 * - `onGone()`: the server says that this screen is no more.
 */
export class Uplink {
  link = "offline";
  #beatMs = BEAT_MS;
  #beatAt = Infinity;
  #lastBeat = 0;
  #timer = null;
  #beating = false;
  #restart = null;
  #running = false;

  constructor({ api, token, clock, report, onRevision, onCommand, onLink, onGone }) {
    Object.assign(this, { api, token, clock, report, onRevision, onCommand, onLink, onGone });
    this.socket = new Socket({
      url: socketUrl("/ws/screen"),
      authenticate: ({ rejected }) => this.#authenticate(rejected),
      onHello: (hello) => this.#greeted(hello),
      onEvent: (frame) => this.#event(frame),
      onState: (change) => this.#state(change),
    });
  }

  start() {
    this.#running = true;
    this.#schedule(FIRST_BY_REST_MS);
    this.socket.start();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#restart);
    this.socket.stop();
  }

  /** The network seems to be back. */
  hurry() {
    if (!this.#running) return;
    this.socket.hurry();
    this.#schedule(SOON_MS);
  }

  /** Something in the report has changed: beat before it is due, at once if `urgent`. */
  changed(urgent) {
    if (!this.#running || this.link === "offline") return; // the first beat of the next link tells it anyway
    const gap = urgent && this.link === "socket" ? SOON_MS : UNHURRIED_MS;
    const earliest = this.#lastBeat + gap;
    this.#schedule(Math.max(urgent ? SOON_MS : 0, earliest - performance.now()));
  }

  /** Say that the command is about to run. Raises Problem or Unreachable. */
  accept(commandId) {
    if (this.socket.state === "open") return this.socket.request("command.accept", { commandId });
    return this.api.post(`/api/display/commands/${commandId}/accept`);
  }

  /** Say how it went. Raises Problem or Unreachable. */
  result(commandId, { ok, result }) {
    const said = result === null ? { ok } : { ok, result };
    if (this.socket.state === "open") return this.socket.request("command.result", { commandId, ...said });
    return this.api.post(`/api/display/commands/${commandId}/result`, said);
  }

  screenshot(commandId, jpeg) {
    return this.api.put(`/api/display/commands/${commandId}/screenshot`, jpeg, { timeoutMs: 60_000 });
  }

  /** The token has no expiry: after a refusal the question is only whether the screen is still there. */
  async #authenticate(rejected) {
    if (!rejected) return { token: this.token };
    try {
      await this.#restBeat();
    } catch (error) {
      if (error.unauthenticated) return null;
      if (error instanceof Unreachable) throw error;
    }
    return { token: this.token };
  }

  #greeted(hello) {
    this.#beatMs = (hello.limits?.screenHeartbeatSeconds ?? BEAT_MS / 1000) * 1000;
    this.#enter("socket");
    this.#schedule(0);
  }

  #event({ event, data }) {
    if (event === "manifest.changed") this.onRevision(data.revision);
    else if (event === "command") this.onCommand(data);
  }

  #state({ state, code }) {
    clearTimeout(this.#restart);
    if (state === "stopped" && code === 4401) this.#gone();
    else if (state === "stopped") this.#restart = setTimeout(() => this.socket.start(), AGAIN_AFTER_STOP_MS);
    if (state !== "open" && this.link === "socket") this.#enter("offline");
  }

  #schedule(inMs) {
    const at = performance.now() + Math.max(0, inMs);
    if (at >= this.#beatAt) return;
    clearTimeout(this.#timer);
    this.#beatAt = at;
    this.#timer = setTimeout(() => this.#beat(), Math.max(0, inMs));
  }

  async #beat() {
    this.#beatAt = Infinity;
    if (this.#beating) {
      this.#schedule(SOON_MS);
      return;
    }
    this.#beating = true;
    this.#lastBeat = performance.now();
    try {
      if (this.socket.state === "open") await this.#socketBeat();
      else await this.#restBeat();
    } catch (error) {
      this.#beatFailed(error);
    } finally {
      this.#beating = false;
      if (this.#running) this.#schedule(this.#beatMs);
    }
  }

  async #socketBeat() {
    const sentAt = performance.now();
    const beat = await this.socket.request("heartbeat", this.report());
    this.#answered(beat, sentAt, performance.now());
  }

  async #restBeat() {
    const { data, sentAt, receivedAt } = await this.api.post("/api/display/heartbeat", this.report());
    if (!this.#running) return;
    if (this.socket.state !== "open") this.#enter("rest");
    this.#answered(data, sentAt, receivedAt);
    for (const command of data.commands) this.onCommand(command);
  }

  #answered({ revision, serverTime }, sentAt, receivedAt) {
    this.clock.sample(serverTime, sentAt, receivedAt);
    this.onRevision(revision);
  }

  #beatFailed(error) {
    if (error.unauthenticated) this.#gone();
    else if (!(error instanceof Unreachable || error instanceof Problem)) throw error;
    else if (this.socket.state !== "open") this.#enter("offline");
  }

  #gone() {
    if (!this.#running) return;
    this.stop();
    this.onGone();
  }

  #enter(link) {
    if (link === this.link && link !== "socket") return;
    this.link = link;
    this.onLink(link);
  }
}
