import assert from "node:assert/strict";
import { test } from "node:test";
import type { Log } from "./engine/ports.ts";
import { adaptLog, silentLog } from "./log.ts";
import type { LoggerLike } from "./log.ts";

/** A logger as pino is, with a `this`. */
class Pinoish implements LoggerLike {
  readonly lines: unknown[] = [];
  readonly least: string;
  constructor(least: string) {
    this.least = least;
  }
  isLevelEnabled(level: string): boolean {
    const levels = ["debug", "info", "warn", "error"];
    return levels.indexOf(level) >= levels.indexOf(this.least);
  }
  debug(fields: object, message: string): void {
    this.lines.push(["debug", fields, message]);
  }
  info(fields: object, message: string): void {
    this.lines.push(["info", fields, message]);
  }
  warn(fields: object, message: string): void {
    this.lines.push(["warn", fields, message]);
  }
  error(fields: object, message: string): void {
    this.lines.push(["error", fields, message]);
  }
}

test("a logger with a method for each level is given fields and event, and asked what it wants", () => {
  const logger = new Pinoish("warn");
  const log = adaptLog(logger);
  assert.deepEqual(
    (["debug", "info", "warn", "error"] as const).map((level) => log.enabled(level)),
    [false, false, true, true],
  );
  log.write("warn", "slow-consumer", { clientId: "c" });
  assert.deepEqual(logger.lines, [["warn", { clientId: "c" }, "slow-consumer"]]);
});

test("a logger that does not say what it wants gets all", () => {
  const { debug, info, warn, error } = new Pinoish("error");
  const log = adaptLog({ debug, info, warn, error });
  assert.equal(log.enabled("debug"), true);
});

test("a Log is given back as it is; the silent one wants nothing", () => {
  const log: Log = { enabled: () => true, write: () => undefined };
  assert.equal(adaptLog(log), log);
  assert.equal(silentLog.enabled("error"), false);
  silentLog.write("error", "x", {});
});
