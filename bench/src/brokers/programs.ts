/**
 * Which brokers can be run here: each with the programs that it needs, and how to get them.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A broker that is left out, and why. */
export interface LeftOut {
  readonly broker: string;
  readonly why: string;
}

const JAVA = { programs: ["mvn", "javac"], get: "apt-get install maven openjdk-17-jdk-headless" };
const CARGO = { programs: ["cargo"], get: "apt-get install cargo" };

/** Programs by the launcher in `bench/peers`; a launcher that is not here needs Node and npm only. */
const NEEDS: Readonly<Record<string, { programs: readonly string[]; get: string }>> = {
  mosquitto: { programs: ["mosquitto"], get: "apt-get install mosquitto" },
  "mosquitto-persist": { programs: ["mosquitto"], get: "apt-get install mosquitto" },
  rumqttd: CARGO,
  "rumqttd-v5": CARGO,
  "mica-mqtt": JAVA,
  "hivemq-ce": JAVA,
  "hivemq-ce-file": JAVA,
  mochi: { programs: ["go"], get: "apt-get install golang-go, or https://go.dev/dl" },
};

/** Whether a program is on the path; Debian keeps mosquitto where only root looks. */
export function hasProgram(name: string): boolean {
  const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/local/go/bin`;
  return spawnSync("sh", ["-c", `command -v ${name}`], { env: { PATH } }).status === 0;
}

/**
 * Why a broker cannot be run, `undefined` if it can. Builds it, which takes minutes the first time.
 *
 * @param peers The folder with the launchers.
 */
export function whyNotBroker(peers: string, broker: string): string | undefined {
  const needs = NEEDS[broker];
  const missing = needs?.programs.filter((program) => !hasProgram(program)) ?? [];
  if (needs !== undefined && missing.length > 0) {
    return `${missing.join(" and ")} not found; get it with: ${needs.get}`;
  }
  const { status, stderr } = spawnSync("bash", [join(peers, `${broker}.sh`), "1"], {
    env: { ...process.env, PEERS_BUILD_ONLY: "1" },
    encoding: "utf8",
  });
  if (status === 0) return undefined;
  return `it could not be built: ${stderr.trim().split("\n").at(-1) ?? ""}`;
}

/** The version of a broker as its launcher has it, or as it says itself. */
export function versionOf(peers: string, broker: string): string {
  if (broker.startsWith("mosquitto")) {
    const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin`;
    const { stdout } = spawnSync("mosquitto", ["-h"], { env: { PATH }, encoding: "utf8" });
    return /version (\S+)/.exec(stdout ?? "")?.[1] ?? "unknown";
  }
  let text = readFileSync(join(peers, `${broker}.sh`), "utf8");
  // A variant only starts the launcher that it is a variant of.
  const base = /exec bash "\$\(dirname "\$0"\)\/(\S+\.sh)"/.exec(text)?.[1];
  if (base !== undefined) text = readFileSync(join(peers, base), "utf8");
  const [, name, pinned] = /(\w+_VERSION)=\$\{\1:-([^}]+)\}/.exec(text) ?? [];
  return (name === undefined ? undefined : process.env[name]) ?? pinned ?? "this checkout";
}
