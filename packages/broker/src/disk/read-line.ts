/**
 * Reads that are under way at a time. The system has four threads for all that waits for a disk
 * (libuv's pool): a crowd of reads in front of it would hold up each flush, and every
 * acknowledgement with it. With fewer than this, hardly two are answered in one turn, and reading
 * what the system has in memory takes twice as long.
 */
const READS = 16;
/** Those that had their turn are forgotten so many at a time. */
const FORGET = 1000;

/** What a disk has read. */
export interface DiskReading {
  /** Name of the file that was read last; empty where none was. */
  readonly file: string;
  readonly bytes: number;
}

/** Where reads stand until it is their turn, and what they have read. */
export class ReadLine implements DiskReading {
  file = "";
  bytes = 0;
  readonly #waiting: (() => void)[] = [];
  /** Of `#waiting`, those that had their turn. */
  #begun = 0;
  #running = 0;

  /** @param read  Begins, now or later, and calls `leave` when it ends. */
  enter(read: () => void): void {
    if (this.#running < READS) {
      this.#running += 1;
      read();
    } else this.#waiting.push(read);
  }

  leave(): void {
    const next = this.#waiting[this.#begun];
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#begun += 1;
    if (this.#begun === FORGET || this.#begun === this.#waiting.length) {
      this.#waiting.splice(0, this.#begun);
      this.#begun = 0;
    }
    next();
  }
}
