/** Hashes blobs beside the page, so that a 500 MB video does not stutter the one that is playing. */

import { hashBlob } from "../shared/sha256.js";

self.onmessage = async ({ data: { id, blob } }) => {
  try {
    self.postMessage({ id, hex: await hashBlob(blob) });
  } catch (error) {
    self.postMessage({ id, failure: String(error) });
  }
};
