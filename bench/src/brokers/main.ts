/**
 * `npm run bench`: see `HELP` in `options.ts`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { homedir } from "node:os";
import { describeMachine } from "./machine.ts";
import { estimate, roundsOf, runGroups } from "./turns.ts";
import { fillPage, plotOf, PLOTTED, tablesOf } from "./page.ts";
import { hasProgram, versionOf, whyNotBroker } from "./programs.ts";
import { HELP, readOptions } from "./options.ts";
import { compareReports, joinReports, makeReport, readReport, shortened } from "./report.ts";
import { figureOf } from "./run-line.ts";
import { NODES } from "./groups.ts";
import type { Group } from "./groups.ts";
import type { LeftOut } from "./programs.ts";
import type { Options } from "./options.ts";
import type { Report } from "./report.ts";
import type { RunLine } from "./run-line.ts";

const ROOT = join(import.meta.dirname, "../../..");
/** Cores that other programs may take while a run counts as quiet, as in `compare.sh`. */
const DISTURBED = 0.25;
const PEERS = join(ROOT, "bench/peers");

async function main(options: Options): Promise<number> {
  if (options.help) {
    print(HELP);
    return 0;
  }
  if (options.list) {
    list(options);
    return 0;
  }
  const out = options.out ?? join(ROOT, "bench/results", `${stamp()}.json`);
  const report =
    options.from === undefined
      ? await measure(options, out)
      : joinReports(readReport(options.from), options.add.map(readReport));
  if (report === undefined) return 1;
  if (options.from === undefined) save(report, out);
  tell(report);
  if (options.compare !== undefined) {
    print("");
    for (const line of compareReports(readReport(options.compare), report)) print(line);
  }
  if (options.write) write(report);
  return 0;
}

/** Runs what was asked for; `undefined` if nothing can be run here. */
async function measure(options: Options, out: string): Promise<Report | undefined> {
  if (process.platform !== "linux" || !hasProgram("go")) {
    print(
      "The load generator needs Linux and Go. Get Go with: apt-get install golang-go, or https://go.dev/dl",
    );
    return undefined;
  }
  const leftOut: LeftOut[] = [];
  const commands = new Map<string, string>();
  const groups = available(options.groups, leftOut, commands);
  for (const { broker, why } of leftOut) print(`left out: ${broker}: ${why}`);
  if (groups.length === 0) return undefined;
  const machine = describeMachine(ROOT);
  const brokers = [...new Set(groups.flatMap((group) => group.brokers))];
  const about = {
    begun: new Date().toISOString(),
    machine,
    versions: Object.fromEntries(
      brokers.map((broker) => [broker, commands.has(broker) ? broker : versionOf(PEERS, broker)]),
    ),
    settings: {
      rounds: options.rounds,
      duration: options.duration,
      warmup: options.warmup,
    },
    leftOut,
  };
  const minutes = Math.ceil(estimate(groups, options.rounds) / 60);
  print(
    `${brokers.join(", ")} on ${machine.cores} cores; about ${minutes} minutes on a quiet machine`,
  );
  mkdirSync(dirname(out), { recursive: true });
  const earlier = options.add.map(readReport);
  const runs: RunLine[] = [];
  for await (const lines of runGroups(groups, {
    peers: PEERS,
    rounds: options.rounds,
    duration: options.duration,
    warmup: options.warmup,
    warmStart: options.quick ? 1 : 3,
    scratch: `${out}.lines`,
    commands,
    print,
  })) {
    runs.push(...lines);
    // After each group, so that little is lost if the run is ended.
    writeFileSync(out, `${JSON.stringify(joinReports(makeReport(about, runs), earlier))}\n`);
  }
  return joinReports(makeReport(about, runs), earlier);
}

/** The groups with the brokers that can be run here; says which cannot. */
function available(
  groups: readonly Group[],
  leftOut: LeftOut[],
  commands: Map<string, string>,
): Group[] {
  const known = new Map<string, boolean>();
  const canRun = (broker: string): boolean => {
    let can = known.get(broker);
    if (can === undefined) {
      print(`building ${broker}, if that was not done before ...`);
      const node = /^sericite-node(\d+)$/.exec(broker)?.[1];
      const why =
        node === undefined ? whyNotBroker(PEERS, broker) : installNode(node, broker, commands);
      if (why !== undefined) leftOut.push({ broker, why });
      can = why === undefined;
      known.set(broker, can);
    }
    return can;
  };
  return groups
    .map((group) => ({ ...group, brokers: group.brokers.filter(canRun) }))
    .filter((group) => group.brokers.length > 0);
}

/** Installs a version of Node from the package registry, and says how the broker is run by it. */
function installNode(
  major: string,
  broker: string,
  commands: Map<string, string>,
): string | undefined {
  const version = NODES.find((known) => known.startsWith(`${major}.`)) ?? major;
  const builds = process.env["PEERS_BUILD"] ?? join(homedir(), ".cache/sericite-peers");
  const folder = join(builds, `node-${version}`);
  const name = `node-linux-${process.arch}`;
  const node = join(folder, "node_modules", name, "bin/node");
  if (!existsSync(node)) {
    mkdirSync(folder, { recursive: true });
    const { status, stderr } = spawnSync(
      "npm",
      [
        ...["install", "--silent", "--no-save", "--no-package-lock", "--ignore-scripts"],
        ...["--prefix", folder, `${name}@${version}`],
      ],
      { encoding: "utf8" },
    );
    if (status !== 0) return `Node ${version} could not be installed: ${stderr.trim()}`;
  }
  commands.set(broker, `NODE=${node} exec bash ${join(PEERS, "sericite.sh")} $PORT`);
  return undefined;
}

function list(options: Options): void {
  for (const group of options.groups) {
    const rounds = roundsOf(group, options.rounds);
    print(`${group.name.padEnd(12)} ${group.what} (${rounds} rounds)`);
    print(`${" ".repeat(13)}scenarios: ${group.scenarios.join(" ")}`);
    print(`${" ".repeat(13)}brokers:   ${group.brokers.join(" ")}`);
  }
}

/** Writes the report, and plots beside it. */
function save(report: Report, out: string): void {
  writeFileSync(out, `${JSON.stringify(report)}\n`);
  for (const name of PLOTTED) {
    writeFileSync(out.replace(/(\.json)?$/, `-${name}.svg`), plotOf(report, name));
  }
  print(`\nreport: ${out}, with plots beside it`);
}

/** Prints what does not count, and which bars were reached. */
function tell(report: Report): void {
  for (const { label, broker, counted, runs, notes } of report.figures) {
    if (counted === runs) continue;
    print(`${broker} in ${label}: ${runs - counted} of ${runs} runs do not count (${notes[0]})`);
  }
  const disturbed = (report.runs ?? []).filter(
    (run) => (figureOf(run, "other_cores") ?? 0) > DISTURBED,
  );
  if (disturbed.length > 0) {
    const all = report.runs?.length ?? 0;
    print(`${disturbed.length} of ${all} runs were disturbed: other programs took more than`);
    print(`${DISTURBED} cores meanwhile. Their figures mean little.`);
  }
  print("");
  for (const { name, bar, unit, value, beside, reached } of report.bars) {
    if (reached === "not measured" || value === undefined) continue;
    const near = beside === undefined ? "" : ` (${beside})`;
    const figure = `${value.toFixed(value < 10 ? 2 : 0)} ${unit}${near}`;
    print(`${reached === "yes" ? "reached" : "MISSED "} ${name}: ${figure}, asked for ${bar}`);
  }
  const missing = report.bars.filter(({ reached }) => reached === "not measured").length;
  if (missing > 0) print(`${missing} bars were not measured`);
}

/** Puts tables into the page, plots and figures beside it. */
function write(report: Report): void {
  const page = join(ROOT, "docs/PERFORMANCE.md");
  const folder = join(ROOT, "docs/performance");
  mkdirSync(folder, { recursive: true });
  writeFileSync(page, fillPage(readFileSync(page, "utf8"), tablesOf(report)));
  for (const name of PLOTTED) {
    writeFileSync(join(folder, `${name}.svg`), plotOf(report, name));
  }
  writeFileSync(join(folder, "figures.json"), `${JSON.stringify(shortened(report), null, 1)}\n`);
  print(`wrote ${page} and ${folder}`);
}

function stamp(): string {
  return new Date().toISOString().slice(0, 16).replaceAll(/[-:]/g, "").replace("T", "-");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** What was asked for wrongly needs no stack. */
function optionsOrExit(): Options {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof RangeError) && !(error instanceof TypeError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

process.exitCode = await main(optionsOrExit());
