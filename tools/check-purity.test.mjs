import assert from "node:assert/strict";
import { test } from "node:test";
import { findImpurities } from "./check-purity.mjs";

/** Source, and the lines on which a fault stands. */
const CASES = [
  ["const a = Date.now();", [1]],
  ["function f(at: Date): void {}", [1]],
  ["const a = {\n  now: Date.now,\n};", [2]],
  ["// Date.now()\n/* Math.random()\n await */ const a = 1;", []],
  ["/** Not `Date`, see {@link setTimeout}. */\nconst a = 1;", []],
  ['const a = "await Date" + \'setTimeout("x")\' + `process ${1} Date`;', []],
  ["const a = `${Date.now()} ${`${{ b: process }}`}`;", [1, 1]],
  ["const a = `line\n\n${Math.random()}`;", [3]],
  ["const a = `}` + `{`; const b = Date;", [1]],
  ['const a = /["\'`]/.test(x) && /[/"]Date/u.test(y);\nconst b = await c;', [2]],
  ["const a = b / c; const d = 'Date' /* / */;\nDate;", [2]],
  ['const a = "it\\"s Date";\nconst b = \'\\\\\';\nDate;', [3]],
  ["const a = packet.process + this.Date + clock?.setTimeout;", []],
  ["const a = [...Date];", [1]],
  ["const a = Math.max(1, Math.floor(2));", []],
  ["const { random } = Math;", [1]],
  ['const a = Math["random"]();', [1]],
  ["const a = Math\n  .random();", [1]],
  ["async function f() {}", [1]],
  ["for await (const x of y) {}", [1]],
  ["const a = globalThis;", [1]],
  ["const a = import.meta.url;", [1]],
  ["const a = import(name);", [1]],
  ['const a = import("node:fs");', [1]],
  ['import "node:fs";', [1]],
  ['import type { Packet } from "./packet.ts";\nexport { a } from "../topic/a.ts";', []],
  ['import { Packet } from "@sericite/protocol";', []],
  ['import { Broker } from "@sericite/broker";', [1]],
  ['/// <reference types="node" />', [1]],
  ["const a = b.toLocaleString() || c.localeCompare(d);", [1, 1]],
  ["class A { #Date = 1; #process(): void {} }", []],
  ["const update = 1; const Dated = 2; const processed = 3; const awaited = 4;", []],
];

for (const [source, lines] of CASES) {
  test(`${JSON.stringify(source)} has ${lines.length} faults`, () => {
    const faults = findImpurities(source, ["@sericite/protocol"]);
    assert.deepEqual(
      faults.map(({ line }) => line),
      lines,
      JSON.stringify(faults),
    );
  });
}
