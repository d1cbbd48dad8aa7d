import { createHash } from "node:crypto";
import {
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeContent } from "./store-content.ts";
import type { StoreContent } from "./store-content.ts";

/** Copies of a data directory, each with one file that is damaged. */
export class DamagedCopies {
  /** The store's files. */
  readonly names: readonly string[];
  readonly #original: string;
  readonly #sums: ReadonlyMap<string, string>;
  readonly #scratch = mkdtempSync(join(tmpdir(), "sericite-torn-"));

  constructor(original: string) {
    this.#original = original;
    this.names = readdirSync(original).filter((name) => /\.(log|idx|ckp)$/.test(name));
    this.#sums = new Map(this.names.map((name) => [name, this.#sum(name)]));
  }

  /** Size of all files. */
  get bytes(): number {
    return this.names.reduce((sum, name) => sum + statSync(join(this.#original, name)).size, 0);
  }

  read(name: string): Buffer {
    return readFileSync(join(this.#original, name));
  }

  /**
   * Opens a copy in which the file `name` has other bytes.
   *
   * @returns its content, or what it failed with.
   */
  async open(name: string, bytes: Uint8Array): Promise<StoreContent | Error> {
    const copy = mkdtempSync(join(this.#scratch, "copy-"));
    // No start changes a file that it finds: `changed` tells whether that is so.
    for (const other of this.names)
      if (other !== name) linkSync(join(this.#original, other), join(copy, other));
    writeFileSync(join(copy, name), bytes);
    try {
      return await storeContent(copy);
    } catch (error) {
      return error as Error;
    } finally {
      rmSync(copy, { recursive: true });
    }
  }

  /** Files of the original that are no longer what they were. */
  changed(): string[] {
    return this.names.filter((name) => this.#sum(name) !== this.#sums.get(name));
  }

  /** Removes the copies. */
  remove(): void {
    rmSync(this.#scratch, { recursive: true });
  }

  #sum(name: string): string {
    return createHash("sha1").update(this.read(name)).digest("hex");
  }
}
