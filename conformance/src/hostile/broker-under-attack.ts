import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Place, Target, TransportName } from "./attack.ts";
import { collectGarbage, inspectorAddress } from "./garbage-collection.ts";
import { unexpectedLines } from "./log-lines.ts";

const ROOT = join(import.meta.dirname, "../../..");
const COMMAND = join(ROOT, "packages/sericite/bin/sericite.js");
const CERTIFICATES = join(ROOT, "packages/broker/src/listeners/test-certificates");
/** Time that a start or an end may take. Milliseconds. */
const PATIENCE_MS = 30_000;
/** Time that the broker gives for handshakes and CONNECT. Milliseconds. */
const ENTRY_TIMEOUT_MS = 3000;

/** Time that the broker has to end a connection that it must end. Milliseconds. */
const CLOSING_MS = 10_000;
/** The same of a broker that was there: some never do, and a comparison is not to wait for that. */
const GIVEN_PATIENCE_MS = 3000;

/**
 * What differs from the defaults: the broker ends half-open connections while the attack lasts, and
 * takes all the Topic Aliases that there are.
 */
export const ATTACKED_SETTINGS: readonly string[] = [
  ...["--mqtt.connectTimeout", String(ENTRY_TIMEOUT_MS)],
  ...["--listen.handshakeTimeout", String(ENTRY_TIMEOUT_MS)],
  ...["--mqtt.topicAliasMaximum", "65535"],
  ...["--mqtt.topicAliasOutboundMaximum", "65535"],
];

const SCHEMES: Readonly<Record<string, TransportName>> = { mqtt: "tcp", ws: "ws", mqtts: "tls" };

/** The broker that is attacked: one that is started for it, or one that was there. */
export interface BrokerUnderAttack {
  readonly target: Target;
  /** Of its process; `undefined`: nobody said. */
  readonly pid: number | undefined;
  /** Has it collect its garbage; `undefined` where nobody can. */
  readonly collectGarbage: (() => Promise<void>) | undefined;
  /** How it ended, if it has. */
  readonly ended: string | undefined;
  /** Ends what was started. @returns what is wrong about its end and its log. */
  stop(): Promise<string[]>;
}

/** A broker that was there already, and stays. */
export function givenBroker(
  places: Readonly<Partial<Record<TransportName, Place>>>,
  pid: number | undefined,
): BrokerUnderAttack {
  return {
    target: { places, entryTimeoutMs: 0, patienceMs: GIVEN_PATIENCE_MS },
    pid,
    collectGarbage: undefined,
    ended: undefined,
    stop: () => Promise.resolve([]),
  };
}

/** Starts `sericite broker` as a user would, with listeners for TCP, WebSocket and TLS and a store of its own. */
export async function startBroker(): Promise<BrokerUnderAttack> {
  const directory = mkdtempSync(join(tmpdir(), "sericite-hostile-"));
  const flags = [
    ...["--port", "0", "--ws-port", "0", "--tls-port", "0"],
    ...["--tls-certificate", join(CERTIFICATES, "localhost.pem")],
    ...["--tls-key", join(CERTIFICATES, "localhost.key")],
    ...["--log-level", "warn", "--log-format", "json", "--data-dir", directory],
    ...ATTACKED_SETTINGS,
  ];
  const broker = new StartedBroker(directory, flags);
  await broker.listens();
  return broker;
}

class StartedBroker implements BrokerUnderAttack {
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #target: Target = { places: {}, entryTimeoutMs: ENTRY_TIMEOUT_MS, patienceMs: CLOSING_MS };
  #printed = "";

  constructor(directory: string, flags: readonly string[]) {
    this.#directory = directory;
    this.#child = spawn(process.execPath, ["--inspect-port=0", COMMAND, "broker", ...flags], {
      stdio: ["ignore", "pipe", "pipe"],
      // What the caller's environment says of other brokers is not meant for this one.
      env: Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !name.startsWith("SERICITE_")),
      ),
    });
    this.#exited = once(this.#child, "exit");
    // Whoever is ended must not leave a broker behind.
    const end = (): void => void this.#child.kill("SIGKILL");
    process.once("exit", end);
    this.#child.once("exit", () => process.off("exit", end));
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => (this.#printed += text));
    }
  }

  get target(): Target {
    return this.#target;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  readonly collectGarbage = async (): Promise<void> => {
    if (inspectorAddress(this.#printed) === undefined) this.#child.kill("SIGUSR1");
    await this.#until(() => inspectorAddress(this.#printed) !== undefined, "open its inspector");
    await collectGarbage(inspectorAddress(this.#printed)!);
  };

  get ended(): string | undefined {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) return undefined;
    return `the broker ended with ${signalCode ?? exitCode}:\n${this.#printed.slice(-4000)}`;
  }

  /** Waits until it listens. @throws Error with what it printed, where it does not. */
  async listens(): Promise<void> {
    const listeners = /"listeners":(\[[^\]]*\])/;
    await this.#until(() => listeners.test(this.#printed), "listen");
    const urls = JSON.parse(listeners.exec(this.#printed)![1]!) as string[];
    const places: Partial<Record<TransportName, Place>> = {};
    for (const url of urls) {
      const { protocol, hostname, port } = new URL(url);
      places[SCHEMES[protocol.slice(0, -1)]!] = { host: hostname, port: Number(port) };
    }
    this.#target = { ...this.#target, places };
  }

  /** Waits until it has printed something. @throws Error with what it printed, where that does not come. */
  async #until(hasCome: () => boolean, what: string): Promise<void> {
    const endsAt = performance.now() + PATIENCE_MS;
    while (!hasCome()) {
      if (this.ended !== undefined) throw new Error(this.ended);
      if (performance.now() > endsAt) throw new Error(`it does not ${what}:\n${this.#printed}`);
      await new Promise((resolve) => void setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<string[]> {
    const faults: string[] = [];
    if (this.ended === undefined) {
      this.#child.kill("SIGTERM");
      const timer = setTimeout(() => {
        faults.push(`the broker did not end within ${PATIENCE_MS / 1000} s of SIGTERM`);
        this.#child.kill("SIGKILL");
      }, PATIENCE_MS);
      await this.#exited;
      clearTimeout(timer);
      const { exitCode } = this.#child;
      if (exitCode !== 0 && faults.length === 0)
        faults.push(`the broker ended with ${exitCode} after SIGTERM`);
    }
    rmSync(this.#directory, { recursive: true, force: true });
    return [...faults, ...unexpectedLines(this.#printed)];
  }
}
