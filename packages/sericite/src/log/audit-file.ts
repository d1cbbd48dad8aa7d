import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  renameSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { usageError } from "../errors.ts";
import { LogSink } from "./log-sink.ts";

/**
 * Whether lines could be added to the file that the settings name, without making it.
 *
 * @throws UsageError ERR_AUDIT_FILE where they could not.
 */
export function checkAuditFile({ audit }: { readonly audit: string }): void {
  if (audit === "" || audit === "log") return;
  try {
    if (!existsSync(audit)) accessSync(dirname(audit), constants.W_OK);
    else if (statSync(audit).isDirectory()) throw new Error("it is a directory");
    else accessSync(audit, constants.W_OK);
  } catch (cause) {
    throw unusable(audit, cause);
  }
}

function unusable(path: string, cause: unknown): Error {
  const { message } = cause as Error;
  return usageError("ERR_AUDIT_FILE", `log.audit: ${path} cannot be opened: ${message}`, cause);
}

/** A file that lines are added to. Once it is large it is moved to FILE.1, in place of the one before. */
export class AuditFile {
  readonly #path: string;
  #opened: Opened;
  /** Bytes at which it is moved away; 0: never. */
  maximumSize = 0;

  /** @throws UsageError ERR_AUDIT_FILE where it cannot be opened. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#opened = open(path);
    } catch (cause) {
      throw unusable(path, cause);
    }
  }

  /**
   * Adds a line.
   *
   * @throws the system's error where the file is large and cannot be moved away; the line is added all the same.
   */
  write(line: string): void {
    const opened = this.#opened;
    opened.sink.write(line);
    opened.size += Buffer.byteLength(line);
    if (this.maximumSize === 0 || !opened.isRegular || opened.size < this.maximumSize) return;
    opened.size = 0; // Where it cannot be moved, it is tried again as much later.
    renameSync(this.#path, `${this.#path}.1`);
    this.#opened = open(this.#path);
    void closeWhenWritten(opened);
  }

  /** Lines that were dropped since the last call, because the disk is too slow. */
  takeDropped(): number {
    return this.#opened.sink.takeDropped();
  }

  /** Settles when the last lines are written. */
  async end(): Promise<void> {
    await this.#opened.sink.end();
  }

  /** Closes it once the last lines are written. */
  close(): void {
    void closeWhenWritten(this.#opened);
  }

  /** Closes it at once; nothing was written to it. */
  discard(): void {
    closeSync(this.#opened.descriptor);
  }
}

interface Opened {
  readonly descriptor: number;
  readonly sink: LogSink;
  readonly isRegular: boolean;
  /** Bytes, also those that are still on their way. */
  size: number;
}

function open(path: string): Opened {
  const descriptor = openSync(path, "a", 0o640);
  const status = fstatSync(descriptor);
  const sink = new LogSink(descriptor);
  return { descriptor, sink, isRegular: status.isFile(), size: status.size };
}

/** One that cannot be written stays open: a line is still on its way to it. */
async function closeWhenWritten({ sink, descriptor }: Opened): Promise<void> {
  if (await sink.end()) closeSync(descriptor);
}
