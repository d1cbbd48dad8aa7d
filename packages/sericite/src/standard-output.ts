import { writeSync } from "node:fs";

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes to standard output, synchronously: when it returns, the bytes are out.
 *
 * @throws what the system says; EPIPE where nobody reads any more.
 */
export function writeOutput(bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += writeSome(bytes, written);
}

/** Prints a text that a person asked for. Where nobody reads it to its end, as in `| head`, that is fine. */
export function printText(text: string): void {
  try {
    writeOutput(Buffer.from(text));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
}

/** @returns bytes that were taken; 0 where another process made the pipe non-blocking and it is full. */
function writeSome(bytes: Uint8Array, start: number): number {
  try {
    return writeSync(1, bytes, start);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    Atomics.wait(sleeper, 0, 0, 5);
    return 0;
  }
}
