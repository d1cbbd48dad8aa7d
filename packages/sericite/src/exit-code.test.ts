import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionError, UsageError } from "@sericite/protocol";
import { exitCodeOfError, exitCodeOfRefusal } from "./exit-code.ts";

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

for (const [name, error, exitCode] of [
  ["a mistake of the caller", new UsageError("ERR_SETTING", "wrong"), 2],
  ["damage", new ConnectionError("ERR_STORE_DAMAGED", "damaged"), 6],
  ["a newer store", new ConnectionError("ERR_STORE_NEWER", "newer"), 6],
  ["a directory in use", new ConnectionError("ERR_STORE_LOCKED", "in use"), 1],
  ["an error of the software", new TypeError("oops"), 1],
  ["what is no error", undefined, 1],
] as const) {
  test(`${name} ends with exit code ${exitCode}`, () =>
    assert.equal(exitCodeOfError(error), exitCode));
}
