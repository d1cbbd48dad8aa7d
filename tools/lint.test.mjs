/**
 * Shows that the lint rules on which the project relies really fire: a fault for each is planted
 * in a copy of the sources.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { copySources, linkModules, temporaryFolder } from "./checkout.mjs";

const BROKER = "packages/broker/src";

/** File, source, and the rule that must refuse it (`undefined`: no rule may). */
const PLANTED = [
  [
    `${BROKER}/floating.ts`,
    "export function f(): void {\n  Promise.resolve(1);\n}",
    "no-floating-promises",
  ],
  [
    `${BROKER}/misused.ts`,
    "declare function each(run: () => void): void;\nexport function f(): void {\n  each(async () => {});\n}",
    "no-misused-promises",
  ],
  [`${BROKER}/cycle-a.ts`, 'export { b } from "./cycle-b.ts";\nexport const a = 1;', "no-cycle"],
  [`${BROKER}/cycle-b.ts`, 'export { a } from "./cycle-a.ts";\nexport const b = 1;', "no-cycle"],
  [`${BROKER}/any.ts`, "export const a: any = 1;", "no-explicit-any"],
  [`${BROKER}/catch.ts`, "try {\n  parseInt('1', 10);\n} catch {}", "no-empty"],
  [`${BROKER}/throw.ts`, "export function f(): void {\n  throw 'text';\n}", "only-throw-error"],
  [
    `${BROKER}/switch.ts`,
    "export function f(a: 'x' | 'y'): number {\n  switch (a) {\n    case 'x':\n      return 1;\n  }\n  return 2;\n}",
    "switch-exhaustiveness-check",
  ],
  [`${BROKER}/command.ts`, 'export * as a from "sericite";', "no-restricted-imports"],
  [`${BROKER}/in-process.ts`, 'export * as a from "@sericite/client";', undefined],
  [`${BROKER}/testing/client.ts`, 'export * as a from "@sericite/client";', undefined],
  [`${BROKER}/listeners/up.ts`, 'export * as a from "@sericite/client";', "no-restricted-imports"],
  [`${BROKER}/engine/up.ts`, 'export * as a from "@sericite/broker";', "no-restricted-imports"],
  [`${BROKER}/engine/node.ts`, 'export * as a from "node:fs";', "no-restricted-imports"],
  [`${BROKER}/engine/down.ts`, 'export * as a from "@sericite/protocol";', undefined],
  [
    "packages/protocol/src/up.ts",
    'export * as a from "@sericite/broker";',
    "no-restricted-imports",
  ],
  [
    "packages/client/src/side.ts",
    'export * as a from "@sericite/broker";',
    "no-restricted-imports",
  ],
  ["packages/client/src/side.test.ts", 'export * as a from "@sericite/broker";', undefined],
  [
    `${BROKER}/known-safe.test.ts`,
    'import { describe, test } from "node:test";\ndescribe("a", () => {\n  test("b", async () => {});\n});',
    undefined,
  ],
  [
    `${BROKER}/floating.test.ts`,
    'import { test } from "node:test";\ntest("b", () => {\n  Promise.resolve(1);\n});',
    "no-floating-promises",
  ],
];

describe("lint", { concurrency: 1 }, () => {
  let checkout = "";
  /** Rules that fired, by file. */
  const fired = new Map();

  before(() => {
    checkout = temporaryFolder("lint");
    copySources(checkout);
    linkModules(checkout);
    for (const [file, source] of PLANTED) writeFileSync(join(checkout, file), `${source}\n`);
    const oxlint = join(checkout, "node_modules/oxlint/bin/oxlint");
    const files = PLANTED.map(([file]) => file);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [oxlint, "-f", "json", ...files],
      {
        cwd: checkout,
        encoding: "utf8",
      },
    );
    assert.equal(status, 1, stdout + stderr);
    for (const { code, filename } of JSON.parse(stdout).diagnostics) {
      fired.set(filename, [...(fired.get(filename) ?? []), code]);
    }
  });

  after(() => rmSync(checkout, { recursive: true, force: true }));

  for (const [file, , rule] of PLANTED) {
    test(`${file} is ${rule === undefined ? "let through" : `refused by ${rule}`}`, () => {
      const codes = fired.get(file) ?? [];
      if (rule === undefined) assert.deepEqual(codes, []);
      else
        assert.ok(
          codes.some((code) => code.includes(`(${rule})`)),
          codes.join(" "),
        );
    });
  }
});
