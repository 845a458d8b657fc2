/** The pairing screen: the code, where to type it, and how long it is good for. */
export class PairingView {
  #expiresAt = null;
  #ticking = null;

  constructor({ root, clock, address }) {
    this.root = root;
    this.clock = clock;
    this.parts = Object.fromEntries(
      ["code", "address", "expiry", "note"].map((name) => [name, root.querySelector(`[data-part=${name}]`)]),
    );
    this.parts.address.textContent = address;
  }

  show() {
    this.root.hidden = false;
    clearInterval(this.#ticking);
    this.#ticking = setInterval(() => this.#tick(), 1000);
  }

  /** Show nothing any more, and keep no code: it has been used, and would be seen until there is the next. */
  hide() {
    this.root.hidden = true;
    this.code(null);
    clearInterval(this.#ticking);
  }

  /** Show the code of a pairing, or that the next one is on its way (null). */
  code(pairing) {
    const letters = [...(pairing?.code ?? "      ")];
    this.parts.code.replaceChildren(...letters.map(cell));
    this.parts.code.setAttribute("aria-label", pairing ? letters.join(" ") : "Waiting for a code");
    this.#expiresAt = pairing ? Date.parse(pairing.expiresAt) : null;
    this.#tick();
  }

  /** A quiet note below the rest, or none. */
  note(text) {
    this.parts.note.textContent = text ?? "";
  }

  #tick() {
    const left = this.#expiresAt === null ? null : Math.max(0, Math.ceil((this.#expiresAt - this.clock.now()) / 1000));
    const clock = left === null ? "" : `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    this.parts.expiry.textContent = left === null ? "Asking for a code" : `A new code comes in ${clock}`;
  }
}

function cell(letter) {
  const made = document.createElement("span");
  made.className = "cell";
  made.textContent = letter;
  return made;
}
