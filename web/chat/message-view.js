/** One message as an element. */

import { reason, twice } from "./dialogs.js";
import { called, el, hour, moment } from "./elements.js";
import { written } from "./text.js";

const EMOJI = ["👍", "❤️", "😂", "🎉"];

/**
 * Makes the elements of messages. `me` is one's own profile, `files` a FileLinks; `act` has what one can do:
 * `react(message, emoji, on)`, `reply`, `edit`, `remove`, `pin(message, on)`, `thread(id)`, `jump(seq)`,
 * `resend(draft)`, `discard(draft)`; `mayWrite()` tells whether one can do anything but remove, `mayRemove(isMine)` that.
 */
export class MessageView {
  constructor({ me, files, act }) {
    Object.assign(this, { me, files, act });
  }

  /** A message of the room, or what is left of it. */
  message(message) {
    const given = { "data-id": message.id, "data-seq": String(message.seq), tabIndex: -1 };
    if (message.deleted) return el("li", { className: "message deleted", ...given }, "This message was deleted.");
    const mentioned = message.mentions.includes(this.me.id);
    return el(
      "li",
      { className: mentioned ? "message mentioned" : "message", ...given },
      this.avatar(message.author),
      el(
        "div",
        { className: "body" },
        this.#head(message),
        message.replyTo ? this.#quote(message.replyTo) : null,
        el("div", { className: "content", dir: "auto" }, ...written(message.content, this.me.username)),
        ...message.attachments.map((file) => this.#attachment(file)),
        this.#flags(message),
        this.#reactions(message),
        this.#answers(message),
      ),
      this.#tools(message),
    );
  }

  /** What was written here and has no answer yet, or a refusal. */
  draft(draft) {
    const failed = draft.state === "failed";
    const button = (words, act) => el("button", { className: "plain", onclick: () => act(draft) }, words);
    return el(
      "li",
      { className: failed ? "message failed" : "message pending" },
      this.avatar(this.me),
      el(
        "div",
        { className: "body" },
        el("div", { className: "head" }, el("span", { className: "author" }, called(this.me))),
        el("div", { className: "content", dir: "auto" }, draft.content || draft.attachments.map((file) => file.name).join(", ")),
        failed ? el("span", { className: "problem" }, reason(draft.error)) : el("span", { className: "flags" }, "not sent yet"),
        failed ? button("Try again", this.act.resend) : null,
        failed ? button("Discard", this.act.discard) : null,
      ),
    );
  }

  /** Whether one has written a message, which may be none, and has not deleted it. */
  isMine(message) {
    return message?.author?.id === this.me.id && !message.deleted;
  }

  /** A message in short, in a list beside the room; it leads to its place. */
  card(message, room = null) {
    const where = room === null ? "" : ` in ${room}`;
    return el(
      "li",
      { className: "card", "data-id": message.id },
      el(
        "button",
        { className: "plain", onclick: () => this.act.jump(message) },
        el("span", { className: "head" }, `${called(message.author)}${where}, ${moment(message.createdAt)}`),
        el("span", { className: "content", dir: "auto" }, message.content || "(files)"),
      ),
    );
  }

  /** A person as they are now, where that is known sooner here: oneself. */
  #present(person) {
    return person.id === this.me.id ? this.me : person;
  }

  avatar(author) {
    const person = this.#present(author);
    const initial = el("span", { className: "avatar", "aria-hidden": "true" }, [...called(person)][0].toUpperCase());
    if (!person.avatarUrl) return initial;
    const image = this.files.picture(person.avatarUrl, "", () => image.replaceWith(initial));
    image.className = "avatar";
    return image;
  }

  #head(message) {
    const { createdAt } = message;
    const given = { dateTime: createdAt, title: new Date(createdAt).toLocaleString(), "data-hour": hour(createdAt) };
    return el(
      "div",
      { className: "head" },
      el("span", { className: "author" }, called(this.#present(message.author))),
      el("time", given, moment(createdAt)),
    );
  }

  #quote({ author, excerpt, seq }) {
    const words = excerpt === null ? "a deleted message" : `${called(author)}: ${excerpt || "(files)"}`;
    return el("button", { className: "quote", dir: "auto", title: "Show it", onclick: () => this.act.jump({ seq }) }, words);
  }

  /** A file: its picture where the server has made one of it, which it does of what it can show; else its name. */
  #attachment(file) {
    const words = `${file.name} (${size(file.bytes)})`;
    if (file.thumbnailUrl === null) {
      const isShown = /^(image|audio|video)\//.test(file.contentType);
      return el("div", {}, this.files.link(file.url, isShown ? null : file.name, words));
    }
    const image = this.files.picture(file.thumbnailUrl, file.name, () => {
      link.replaceChildren(words);
      link.dispatchEvent(new Event("load")); // as a picture does that changes the height of the conversation
    });
    const link = this.files.link(file.url, null, image);
    return el("div", {}, link);
  }

  #flags({ editedAt, pinned }) {
    const flags = [editedAt ? "edited" : null, pinned ? "pinned" : null].filter(Boolean);
    return flags.length > 0 ? el("div", { className: "flags" }, flags.join(", ")) : null;
  }

  #reactions(message) {
    const disabled = !this.act.mayWrite();
    const buttons = message.reactions.map(({ emoji, userIds }) => {
      const mine = userIds.includes(this.me.id);
      const onclick = () => this.act.react(message, emoji, !mine);
      const given = { "aria-pressed": String(mine), "aria-label": `${emoji}, ${userIds.length}`, "data-key": `r${emoji}` };
      return el("button", { className: mine ? "mine" : "", disabled, onclick, ...given }, `${emoji} ${userIds.length}`);
    });
    return el("div", { className: "reactions" }, ...buttons);
  }

  #answers({ id, replyCount }) {
    if (!replyCount) return null;
    const words = replyCount === 1 ? "1 reply" : `${replyCount} replies`;
    return el("button", { className: "answers", onclick: () => this.act.thread(id), "data-key": "answers" }, words);
  }

  #tools(message) {
    const { act } = this;
    const mine = message.author.id === this.me.id;
    const tool = (words, onclick = null) => el("button", { className: "plain", onclick, "data-key": words }, words);
    const tools = [];
    if (act.mayWrite()) {
      tools.push(...EMOJI.map((emoji) => tool(emoji, () => act.react(message, emoji, true))));
      tools.push(tool("Reply", () => act.reply(message)));
      tools.push(message.pinned ? tool("Unpin", () => act.pin(message, false)) : tool("Pin", () => act.pin(message, true)));
      if (mine) tools.push(tool("Edit", () => act.edit(message)));
    }
    if (act.mayRemove(mine)) {
      const remove = tool("Delete");
      twice(remove, () => act.remove(message));
      tools.push(remove);
    }
    if (tools.length === 0) return null;
    return el("div", { className: "tools", role: "group", "aria-label": "What to do with it" }, ...tools);
  }
}

function size(bytes) {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
