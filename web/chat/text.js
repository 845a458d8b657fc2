/** What people wrote, with its links and names made plain: nodes of text, never markup. */

import { el } from "./elements.js";

const NOTED = /(https?:\/\/[^\s<>"]*[^\s<>".,;:!?'()[\]])|(@[A-Za-z0-9_.-]{2,31}[A-Za-z0-9_-])/g;

/** Cut text into pieces: `{kind: "text" | "link" | "name", text}`. */
export function pieces(content) {
  const found = [];
  let at = 0;
  for (const match of content.matchAll(NOTED)) {
    if (match.index > at) found.push({ kind: "text", text: content.slice(at, match.index) });
    found.push({ kind: match[1] ? "link" : "name", text: match[0] });
    at = match.index + match[0].length;
  }
  if (at < content.length) found.push({ kind: "text", text: content.slice(at) });
  return found;
}

/** The nodes that show `content`; `myName` is the reader's own username. */
export function written(content, myName) {
  return pieces(content).map(({ kind, text }) => {
    if (kind === "link") return el("a", { href: text, target: "_blank", rel: "noopener noreferrer" }, text);
    if (kind === "text") return document.createTextNode(text);
    const mine = text.slice(1).toLowerCase() === myName.toLowerCase();
    return el("span", { className: mine ? "name me" : "name" }, text);
  });
}
