/** Draws what the screen shows now: a page cannot photograph itself, so it paints the same things once more. */

import { lengthOf } from "./emergency.js";

const LONGEST_SIDE = 1920;
const QUALITY = 0.85; // a full-HD frame stays far below the 5 MiB that the server takes

/** A JPEG Blob of the stage, and of the emergency over it when there is one. */
export async function takeScreenshot({ stage, emergency }) {
  const { clientWidth, clientHeight } = stage.root;
  const scale = Math.min(1, LONGEST_SIDE / Math.max(clientWidth, clientHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(clientWidth * scale));
  canvas.height = Math.max(1, Math.round(clientHeight * scale));
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  if (emergency.shown) drawEmergency(context, emergency, width, height);
  else if (stage.current) stage.current.draw(context, width, height);
  else drawIdle(context, stage.idle, width, height);
  const jpeg = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  if (jpeg === null) throw new Error("The picture could not be made.");
  return { jpeg, width, height };
}

function drawIdle(context, idle, width, height) {
  context.fillStyle = "#10141c";
  context.fillRect(0, 0, width, height);
  context.fillStyle = "#c9d2e3";
  words(context, idle.innerText, { x: width / 2, y: height / 2, width: width * 0.8, size: height / 18 });
}

function drawEmergency(context, view, width, height) {
  const style = getComputedStyle(view.root);
  context.fillStyle = style.backgroundColor;
  context.fillRect(0, 0, width, height);
  if (view.background) {
    view.background.draw(context, width, height);
    context.fillStyle = "rgb(0 0 0 / 60%)"; // as in overlays.css
    context.fillRect(0, 0, width, height);
  }
  context.fillStyle = style.color;
  const { title, message } = view.shown;
  const unit = Math.min(width, height) * { short: 1, medium: 0.8, long: 0.6 }[lengthOf(view.shown)];
  const x = width / 2;
  const below = words(context, title, { x, y: height * 0.22, width: width * 0.9, size: unit * 0.13, bold: true });
  words(context, message, { x, y: below + height * 0.04, width: width * 0.84, size: unit * 0.056 });
}

/** Write `text` centred and wrapped from `y` on; returns where it ends. */
function words(context, text, { x, y, width, size, bold = false }) {
  context.font = `${bold ? "700 " : ""}${Math.round(size)}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "top";
  let at = y;
  for (const line of text.split("\n").flatMap((paragraph) => wrapped(context, paragraph, width))) {
    context.fillText(line, x, at);
    at += size * 1.25;
  }
  return at;
}

function wrapped(context, paragraph, width) {
  const lines = [];
  let line = "";
  for (const word of paragraph.split(/\s+/)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && context.measureText(longer).width > width) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}
