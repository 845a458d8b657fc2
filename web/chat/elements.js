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

export const part = (selector, within = document) => within.querySelector(selector);

/** Make `list` hold exactly `nodes`, in order; those that stay are not touched, so focus and selection stay too. */
export function arrange(list, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  let at = list.firstElementChild;
  for (const node of nodes) {
    if (node === at) at = at.nextElementSibling;
    else list.insertBefore(node, at);
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
