/**
 * Puts the cases over the wire to any broker.
 *
 *     node conformance/dist/run.js HOST:PORT [--version 3.1|3.1.1|5.0]... [--only TEXT] [--json FILE]
 *
 *     --version V   only this version (may be repeated)
 *     --only TEXT   only cases whose id or tags hold TEXT
 *     --json FILE   write every outcome there
 *     --ws URL      the broker's WebSocket listener, as ws://host:port/mqtt
 *     --patience MS how long an expected packet may take; default 2000
 *
 * The exit code is 1 if a case failed. Where a broker differs and the standard leaves room, that is
 * a note and no failure. A case that the broker cannot be asked is listed with the reason.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { ProtocolVersion } from "@sericite/protocol";
import { cases } from "./cases/index.ts";
import { shownBy } from "./statements.ts";
import { probe } from "./wire/probe.ts";
import { runCase } from "./wire/runner.ts";
import type { Outcome, Target } from "./wire/runner.ts";

/** Cases under way at the same time. */
const AT_ONCE = 16;

const versionNames: Readonly<Record<ProtocolVersion, string>> = { 3: "3.1", 4: "3.1.1", 5: "5.0" };

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    version: { type: "string", multiple: true, default: [] },
    only: { type: "string", default: "" },
    json: { type: "string" },
    ws: { type: "string" },
    patience: { type: "string", default: "2000" },
  },
});

const [address = ""] = positionals;
const colon = address.lastIndexOf(":");
const port = Number(address.slice(colon + 1));
if (positionals.length !== 1 || colon < 1 || !Number.isInteger(port)) {
  console.error("usage: run.js HOST:PORT [--version 3.1|3.1.1|5.0] [--only TEXT] [--json FILE]");
  process.exit(2);
}

const patienceMs = Number(flags.patience);
const host = address.slice(0, colon);
const place = { host, port, webSocketUrl: flags.ws };
const features = await probe(place, patienceMs);
const target: Target = { ...place, patienceMs, profile: "default", features };

const jobs = cases.flatMap((one) =>
  one.versions
    .filter((version) => isWanted(version) && isNamed(one.id, shownBy(one, version)))
    .map((version) => ({ one, version })),
);

function isWanted(version: ProtocolVersion): boolean {
  const names = [versionNames[version], String(version)];
  return flags.version.length === 0 || flags.version.some((given) => names.includes(given));
}

function isNamed(id: string, tags: readonly string[]): boolean {
  return [id, ...tags].some((name) => name.includes(flags.only));
}

const outcomes: Outcome[] = [];
const queue = jobs.values();
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (const { one, version } of queue) outcomes.push(await runCase(one, version, target));
  }),
);

const order = new Map(cases.map(({ id }, index) => [id, index]));
outcomes.sort((a, b) => order.get(a.id)! - order.get(b.id)! || a.version - b.version);

const width = Math.max(...outcomes.map(({ id }) => id.length), 4);
const of = (result: Outcome["result"]): Outcome[] =>
  outcomes.filter((outcome) => outcome.result === result);
console.log(`${"case".padEnd(width)}  version  result`);
for (const { id, version, result, reason, notes } of outcomes) {
  if (result === "skipped") continue;
  const shown = result === "passed" && notes.length > 0 ? "passed, with a note" : result;
  console.log(`${id.padEnd(width)}  ${versionNames[version].padEnd(7)}  ${shown}`);
  for (const line of [reason, ...notes]) if (line !== undefined) console.log(`    ${line}`);
}

const skipped = new Map<string, string[]>();
for (const { id, version, reason = "" } of of("skipped"))
  skipped.set(reason, [...(skipped.get(reason) ?? []), `${id} ${versionNames[version]}`]);
for (const [reason, ids] of skipped)
  console.log(`\nnot asked, ${reason}: ${ids.length}\n    ${ids.join(", ")}`);

const noted = of("passed").filter(({ notes }) => notes.length > 0).length;
console.log(
  `\n${of("passed").length} passed (${noted} with a note), ${of("failed").length} failed, ${of("skipped").length} not asked`,
);
if (flags.json !== undefined) {
  writeFileSync(flags.json, `${JSON.stringify(outcomes, null, 2)}\n`);
}
process.exitCode = of("failed").length > 0 ? 1 : 0;
