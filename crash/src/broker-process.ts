import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { BanRequest } from "./ban-door.ts";
import { Cut } from "./wire/wire-client.ts";

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
  /** It has a door through which it can be asked to ban somebody. */
  readonly hasBanDoor?: boolean;
}

const BAN_DOOR = new URL("ban-door.js", import.meta.url).href;
const COMMAND = join(import.meta.dirname, "../../packages/sericite/bin/sericite.js");
/** Time that a start may take. Milliseconds. */
const START_MS = 30_000;

/** `sericite broker` in a process of its own, as a user starts it. */
export class BrokerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #printed = "";
  #requests = 0;
  /** All of a life is printed into this. */
  get printed(): string {
    return this.#printed;
  }

  constructor(options: BrokerOptions) {
    const { durability, dataDirectory, port, flags = [], under = [], hasBanDoor } = options;
    const [program, ...words] = [
      ...under,
      process.execPath,
      ...(hasBanDoor === true ? ["--import", BAN_DOOR] : []),
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
      stdio: ["ignore", "pipe", "pipe", ...(hasBanDoor === true ? (["ipc"] as const) : [])],
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

  /**
   * Asks it through its door to ban a Client Identifier; resolves when it says that this is kept.
   *
   * @param expiresInMs  `undefined`: until it is lifted; 0: it is lifted.
   * @throws Cut where it ends before.
   */
  ban(clientId: string, expiresInMs: number | undefined): Promise<void> {
    const request: BanRequest = { number: (this.#requests += 1), clientId, expiresInMs };
    return new Promise((resolve, reject) => {
      const child = this.#child;
      const settle = (action: () => void): void => {
        child.off("message", onMessage);
        child.off("exit", onExit);
        action();
      };
      const onMessage = (answer: unknown): void => {
        if (answer === request.number) settle(resolve);
      };
      const onExit = (): void => settle(() => reject(new Cut("waiting for a ban")));
      child.on("message", onMessage);
      child.on("exit", onExit);
      if (this.hasEnded || !child.connected) onExit();
      // Its end tells of what went wrong.
      else child.send(request, (error) => error !== null && onExit());
    });
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
