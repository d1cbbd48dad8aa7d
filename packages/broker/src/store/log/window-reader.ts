import type { DiskFile } from "./disk.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";

/** Read at a time. Bytes. */
const WINDOW = 1 << 20;

/** Reads a file from front to back, a window at a time. */
export class WindowReader {
  readonly #file: DiskFile;
  #window: Uint8Array = new Uint8Array();
  #start = 0;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  /**
   * The bytes from `offset` on.
   *
   * @returns a view of at least `length` bytes, or of what there is before the end of the file. It
   * stays as it is.
   */
  *at(offset: number, length: number): Task<Uint8Array> {
    const inWindow = offset - this.#start;
    if (inWindow >= 0 && inWindow + length <= this.#window.length)
      return this.#window.subarray(inWindow);
    this.#window = yield* wait(this.#file.read(offset, Math.max(length, WINDOW)));
    this.#start = offset;
    return this.#window;
  }
}
