import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** What the broker promises about acknowledged messages: the values of its flag. */
export type Durability = "strict" | "relaxed" | "memory";

/** How to start a broker. */
export interface BrokerOptions {
  readonly durability: Durability;
  readonly dataDirectory: string;
  /** 0: a free one. */
  readonly port: number;
  /** Further flags. */
  readonly flags?: readonly string[];
  /** What runs before Node: a tracer and its flags. */
  readonly under?: readonly string[];
}

const COMMAND = join(import.meta.dirname, "../../packages/sericite/bin/sericite.js");
/** Time that a start may take. Milliseconds. */
const START_MS = 30_000;

/** `sericite broker` in a process of its own, as a user starts it. */
export class BrokerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #printed = "";
  /** All of a life is printed into this. */
  get printed(): string {
    return this.#printed;
  }

  constructor(options: BrokerOptions) {
    const { durability, dataDirectory, port, flags = [], under = [] } = options;
    const [program, ...words] = [
      ...under,
      process.execPath,
      COMMAND,
      "broker",
      "--port",
      String(port),
      "--log-level",
      "warn",
      "--log-format",
      "json",
      "--durability",
      durability,
      ...(durability === "memory" ? [] : ["--data-dir", dataDirectory]),
      ...flags,
    ];
    this.#child = spawn(program!, words, {
      stdio: ["ignore", "pipe", "pipe"],
      // What libuv may do behind the back of a tracer.
      env: { ...process.env, UV_USE_IO_URING: "0" },
    });
    this.#exited = once(this.#child, "exit");
    // Whoever is ended must not leave a broker behind.
    const end = (): void => void this.#child.kill("SIGKILL");
    process.once("exit", end);
    this.#child.once("exit", () => process.off("exit", end));
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => (this.#printed = (this.#printed + text).slice(-100_000)));
    }
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /**
   * Waits until it listens.
   *
   * @returns its port.
   * @throws Error with what it printed, where it ends instead or does not come.
   */
  async listening(): Promise<number> {
    const deadline = performance.now() + START_MS;
    for (;;) {
      const found = /"listeners":\["mqtt:\/\/[^"]*:(\d+)"/.exec(this.#printed);
      if (found !== null) return Number(found[1]);
      if (this.hasEnded)
        throw new Error(`the broker ended with ${this.#child.exitCode}:\n${this.#printed}`);
      if (performance.now() > deadline)
        throw new Error(`the broker does not listen after ${START_MS / 1000} s:\n${this.#printed}`);
      await new Promise<void>((resolve) => {
        const go = (): void => {
          clearTimeout(timer);
          this.#child.stdout!.off("data", go);
          this.#child.off("exit", go);
          resolve();
        };
        const timer = setTimeout(go, 1000);
        this.#child.stdout!.once("data", go);
        this.#child.once("exit", go);
      });
    }
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** SIGTERM. @returns the exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill("SIGTERM");
    await this.#exited;
    return this.#child.exitCode;
  }
}
