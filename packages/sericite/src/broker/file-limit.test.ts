import assert from "node:assert/strict";
import { test } from "node:test";
import { fileLimitWarning, openFileLimit, storeFiles } from "./file-limit.ts";

const limits = (soft: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            ${soft}                 1048576              files     \n`;

for (const [text, expected] of [
  [limits("1024"), 1024],
  [limits("unlimited"), undefined],
  ["", undefined],
] as const) {
  test(`the limit of open files in ${JSON.stringify(text.slice(-60))} is ${expected}`, () =>
    assert.equal(openFileLimit(text), expected));
}

for (const [limit, connections, expected] of [
  [undefined, 0, undefined],
  [1_048_576, 0, undefined],
  [1_048_576, 1_000_000, undefined],
  [1024, 0, /1024 files.*about 960 connections.*ulimit -n 65536/],
  [1024, 900, undefined],
  [1024, 1000, /limits\.connections is 1000/],
  [1_000_000, 1_000_000, /ulimit -n 1000064/],
] as const) {
  test(`a limit of ${limit} with ${connections} connections ${expected ? "is" : "is not"} worth a warning`, () => {
    const warning = fileLimitWarning(limit, connections);
    if (expected) assert.match(warning!, expected);
    else assert.equal(warning, undefined);
  });
}

for (const [durability, maximumBytes, files] of [
  ["memory", 0, 0],
  ["strict", 0, 64],
  ["relaxed", 1000, 102],
] as const) {
  test(`a ${durability} store of ${maximumBytes} bytes in files of 10 may have ${files} open`, () =>
    assert.equal(storeFiles({ durability, maximumBytes, segmentBytes: 10 }), files));
}

test("the files of the store leave less room for connections", () => {
  assert.equal(fileLimitWarning(1024, 900), undefined);
  assert.match(fileLimitWarning(1024, 900, 102)!, /about 858 connections/);
});
