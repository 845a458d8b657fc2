/** Pairing: shows a code until an operator has typed it, and a new one whenever it has run out. */

import { Backoff, sleep } from "../shared/backoff.js";
import { Problem } from "../shared/client.js";

const AGAIN = new Set([404, 410]); // used up, or not known any more

/**
 * Runs until it has a screen's credential. A code outlives a reload of the page: the operator may be typing it.
 * `onCode({code, expiresAt} | null)` and `onReach(boolean)` (whether the server answers) keep the view current.
 */
export class Pairing {
  constructor({ api, clock, store, player, resolution, onCode, onReach }) {
    Object.assign(this, { api, clock, store, player, resolution, onCode, onReach });
    this.backoff = new Backoff({ capMs: 15_000 }); // somebody may be standing in front of it
  }

  /**
   * Resolve with `{screenId, screenToken, name}`. The pairing stays kept until `forget`: whoever loses power before
   * the credential is written down collects it once more.
   */
  async run(signal = null) {
    let pairing = (await this.store.get("pairing")) ?? null;
    while (!signal?.aborted) {
      try {
        pairing ??= await this.#begin();
        this.onCode(pairing);
        const claim = await this.#poll(pairing);
        this.onReach(true);
        this.backoff.reset();
        if (claim !== null) return claim;
        await sleep(pairing.pollSeconds * 1000, signal);
      } catch (error) {
        if (error instanceof Problem && AGAIN.has(error.status)) pairing = null;
        else this.onReach(false);
        await sleep(Math.max(error.retryAfterMs ?? 0, this.backoff.next()), signal);
      }
    }
    return null;
  }

  forget() {
    return this.store.delete("pairing");
  }

  async #begin() {
    this.onCode(null);
    const asked = { player: this.player, resolution: this.resolution };
    const { data, headers, sentAt, receivedAt } = await this.api.post("/api/display/pairing", asked);
    this.clock.sample(Date.parse(headers.get("Date")), sentAt, receivedAt, 1000); // for the countdown, no more
    await this.store.set("pairing", data).catch(() => {}); // no room: then a reload shows another code
    return data;
  }

  async #poll({ pairingId, pollSecret }) {
    const { status, data } = await this.api.post(`/api/display/pairing/${pairingId}/claim`, { pollSecret });
    return status === 200 && data.state === "paired" ? data : null;
  }
}
