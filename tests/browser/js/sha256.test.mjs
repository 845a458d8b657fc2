import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";

import { hashBlob, hashStream, Sha256 } from "../../../web/shared/sha256.js";

const of = (text) => new Sha256().update(new TextEncoder().encode(text)).hex();

test("the vectors of FIPS 180-4 come out", () => {
  assert.equal(of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert.equal(of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert.equal(
    of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  );
  assert.equal(of("a".repeat(1_000_000)), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
});

test("every length around the block edges agrees with Node's own", () => {
  for (let length = 0; length <= 200; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + length) % 256);
    assert.equal(new Sha256().update(bytes).hex(), createHash("sha256").update(bytes).digest("hex"));
  }
});

test("how the bytes are cut into pieces does not matter", () => {
  const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 31) % 256);
  const expected = createHash("sha256").update(bytes).digest("hex");
  for (const step of [1, 3, 63, 64, 65, 127, 4096]) {
    const hash = new Sha256();
    for (let at = 0; at < bytes.length; at += step) hash.update(bytes.subarray(at, at + step));
    assert.equal(hash.hex(), expected);
  }
});

test("a blob is hashed alike by the native digest and as a stream", async () => {
  const bytes = new Uint8Array(3_000_001).fill(0xa5);
  const expected = createHash("sha256").update(bytes).digest("hex");
  assert.equal(await hashBlob(new Blob([bytes])), expected);
  assert.equal(await hashStream(new Blob([bytes.subarray(0, 777), bytes.subarray(777)]).stream()), expected);
});
