/** Elements, with what people wrote as text only: nothing here parses markup. */

/** Make a `tag` with properties; `on*` are listeners, `data-*` and `aria-*` attributes; children are nodes or text. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const waiting = new WeakMap(); // list -> how it will stand when nobody presses it any more

export const part = (selector, within = document) => within.querySelector(selector);

/**
 * Make `list` hold exactly `nodes`, in order. What stays is not made anew, and what is pressed just now or has the focus
 * is not even moved, for it would lose both: the others go around it.
 */
export function arrange(list, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  const isHeld = (one) => one.matches(":active") || one.contains(document.activeElement);
  const held = nodes.findIndex((one) => one.parentNode === list && isHeld(one));
  settle(list, nodes.slice(held + 1), null);
  if (held > 0) settle(list, nodes.slice(0, held), nodes[held]);
}

/** As `arrange`, but a list that is pressed keeps its order until it is let go: what is under the finger stays there. */
export function arrangeAtRest(list, nodes) {
  if (!list.matches(":active")) {
    waiting.delete(list);
    arrange(list, nodes);
    return;
  }
  if (!waiting.has(list)) {
    const atRest = () => waiting.has(list) && arrangeAtRest(list, waiting.get(list));
    addEventListener("pointerup", () => setTimeout(atRest), { once: true }); // after the click
  }
  waiting.set(list, nodes);
}

/** Have `nodes` stand in order before `end`, or last in the list. */
function settle(list, nodes, end) {
  let next = end;
  for (const node of nodes.reverse()) {
    if (node.parentNode !== list || node.nextElementSibling !== next) list.insertBefore(node, next);
    next = node;
  }
}

/** How a person is called. */
export const called = (card) => card?.displayName || card?.username || "somebody";

const HOUR = { hour: "numeric", minute: "2-digit" };

/** At what hour something was. */
export const hour = (time) => new Date(time).toLocaleTimeString([], HOUR);

/** When something was, in words: the hour, and the day where it was not today. */
export function moment(time) {
  const at = new Date(time);
  const today = at.toDateString() === new Date().toDateString();
  return today ? hour(time) : at.toLocaleString([], { day: "numeric", month: "short", ...HOUR });
}

/** How long `ms` is, in the largest units that say it well enough: "50 s", "9 min", "2 h", "3 days". */
export function duration(ms) {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 36 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}
