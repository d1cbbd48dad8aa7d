/** Opcodes of frames (RFC 6455 §5.2). */
export const Opcode = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;

/** Status codes of a Close frame (RFC 6455 §7.4.1). */
export const CloseCode = {
  normal: 1000,
  protocolError: 1002,
  unsupportedData: 1003,
} as const;

/** The server broke RFC 6455: the connection is closed with `closeCode`. */
export class FrameError extends Error {
  override readonly name = "FrameError";
  readonly closeCode: number;
  constructor(closeCode: number, message: string) {
    super(message);
    this.closeCode = closeCode;
  }
}

/** What a `FrameReader` finds. */
export interface FrameHandler {
  /** Application data, in order; where frames begin and end is not told. Valid only during the call. */
  onBytes(bytes: Uint8Array, start: number, end: number): void;
  /** A Ping, Pong or Close frame. @param payload  0…125 bytes, the handler's own. */
  onControl(opcode: number, payload: Uint8Array): void;
}

/** Longest header of a frame without mask. Bytes. */
const headerMaximum = 10;
const controlMaximum = 125;

/**
 * Reads the frames of a WebSocket server (RFC 6455 §5.2), bytes as they come. Application data is
 * handed on at once and never gathered: MQTT makes nothing of frames [MQTT5-6.0.0-2]
 * [MQTT3-6.0.0-2], so none is too long.
 */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #header = new Uint8Array(headerMaximum);
  #headerLength = 0;
  #headerNeeded = 2;
  #opcode = 0;
  /** Bytes of the frame's payload that are yet to come. */
  #remaining = 0;
  #control: Uint8Array | undefined = undefined;
  #isInMessage = false;
  #isClosed = false;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /**
   * Reads on. What follows a Close frame is ignored.
   *
   * @throws FrameError where the server broke RFC 6455; nothing may be pushed after that.
   */
  push(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && !this.#isClosed) {
      if (this.#headerLength < this.#headerNeeded) {
        this.#header[this.#headerLength++] = bytes[at++]!;
        if (this.#headerLength === 2) this.#readStart();
        if (this.#headerLength === this.#headerNeeded) this.#readLength();
        continue;
      }
      const taken = Math.min(this.#remaining, end - at);
      this.#remaining -= taken;
      at += taken;
      if (this.#control !== undefined) this.#takeControl(bytes, at - taken, at);
      else this.#handler.onBytes(bytes, at - taken, at);
      if (this.#remaining === 0) this.#endFrame();
    }
  }

  #readStart(): void {
    const first = this.#header[0]!;
    const second = this.#header[1]!;
    const isFinal = (first & 0x80) !== 0;
    const opcode = first & 0x0f;
    const length = second & 0x7f;
    if ((first & 0x70) !== 0) throw broken("a frame has reserved bits");
    if ((second & 0x80) !== 0) throw broken("a frame of the server is masked");
    this.#opcode = opcode;
    this.#headerNeeded = length === 127 ? 10 : length === 126 ? 4 : 2;
    if (opcode >= Opcode.close) {
      if (opcode > Opcode.pong) throw broken(`unknown opcode ${opcode}`);
      if (!isFinal || length > controlMaximum)
        throw broken("a control frame is fragmented or too long");
      return;
    }
    if (opcode === Opcode.text) {
      // [MQTT5-6.0.0-1] [MQTT3-6.0.0-1]
      throw new FrameError(CloseCode.unsupportedData, "a text frame arrived; MQTT goes in binary");
    }
    if (opcode > Opcode.binary) throw broken(`unknown opcode ${opcode}`);
    if ((opcode === Opcode.continuation) !== this.#isInMessage)
      throw broken("a frame stands outside of its message");
    this.#isInMessage = !isFinal;
  }

  #readLength(): void {
    const header = this.#header;
    let length = header[1]! & 0x7f;
    if (length >= 126) {
      length = 0;
      for (let i = 2; i < this.#headerNeeded; i++) length = length * 256 + header[i]!;
      if (length > Number.MAX_SAFE_INTEGER) throw broken("a frame is longer than can be");
    }
    this.#remaining = length;
    this.#control = this.#opcode >= Opcode.close ? new Uint8Array(length) : undefined;
    if (length === 0) this.#endFrame();
  }

  #takeControl(bytes: Uint8Array, start: number, end: number): void {
    const control = this.#control!;
    control.set(bytes.subarray(start, end), control.length - this.#remaining - (end - start));
  }

  #endFrame(): void {
    this.#headerLength = 0;
    this.#headerNeeded = 2;
    const control = this.#control;
    if (control === undefined) return;
    this.#control = undefined;
    if (this.#opcode === Opcode.close) this.#isClosed = true;
    this.#handler.onControl(this.#opcode, control);
  }
}

function broken(message: string): FrameError {
  return new FrameError(CloseCode.protocolError, message);
}

/**
 * A frame of a client: whole, and masked, as every frame of a client must be (RFC 6455 §5.3).
 *
 * @param mask  Four bytes of chance, fresh for each frame. Not kept.
 */
export function clientFrame(opcode: number, payload: Uint8Array, mask: Uint8Array): Uint8Array {
  const { length } = payload;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const begin = 2 + lengthBytes + 4;
  const frame = new Uint8Array(begin + length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  let rest = length;
  for (let at = 1 + lengthBytes; at > 1; at--) {
    frame[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  frame.set(mask, begin - 4);
  for (let i = 0; i < length; i++) frame[begin + i] = payload[i]! ^ mask[i & 3]!;
  return frame;
}
