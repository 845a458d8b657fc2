/** Not more often than needed: what would come in bursts goes out at a steady pace, the latest of it. */

/**
 * Runs `act(key, value)` at once, and then at most every `everyMs` for each key, with the latest value asked for.
 * What was asked meanwhile is never lost: it runs when the pause ends.
 */
export class Paced {
  #pauses = new Map(); // key -> {timer, asked, value}

  constructor(act, everyMs) {
    Object.assign(this, { act, everyMs });
  }

  ask(key, value = undefined) {
    const pause = this.#pauses.get(key);
    if (pause) Object.assign(pause, { asked: true, value });
    else this.#run(key, value);
  }

  /** Run nothing more. */
  stop() {
    for (const { timer } of this.#pauses.values()) clearTimeout(timer);
    this.#pauses.clear();
  }

  #run(key, value) {
    const pause = { asked: false, value: undefined };
    pause.timer = setTimeout(() => {
      this.#pauses.delete(key);
      if (pause.asked) this.#run(key, pause.value);
    }, this.everyMs);
    this.#pauses.set(key, pause);
    this.act(key, value);
  }
}
