/**
 * What the last run of each test file came to, so that what names a test can ask whether it ran.
 */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./checkout.mjs";

/** Not under version control. */
const FOLDER = ".test-results";

/**
 * Writes down what one compiled test file reported.
 *
 * @param tests  `{ name, passed, skip }` of each test.
 */
export function writeResults(file, tests) {
  const path = pathOf(file);
  mkdirSync(dirname(path), { recursive: true });
  const results = tests.map(({ name, passed, skip }) => ({
    name,
    passed,
    skipped: skip !== undefined && skip !== false,
  }));
  writeFileSync(path, JSON.stringify(results));
}

/**
 * What a test file reported.
 *
 * @param source  `….test.ts`.
 * @returns `undefined` where it was not run since it was built.
 */
export function readResults(source) {
  const compiled = source.replace("/src/", "/dist/").replace(/\.ts$/, ".js");
  const file = join(ROOT, compiled);
  const path = pathOf(compiled);
  if (!existsSync(path) || !existsSync(file)) return undefined;
  if (statSync(path).mtimeMs < statSync(file).mtimeMs) return undefined;
  return JSON.parse(readFileSync(path, "utf8"));
}

function pathOf(compiled) {
  return join(ROOT, FOLDER, `${compiled.replaceAll("/", "+")}.json`);
}
