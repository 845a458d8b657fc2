/** Waiting: back-off with full jitter, and a sleep that can be cut short. */

/**
 * Exponential back-off with full jitter: the nth wait is uniform in [0, min(cap, base * 2^n)).
 * Full jitter, because after an outage a thousand clients start from the same moment.
 */
export class Backoff {
  #attempt = 0;

  constructor({ baseMs = 1000, capMs = 60_000, random = Math.random } = {}) {
    this.baseMs = baseMs;
    this.capMs = capMs;
    this.random = random;
  }

  /** The next wait in milliseconds. */
  next() {
    const ceiling = Math.min(this.capMs, this.baseMs * 2 ** this.#attempt);
    this.#attempt = Math.min(this.#attempt + 1, 30);
    return Math.floor(this.random() * ceiling);
  }

  reset() {
    this.#attempt = 0;
  }
}

/** Resolve after `ms`, or as soon as `signal` is aborted; it never rejects and leaves no listener behind. */
export function sleep(ms, signal = null) {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms));
    signal?.addEventListener("abort", done);
  });
}
