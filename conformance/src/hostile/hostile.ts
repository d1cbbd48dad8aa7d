/**
 * Attacks a broker in every way that it knows, while a well-behaved pair goes on.
 *
 *     npm run hostile -- [--seed N] [--minutes M] [--only NAME]... [--json FILE]
 *     npm run hostile -- --broker HOST:PORT [--ws HOST:PORT] [--tls HOST:PORT] [--pid N]
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Place, TransportName } from "./attack.ts";
import { attacks } from "./attacks/index.ts";
import { ATTACKED_SETTINGS, givenBroker, startBroker } from "./broker-under-attack.ts";
import { hostileRun } from "./hostile-run.ts";
import { reportText, verdicts } from "./report.ts";

/** What each pass takes besides attacks: it waits for what the broker has to end, and is quiet. Seconds. */
const WAITING_SECONDS = 4.5;
const QUIET_SECONDS = 2.5;
/** What the run takes besides its passes. Seconds. */
const OTHER_SECONDS = 4;
/** What an attack takes besides its own time. Seconds. */
const START_SECONDS = 0.2;
/** Of an attack whose weight is 1. Shorter ones are none. Seconds. */
const SHORTEST_SECONDS = 0.2;

const HELP = `Attacks a broker in every way that it knows, pass by pass, while a well-behaved pair goes on:
a publisher and a subscriber that must lose nothing, get nothing twice, and keep their order.

Usage: npm run hostile -- [options]

  --seed N            what is drawn by chance (by the clock)
  --minutes M         about how long all attacks take together (2)
  --passes N          how often all attacks are made; the first pass is the warm-up, and makes
                      each twice for half its time (4)
  --only NAME         only this attack, for as long as it has in the whole; may be repeated
  --json FILE         write what was found there
  --list              print the attacks and end

Without --broker it starts \`sericite broker\` with
  ${ATTACKED_SETTINGS.join(" ").replaceAll(" --", "\n  --")}
and else its defaults, and looks at its memory, its log and its end too. With it:

  --broker HOST:PORT  attack the broker that listens there for TCP
  --ws HOST:PORT      its WebSocket listener; without it those attacks are left out
  --tls HOST:PORT     its TLS listener; the same
  --pid N             its process, on this machine: its memory is looked at

The exit code is 1 if anything failed. A case that failed is replayed by --seed and --only.`;

const { values: flags } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    minutes: { type: "string", default: "2" },
    passes: { type: "string", default: "4" },
    only: { type: "string", multiple: true, default: [] },
    json: { type: "string" },
    list: { type: "boolean", default: false },
    broker: { type: "string" },
    ws: { type: "string" },
    tls: { type: "string" },
    pid: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (flags.help) {
  console.log(HELP);
  process.exit(0);
}
if (flags.list) {
  const width = Math.max(...attacks.map(({ name }) => name.length));
  for (const { name, text } of attacks) console.log(`${name.padEnd(width)}  ${text}`);
  process.exit(0);
}

const seed = numberOf("--seed", flags.seed);
const minutes = numberOf("--minutes", flags.minutes);
const passes = numberOf("--passes", flags.passes);
const unknown = flags.only.find((name) => attacks.every((attack) => attack.name !== name));
if (unknown !== undefined) refuse(`no attack ${unknown}; --list names them`);

const isTerminal = process.stdout.isTTY;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => process.exit(130));

const broker = flags.broker === undefined ? await startBroker() : givenBroker(places(), pid());
const able = attacks.filter(({ transport }) => broker.target.places[transport] !== undefined);
const chosen = able.filter(({ name }) => flags.only.length === 0 || flags.only.includes(name));
if (chosen.length === 0) refuse("the broker has no listener for what is to be made");
// Of all attacks, so that one alone has the same time.
const weights = able.reduce((sum, { weight }) => sum + weight, 0);
const passSeconds = (minutes * 60 - OTHER_SECONDS) / passes - QUIET_SECONDS - WAITING_SECONDS;
const secondsPerWeight = Math.max(
  SHORTEST_SECONDS,
  (passSeconds - START_SECONDS * able.length) / weights,
);

console.log(`seed ${seed}, ${passes} passes of ${chosen.length} attacks`);
for (const { name, transport } of attacks)
  if (broker.target.places[transport] === undefined)
    console.log(`left out: ${name}, which needs a listener for ${transport}`);
const run = await hostileRun({
  broker,
  attacks: chosen,
  seed,
  passes,
  secondsPerWeight,
  progress: (line) => {
    if (isTerminal) process.stdout.write(`\r\u001b[K${line}`);
    else if (line.endsWith("quiet")) console.log(line);
  },
});
const all = verdicts(run, passes, await broker.stop());
if (isTerminal) process.stdout.write("\r\u001b[K");
console.log(`\n${reportText(run, all, seed)}\n`);
if (flags.json !== undefined)
  writeFileSync(flags.json, `${JSON.stringify({ seed, passes, ...run, verdicts: all })}\n`);
const failed = all.filter(({ faults }) => faults.length > 0).length;
console.log(`${all.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function places(): Partial<Record<TransportName, Place>> {
  const found: Partial<Record<TransportName, Place>> = {};
  for (const [name, text] of [
    ["tcp", flags.broker],
    ["ws", flags.ws],
    ["tls", flags.tls],
  ] as const) {
    if (text === undefined) continue;
    const colon = text.lastIndexOf(":");
    const port = Number(text.slice(colon + 1));
    if (colon < 1 || !Number.isInteger(port)) refuse(`HOST:PORT is expected, not ${text}`);
    found[name] = { host: text.slice(0, colon), port };
  }
  return found;
}

function pid(): number | undefined {
  return flags.pid === undefined ? undefined : numberOf("--pid", flags.pid);
}

function numberOf(flag: string, text: string): number {
  const number = Number(text);
  if (!(number >= 0) || text.trim() === "") refuse(`${flag}: a number is expected, not ${text}`);
  return number;
}

function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}
