import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesOf } from "./fixtures.test.ts";
import { decodeUtf8, isUtf8, utf8Length, writeUtf8 } from "./utf8.ts";

const reference = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function isUtf8ByReference(bytes: Uint8Array): boolean {
  try {
    return !reference.decode(bytes).includes("\0");
  } catch (error) {
    assert.ok(error instanceof TypeError);
    return false;
  }
}

// prettier-ignore
for (const [what, spelled, expected] of [
  ["nothing", "", true],
  ["ASCII", "'abc' 7f 01", true],
  ["[MQTT5-1.5.4-2] [MQTT3-1.5.3-2] U+0000", "'a' 00", false],
  ["U+0000 in two bytes", "c080", false],
  ["U+0080, the first of two bytes", "c280", true],
  ["U+07FF, the last of two bytes", "dfbf", true],
  ["an overlong form of two bytes", "c1bf", false],
  ["U+0800, the first of three bytes", "e0a080", true],
  ["an overlong form of three bytes", "e09fbf", false],
  ["U+D7FF, before the surrogates", "ed9fbf", true],
  ["[MQTT5-1.5.4-1] [MQTT3-1.5.3-1] U+D800, the first surrogate", "eda080", false],
  ["[MQTT5-1.5.4-1] [MQTT3-1.5.3-1] U+DFFF, the last surrogate", "edbfbf", false],
  ["U+E000, behind the surrogates", "ee8080", true],
  ["[MQTT5-1.5.4-3] [MQTT3-1.5.3-3] U+FEFF", "efbbbf", true],
  ["U+FFFF, a non-character", "efbfbf", true],
  ["U+10000, the first of four bytes", "f0908080", true],
  ["an overlong form of four bytes", "f08fbfbf", false],
  ["U+10FFFF, the last", "f48fbfbf", true],
  ["U+110000", "f4908080", false],
  ["a first byte F5", "f5808080", false],
  ["a continuation byte alone", "80", false],
  ["two bytes cut off", "c3", false],
  ["three bytes cut off", "e282", false],
  ["four bytes cut off", "f09f98", false],
  ["a third byte that is no continuation", "e28241", false],
  ["a fourth byte that is no continuation", "f09f9841", false],
] as const) {
  test(`${what} ${expected ? "is" : "is not"} UTF-8 for a string`, () => {
    // Alone, and where the decoder for long strings is at work.
    for (const padding of ["", "x".repeat(40)]) {
      const bytes = bytesOf(`'${padding}' ${spelled} '${padding}'`);
      assert.equal(isUtf8(bytes, 0, bytes.length), expected);
      assert.equal(isUtf8ByReference(bytes), expected);
      if (expected) assert.equal(decodeUtf8(bytes, 0, bytes.length), reference.decode(bytes));
      else assert.throws(() => decodeUtf8(bytes, 0, bytes.length), { code: "ERR_MALFORMED_PACKET", reasonCode: 0x81 });
    }
  });
}

test("only the bytes between start and end count", () => {
  const bytes = bytesOf("ff 'abc' ff");
  assert.equal(decodeUtf8(bytes, 1, 4), "abc");
  assert.ok(isUtf8(bytes, 1, 4));
  // The character would go on behind the end.
  assert.equal(isUtf8(bytesOf("'a' c3a9"), 0, 2), false);
});

test("any bytes are judged as the platform's decoder judges them", () => {
  const likely = fc.constantFrom(
    0,
    0x41,
    0x7f,
    0x80,
    0x8f,
    0x90,
    0x9f,
    0xa0,
    0xbf,
    0xc0,
    0xc2,
    0xdf,
    0xe0,
    0xed,
    0xef,
    0xf0,
    0xf4,
    0xf5,
  );
  fc.assert(
    fc.property(fc.array(likely, { maxLength: 8 }), (numbers) => {
      const bytes = Uint8Array.from(numbers);
      assert.equal(isUtf8(bytes, 0, bytes.length), isUtf8ByReference(bytes));
    }),
    { numRuns: 5000 },
  );
});

test("characters at the borders of one to four bytes are written and read back", () => {
  for (const text of [
    "\u0001",
    "\u007f",
    "\u0080",
    "\u07ff",
    "\u0800",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\u{10000}",
    "\u{10ffff}",
  ]) {
    const expected = new TextEncoder().encode(text);
    assert.equal(utf8Length(text), expected.length);
    const bytes = new Uint8Array(4);
    assert.equal(writeUtf8(bytes, 0, text), expected.length);
    assert.deepEqual(bytes.subarray(0, expected.length), expected);
  }
});

test("a string is written as the platform's encoder writes it, and read back the same", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (given) => {
      const text = given.replaceAll("\0", "");
      const expected = new TextEncoder().encode(text);
      assert.equal(utf8Length(text), expected.length);
      const bytes = new Uint8Array(expected.length + 2);
      assert.equal(writeUtf8(bytes, 1, text), expected.length + 1);
      assert.deepEqual(bytes.subarray(1, -1), expected);
      assert.equal(decodeUtf8(bytes, 1, bytes.length - 1), text);
    }),
    { numRuns: 1000 },
  );
});

for (const [what, text] of [
  ["U+0000", "a\0"],
  ["a high surrogate at the end", "a\ud83d"],
  ["a high surrogate before a letter", "\ud83da"],
  ["a low surrogate alone", "\ude00"],
  ["the last surrogate alone", "\udfff"],
  ["the first surrogate alone", "\ud800"],
] as const) {
  test(`[MQTT5-1.5.4-1] [MQTT5-1.5.4-2] [MQTT3-1.5.3-1] a string with ${what} is not sent`, () => {
    assert.throws(() => utf8Length(text), { name: "UsageError", code: "ERR_USAGE" });
  });
}
