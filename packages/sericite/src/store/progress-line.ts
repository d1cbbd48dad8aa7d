import { formatBytes } from "./byte-count.ts";

/** Nothing is shown of what is done sooner. Milliseconds. */
const quietMs = 1000;
/** Time between two looks of the line. Milliseconds. */
const stepMs = 200;

/** Where a progress line is written, and what time it is. */
export interface ProgressWorld {
  /** Whether anybody watches. */
  readonly isWatched: boolean;
  write(text: string): void;
  /** Milliseconds. */
  now(): number;
}

const standardError: ProgressWorld = {
  get isWatched() {
    return process.stderr.isTTY;
  },
  write: (text) => void process.stderr.write(text),
  now: () => performance.now(),
};

/** How far something is. Bytes. */
export interface Progress {
  readonly bytes: number;
  /** 0: nobody knows. */
  readonly ofBytes: number;
}

/**
 * One line on standard error, written over again and again, that says how far a command is. It shows
 * after a second, on a terminal only, and goes when the work is done. It has no colours.
 */
export class ProgressLine {
  readonly #world: ProgressWorld;
  readonly #startedAt: number;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #done: (() => number) | undefined;
  #label: string;
  #progress: Progress | undefined;
  /** Columns that the line takes; 0: it is not there. */
  #width = 0;
  #shownAt = -Infinity;

  /**
   * @param label  What is being done: "checking".
   * @param done  Says how far it is as long as nobody tells. Bytes.
   */
  constructor(
    label: string,
    isQuiet: boolean,
    done?: () => number,
    world: ProgressWorld = standardError,
  ) {
    this.#label = label;
    this.#done = done;
    this.#world = world;
    this.#startedAt = world.now();
    if (isQuiet || !world.isWatched) return;
    // Where the work tells nothing for long, the seconds show that it goes on.
    this.#timer = setInterval(() => this.show(), stepMs);
    this.#timer.unref();
  }

  /** Says how far it is. @param label  What is being done now. */
  tell(progress: Progress, label: string = this.#label): void {
    this.#label = label;
    this.#progress = progress;
    this.show();
  }

  /** Writes the line, if it is time to. */
  show(): void {
    const now = this.#world.now();
    if (this.#timer === undefined || now - this.#startedAt < quietMs) return;
    if (now - this.#shownAt < stepMs) return;
    this.#shownAt = now;
    const text = this.#text(now);
    this.#world.write(`\r${text.padEnd(this.#width)}`);
    this.#width = text.length;
  }

  /** Takes the line away. */
  end(): void {
    clearInterval(this.#timer);
    if (this.#width > 0) this.#world.write(`\r${" ".repeat(this.#width)}\r`);
    this.#width = 0;
  }

  #text(now: number): string {
    const label = this.#label;
    const read = this.#done?.() ?? 0;
    if (this.#progress === undefined && read === 0)
      return `${label}, ${Math.floor((now - this.#startedAt) / 1000)} s`;
    const { bytes, ofBytes } = this.#progress ?? { bytes: read, ofBytes: 0 };
    if (ofBytes === 0) return `${label}: ${formatBytes(bytes)}`;
    const share = Math.floor((100 * Math.min(bytes, ofBytes)) / ofBytes);
    return `${label}: ${formatBytes(bytes)} of ${formatBytes(ofBytes)}, ${share} %`;
  }
}
