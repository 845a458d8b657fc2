/** Elements, with what people wrote as text only: nothing here parses markup. */

/** Make a `tag` with properties; `on*` are listeners, `data-*` and `aria-*` attributes; children are nodes or text. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.includes("-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export const part = (selector) => document.querySelector(selector);

/** How a person is called. */
export const called = (card) => card?.displayName || card?.username || "somebody";
