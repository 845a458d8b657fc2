/** An image or a video ready to be put on the stage: decoded before it is shown, and able to say when it fails. */

import { sleep } from "../shared/backoff.js";

const FRAME_WITHIN_MS = 500;
const READY_WITHIN_MS = 15_000;
const STALLED_AFTER_MS = 6000;
const LOOK_EVERY_MS = 1000;
const SAME_LENGTH_MS = 250; // containers round; nobody means to cut or loop by less

/** The media cannot be shown. `code`: `undecodable` or `stalled`. */
export class Unshowable extends Error {
  constructor(code, message) {
    super(message);
    this.name = "Unshowable";
    this.code = code;
  }
}

/** Make a showable of a manifest's item and its bytes, ready to appear in the next frame. Raises Unshowable. */
export async function prepare(item, blob, { volume = 0 } = {}) {
  const showable = item.type === "video" ? new VideoShowable(item, blob, volume) : new ImageShowable(item, blob);
  try {
    await within(READY_WITHIN_MS, showable.ready());
    return showable;
  } catch (error) {
    showable.dispose();
    throw error instanceof Unshowable ? error : new Unshowable("undecodable", `The ${item.type} cannot be decoded.`);
  }
}

function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Unshowable("stalled", "The media does not get ready.")), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

class Showable {
  /** `over` resolves when it has come to an end of its own, and rejects with Unshowable when it fails on stage. */
  over = new Promise(() => {});
  playsOnce = false;

  constructor(item, element, blob) {
    this.item = item;
    this.element = element;
    this.element.className = `media ${item.fit === "cover" ? "cover" : "contain"}`;
    this.url = URL.createObjectURL(blob);
    this.element.src = this.url;
  }

  async start() {}

  setVolume() {}

  dispose() {
    this.element.remove();
    this.element.removeAttribute("src");
    URL.revokeObjectURL(this.url);
  }

  /** Draw what is visible now into a canvas of `width` x `height`, placed as the page places it. */
  draw(context, width, height) {
    const { width: w, height: h } = this.size();
    const ratios = [width / w, height / h];
    const scale = this.item.fit === "cover" ? Math.max(...ratios) : Math.min(...ratios);
    context.drawImage(this.element, (width - w * scale) / 2, (height - h * scale) / 2, w * scale, h * scale);
  }
}

class ImageShowable extends Showable {
  constructor(item, blob) {
    super(item, new Image(), blob);
    this.element.alt = "";
  }

  ready() {
    return this.element.decode();
  }

  size() {
    return { width: this.element.naturalWidth, height: this.element.naturalHeight };
  }
}

class VideoShowable extends Showable {
  constructor(item, blob, volume) {
    super(item, document.createElement("video"), blob);
    this.element.playsInline = true;
    this.element.preload = "auto";
    this.setVolume(volume);
    this.over = new Promise((resolve, reject) => Object.assign(this, { finish: resolve, fail: reject }));
    this.over.catch(() => {}); // nobody may be listening while it is only prepared
    this.element.onended = () => this.finish();
    this.element.onerror = () => this.fail(new Unshowable("undecodable", "The video cannot be decoded."));
  }

  async ready() {
    const { element } = this;
    await Promise.race([this.over, new Promise((resolve) => element.addEventListener("loadeddata", resolve))]);
    const ownMs = element.duration * 1000;
    element.loop = this.item.durationMs > ownMs + SAME_LENGTH_MS;
    this.playsOnce = !element.loop && this.item.durationMs >= ownMs - SAME_LENGTH_MS;
  }

  /** Begin to play, with sound if that is wanted and the browser lets a page that nobody has touched be heard. */
  async start() {
    try {
      await within(READY_WITHIN_MS, this.element.play());
    } catch (error) {
      if (error.name !== "NotAllowedError") throw new Unshowable("undecodable", "The video cannot be played.");
      this.element.muted = true;
      await within(READY_WITHIN_MS, this.element.play());
    }
    await this.#visible();
    this.#watch(this.element.currentTime, 0);
  }

  setVolume(volume) {
    this.element.volume = volume / 100;
    this.element.muted = volume === 0;
  }

  size() {
    return { width: this.element.videoWidth, height: this.element.videoHeight };
  }

  dispose() {
    clearTimeout(this.watching);
    this.element.onended = null;
    this.element.onerror = null;
    this.element.pause();
    super.dispose();
    this.element.load(); // frees the decoder at once, not when the collector comes round
  }

  /** Playing is not yet on screen: without its first frame a video is a black flash. Hidden pages get no frames. */
  #visible() {
    const frame = new Promise((resolve) => this.element.requestVideoFrameCallback?.(resolve) ?? resolve());
    return Promise.race([frame, sleep(FRAME_WITHIN_MS)]);
  }

  /** A page in the background may hold its videos; that is no fault of theirs. */
  #watch(lastTime, stillMs) {
    this.watching = setTimeout(() => {
      const { currentTime, ended, paused } = this.element;
      if (ended) return;
      const still = currentTime === lastTime && !document.hidden;
      if (still && stillMs >= STALLED_AFTER_MS) {
        this.fail(new Unshowable("stalled", "The video has come to a standstill."));
        return;
      }
      if (paused && !document.hidden) this.element.play().catch(() => {}); // the watch itself judges the outcome
      this.#watch(currentTime, still ? stillMs + LOOK_EVERY_MS : 0);
    }, LOOK_EVERY_MS);
  }
}
