import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { hmacMd5, md5 } from "./md5.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("MD5 of every length up to three blocks is Node's", () => {
  for (let length = 0; length <= 192; length++) {
    const message = Uint8Array.from({ length }, (_, index) => (index * 37 + length) & 0xff);
    assert.equal(hex(md5(message)), createHash("md5").update(message).digest("hex"), `${length}`);
  }
});

test("HMAC-MD5 with keys below, of and above a block is Node's", () => {
  for (const length of [0, 1, 16, 63, 64, 65, 80, 200]) {
    const key = new Uint8Array(length).fill(0xaa);
    const message = Buffer.from("Test Using Larger Than Block-Size Key");
    const expected = createHmac("md5", key).update(message).digest("hex");
    assert.equal(hex(hmacMd5(key, message)), expected, `${length}`);
  }
});
