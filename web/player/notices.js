/** What the player says about itself on its own screen: who it is, a discreet line, and the diagnostics. */

const LINE_MS = 15_000;

export class Notices {
  #identifying = null;
  #lineTimer = null;
  #diagnosing = null;

  /** `root` has the elements; `facts` gives `[[label, value], ...]` for the diagnostics. */
  constructor({ root, facts }) {
    this.facts = facts;
    this.card = root.querySelector("#identify");
    this.line = root.querySelector("#line");
    this.panel = root.querySelector("#diagnostics");
    this.idleName = root.querySelector("#idle [data-part=name]");
  }

  /** The screen's name, on the idle screen. */
  name(text) {
    this.idleName.textContent = text;
  }

  /** Show large which screen this is. */
  identify({ name, code }, forMs) {
    this.card.querySelector("[data-part=name]").textContent = name;
    this.card.querySelector("[data-part=code]").textContent = code;
    this.card.hidden = false;
    clearTimeout(this.#identifying);
    this.#identifying = setTimeout(() => {
      this.card.hidden = true;
    }, forMs);
  }

  /** One quiet line in the corner, for a while. */
  say(text) {
    this.line.textContent = text;
    this.line.hidden = false;
    clearTimeout(this.#lineTimer);
    this.#lineTimer = setTimeout(() => {
      this.line.hidden = true;
    }, LINE_MS);
  }

  /** The diagnostics come and go with the key D, or three taps in a second for a screen without a keyboard. */
  listen(target) {
    let taps = [];
    target.addEventListener("keydown", ({ key }) => key.toLowerCase() === "d" && this.toggle());
    target.addEventListener("pointerdown", ({ timeStamp }) => {
      taps = [...taps.filter((at) => timeStamp - at < 1000), timeStamp];
      if (taps.length < 3) return;
      taps = [];
      this.toggle();
    });
  }

  toggle() {
    this.panel.hidden = !this.panel.hidden;
    clearInterval(this.#diagnosing);
    if (this.panel.hidden) return;
    this.#fill();
    this.#diagnosing = setInterval(() => this.#fill(), 1000);
  }

  #fill() {
    const list = this.panel.querySelector("dl");
    list.replaceChildren(
      ...this.facts().flatMap(([label, value]) => [element("dt", label), element("dd", String(value ?? "none"))]),
    );
  }
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
