import { write } from "node:fs";

/** Bytes of lines that may wait for a slow reader; above it lines are dropped and counted. */
const waitingMaximum = 1024 * 1024;

/** Time that the last lines have to leave. Milliseconds. */
const endMs = 1000;

/**
 * Writes text to a file descriptor without ever making the event loop wait: a terminal that is
 * stopped, or a pipe that nobody reads, must not stop the broker.
 */
export class LogSink {
  readonly #descriptor: number;
  #waiting: string[] = [];
  #waitingLength = 0;
  #underWay: Buffer | undefined;
  #scheduled = false;
  #dropped = 0;
  #broken = false;
  #onEmpty: (() => void) | undefined;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Takes a line; it is written with the others of this turn. */
  write(line: string): void {
    if (this.#broken) return;
    if (this.#waitingLength + line.length > waitingMaximum) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    if (this.#scheduled || this.#underWay) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#next();
    });
  }

  /** Lines that were dropped since the last call, because the reader is too slow. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /**
   * For the end of the process: settles when all is written, or after a second where the reader
   * does not read.
   *
   * @returns whether all is written.
   */
  async end(): Promise<boolean> {
    if (!this.#underWay) this.#next();
    if (!this.#underWay) return true;
    return new Promise<boolean>((resolve) => {
      const deadline = setTimeout(() => resolve(false), endMs);
      this.#onEmpty = () => {
        clearTimeout(deadline);
        resolve(true);
      };
    });
  }

  #takeWaiting(): string {
    const text = this.#waiting.join("");
    this.#waiting = [];
    this.#waitingLength = 0;
    return text;
  }

  #next(): void {
    if (this.#underWay) return;
    if (this.#waiting.length === 0) {
      this.#onEmpty?.();
      return;
    }
    this.#underWay = Buffer.from(this.#takeWaiting());
    this.#writeOut();
  }

  #writeOut(): void {
    const bytes = this.#underWay;
    if (!bytes) return;
    write(this.#descriptor, bytes, (error, written) => {
      if (error && error.code === "EAGAIN") {
        setTimeout(() => this.#writeOut(), 20).unref();
      } else if (error) {
        // Nobody reads any more, and this was the place to say so. The broker goes on without a log.
        this.#broken = true;
        this.#underWay = undefined;
        this.#onEmpty?.();
      } else if (written < bytes.length) {
        this.#underWay = bytes.subarray(written);
        this.#writeOut();
      } else {
        this.#underWay = undefined;
        this.#next();
      }
    });
  }
}
