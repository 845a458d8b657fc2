/** The server's clock as seen from here: samples of `serverTime`, corrected by half the round trip. */

const KEPT = 8;
const DRIFT = 50e-6; // an ordinary quartz; an old sample is worth less than a new one of the same quality
const SLACK_MS = 50; // two honest samples may differ by this much more than their round trips explain

/**
 * Tells the server's time between samples by a clock that nobody sets (`performance.now`). Until the first
 * sample it trusts the wall clock, corrected by what was known when the page last ran.
 */
export class ServerClock {
  #samples = [];

  constructor({ wall = Date.now, steady = () => performance.now(), wallOffsetMs = 0 } = {}) {
    this.wall = wall;
    this.steady = steady;
    this.startOffsetMs = wallOffsetMs;
  }

  /** Milliseconds since 1970 by the server's clock, as well as it is known. */
  now() {
    const best = this.#best();
    return best === null ? this.wall() + this.startOffsetMs : this.steady() + best.offset;
  }

  /** Whether the server has told its time since this page began. */
  get known() {
    return this.#samples.length > 0;
  }

  /** The server's time minus this device's wall clock, in milliseconds: what to keep over a reload. */
  get wallOffsetMs() {
    return Math.round(this.now() - this.wall());
  }

  /** By how much `now` may be wrong, in milliseconds; nobody knows before the server has told its time. */
  get errorMs() {
    const best = this.#best();
    return best === null ? Infinity : this.#errorOf(best);
  }

  /**
   * Take in that the server said `serverTime` (RFC 3339 or milliseconds) between `sentAt` and `receivedAt`,
   * both of `steady()`. `granularityMs` is how coarse that time is (1,000 for an HTTP `Date`).
   */
  sample(serverTime, sentAt, receivedAt, granularityMs = 0) {
    const server = typeof serverTime === "number" ? serverTime : Date.parse(serverTime);
    if (!Number.isFinite(server) || receivedAt < sentAt) return;
    const fresh = {
      offset: server + granularityMs / 2 - (sentAt + receivedAt) / 2,
      error: (receivedAt - sentAt + granularityMs) / 2,
      at: receivedAt,
    };
    const best = this.#best();
    // Beyond what both round trips allow, a clock was set or the machine has slept: the past tells nothing any more.
    if (best !== null && Math.abs(fresh.offset - best.offset) > fresh.error + this.#errorOf(best) + SLACK_MS) {
      this.#samples = [];
    }
    this.#samples = [...this.#samples.slice(1 - KEPT), fresh];
  }

  #best() {
    let best = null;
    for (const sample of this.#samples) {
      if (best === null || this.#errorOf(sample) <= this.#errorOf(best)) best = sample;
    }
    return best;
  }

  #errorOf(sample) {
    return sample.error + (this.steady() - sample.at) * DRIFT;
  }
}
