import type { Message } from "@sericite/client";
import { ConnectionError, topicFilterMatches } from "@sericite/protocol";
import { usageError } from "../errors.ts";
import { ExitCode } from "../exit-code.ts";
import { allWords, lastOptionWord } from "./connection-options.ts";
import { lastOption } from "../options/option.ts";
import type { CommandLine } from "../options/option.ts";
import { writeOutput } from "../standard-output.ts";
import { compileFormat, PayloadError, payloadOnly, topicAndPayload } from "./output-format.ts";
import type { OutputFormat } from "./output-format.ts";
import { wholeNumber } from "./property-options.ts";

/** Never settles: a message that gets it is not acknowledged, and stays with the broker. */
const never = new Promise<never>(() => {});

const lineFeed = Buffer.from("\n");

/** Prints messages as the options of `sub` ask, and knows when it is enough. */
export class Printer {
  /** Settles with the exit code when nothing more is to be printed. */
  readonly ended: Promise<number>;
  readonly #format: OutputFormat;
  readonly #filtersOut: readonly string[];
  readonly #leavesOutRetained: boolean;
  readonly #isRetainedOnly: boolean;
  readonly #hasLineFeed: boolean;
  readonly #share: number;
  #left: number;
  #end: (code: number) => void = () => {};
  #isOver = false;

  /** @throws UsageError for an option whose value is none. */
  constructor(line: CommandLine) {
    const has = (name: string): boolean => lastOption(line, name) !== undefined;
    const format = lastOptionWord(line, "format");
    this.#format =
      format === undefined
        ? has("verbose")
          ? topicAndPayload
          : payloadOnly
        : compileFormat(format, has("pretty"));
    this.#filtersOut = allWords(line, "filter-out").map(([filter]) => filter!);
    this.#leavesOutRetained = has("no-retained");
    this.#isRetainedOnly = has("retained-only");
    this.#hasLineFeed = !has("no-end-of-line");
    this.#share = readShare(lastOptionWord(line, "random-filter"));
    const count = lastOptionWord(line, "count");
    this.#left =
      count === undefined ? Infinity : wholeNumber(count, Number.MAX_SAFE_INTEGER, "-C", 1);
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Print no more. @param code  Exit code. */
  end(code: number): void {
    this.#isOver = true;
    this.#end(code);
  }

  /** Whether a Topic Name is left out by `-T`. */
  isFilteredOut(topicName: string): boolean {
    return this.#filtersOut.some((filter) => topicFilterMatches(filter, topicName));
  }

  /**
   * Prints a message if the options ask for it.
   *
   * @returns a promise that never settles where the message came too late to be printed.
   */
  print(message: Message): Promise<never> | undefined {
    if (this.#isOver) return never;
    if (this.#isRetainedOnly && !message.retain) {
      this.end(ExitCode.ok);
      return never;
    }
    if (message.retain && this.#leavesOutRetained) return undefined;
    if (this.isFilteredOut(message.topicName)) return undefined;
    if (this.#share < 1 && Math.random() >= this.#share) return undefined;
    let bytes: Uint8Array;
    try {
      bytes = this.#format(message, new Date());
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error;
      process.stderr.write(`sericite: ${error.message}\n`);
      return undefined;
    }
    if (!this.#write(this.#hasLineFeed ? Buffer.concat([bytes, lineFeed]) : bytes)) return never;
    if (--this.#left === 0) this.end(ExitCode.ok);
    return undefined;
  }

  /** Synchronously: what is acknowledged has been printed. @returns whether it was. */
  #write(bytes: Uint8Array): boolean {
    try {
      writeOutput(bytes);
      return true;
    } catch (error) {
      const cause = error as NodeJS.ErrnoException;
      // The reader has seen enough, as in `sub | head -1`.
      if (cause.code === "EPIPE") this.end(ExitCode.ok);
      else
        this.#end(
          fail(
            new ConnectionError("ERR_OUTPUT", `cannot write what was received: ${cause.message}`, {
              cause,
            }),
          ),
        );
      this.#isOver = true;
      return false;
    }
  }
}

function fail(error: Error): number {
  process.stderr.write(`sericite: ${error.message}\n`);
  return ExitCode.failure;
}

function readShare(word: string | undefined): number {
  if (word === undefined) return 1;
  const percent = /^\d*\.?\d+$/.test(word) ? Number(word) : NaN;
  if (percent > 0 && percent <= 100) return percent / 100;
  throw usageError(
    "ERR_OPTION_VALUE",
    `--random-filter is "${word}", expected a number above 0, at most 100`,
  );
}
