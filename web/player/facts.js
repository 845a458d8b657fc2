/** What the diagnostics (the key D) show of a player. */

import { PLAYER } from "./player.js";

/** Return the pairs of name and text of the diagnostics; `room` is what the browser has said of its storage. */
export function factsOf(player, room) {
  const { sync, report, uplink, shell, store, clock, identity, errors } = player;
  return [
    ["Player", `${PLAYER.name} ${PLAYER.version}`],
    ["Screen", identity.code ? `${identity.name} (${identity.code})` : "not paired"],
    ["Connection", uplink?.link],
    ["Wanted revision", sync?.held?.revision],
    ["Applied revision", report.appliedRevision],
    ["Troubles", report.troubles.join(" ") || "none"],
    ["Server's time", `${new Date(clock.now()).toISOString().slice(0, 19)}Z, ${clockWords(clock)}`],
    ["Kept over a reload", store.durable ? "state and media" : "nothing"],
    ["Reload offline", shell.limit ?? "yes"],
    ["Storage", room.storageQuotaBytes ? `${megabytes(room.storageUsedBytes)} of ${megabytes(room.storageQuotaBytes)}` : "unknown"],
    ["Last errors", errors.slice(-3).join("\n") || "none"],
  ];
}

/** Say how the server's clock and this device's differ, no finer than the answers' round trips tell. */
export function clockWords({ known, wallOffsetMs, errorMs }) {
  if (!known) return "which the server has not told since this page began";
  const apart = Math.abs(wallOffsetMs);
  if (apart <= errorMs) return `the same as this device's clock, give or take ${inUnit(Math.ceil, errorMs, errorMs)}`;
  const far = `${inUnit(Math.round, apart, apart)} ${wallOffsetMs > 0 ? "ahead of" : "behind"} this device's clock`;
  return `${far}, give or take ${inUnit(Math.ceil, errorMs, apart)}`;
}

/** A time in milliseconds, in the unit that suits one of about `size`. */
function inUnit(round, ms, size) {
  return size < 10_000 ? `${round(ms)} ms` : `${round(ms / 1000)} s`;
}

function megabytes(bytes) {
  return `${Math.round(bytes / 1e6).toLocaleString("en")} MB`;
}
