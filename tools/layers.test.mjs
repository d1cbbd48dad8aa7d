/**
 * Shows that the layers hold: in a copy of the sources, faults are planted one by one, and the
 * build or the check must refuse each.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { checkPurity } from "./check-purity.mjs";
import { copySources, linkModules, temporaryFolder } from "./checkout.mjs";

const PROTOCOL = "packages/protocol";
const ENGINE = "packages/broker/src/engine";
const LISTENERS = "packages/broker/src/listeners";

/** Faults that the compiler refuses: what, in which project, the planted source, what it says. */
const COMPILER_FAULTS = [
  {
    fault: "the engine importing a listener",
    project: ENGINE,
    source: 'export * as planted from "../listeners/index.ts";',
    says: /TS6307|TS6059/,
  },
  {
    fault: "the engine importing the composition root",
    project: ENGINE,
    source: 'export * as planted from "../index.ts";',
    says: /TS6307|TS6059/,
  },
  {
    fault: "protocol importing the engine",
    project: PROTOCOL,
    folder: `${PROTOCOL}/src`,
    source: 'export * as planted from "../../broker/src/engine/ports.ts";',
    // The engine's own import of protocol meets protocol's output: that is refused first.
    says: /TS6307|TS6059|TS5055/,
  },
  {
    fault: "a listener importing the store",
    project: LISTENERS,
    source: 'export * as planted from "../store/index.ts";',
    says: /TS6307|TS6059/,
  },
  {
    fault: "a listener importing the composition root",
    project: LISTENERS,
    source: 'export * as planted from "../index.ts";',
    says: /TS6307|TS6059/,
  },
  ...[
    { project: PROTOCOL, folder: `${PROTOCOL}/src`, layer: "protocol" },
    { project: ENGINE, folder: ENGINE, layer: "the engine" },
  ].flatMap(({ project, folder, layer }) => [
    {
      fault: `setTimeout in ${layer}`,
      project,
      folder,
      source: "export const planted: unknown = setTimeout(() => 0, 1);",
      says: /TS2304|TS2591|TS2584/,
    },
    {
      fault: `a node: import in ${layer}`,
      project,
      folder,
      source:
        'import { readFileSync } from "node:fs";\nexport const planted: unknown = readFileSync;',
      says: /TS2307|TS2591/,
    },
    {
      fault: `process in ${layer}`,
      project,
      folder,
      source: "export const planted: unknown = process.pid;",
      says: /TS2304|TS2591|TS2580/,
    },
  ]),
];

/** Faults that the compiler lets pass and the purity check refuses. */
const PURITY_FAULTS = [
  ["Date", "export const planted = Date.now();"],
  ["new Date", "export const planted = new Date();"],
  ["Math.random", "export const planted = Math.random();"],
  ["Math taken apart", "export const { random } = Math;"],
  ["await", "export const planted = async () => { await 0; };"],
  ["a template that hides Date", "export const planted = `${Date.now()}`;"],
  // The compiler lets this pass once the other package is built.
  ["an upward import by package name", 'export * as planted from "@sericite/broker";'],
  ["an import of a foreign package", 'export * as planted from "fast-check";'],
];

/** Each project's own errors; projects that it refers to are built by the first run. */
function compile(checkout, project) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(checkout, "node_modules/typescript/bin/tsc"),
      "-b",
      "--pretty",
      "false",
      join(checkout, project),
    ],
    { encoding: "utf8", cwd: checkout },
  );
  return { status, output: stdout + stderr };
}

describe("layers", { concurrency: 1 }, () => {
  let checkout = "";

  before(() => {
    checkout = temporaryFolder("layers");
    copySources(checkout);
    linkModules(checkout);
    for (const project of [PROTOCOL, ENGINE, LISTENERS]) {
      const { status, output } = compile(checkout, project);
      assert.equal(status, 0, `the sources build before anything is planted:\n${output}`);
    }
    assert.deepEqual(checkPurity(checkout), [], "the sources are pure before anything is planted");
  });

  after(() => rmSync(checkout, { recursive: true, force: true }));

  /** Runs `look` while a file with `source` stands in `folder`. */
  function planted(folder, source, look) {
    const file = join(checkout, folder, "planted-fault.ts");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${source}\n`);
    try {
      look();
    } finally {
      rmSync(file);
    }
  }

  for (const { fault, project, folder = project, source, says } of COMPILER_FAULTS) {
    test(`${fault} fails the build`, () => {
      planted(folder, source, () => {
        const { status, output } = compile(checkout, project);
        assert.notEqual(status, 0, output);
        assert.match(output, says);
      });
    });
  }

  for (const folder of [`${PROTOCOL}/src`, ENGINE]) {
    for (const [fault, source] of PURITY_FAULTS) {
      test(`${fault} in ${folder} fails the purity check`, () => {
        planted(folder, source, () => {
          const faults = checkPurity(checkout);
          assert.ok(faults.length > 0);
          for (const { file, line } of faults) {
            assert.equal(file, `${folder}/planted-fault.ts`);
            assert.equal(line, 1);
          }
        });
      });
    }
  }

  test("a test file beside pure code may use all of it", () => {
    writeFileSync(join(checkout, ENGINE, "planted.test.ts"), "export const now = Date.now();\n");
    assert.deepEqual(checkPurity(checkout), []);
  });
});
