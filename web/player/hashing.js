/** The page's end of the hash worker. */

import { hashBlob } from "../shared/sha256.js";

/** Return `(blob) => Promise<hex>`, in a worker where one can be started, else between this page's own tasks. */
export function startHashing(url = new URL("./hash-worker.js", import.meta.url)) {
  const waiting = new Map();
  let lastId = 0;
  let worker = null;
  const giveUp = () => {
    worker = null;
    for (const { blob, resolve, reject } of waiting.values()) hashBlob(blob).then(resolve, reject);
    waiting.clear();
  };
  try {
    worker = new Worker(url, { type: "module" });
    worker.onerror = giveUp;
    worker.onmessage = ({ data: { id, hex, failure } }) => {
      const { resolve, reject } = waiting.get(id);
      waiting.delete(id);
      if (hex) resolve(hex);
      else reject(new Error(failure));
    };
  } catch {
    worker = null;
  }
  return (blob) => {
    if (worker === null) return hashBlob(blob);
    lastId += 1;
    const id = lastId;
    return new Promise((resolve, reject) => {
      waiting.set(id, { blob, resolve, reject });
      worker.postMessage({ id, blob });
    });
  };
}
