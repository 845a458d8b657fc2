/** What the screen says of itself in each heartbeat. */

const REASON_LENGTH = 200;

export class Report {
  appliedRevision = null;
  emergencyId = null;
  nowPlaying = null;
  #troubles = new Map();

  /** `metrics` gives `{name: number}`; `onChange` is told that the next beat should not wait its turn. */
  constructor({ metrics, onChange }) {
    Object.assign(this, { metrics, onChange });
  }

  /** Take over changed fields. */
  set(fields) {
    const before = JSON.stringify([this.appliedRevision, this.emergencyId, this.nowPlaying]);
    Object.assign(this, fields);
    if (JSON.stringify([this.appliedRevision, this.emergencyId, this.nowPlaying]) === before) return;
    this.onChange("appliedRevision" in fields || "emergencyId" in fields);
  }

  /** Something is wrong with `what` (null: no longer). The status is `error` as long as anything is. */
  trouble(what, reason) {
    if ((this.#troubles.get(what) ?? null) === reason) return;
    if (reason === null) this.#troubles.delete(what);
    else this.#troubles.set(what, reason);
    this.onChange(false);
  }

  /** Forget all troubles whose name begins with `prefix`. */
  clear(prefix) {
    for (const what of [...this.#troubles.keys()]) if (what.startsWith(prefix)) this.trouble(what, null);
  }

  get troubles() {
    return [...this.#troubles.values()];
  }

  /** The heartbeat's fields (contract, section 11). */
  data() {
    const reasons = [...new Set(this.#troubles.values())].join(" ");
    const status = reasons === "" ? { status: "online" } : { status: "error", reason: reasons.slice(0, REASON_LENGTH) };
    const applied = this.appliedRevision === null ? {} : { appliedRevision: this.appliedRevision };
    const { emergencyId, nowPlaying } = this;
    return { ...status, ...applied, emergencyId, nowPlaying, metrics: this.metrics() };
  }
}
