import assert from "node:assert/strict";
import { test } from "node:test";
import { exitCodeOfRefusal } from "./exit-code.ts";

for (const [reasonCode, exitCode] of [
  [1, 132],
  [2, 133],
  [3, 3],
  [4, 4],
  [5, 5],
  [0x86, 134],
  [0x87, 135],
  [0x80, 128],
  [0, 1],
] as const) {
  test(`a refusal with ${reasonCode} ends with exit code ${exitCode}`, () =>
    assert.equal(exitCodeOfRefusal(reasonCode), exitCode));
}
