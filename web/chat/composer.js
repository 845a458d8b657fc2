/** Where one writes: a new message, an answer, or another wording of an old one; with files. */

import { called, el, part } from "./elements.js";

const TYPING_EVERY_MS = 3000;

export class Composer {
  #replyTo = null;
  #editing = null;
  #files = [];
  #saidTyping = 0;

  /** `onSend({content, replyTo, attachments})`, `onEdit(message, content)`, `upload(file)`, `onTyping()`, `onProblem(error)`. */
  constructor(told) {
    this.told = told;
    this.text = part("#composer textarea");
    part("#composer").onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    this.text.onkeydown = (event) => this.#key(event);
    this.text.oninput = () => this.#typing();
    part("#composer input").onchange = (event) => this.#attach(event.target);
    part("#reply button").onclick = () => this.reset();
  }

  reply(message) {
    this.reset();
    this.#replyTo = message.id;
    this.#about(`Answer to ${called(message.author)}`);
  }

  edit(message) {
    this.reset();
    this.#editing = message;
    this.text.value = message.content;
    this.#about("Another wording");
  }

  /** Empty it. */
  reset() {
    this.#replyTo = null;
    this.#editing = null;
    this.#files = [];
    this.text.value = "";
    part("#reply").hidden = true;
    this.#showFiles();
  }

  #about(words) {
    part("#reply span").textContent = words;
    part("#reply").hidden = false;
    this.text.focus();
  }

  #key(event) {
    if (event.key === "Escape") this.reset();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const content = this.text.value;
    if (content.trim() === "" && this.#files.length === 0) return;
    if (this.#editing) this.told.onEdit(this.#editing, content);
    else this.told.onSend({ content, replyTo: this.#replyTo, attachments: this.#files });
    this.reset();
    this.#saidTyping = 0;
  }

  #typing() {
    const now = Date.now();
    if (this.#editing || now - this.#saidTyping < TYPING_EVERY_MS) return;
    this.#saidTyping = now;
    this.told.onTyping();
  }

  async #attach(input) {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    try {
      this.#files = [...this.#files, await this.told.upload(file)];
      this.#showFiles();
    } catch (error) {
      this.told.onProblem(error);
    }
  }

  #showFiles() {
    const items = this.#files.map((file) => el("li", {}, `📎 ${file.name}`));
    part("#attached").replaceChildren(...items);
  }
}
