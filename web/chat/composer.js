/**
 * Where one writes: a new message, a reply, or another wording of an old one; with files. Words and files that are begun
 * stay with their room; a reply and an edit end when another is opened.
 */

import { reason } from "./dialogs.js";
import { called, el, part } from "./elements.js";
import { Names } from "./names.js";

const TYPING_EVERY_MS = 3000;
const MOST_FILES = 10;
const MOST_CHARACTERS = 4000; // code points, as the server counts

export class Composer {
  #draft = { words: "", files: [] }; // the open room's; a file is {name, file | null}, null while it is on its way
  #drafts = new Map(); // room id -> what was begun there
  #replyTo = null;
  #editing = null;
  #sendsSoon = false; // what is written goes out when its files are there
  #saidTyping = 0;

  /**
   * `told` has `onSend({content, replyTo, attachments})`, `onEdit(message, content)`, `onTyping()`, `onProblem(error)`,
   * null for an attempt that takes back what was said, `upload(file)`, which gives what is attached then, and
   * `members()`, who can be named.
   */
  constructor(told) {
    this.told = told;
    this.form = part("#composer");
    this.text = part("#composer textarea");
    this.form.onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    this.names = new Names(this.text, told.members);
    this.text.onkeydown = (event) => this.names.key(event) || this.#key(event);
    this.text.oninput = () => this.#typing();
    part("#reply button").onclick = () => this.#end();
    this.#takeFiles();
  }

  /** Go on in a room with what was begun there. */
  turnTo(roomId) {
    this.#leave();
    this.#draft.words = this.text.value;
    this.#draft = this.#drafts.get(roomId) ?? { words: "", files: [] };
    this.#drafts.set(roomId, this.#draft);
    this.text.value = this.#draft.words;
    this.#showFiles();
  }

  /** Say why nobody can write here, or null; `onJoin` where joining helps. A reply or an edit is not begun any more. */
  bar(why, onJoin = null) {
    if (why !== null && (this.#replyTo || this.#editing)) this.#end();
    const [words, join] = part("#barred").children;
    part("#barred").hidden = why === null;
    words.textContent = why ?? "";
    join.hidden = onJoin === null;
    join.onclick = onJoin;
    this.form.hidden = why !== null;
  }

  reply(message) {
    this.#leave();
    this.#replyTo = message.id;
    this.#about(`Reply to ${called(message.author)}`);
  }

  edit(message) {
    this.#leave();
    this.#draft.words = this.text.value;
    this.#editing = message;
    this.text.value = message.content;
    this.#about("Edit message");
  }

  /** Neither reply nor edit any more. The words begun before an edit are back, those begun for a reply stay. */
  #end() {
    if (this.#editing) this.text.value = this.#draft.words;
    this.#replyTo = null;
    this.#editing = null;
    this.#sendsSoon = false;
    part("#reply").hidden = true;
    this.names.close();
  }

  /** Turn to something else. What was to go out when its files are there waits, and that is said. */
  #leave() {
    const words = "What you wrote is not sent yet: its files were on their way. It is kept where you wrote it.";
    if (this.#sendsSoon) this.told.onProblem(new Error(words));
    this.#end();
  }

  #about(words) {
    part("#reply span").textContent = words;
    part("#reply").hidden = false;
    this.text.focus();
  }

  #key(event) {
    if (event.key === "Escape") this.#end();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const content = this.text.value;
    const files = this.#editing ? [] : this.#draft.files;
    this.#sendsSoon = files.some(({ file }) => file === null);
    if (this.#sendsSoon) return;
    if (content.trim() === "" && files.length === 0) return;
    this.told.onProblem(null);
    const length = [...content].length;
    if (length > MOST_CHARACTERS) {
      this.told.onProblem(new Error(`A message has at most ${MOST_CHARACTERS} characters; this one has ${length}.`));
      return;
    }
    if (this.#editing) this.told.onEdit(this.#editing, content);
    else this.#send(content, files);
    this.#end();
    this.text.focus();
  }

  #send(content, files) {
    this.told.onSend({ content, replyTo: this.#replyTo, attachments: files.map(({ file }) => file) });
    this.text.value = "";
    this.#draft.files = [];
    this.#showFiles();
  }

  /** Say that one writes, every few seconds, however many messages are sent meanwhile. */
  #typing() {
    const now = Date.now();
    if (this.#editing || this.text.value === "" || now - this.#saidTyping < TYPING_EVERY_MS) return;
    this.#saidTyping = now;
    this.told.onTyping();
  }

  /** Files come by the button, pasted, or dropped on the conversation. */
  #takeFiles() {
    const input = part("#composer input");
    input.onchange = () => {
      this.#attach([...input.files]);
      input.value = "";
    };
    this.text.onpaste = (event) => this.#given(event, event.clipboardData);
    part("#room").ondragover = (event) => event.preventDefault();
    part("#room").ondrop = (event) => this.#given(event, event.dataTransfer);
  }

  #given(event, { files }) {
    if (files.length === 0 || this.form.hidden) return;
    event.preventDefault();
    this.#attach([...files]);
  }

  /** Upload files for what is begun in the open room; another room may be open when they are there. */
  async #attach(files) {
    const draft = this.#draft;
    const free = Math.max(0, MOST_FILES - draft.files.length);
    const taken = files.slice(0, free).map((each) => ({ name: each.name, file: null, each }));
    const refused = [];
    const refuse = (words) => {
      refused.push(words);
      this.told.onProblem(new Error(refused.join(" ")));
    };
    this.told.onProblem(null);
    if (files.length > free) refuse(`A message carries at most ${MOST_FILES} files.`);
    draft.files = [...draft.files, ...taken];
    this.#showFiles();
    for (const one of taken) {
      if (!draft.files.includes(one)) continue;
      let isThere = true;
      try {
        one.file = await this.told.upload(one.each);
        one.each = null; // a draft may be kept for long
      } catch (error) {
        isThere = false;
        draft.files = draft.files.filter((other) => other !== one);
        refuse(`${one.name} was not attached. ${reason(error)}`);
      }
      if (draft === this.#draft) this.#attached(isThere);
    }
  }

  #attached(isThere) {
    this.#showFiles();
    if (!isThere) this.#sendsSoon = false;
    if (this.#sendsSoon) this.#submit();
  }

  #showFiles() {
    const draft = this.#draft;
    const items = draft.files.map((one) => {
      const remove = () => {
        draft.files = draft.files.filter((other) => other !== one);
        this.#showFiles();
      };
      const words = one.file === null ? `${one.name} is being uploaded…` : one.name;
      const given = { className: "plain", "aria-label": `Remove ${one.name}`, onclick: remove };
      return el("li", {}, words, el("button", given, "✕"));
    });
    part("#attached").replaceChildren(...items);
  }
}
