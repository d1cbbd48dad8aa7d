#!/usr/bin/env node
/**
 * The same hostile traffic against this broker and mosquitto, in turns, on the same machine: how long
 * the messages of a well-behaved pair take meanwhile. Prints a table for docs/PERFORMANCE.md.
 *
 *     node bench/hostile-compare.mjs [--rounds N] [--seconds S] [--seed N] [--only NAME]...
 *
 *     --rounds N    passes of each broker that count (3); one before them is the warm-up
 *     --seconds S   about how long one pass takes (35)
 *     --seed N      what is drawn by chance (1)
 *     --only NAME   only this attack (may be repeated)
 *
 * It takes about five minutes.
 *
 * The exit code is 1 where the p99 of all attacks together is more than twice mosquitto's, or where
 * this broker lost, doubled or reordered a message of the pair. Needs mosquitto, and a build.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { LatencyHistogram } from "../conformance/dist/hostile/latency-histogram.js";

const ROOT = join(import.meta.dirname, "..");
const CERTIFICATES = join(ROOT, "packages/broker/src/listeners/test-certificates");
const CERTIFICATE = join(CERTIFICATES, "localhost.pem");
const KEY = join(CERTIFICATES, "localhost.key");
/** The p99 of this broker may be so many times mosquitto's. */
const BAR = 2;
/** A pass that warms up takes this share of one that counts. */
const WARM_UP_SHARE = 0.5;
/** What the command takes besides the time that it is given: starts, and waiting for ends. Seconds. */
const OTHER_SECONDS = 8;
/** Time that a launcher may take to be ready; it may have to install its broker. Milliseconds. */
const READY_MS = 120_000;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "35" },
    seed: { type: "string", default: "1" },
    only: { type: "string", multiple: true, default: [] },
  },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);

/** Brokers that run, to be ended with this process. */
const running = new Set();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(130));

const directory = mkdtempSync(join(tmpdir(), "sericite-hostile-compare-"));
const brokers = [
  await start("mosquitto", (tls) => ({
    CONF_EXTRA: `listener ${tls} 127.0.0.1\ncertfile ${CERTIFICATE}\nkeyfile ${KEY}`,
    LISTENER_EXTRA: "max_topic_alias 65535",
  })),
  await start("sericite", (tls, ws) => ({
    SERICITE_FLAGS: [
      `--ws-port ${ws} --tls-port ${tls} --tls-certificate ${CERTIFICATE} --tls-key ${KEY}`,
      "--mqtt.topicAliasMaximum 65535 --mqtt.topicAliasOutboundMaximum 65535",
    ].join(" "),
  })),
];

for (let round = 0; round <= rounds; round += 1)
  for (const broker of brokers) {
    const found = await pass(broker, round === 0 ? seconds * WARM_UP_SHARE : seconds);
    const p99 = LatencyHistogram.of(found.attacked).quantile(0.99);
    const name = round === 0 ? "warm-up" : `round ${round} of ${rounds}`;
    console.error(`${name}: ${broker.name.padEnd(9)} p99 ${p99.toFixed(2)} ms`);
    if (round > 0) broker.passes.push(found);
  }
for (const { child } of brokers) child.kill("SIGTERM");
rmSync(directory, { recursive: true });

const [reference, own] = brokers;
console.log(table());
const ratio = p99Of(own, ({ attacked }) => attacked) / p99Of(reference, ({ attacked }) => attacked);
console.log(`\nall attacks: p99 is ${ratio.toFixed(2)} times mosquitto's (at most ${BAR})`);
for (const broker of brokers) {
  const faults = broker.passes.flatMap(({ verdicts }) => verdicts.flatMap((one) => one.faults));
  const ofPair = faults.filter((fault) => fault.includes("the well-behaved pair"));
  const others = faults.length - ofPair.length;
  console.log(`${broker.name}: ${ofPair.length} faults of the pair, ${others} others`);
  for (const fault of ofPair.slice(0, 5)) console.log(`  ${fault}`);
  if (broker === own) process.exitCode = ratio > BAR || ofPair.length > 0 ? 1 : 0;
}

/** Starts a broker by its launcher, with listeners for TCP, WebSocket and TLS. */
async function start(name, environment) {
  const [tcp, ws, tls] = [await freePort(), await freePort(), await freePort()];
  const hasOwnFlags = name === "sericite";
  const child = spawn(
    "bash",
    [join(import.meta.dirname, `peers/${name}.sh`), tcp, ...(hasOwnFlags ? [] : [ws])].map(String),
    { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, ...environment(tls, ws) } },
  );
  running.add(child);
  child.once("exit", () => running.delete(child));
  const ready = once(child.stdout, "data");
  const late = setTimeout(() => child.kill("SIGKILL"), READY_MS);
  const ended = once(child, "exit").then(() => {
    throw new Error(`${name} ended instead of listening`);
  });
  await Promise.race([ready, ended]);
  ended.catch(() => undefined);
  clearTimeout(late);
  // The launcher becomes the broker: its pid is the broker's.
  return { name, child, tcp, ws, tls, passes: [] };
}

/** All attacks once. @returns what the command has found, as JSON. */
async function pass({ name, child, tcp, ws, tls }, passSeconds) {
  const file = join(directory, `${name}.json`);
  const command = spawn(
    process.execPath,
    [
      join(ROOT, "conformance/dist/hostile/hostile.js"),
      ...["--broker", `127.0.0.1:${tcp}`, "--ws", `127.0.0.1:${ws}`, "--tls", `127.0.0.1:${tls}`],
      ...["--pid", String(child.pid), "--passes", "1", "--seed", flags.seed, "--json", file],
      ...["--minutes", String((passSeconds + OTHER_SECONDS) / 60)],
      ...flags.only.flatMap((attack) => ["--only", attack]),
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  await once(command, "exit");
  return JSON.parse(readFileSync(file, "utf8"));
}

/** The p99 of all passes of a broker together. @param of  The histogram of one pass that counts. */
function p99Of({ passes }, of) {
  const all = new LatencyHistogram();
  for (const found of passes) all.merge(LatencyHistogram.of(of(found)));
  return all.quantile(0.99);
}

/** The p99 of each pass, lowest and highest. */
function spread({ passes }, of) {
  const each = passes.map((found) => LatencyHistogram.of(of(found)).quantile(0.99));
  return `${Math.min(...each).toFixed(1)} … ${Math.max(...each).toFixed(1)}`;
}

function table() {
  const names = reference.passes[0].attacks.map(({ name }) => name);
  const rows = [
    ["none", ({ quiet }) => quiet],
    ...names.map((name) => [
      name,
      ({ attacks }) => attacks.find((one) => one.name === name).latency,
    ]),
    ["all together", ({ attacked }) => attacked],
  ];
  const lines = [
    "| attack | mosquitto, p99 ms | its passes | sericite, p99 ms | its passes | x mosquitto |",
    "| --- | --- | --- | --- | --- | --- |",
  ];
  for (const [name, of] of rows) {
    const [theirs, ours] = [p99Of(reference, of), p99Of(own, of)];
    const cells = [theirs.toFixed(1), spread(reference, of), ours.toFixed(1), spread(own, of)];
    lines.push(`| ${name} | ${cells.join(" | ")} | ${(ours / theirs).toFixed(1)} |`);
  }
  return lines.join("\n");
}

/** A port of loopback that nobody listens on. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
