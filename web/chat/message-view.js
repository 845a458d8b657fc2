/** One message as an element. */

import { called, el } from "./elements.js";

const EMOJI = ["👍", "❤️", "😂", "🎉"];

/** A message of the room; `act` has what one can do with it: react, reply, edit, remove. */
export function messageView(message, myId, act) {
  if (message.deleted) {
    return el("li", { className: "message deleted", "data-id": message.id }, "This message was deleted.");
  }
  return el(
    "li",
    { className: "message", "data-id": message.id },
    el(
      "div",
      { className: "head" },
      el("span", { className: "author" }, called(message.author)),
      el("time", { dateTime: message.createdAt }, clock(message.createdAt)),
      message.editedAt ? el("span", { className: "edited" }, "edited") : null,
    ),
    message.replyTo ? quote(message.replyTo) : null,
    el("div", { className: "content", dir: "auto" }, message.content),
    ...message.attachments.map(attachment),
    reactions(message, myId, act),
    tools(message, myId, act),
  );
}

/** What was written here and has no answer yet, or a refusal. */
export function pendingView(draft, { resend, discard }) {
  const failed = draft.state === "failed";
  return el(
    "li",
    { className: failed ? "message failed" : "message pending" },
    el("div", { className: "content", dir: "auto" }, draft.content),
    failed ? el("span", { className: "problem" }, draft.error.message) : null,
    failed ? el("button", { className: "plain", onclick: () => resend(draft) }, "Try again") : null,
    failed ? el("button", { className: "plain", onclick: () => discard(draft) }, "Discard") : null,
  );
}

function clock(time) {
  return new Date(time).toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

function quote({ author, excerpt }) {
  const words = excerpt === null ? "a deleted message" : `${called(author)}: ${excerpt}`;
  return el("div", { className: "quote", dir: "auto" }, words);
}

function attachment(file) {
  const link = el("a", { href: file.url, target: "_blank", rel: "noopener" });
  if (file.contentType.startsWith("image/")) {
    link.append(el("img", { src: file.thumbnailUrl ?? file.url, alt: file.name, loading: "lazy" }));
  } else link.append(`${file.name} (${Math.ceil(file.bytes / 1024)} KB)`);
  return el("div", {}, link);
}

function reactions(message, myId, act) {
  const buttons = message.reactions.map(({ emoji, userIds }) => {
    const mine = userIds.includes(myId);
    const onclick = () => act.react(message, emoji, !mine);
    return el("button", { className: mine ? "mine" : "", onclick, "aria-pressed": String(mine) }, `${emoji} ${userIds.length}`);
  });
  return el("div", { className: "reactions" }, ...buttons);
}

function tools(message, myId, act) {
  const tool = (words, onclick) => el("button", { className: "plain", onclick }, words);
  const mine = message.author.id === myId;
  return el(
    "div",
    { className: "tools" },
    ...EMOJI.map((emoji) => tool(emoji, () => act.react(message, emoji, true))),
    tool("Reply", () => act.reply(message)),
    mine ? tool("Edit", () => act.edit(message)) : null,
    mine || act.mayModerate() ? tool("Delete", () => act.remove(message)) : null,
  );
}
