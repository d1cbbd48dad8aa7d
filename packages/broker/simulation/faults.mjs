/**
 * Shows that the simulation finds faults: plants each of `faults.json` in a copy of the built
 * packages and runs seeds until the ledger complains.
 *
 *     npm run faults                       all of them
 *     npm run faults -- --only "lost DUP"  one, with the ledger's words in full; also several times
 *     npm run faults -- --write            also brings the table of docs/TESTING.md up to date
 *
 * A change is made in the fault's file, or in one of its own. A fault with `"ofClients": true` is looked
 * for by the simulation of clients with stores.
 *
 * Exit code 1 if a fault is not caught within its seeds, if the text to change is not found exactly
 * once, or if the copy fails without a fault.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    only: { type: "string", multiple: true },
    write: { type: "boolean", default: false },
  },
});
const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, "..", "..");
const page = join(packages, "..", "docs", "TESTING.md");
const COPIED = ["protocol", "client", "broker"];
const JOBS = 2;
const run = promisify(execFile);

const all = JSON.parse(readFileSync(join(here, "faults.json"), "utf8"));
const { only } = values;
const faults = only === undefined ? all : all.filter(({ name }) => only.includes(name));
if (faults.length < (only?.length ?? 1)) {
  console.error(
    `there is no fault "${only.join(", ")}"; there are: ${all.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}

const root = mkdtempSync(join(tmpdir(), "sericite-faults-"));
try {
  const copies = Array.from({ length: Math.min(JOBS, faults.length) }, (_, index) =>
    makeCopy(join(root, String(index))),
  );
  for (const fault of faults) plant(copies[0], fault)();
  for (const ofClients of [false, true]) {
    const control = await runCopy(copies[0], 300, ofClients);
    if (control !== undefined)
      throw new Error(`without a fault seed ${control.seed} fails: ${control.complaints[0]}`);
  }
  const rows = new Map();
  const waiting = [...faults];
  await Promise.all(
    copies.map(async (copy) => {
      for (let fault = waiting.shift(); fault !== undefined; fault = waiting.shift()) {
        const row = await tryFault(copy, fault);
        rows.set(fault.name, row);
        console.log(
          `${row.seed === undefined ? "NOT CAUGHT" : `seed ${row.seed}`.padEnd(10)}  ${fault.name}: ${row.text}`,
        );
        if (only !== undefined)
          for (const complaint of row.complaints) console.log(`            ${complaint}`);
      }
    }),
  );
  const missed = faults.filter(({ name }) => rows.get(name).seed === undefined);
  console.log(`\n${faults.length - missed.length} of ${faults.length} faults caught`);
  if (values.write && only === undefined) writeTable(rows);
  process.exitCode = missed.length === 0 ? 0 : 1;
} finally {
  rmSync(root, { recursive: true });
}

/** Copies what runs: the built packages, found as an application would find them. */
function makeCopy(folder) {
  for (const name of COPIED) {
    const target = join(folder, "node_modules", "@sericite", name);
    mkdirSync(target, { recursive: true });
    cpSync(join(packages, name, "package.json"), join(target, "package.json"));
    cpSync(join(packages, name, "dist"), join(target, "dist"), {
      recursive: true,
      filter: (path) => !/\.(map|d\.ts|test\.js|tsbuildinfo)$/.test(path),
    });
  }
  return folder;
}

/** @returns the first seed that fails with its complaints, or `undefined`. */
async function runCopy(copy, seeds, ofClients) {
  const command = join(
    copy,
    "node_modules",
    "@sericite",
    "broker",
    "dist",
    "testing",
    "simulate.js",
  );
  const options = ["--until-failure", "--seeds", String(seeds)];
  if (ofClients) options.push("--clients");
  const { stdout } = await run(process.execPath, [command, ...options], {
    maxBuffer: 1 << 26,
  }).catch((error) => {
    // Exit code 1 tells that a seed failed, which is what is hoped for.
    if (error.code !== 1 || error.stdout === "") throw error;
    return error;
  });
  return JSON.parse(stdout) ?? undefined;
}

/** Plants a fault. @returns what takes it away again. */
function plant(copy, { name, file, changes }) {
  const before = new Map();
  const restore = () => {
    for (const [path, text] of before) writeFileSync(path, text);
  };
  for (const { file: own, search, replace } of changes) {
    const path = join(copy, "node_modules", "@sericite", own ?? file);
    const text = readFileSync(path, "utf8");
    if (!before.has(path)) before.set(path, text);
    const found = text.split(search).length - 1;
    if (found !== 1)
      throw new Error(
        `fault "${name}": its text stands ${found} times in ${own ?? file}, expected once:\n${search}`,
      );
    const after = text.replace(search, () => replace);
    writeFileSync(path, after);
  }
  return restore;
}

async function tryFault(copy, fault) {
  const restore = plant(copy, fault);
  try {
    const caught = await runCopy(copy, values.seeds, fault.ofClients === true);
    if (caught === undefined)
      return { seed: undefined, text: `nothing in ${values.seeds} seeds`, complaints: [] };
    return {
      seed: caught.seed,
      text: shorten(caught.complaints[0]),
      complaints: caught.complaints,
    };
  } finally {
    restore();
  }
}

/** The ledger's first complaint without time, names and stack. */
function shorten(complaint) {
  return complaint
    .split("\n", 1)[0]
    .replace(/^\d+ ms: /, "")
    .replace(/^connection \d+ \(([^)]*)\): /, "")
    .replace(/[^\x20-\x7e…]/g, "?")
    .slice(0, 140);
}

function writeTable(rows) {
  const lines = all.map(({ name, what }) => {
    const { seed, text } = rows.get(name);
    return `| ${name} | ${what} | ${seed} | ${text.replaceAll("|", "\\|").replaceAll("<", "&lt;")} |`;
  });
  const table = [
    "| fault | what is wrong | seed | what the ledger said |",
    "| --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
  const text = readFileSync(page, "utf8");
  const [begin, end] = ["<!-- faults -->", "<!-- /faults -->"];
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${page} has no ${begin} … ${end}`);
  writeFileSync(page, `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`);
}
