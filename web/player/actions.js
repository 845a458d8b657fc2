/** What each command does on this player (contract, section 5). */

import { CommandFailed } from "./commands.js";
import { mediaOf } from "./schedule.js";
import { takeScreenshot } from "./screenshot.js";

const IDENTIFY_MS = 10_000;
const IDENTIFY_AT_MOST_MS = 300_000;

/** The actions of `player`, by the names of the commands. */
export function actionsOf(player) {
  return {
    async identify({ durationMs = IDENTIFY_MS }) {
      const shownMs = Math.min(Math.max(durationMs, 1000), IDENTIFY_AT_MOST_MS);
      player.notices.identify(player.identity, shownMs);
      return { result: { shownMs } };
    },

    async volume({ volume }) {
      await player.setVolume(volume);
      return { result: { volume } };
    },

    async screenshot(_args, { id }) {
      const { jpeg, width, height } = await takeScreenshot(player);
      await player.uplink.screenshot(id, jpeg);
      return { result: { width, height } };
    },

    async clearCache() {
      return { result: await clearCache(player) };
    },

    async reload() {
      await player.shell.mustComeBack();
      return { result: { reloaded: true }, after: () => location.reload() };
    },

    async reboot() {
      await player.shell.mustComeBack();
      const note = "A browser cannot restart its device: the page was reloaded.";
      return { result: { note }, after: () => location.reload() };
    },
  };
}

/**
 * Drop all that is not needed, and hash again what is: a file that went bad is fetched anew. The good ones stay,
 * because a screen that loses its connection in this moment would have nothing left to show.
 */
async function clearCache({ cache, sync, shell }) {
  const needed = [...mediaOf(sync.shown), ...mediaOf(sync.held)];
  const removed = await cache.keepOnly(needed);
  let verified = 0;
  for (const item of mediaOf(sync.held)) if (await cache.recheck(item)) verified += 1;
  const refetched = mediaOf(sync.held).length - verified;
  if (refetched > 0) sync.recheck();
  await shell.refresh().catch(() => {
    throw new CommandFailed("The media are checked, but the player's own files could not be fetched again.");
  });
  return { removed, verified, refetched };
}
