/**
 * The client beside MQTT.js: messages published at QoS 0, published at QoS 1 with 100 in flight, and
 * received at QoS 0, against the same servers, in turns. Each run is a process of its own. Prints a
 * Markdown table for docs/PERFORMANCE.md.
 *
 *     node bench/dist/client-compare.js [--rounds N] [--seconds S] [--server NAME]... [--way NAME]...
 *
 *     --rounds N     runs of each (5)
 *     --seconds S    how long one lasts (2)
 *     --server NAME  only this server: counting, mosquitto, sericite
 *     --way NAME     only this way: publishQos0, publishQos1, receive
 *
 * With the defaults it takes about five minutes. Needs mosquitto.
 */
import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import type { RunResult } from "./client/run.ts";

const here = import.meta.dirname;
const peers = join(here, "../peers");
const ways = {
  publishQos0: "publish, QoS 0",
  publishQos1: "publish, QoS 1, 100 in flight",
  receive: "receive, QoS 0",
} as const;
type Way = keyof typeof ways;
const libraries = ["sericite", "MQTT.js"] as const;
type Library = (typeof libraries)[number];

/** Programs that become a server on a port and print READY. */
const servers: Readonly<Record<string, (port: number) => [string, string[]]>> = {
  counting: (port) => [process.execPath, [join(here, "client/counting-server.js"), String(port)]],
  mosquitto: (port) => ["bash", [join(peers, "mosquitto.sh"), String(port)]],
  sericite: (port) => ["bash", [join(peers, "sericite.sh"), String(port)]],
};

/** A client that is busy for less than this share of a core waits for the server, or for its turn on the machine. */
const busyShare = 0.9;
const topicName = "bench/received";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    server: { type: "string", multiple: true, default: Object.keys(servers) },
    way: { type: "string", multiple: true, default: Object.keys(ways) },
  },
});

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => process.exit(130));

const lines = [
  "| server | what | Sericite, messages/s | MQTT.js, messages/s | times | times per CPU | busy | peak RSS, MiB | heap, MiB |",
  "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
];
for (const server of flags.server) {
  const makeServer = servers[server];
  if (makeServer === undefined) throw new Error(`no server ${server}`);
  const port = await freePort();
  const child = await start(...makeServer(port));
  for (const way of flags.way as Way[]) {
    const flood =
      way === "receive" && server !== "counting"
        ? spawnNode("client/flood.js", String(port), topicName)
        : undefined;
    const results: Record<Library, RunResult[]> = { sericite: [], "MQTT.js": [] };
    for (let round = 0; round < Number(flags.rounds); round++)
      for (const library of libraries) results[library].push(await run(library, way, port));
    lines.push(row(server, way, results));
    console.error(`${server}, ${ways[way]}: done`);
    if (flood !== undefined) await end(flood);
  }
  await end(child);
}
console.log(lines.join("\n"));

function row(server: string, way: Way, results: Record<Library, RunResult[]>): string {
  const [own, other] = libraries.map((library) => results[library]) as [RunResult[], RunResult[]];
  const rate = ({ messages, seconds }: RunResult): number => messages / seconds;
  const perCpu = ({ messages, cpuSeconds }: RunResult): number => messages / cpuSeconds;
  const busy = ({ cpuSeconds, seconds }: RunResult): number => cpuSeconds / seconds;
  const times = (of: (result: RunResult) => number): string =>
    (median(own, of) / median(other, of)).toFixed(1);
  const both = (of: (result: RunResult) => number, digits: number): string =>
    `${median(own, of).toFixed(digits)} / ${median(other, of).toFixed(digits)}`;
  const bound = [own, other].some((each) => median(each, busy) < busyShare) ? " (server)" : "";
  const cells = [
    server,
    ways[way],
    spread(own, rate),
    spread(other, rate),
    times(rate),
    times(perCpu),
    both(busy, 2) + bound,
    both(({ peakRssMiB }) => peakRssMiB, 0),
    both(({ heapUsedMiB }) => heapUsedMiB, 0),
  ];
  return `| ${cells.join(" | ")} |`;
}

function spread(results: readonly RunResult[], of: (result: RunResult) => number): string {
  const show = (value: number): string => Math.round(value / 1000).toLocaleString("en");
  const values = results.map(of);
  return `${show(median(results, of))}k (${show(Math.min(...values))} … ${show(Math.max(...values))})`;
}

function median(results: readonly RunResult[], of: (result: RunResult) => number): number {
  return results.map(of).toSorted((a, b) => a - b)[results.length >> 1] ?? Number.NaN;
}

async function run(library: Library, way: Way, port: number): Promise<RunResult> {
  const url = `mqtt://127.0.0.1:${port}`;
  const args = [join(here, "client/run.js"), library, way, url, flags.seconds, topicName];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as RunResult;
}

async function start(command: string, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  const ended = once(child, "exit").then(() => {
    throw new Error(`${command} ${args.join(" ")} ended instead of listening`);
  });
  await Promise.race([once(child.stdout, "data"), ended]);
  ended.catch(() => undefined);
  return child;
}

function spawnNode(file: string, ...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [join(here, file), ...args], { stdio: "ignore" });
  running.add(child);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  running.delete(child);
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** A port of loopback that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
