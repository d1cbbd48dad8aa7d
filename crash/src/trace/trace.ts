/**
 * Traces the broker's system calls under load, and shows that every acknowledgement leaves after the
 * `fdatasync` that covers it. With `--durability relaxed` the same check must find early ones: so it
 * can fail.
 *
 *     npm run crash:trace [-- --keep]
 *
 * Needs strace; without it nothing is checked, and the reason is printed. With
 * SERICITE_REQUIRE_ALL=1 that counts as failed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BrokerProcess } from "../broker-process.ts";
import type { Durability } from "../broker-process.ts";
import { flushOrder } from "./flush-order.ts";
import type { FlushOrder } from "./flush-order.ts";
import { readSystemCalls, straceFlags } from "./system-calls.ts";
import { tracedLoad } from "./traced-load.ts";

/** All that must have been seen. */
const TYPES = ["connack", "suback", "puback", "pubrec", "pubrel", "pubcomp", "unsuback", "publish"];
/** Time that the tracer may take to write the rest. Milliseconds. */
const TRACE_MS = 10_000;

const { values: flags } = parseArgs({ options: { keep: { type: "boolean", default: false } } });
const directory = mkdtempSync(join(tmpdir(), "sericite-trace-"));
const passed: string[] = [];
const failed: string[] = [];

const missing = whyNot();
if (missing !== undefined) {
  console.log(`skipped: ${missing}`);
  if (process.env["SERICITE_REQUIRE_ALL"] === "1") failed.push(missing);
} else {
  const strict = await traced("strict");
  const unseen = TYPES.filter((type) => (strict.covered[type] ?? 0) === 0);
  judge(
    strict.early.length === 0 && unseen.length === 0,
    `strict: ${TYPES.map((type) => `${strict.covered[type] ?? 0} ${type}`).join(", ")} after their flush, ${strict.early.length} before`,
    strict.early,
  );
  const relaxed = await traced("relaxed");
  judge(
    relaxed.early.length > 0,
    `relaxed: the check finds ${relaxed.early.length} acknowledgements before their flush`,
    [],
  );
}
if (flags.keep || failed.length > 0) console.log(`traces: ${directory}`);
else rmSync(directory, { recursive: true });
console.log(`\n${passed.length} passed, ${failed.length} failed`);
process.exit(failed.length === 0 ? 0 : 1);

function judge(isRight: boolean, what: string, details: readonly string[]): void {
  console.log(`${isRight ? "ok" : "FAILED"}  ${what}`);
  for (const detail of details.slice(0, 10)) console.log(`        early: ${detail}`);
  (isRight ? passed : failed).push(what);
}

/** Why nothing can be traced here, or `undefined`. */
function whyNot(): string | undefined {
  const tried = spawnSync("strace", ["-o", join(directory, "try"), "true"]);
  if (tried.error !== undefined) return "strace is not installed";
  return tried.status === 0 ? undefined : `strace may not trace here: ${tried.stderr.toString()}`;
}

/** Runs a broker under the tracer and the load. */
async function traced(durability: Durability): Promise<FlushOrder> {
  const file = join(directory, `${durability}.strace`);
  const broker = new BrokerProcess({
    durability,
    dataDirectory: join(directory, durability),
    port: 0,
    under: ["strace", ...straceFlags(file)],
  });
  try {
    await tracedLoad(await broker.listening());
  } finally {
    await broker.stop();
  }
  try {
    return flushOrder(readSystemCalls(await wholeTrace(file)));
  } catch (error) {
    console.log(`the trace that could not be read: ${file}`);
    throw error;
  }
}

/** The tracer ends a little after what it traces. */
async function wholeTrace(file: string): Promise<string> {
  const deadline = performance.now() + TRACE_MS;
  for (;;) {
    const trace = readFileSync(file, "utf8");
    const main = trace.slice(0, trace.indexOf(" "));
    if (new RegExp(`^${main} +\\+\\+\\+ `, "m").test(trace)) return trace;
    if (performance.now() > deadline) throw new Error(`${file} does not end`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
