import type { Disk, DiskEntry, DiskFile, Step } from "./disk.ts";

/**
 * Another disk whose process can be killed inside a test's own: from then on nothing is done and
 * nobody is called back, while what was under way ends.
 */
export class MortalDisk implements Disk {
  readonly name: string;
  readonly #disk: Disk;
  #isDead = false;
  #underWay = 0;
  readonly #open = new Set<DiskFile>();
  #onQuiet: (() => void) | undefined;

  constructor(disk: Disk) {
    this.#disk = disk;
    this.name = disk.name;
  }

  async kill(): Promise<void> {
    if (this.#isDead) return;
    this.#isDead = true;
    if (this.#underWay > 0)
      await new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
      });
    for (const file of this.#open) await this.#disk.promise(file.close());
    await this.#disk.promise(this.#disk.unlock());
  }

  lock(): Step<void> {
    return this.#mortal(this.#disk.lock());
  }

  unlock(): Step<void> {
    return this.#mortal(this.#disk.unlock());
  }

  list(): Step<readonly DiskEntry[]> {
    return this.#mortal(this.#disk.list());
  }

  create(name: string): Step<DiskFile> {
    return this.#file(this.#disk.create(name));
  }

  open(name: string): Step<DiskFile> {
    return this.#file(this.#disk.open(name));
  }

  unlink(name: string): Step<void> {
    return this.#mortal(this.#disk.unlink(name));
  }

  flushDirectory(): Step<void> {
    return this.#mortal(this.#disk.flushDirectory());
  }

  freeBytes(): Step<number> {
    return this.#mortal(this.#disk.freeBytes());
  }

  crc32(bytes: Uint8Array, value: number): number {
    return this.#disk.crc32(bytes, value);
  }

  salt(): number {
    return this.#disk.salt();
  }

  later(delayMs: number, callback: () => void): () => void {
    return this.#disk.later(delayMs, () => {
      if (!this.#isDead) callback();
    });
  }

  promise<T>(step: Step<T>): Promise<T> {
    return this.#disk.promise(step);
  }

  #file(step: Step<DiskFile>): Step<DiskFile> {
    return (resolve, reject) => {
      this.#mortal((opened: (file: DiskFile) => void, failed) => {
        step((file) => {
          this.#open.add(file);
          opened(file);
        }, failed);
      })((file) => {
        resolve({
          name: file.name,
          write: (offset, bytes) => this.#mortal(file.write(offset, bytes)),
          read: (offset, length) => this.#mortal(file.read(offset, length)),
          flush: () => this.#mortal(file.flush()),
          close: () =>
            this.#mortal((closed: () => void, notClosed) => {
              this.#open.delete(file);
              file.close()(closed, notClosed);
            }),
        });
      }, reject);
    };
  }

  #mortal<T>(step: Step<T>): Step<T> {
    return (resolve, reject) => {
      if (this.#isDead) return;
      this.#underWay += 1;
      const end = (): boolean => {
        this.#underWay -= 1;
        if (this.#underWay === 0) this.#onQuiet?.();
        return !this.#isDead;
      };
      step(
        (value) => {
          if (end()) resolve(value);
        },
        (error) => {
          if (end()) reject(error);
        },
      );
    };
  }
}
