/**
 * Something that the disk does and that takes time. Nothing happens until it is called; then one
 * of the two is called once, never before the call has returned.
 */
export type Step<T> = (resolve: (value: T) => void, reject: (error: Error) => void) => void;

/** A file of a log store. Offsets and lengths are in bytes. */
export interface DiskFile {
  readonly name: string;
  /**
   * Writes at `offset`, perhaps only a part.
   *
   * @param bytes  Must stay unchanged until the step is done.
   * @returns how many bytes were written, at least 1.
   */
  write(offset: number, bytes: Uint8Array): Step<number>;
  /** Reads up to `length` bytes; fewer only where the file ends. The bytes belong to the caller. */
  read(offset: number, length: number): Step<Uint8Array>;
  /** Everything written so far survives the loss of power (`fdatasync`). After a failure never again. */
  flush(): Step<void>;
  close(): Step<void>;
}

/** A file's name and length. */
export interface DiskEntry {
  readonly name: string;
  readonly size: number;
}

/**
 * One directory of files, and all that a log store knows of the world: waiting, checksums, chance.
 * Names are plain file names. Errors are `ConnectionError`s with a code of `storeErrorCodes`.
 */
export interface Disk {
  /** What stands in messages for the directory. */
  readonly name: string;
  /**
   * Takes the directory for this process, and makes it where it is missing.
   *
   * A lock whose process is gone is taken over.
   *
   * @throws ERR_STORE_LOCKED with what is known of the holder.
   */
  lock(): Step<void>;
  unlock(): Step<void>;
  list(): Step<readonly DiskEntry[]>;
  /** A new file, to write and read. It is sure to exist after `flushDirectory`. Fails where it exists. */
  create(name: string): Step<DiskFile>;
  /** An existing file, to read. */
  open(name: string): Step<DiskFile>;
  /** Removes a file. One that is not there is no error. */
  unlink(name: string): Step<void>;
  flushDirectory(): Step<void>;
  /** Space that is left for this process. Bytes. */
  freeBytes(): Step<number>;
  /** CRC-32 (as in zlib) of `bytes`, going on from `value`. */
  crc32(bytes: Uint8Array, value: number): number;
  /** 32 bits that nobody can guess. */
  salt(): number;
  /** Calls back later. Milliseconds. @returns what takes it back. */
  later(delayMs: number, callback: () => void): () => void;
  /** A promise for a step; the step is begun at once. */
  promise<T>(step: Step<T>): Promise<T>;
}
