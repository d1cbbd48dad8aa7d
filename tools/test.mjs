/**
 * Runs the tests of all packages from compiled output, suite by suite, each against its budget.
 *
 *     node tools/test.mjs [--suite NAME]... [--only TEXT] [--long] [--require-all] [--list]
 *
 *     --suite NAME    only this suite (may be repeated); the only way to run `peers`
 *     --only TEXT     only files whose path holds TEXT
 *     --long          also the files that take long; so do --suite, --only and --require-all
 *     --require-all   a skipped test is a failure (also: SERICITE_REQUIRE_ALL=1)
 *     --list          print the suites and their files, run nothing
 *
 * A test that needs a program that is not there skips with a reason, and the reason is printed.
 * The last line is `N passed, N failed, N skipped`; the exit code is 1 if anything failed.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./checkout.mjs";
import { writeResults } from "./test-results.mjs";

/**
 * The suites: the first whose pattern fits a file's path has it. The budget is wall time in
 * seconds on two cores, and `short` that without the files that take long; all of those together stay
 * under the two minutes of `npm test`.
 */
const SUITES = [
  // Starts the brokers of others, which their launchers build first: never by itself.
  { name: "peers", budget: 30, pattern: /^conformance\/dist\/client-interop\//, isNamed: true },
  // In .ci/run only: its files take long.
  { name: "browser", budget: 30, pattern: /\/browser\// },
  { name: "tools", budget: 20, short: 8, pattern: /^tools\// },
  { name: "interop", budget: 18, short: 8, pattern: /^conformance\/.*interop/ },
  { name: "conformance", budget: 13, short: 6, pattern: /^conformance\// },
  { name: "crash", budget: 7, short: 2, pattern: /^crash\// },
  { name: "store", budget: 12, short: 7, pattern: /^packages\/broker\/dist\/(store|disk)\// },
  { name: "simulation", budget: 12, short: 9, pattern: /simulat|planted|faults|ledger/ },
  { name: "contract", budget: 2, short: 2, pattern: /contract/ },
  { name: "property", budget: 5, short: 5, pattern: /propert(y|ies)\.test|fuzz/ },
  {
    name: "integration",
    budget: 60,
    short: 34,
    pattern:
      /integration|end-to-end|^examples\/|packages\/sericite\/|\/listeners\/|\/transport\/|\/mosquitto/,
  },
  { name: "engine", budget: 20, short: 18, pattern: /^packages\/broker\/dist\/engine\// },
  { name: "unit", budget: 28, short: 21, pattern: /./ },
];

/**
 * Files that take long and look at what few changes touch: kinds of damage, kills, real disks,
 * packages as they are published.
 * `npm test` leaves them to `.ci/run`, and says so.
 */
const LONG =
  /^tools\/(layers|packed)\.test|^crash\/dist\/crash\.test|interop\/transports|browser\/chromium|cut-networks|listeners\/client-(links|chaos|kill)|mosquitto-transports|store\/log\/(crash-simulation|damage)|disk\/real-files|\/durable-broker|\/cluster-simulation|\/jwt-entry|\/acl-mosquitto|\/store-command|\/hostile-command/;

/** Files that run at the same time. */
const PARALLEL = 2;
/** A file that has not ended by then is killed, and counts as failed. Milliseconds. */
const FILE_LIMIT_MS = 90_000;

const { values: flags } = parseArgs({
  options: {
    suite: { type: "string", multiple: true, default: [] },
    only: { type: "string", default: "" },
    long: { type: "boolean", default: false },
    "require-all": { type: "boolean", default: process.env.SERICITE_REQUIRE_ALL === "1" },
    list: { type: "boolean", default: false },
  },
});

const unknown = flags.suite.filter((name) => !SUITES.some((suite) => suite.name === name));
if (unknown.length > 0) {
  console.error(
    `no suite ${unknown.join(", ")}; there are ${SUITES.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}

/** Test processes that run at present. */
const running = new Set();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    for (const child of running) endGroup(child);
    process.exit(130);
  });
}

const isLongWanted =
  flags.long || flags["require-all"] || flags.only !== "" || flags.suite.length > 0;
/** Files that take long and were not asked for. */
const leftOut = [];

/** Test files by suite, as paths from the root with forward slashes. */
function findSuites() {
  const files = [];
  for (const name of readdirSync(join(ROOT, "packages"))) {
    files.push(...compiledTests(`packages/${name}`));
  }
  files.push(...compiledTests("conformance"), ...compiledTests("bench"), ...compiledTests("crash"));
  files.push(...compiledTests("examples"));
  for (const name of readdirSync(join(ROOT, "tools"))) {
    if (name.endsWith(".test.mjs")) files.push(`tools/${name}`);
  }
  const suites = SUITES.map((suite) => ({
    ...suite,
    budget: flags.long ? suite.budget : (suite.short ?? suite.budget),
    files: [],
  }));
  files.sort((a, b) => (a < b ? -1 : 1));
  for (const file of files) {
    if (!file.includes(flags.only)) continue;
    if (!isLongWanted && LONG.test(file)) {
      leftOut.push(file);
      continue;
    }
    const suite = suites.find(({ pattern }) => pattern.test(file));
    if (suite.isNamed && !flags.suite.includes(suite.name)) continue;
    suite.files.push(file);
  }
  return suites.filter(
    ({ name, files: own }) =>
      own.length > 0 && (flags.suite.length === 0 || flags.suite.includes(name)),
  );
}

/** Compiled tests of one folder whose source still exists: output of a removed test is stale. */
function compiledTests(folder) {
  const source = join(ROOT, folder, "src");
  if (!existsSync(source)) return [];
  return readdirSync(source, { recursive: true })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `${folder}/dist/${name.split(sep).join("/").replace(/\.ts$/, ".js")}`);
}

/** Runs one file in a process of its own; resolves with what it reported. */
function runFile(file) {
  return new Promise((resolve) => {
    const tests = [];
    let reported = "";
    let printed = "";
    const started = performance.now();
    const child = spawn(
      process.execPath,
      [
        "--enable-source-maps",
        "--test-reporter",
        join(ROOT, "tools/test-reporter.mjs"),
        join(ROOT, file),
      ],
      {
        cwd: ROOT,
        stdio: ["ignore", "pipe", "pipe", "pipe"],
        // A process group of its own: with it ends whatever the tests started.
        detached: true,
      },
    );
    running.add(child);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup(child);
    }, FILE_LIMIT_MS);
    // "close" would wait for processes that still hold the pipes.
    child.once("exit", () => endGroup(child));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => (printed = (printed + text).slice(-20_000)));
    }
    child.stdio[3].setEncoding("utf8");
    child.stdio[3].on("data", (text) => {
      reported += text;
      const lines = reported.split("\n");
      reported = lines.pop();
      for (const line of lines) tests.push(JSON.parse(line));
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      const failed = tests.some(({ passed }) => !passed);
      const fault = (error) => tests.push({ name: "the file itself", passed: false, error });
      if (timedOut) fault(`did not end within ${FILE_LIMIT_MS / 1000} s`);
      else if (code !== 0 && !failed) fault(`ended with ${signal ?? `exit code ${code}`}`);
      else if (tests.length === 0 && importsTest(file)) fault("holds no tests");
      writeResults(file, tests);
      resolve({ file, tests, printed, seconds: (performance.now() - started) / 1000 });
    });
  });
}

/** Ends a test's process and all that it started. */
function endGroup(child) {
  try {
    process.kill(process.platform === "win32" ? child.pid : -child.pid, "SIGKILL");
  } catch (error) {
    // Nobody is left in the group.
    if (error.code !== "ESRCH") throw error;
  }
}

/** Whether a file means to hold tests: one that does not import node:test is what tests share. */
function importsTest(file) {
  return readFileSync(join(ROOT, file), "utf8").includes('"node:test"');
}

async function runSuite(suite) {
  const started = performance.now();
  const total = { passed: 0, failed: 0, skipped: 0 };
  const queue = [...suite.files];
  const reports = [];
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        reports.push(await runFile(file));
      }
    }),
  );
  reports.sort((a, b) => (a.file < b.file ? -1 : 1));
  for (const { file, tests, printed } of reports) {
    const failures = [];
    for (const test of tests) {
      // A suite, or a test whose subtests failed, says nothing that its members have not said.
      if (test.failureType === "subtestsFailed") continue;
      if (test.suite && test.passed) continue;
      if (test.skip !== undefined && test.skip !== false) {
        total.skipped++;
        const reason =
          typeof test.skip === "string" && test.skip !== "" ? test.skip : "no reason given";
        skips.push({ file, reason });
        if (flags["require-all"]) total.failed++;
      } else if (test.passed) {
        total.passed++;
      } else if (test.todo === undefined || test.todo === false) {
        total.failed++;
        failures.push(test);
      }
    }
    const cancelled = failures.filter(({ failureType }) => failureType === "cancelledByParent");
    for (const { name, error, failureType } of failures) {
      if (failureType === "cancelledByParent") continue;
      console.log(`\nFAILED ${file}\n  ${name}\n${indent(error ?? "no reason given")}`);
    }
    if (cancelled.length > 0) {
      const names = cancelled.map(({ name }) => name).join("\n");
      console.log(
        `\nFAILED ${file}\n  cancelled, since what they stand on failed:\n${indent(names)}`,
      );
    }
    if (failures.length > 0 && printed.trim() !== "") {
      console.log(`  What ${file} printed:\n${indent(printed.trimEnd())}`);
    }
  }
  const slowest = reports.toSorted((a, b) => b.seconds - a.seconds).slice(0, 3);
  return { ...total, slowest, seconds: (performance.now() - started) / 1000 };
}

function indent(text) {
  return text.replace(/^/gm, "    ");
}

const suites = findSuites();
if (flags.list) {
  for (const { name, files } of suites) console.log(`${name}\n${indent(files.join("\n"))}`);
  process.exit(0);
}

/** Skipped tests, with their reasons. */
const skips = [];
const sum = { passed: 0, failed: 0, skipped: 0, seconds: 0, budget: 0 };
console.log(`Node ${process.versions.node}`);
console.log(`${"suite".padEnd(12)} files  passed  failed  skipped     time   share of budget`);
for (const suite of suites) {
  const result = await runSuite(suite);
  row(suite.name, suite.files.length, result, suite.budget);
  if (result.seconds > suite.budget) {
    const files = result.slowest.map(({ file, seconds }) => `${seconds.toFixed(1)} s ${file}`);
    console.log(`    slowest: ${files.join(", ")}`);
  }
  for (const key of ["passed", "failed", "skipped", "seconds"]) sum[key] += result[key];
  sum.budget += suite.budget;
}
row(
  "all",
  suites.reduce((count, { files }) => count + files.length, 0),
  sum,
  sum.budget,
);

function row(name, files, { passed, failed, skipped, seconds }, budget) {
  const share = Math.round((seconds / budget) * 100);
  console.log(
    [
      name.padEnd(12),
      String(files).padStart(5),
      String(passed).padStart(7),
      String(failed).padStart(7),
      String(skipped).padStart(8),
      `${seconds.toFixed(1)} s`.padStart(9),
      `${String(share).padStart(5)} % of ${budget} s${share > 100 ? "  OVER BUDGET" : ""}`,
    ].join(" "),
  );
}

if (leftOut.length > 0) {
  console.log(`\nLeft to .ci/run, since they take long (here: npm test -- --long):`);
  for (const file of leftOut) console.log(`  ${file}`);
}
if (skips.length > 0) {
  console.log(
    `\nSkipped${flags["require-all"] ? " (counted as failed: everything is required)" : ""}:`,
  );
  const byReason = new Map();
  for (const { reason, file } of skips) {
    const byFile = byReason.get(reason) ?? new Map();
    byReason.set(reason, byFile.set(file, (byFile.get(file) ?? 0) + 1));
  }
  for (const [reason, byFile] of byReason) {
    console.log(`  ${reason}`);
    for (const [file, count] of byFile) console.log(`    ${count} in ${file}`);
  }
}
if (suites.length === 0) {
  console.error("no test file was found; build first (npm run build)");
  sum.failed++;
}

console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed > 0 ? 1 : 0;
