/** Files under signed addresses, which are good for an hour: asked for anew when they have run out. */

import { el } from "./elements.js";

const ADDRESS = /^\/files\/([0-9a-f]{24})(\/thumbnail)?\?(?:.*&)?exp=(\d+)/;
const UPLOAD_MS = 120_000;
const SOON_MS = 30_000; // what ends so soon is asked for anew

/** Take a signed address apart: `{id, thumbnail, expiresAt}`, or null for another one. */
export function readAddress(url) {
  const found = ADDRESS.exec(url ?? "");
  return found && { id: found[1], thumbnail: found[2] !== undefined, expiresAt: Number(found[3]) * 1000 };
}

export class FileLinks {
  #asked = new Map(); // file id -> the answer on its way

  /** `aheadMs` is how far the server's clock is ahead of this device's. */
  constructor(api, aheadMs = 0) {
    Object.assign(this, { api, aheadMs });
  }

  /** Upload a file to be sent or shown; gives it as the API does. */
  async upload(file) {
    const form = new FormData();
    form.append("file", file);
    return (await this.api.post("/api/files/upload", form, { timeoutMs: UPLOAD_MS })).data;
  }

  hasEnded(url) {
    const address = readAddress(url);
    return address !== null && address.expiresAt - SOON_MS < Date.now() + this.aheadMs;
  }

  /** A fresh address of what `url` is one of; rejects as Api does, where the file is gone or out of sight. */
  async fresh(url) {
    const { id, thumbnail } = readAddress(url);
    if (!this.#asked.has(id)) {
      const answer = this.api.get(`/api/files/${id}`, { retries: 2 }).finally(() => this.#asked.delete(id));
      this.#asked.set(id, answer);
    }
    const { data } = await this.#asked.get(id);
    return (thumbnail ? data.thumbnailUrl : null) ?? data.url;
  }

  /** A picture that asks for a fresh address when it cannot be loaded; `onFail` when that does not help. */
  picture(url, alt, onFail = () => {}) {
    let renewed = false;
    const image = el("img", { src: url, alt, loading: "lazy" });
    image.onload = () => {
      renewed = false;
    };
    image.onerror = async () => {
      try {
        if (renewed || readAddress(url) === null) throw new Error("not to be had");
        renewed = true;
        image.src = await this.fresh(url);
      } catch {
        onFail();
      }
    };
    return image;
  }

  /** A link that asks for a fresh address when it is followed too late; what is not shown is `saved` under its name. */
  link(url, saved, ...children) {
    const link = el("a", { href: url, target: "_blank", rel: "noopener", download: saved }, ...children);
    let isFresh = false;
    link.onclick = async (event) => {
      if (isFresh || !this.hasEnded(link.getAttribute("href"))) return;
      event.preventDefault();
      link.href = await this.fresh(url).catch(() => url); // the server then says itself why not
      isFresh = true;
      link.click();
      isFresh = false;
    };
    return link;
  }
}
