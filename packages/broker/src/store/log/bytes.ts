import { utf8Length, writeUtf8 } from "@sericite/protocol";

// Every JavaScript runtime that the suite is for has it; the language's own library does not.
declare const TextDecoder: new (
  label: "utf-8",
  options: { ignoreBOM: true },
) => { decode(bytes: Uint8Array): string };

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Bytes that grow at their end. Numbers of more than one byte are little-endian. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  length = 0;

  constructor(capacity: number = 4096) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** What was written; a view that the next write may change. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
  }

  byte(value: number): void {
    this.#need(1);
    this.#bytes[this.length++] = value;
  }

  u32(value: number): void {
    this.#need(4);
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
  }

  float(value: number): void {
    this.#need(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  /** A whole number 0…2^53-1: seven bits a byte, the lowest first. @throws RangeError above it. */
  varint(value: number): void {
    if (value > Number.MAX_SAFE_INTEGER) throw new RangeError(`${value} cannot be written`);
    this.#need(8);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.length++] = rest;
  }

  /** Its length, then its UTF-8. */
  string(value: string): void {
    const length = utf8Length(value);
    this.varint(length);
    this.#need(length);
    writeUtf8(this.#bytes, this.length, value);
    this.length += length;
  }

  /** Their count, then the bytes. */
  blob(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  raw(bytes: Uint8Array): void {
    this.#need(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  #need(count: number): void {
    const needed = this.length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads what a `ByteWriter` wrote. @throws RangeError beyond the end. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  float(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count += 1) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new RangeError("a number without end");
  }

  string(): string {
    const length = this.varint();
    const at = this.#take(length);
    return decoder.decode(this.#bytes.subarray(at, at + length));
  }

  /** A view. */
  blob(): Uint8Array {
    const length = this.varint();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.left) throw new RangeError(`${count} bytes asked for, ${this.left} left`);
    this.#at = at + count;
    return at;
  }
}
