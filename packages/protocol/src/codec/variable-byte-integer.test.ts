import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf } from "./fixtures.test.ts";
import {
  readVariableByteInteger,
  variableByteIntegerEnd,
  variableByteIntegerLength,
  writeVariableByteInteger,
} from "./variable-byte-integer.ts";

// Table 1-1.
for (const [value, spelled] of [
  [0, "00"],
  [1, "01"],
  [127, "7f"],
  [128, "80 01"],
  [321, "c1 02"],
  [16_383, "ff 7f"],
  [16_384, "80 80 01"],
  [2_097_151, "ff ff 7f"],
  [2_097_152, "80 80 80 01"],
  [268_435_455, "ff ff ff 7f"],
] as const) {
  test(`[MQTT5-1.5.5-1] ${value} is written as ${spelled}, and read back`, () => {
    const expected = bytesOf(spelled);
    assert.equal(variableByteIntegerLength(value), expected.length);
    const bytes = new Uint8Array(7);
    assert.equal(writeVariableByteInteger(bytes, 1, value), 1 + expected.length);
    assert.deepEqual(bytes.slice(1, 1 + expected.length), expected);
    const end = variableByteIntegerEnd(bytes, 1, bytes.length);
    assert.equal(end, 1 + expected.length);
    assert.equal(readVariableByteInteger(bytes, 1, end), value);
  });
}

for (const [what, spelled] of [
  ["[X-2] a fourth byte with the continuation bit", "80 80 80 80 01"],
  ["[X-2] a fourth byte with the continuation bit, at the end", "ff ff ff ff"],
  ["an end inside it", "80 80"],
  ["no byte at all", ""],
  ["[MQTT5-1.5.5-1] a second byte that is not needed", "81 00"],
  ["[MQTT5-1.5.5-1] 0 in four bytes", "80 80 80 00"],
] as const) {
  test(`${what} is malformed`, () => {
    const bytes = bytesOf(spelled);
    assert.throws(() => variableByteIntegerEnd(bytes, 0, bytes.length), {
      code: "ERR_MALFORMED_PACKET",
      reasonCode: 0x81,
    });
  });
}

for (const value of [-1, 268_435_456]) {
  test(`${value} has no Variable Byte Integer`, () => {
    assert.throws(() => variableByteIntegerLength(value), { name: "UsageError" });
  });
}

test("a byte behind the end of the packet does not complete a Variable Byte Integer", () => {
  assert.throws(() => variableByteIntegerEnd(bytesOf("80 01"), 0, 1), {
    code: "ERR_MALFORMED_PACKET",
    message: /past the end/,
  });
});
