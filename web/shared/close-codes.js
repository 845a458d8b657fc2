/** What a closed WebSocket tells its client to do (contract, section 11). */

export const RECONNECT = "reconnect";
export const REAUTHENTICATE = "reauthenticate";
export const STOP = "stop";

const VERDICTS = new Map([
  [1009, STOP], // one of our frames was too large: the next would be too
  [4400, STOP], // our frames are wrong
  [4401, REAUTHENTICATE],
  [4403, STOP],
  [4409, STOP], // a newer connection of the same screen is there
]);

/** The verdict on `code`: all that is not named, a failed handshake (1006) too, means to come back. */
export function verdictOn(code) {
  return VERDICTS.get(code) ?? RECONNECT;
}
