import { isatty } from "node:tty";
import { styleText } from "node:util";
import type { Log, LogLevel } from "@sericite/broker";
import { jsonFormat, textFormat, type LogFormat } from "./log-format.ts";
import type { LogSink } from "./log-sink.ts";

const ranks: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** The broker's log port over a sink: filters by level, formats, and tells when lines were dropped. */
export class LogWriter implements Log {
  readonly #sink: LogSink;
  readonly #format: LogFormat;
  #rank: number;

  constructor(sink: LogSink, level: LogLevel, format: LogFormat) {
    this.#sink = sink;
    this.#format = format;
    this.#rank = ranks[level];
  }

  /** Lines below this level are left out from now on. */
  set level(level: LogLevel) {
    this.#rank = ranks[level];
  }

  enabled(level: LogLevel): boolean {
    return ranks[level] >= this.#rank;
  }

  write(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.enabled(level)) this.always(level, event, fields);
  }

  /** Writes a line whatever its level. */
  always(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>): void {
    const dropped = this.#sink.takeDropped();
    if (dropped > 0)
      this.#sink.write(this.#format(new Date(), "warn", "log-lines-dropped", { count: dropped }));
    this.#sink.write(this.#format(new Date(), level, event, fields));
  }

  /**
   * Ends the process when the last lines are written. Where nobody reads them, one thread is stuck in
   * writing: a normal exit would wait for that thread for ever.
   */
  async exit(code: number): Promise<never> {
    const isWritten = await this.#sink.end();
    if (!isWritten) process.kill(process.pid, "SIGKILL");
    process.exit(code);
  }
}

/** The format that a setting asks for, for a file descriptor: auto is text on a terminal, else JSON. */
export function logFormatFor(setting: "auto" | "text" | "json", descriptor: 1 | 2): LogFormat {
  const terminal = isatty(descriptor);
  if (setting === "json" || (setting === "auto" && !terminal)) return jsonFormat;
  return textFormat(hasColours(descriptor, terminal));
}

/** Whether colours are wanted: on a terminal that has them; NO_COLOR and FORCE_COLOR are obeyed. */
function hasColours(descriptor: 1 | 2, terminal: boolean): boolean {
  // The stream of a pipe is not touched: Node would set its descriptor to non-blocking.
  if (!terminal && process.env["FORCE_COLOR"] === undefined) return false;
  const stream = descriptor === 1 ? process.stdout : process.stderr;
  return styleText("red", "x", { stream }) !== "x";
}
