/** Carries out the operators' commands: accepted before they run, run once per id, reported until the server has it. */

const REMEMBERED = 200; // far more than can be unfinished within the minutes that a command lives

/** Raised by an action that cannot do what it was asked; the message goes to the operator. */
export class CommandFailed extends Error {}

/**
 * `actions` maps a command's name to `async (args, command) => ({result?, after?})`. `after` runs when the outcome is
 * written down but not yet reported, for what ends this page: the page that comes after it reports.
 */
export class Commands {
  #outcomes = null;
  #queue = Promise.resolve();
  #queued = new Set();

  constructor({ store, uplink, actions, onTrouble }) {
    Object.assign(this, { store, uplink, actions, onTrouble });
  }

  /** Take in a command that may have come before. One runs at a time, in the order they came. */
  receive(command) {
    if (this.#queued.has(command.id)) return this.#queue;
    this.#queued.add(command.id);
    return this.#enqueue(() => this.#handle(command).finally(() => this.#queued.delete(command.id)));
  }

  /** Report what could not be reported yet. */
  flush() {
    return this.#enqueue(async () => {
      for (const outcome of await this.#load()) if (!outcome.reported) await this.#report(outcome);
    });
  }

  #enqueue(work) {
    this.#queue = this.#queue.then(work).catch((error) => this.onTrouble(error));
    return this.#queue;
  }

  async #handle(command) {
    const known = (await this.#load()).find(({ id }) => id === command.id);
    if (known) {
      await this.#report(known); // the server has not heard: it would not ask again
      return;
    }
    try {
      await this.uplink.accept(command.id); // the server judges by its own clock whether it is too late
    } catch {
      return; // it is, or the link is gone: then it comes again with the next one
    }
    const { ok, result = null, after = null } = await this.#run(command);
    const outcome = { id: command.id, ok, result, reported: false };
    await this.#remember(outcome);
    if (after === null || !this.store.durable) await this.#report(outcome);
    after?.();
  }

  async #run(command) {
    const action = this.actions[command.name];
    try {
      if (!action) throw new CommandFailed("This player does not know that command.");
      return { ok: true, ...(await action(command.args ?? {}, command)) };
    } catch (error) {
      return { ok: false, result: { error: error.message } };
    }
  }

  async #report(outcome) {
    try {
      await this.uplink.result(outcome.id, outcome);
    } catch (error) {
      if (!error.status || error.temporary || error.unauthenticated) return; // with the next link
    }
    outcome.reported = true; // also when the server wants it no more: expired, or deleted
    await this.#save();
  }

  async #remember(outcome) {
    this.#outcomes = [...(await this.#load()), outcome].slice(-REMEMBERED);
    await this.#save();
  }

  async #load() {
    this.#outcomes ??= (await this.store.get("commands")) ?? [];
    return this.#outcomes;
  }

  #save() {
    return this.store.set("commands", this.#outcomes);
  }
}
