import type { Link } from "@sericite/protocol";

const nothing = new Uint8Array(0);

/**
 * What leaves a connection at the end of the turn: ranges of bytes that grow while they touch, so
 * that a burst of forwarded packets is one range of the memory it was read into.
 */
export class Output {
  /** Bytes in all ranges. */
  size = 0;
  #bytes: Uint8Array = nothing;
  #start = 0;
  #end = 0;
  /** Ranges before the last one, as (bytes, start, end); made on first need. */
  #earlierBytes: Uint8Array[] | undefined;
  #earlierEnds: number[] | undefined;
  /** The one range is memory of its own. */
  #isKept = false;

  /** Adds bytes `start` to `end`, which must not change before the flush. */
  append(bytes: Uint8Array, start: number, end: number): void {
    this.size += end - start;
    if (this.#bytes === bytes && this.#end === start) {
      this.#end = end;
      return;
    }
    if (this.#bytes !== nothing) {
      (this.#earlierBytes ??= []).push(this.#bytes);
      (this.#earlierEnds ??= []).push(this.#start, this.#end);
    }
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** Forgets what was not flushed. */
  clear(): void {
    this.#isKept = false;
    this.size = 0;
    this.#bytes = nothing;
    this.#start = this.#end = 0;
    this.#earlierBytes = undefined;
    this.#earlierEnds = undefined;
  }

  /** Copies what was not flushed, which has to outlive the turn. */
  keep(): void {
    if (this.#isKept && this.#earlierBytes === undefined) return;
    const bytes = new Uint8Array(this.size);
    let at = 0;
    const ends = this.#earlierEnds;
    if (ends !== undefined) {
      for (let i = 0; i < this.#earlierBytes!.length; i++) {
        bytes.set(this.#earlierBytes![i]!.subarray(ends[2 * i], ends[2 * i + 1]), at);
        at += ends[2 * i + 1]! - ends[2 * i]!;
      }
    }
    bytes.set(this.#bytes.subarray(this.#start, this.#end), at);
    this.clear();
    this.append(bytes, 0, bytes.length);
    this.#isKept = true;
  }

  /** All of it in one piece, which must not be changed; it is still to be flushed. */
  whole(): Uint8Array {
    this.keep();
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Hands everything to `link` in one write. @returns what `Link.write` said. */
  flush(link: Link, joiner: Joiner): boolean {
    let view: Uint8Array;
    let isJoined = false;
    if (this.#earlierBytes === undefined || this.#earlierBytes.length === 0) {
      view = joiner.view(this.#bytes, this.#start, this.#end);
    } else {
      isJoined = true;
      joiner.begin(this.size);
      const ends = this.#earlierEnds!;
      for (let i = 0; i < this.#earlierBytes.length; i++)
        joiner.add(this.#earlierBytes[i]!, ends[2 * i]!, ends[2 * i + 1]!);
      joiner.add(this.#bytes, this.#start, this.#end);
      view = joiner.joined();
      this.#earlierBytes.length = 0;
      ends.length = 0;
    }
    const bytes = this.#bytes;
    this.size = 0;
    this.#bytes = nothing;
    this.#isKept = false;
    this.#start = this.#end = 0;
    const taken = link.write(view);
    if (!taken) joiner.hold(isJoined ? undefined : bytes);
    return taken;
  }
}

/** Joins ranges into one scratch buffer, and lets equal ranges of many receivers share one view. */
export class Joiner {
  #scratch: Uint8Array = new Uint8Array(64 * 1024);
  #used = 0;
  #view: Uint8Array = nothing;
  #viewBytes: Uint8Array = nothing;
  #viewStart = 0;
  #viewEnd = 0;
  readonly #onHeld: (bytes: Uint8Array) => void;

  /** @param onHeld  Told which memory a transport keeps hold of: it must not be used again. */
  constructor(onHeld: (bytes: Uint8Array) => void) {
    this.#onHeld = onHeld;
  }

  view(bytes: Uint8Array, start: number, end: number): Uint8Array {
    if (this.#viewBytes !== bytes || this.#viewStart !== start || this.#viewEnd !== end) {
      this.#viewBytes = bytes;
      this.#viewStart = start;
      this.#viewEnd = end;
      this.#view = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    }
    return this.#view;
  }

  begin(size: number): void {
    if (size > this.#scratch.length) this.#scratch = new Uint8Array(size * 2);
    this.#used = 0;
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    const scratch = this.#scratch;
    let used = this.#used;
    // A byte loop beats `set(subarray)` for acknowledgements and small packets.
    if (end - start <= 48) for (let i = start; i < end; i++) scratch[used++] = bytes[i]!;
    else {
      scratch.set(bytes.subarray(start, end), used);
      used += end - start;
    }
    this.#used = used;
  }

  joined(): Uint8Array {
    return this.#scratch.subarray(0, this.#used);
  }

  /** A transport keeps what it was given: `bytes`, or the scratch buffer. */
  hold(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) this.#scratch = new Uint8Array(this.#scratch.length);
    else this.#onHeld(bytes);
  }

  /** The views of this turn are over. */
  endTurn(): void {
    this.#viewBytes = nothing;
    this.#view = nothing;
  }
}
