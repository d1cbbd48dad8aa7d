import { spawn } from "node:child_process";
import type { LogWriter } from "../log/log-writer.ts";

/** Longest that one message may take. Milliseconds. */
const limitMs = 5000;

/**
 * Tells systemd how the broker is (sd_notify(3)). Node cannot send datagrams to a Unix socket, so
 * each message is sent by the program `systemd-notify`, one after the other. Does nothing where no
 * service manager asks for it.
 */
export class Systemd {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #log: LogWriter;
  #isAsked: boolean;
  #last: Promise<void> = Promise.resolve();
  #watchdog: NodeJS.Timeout | undefined;

  constructor(log: LogWriter, environment: NodeJS.ProcessEnv = process.env) {
    this.#log = log;
    this.#environment = environment;
    this.#isAsked = (environment["NOTIFY_SOCKET"] ?? "") !== "";
  }

  /** The broker listens. From now on the watchdog is told that the event loop turns. */
  ready(status: string): void {
    void this.#send("READY=1", `STATUS=${status}`);
    const everyMs = this.#watchdogMs();
    if (everyMs === 0) return;
    this.#watchdog = setInterval(() => void this.#send("WATCHDOG=1"), everyMs / 2).unref();
  }

  reloading(): void {
    void this.#send("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  /** The reload is over, whatever came of it. */
  reloaded(status: string): void {
    void this.#send("READY=1", `STATUS=${status}`);
  }

  /** The broker drains. Settles when that is told. */
  stopping(): Promise<void> {
    clearInterval(this.#watchdog);
    return this.#send("STOPPING=1");
  }

  /** Time after which systemd takes the process for hung; 0: it does not watch. */
  #watchdogMs(): number {
    const { WATCHDOG_PID: pid, WATCHDOG_USEC: time } = this.#environment;
    const isOther = pid !== undefined && pid !== String(process.pid);
    if (!this.#isAsked || isOther || !/^\d+$/.test(time ?? "")) return 0;
    return Number(time) / 1000;
  }

  #send(...assignments: readonly string[]): Promise<void> {
    if (!this.#isAsked) return Promise.resolve();
    return (this.#last = this.#last.then(() => this.#run(assignments)));
  }

  /** Never rejects: the broker goes on without. */
  #run(assignments: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      const failed = (why: string): void => {
        this.#isAsked = false;
        clearInterval(this.#watchdog);
        this.#log.write("warn", "systemd-not-told", {
          message: `systemd cannot be told how the broker is: systemd-notify ${why}`,
        });
        resolve();
      };
      const child = spawn("systemd-notify", assignments, {
        env: this.#environment,
        stdio: "ignore",
        timeout: limitMs,
      });
      child.on("error", (error) => failed(`cannot be started: ${error.message}`));
      child.on("exit", (code, signal) => {
        if (code === 0) resolve();
        else failed(`ended with ${code ?? signal}`);
      });
    });
  }
}
