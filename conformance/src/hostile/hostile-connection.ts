import { Socket } from "node:net";
import type { Place } from "./attack.ts";

/** Bytes of the broker's answers that are kept. */
const KEPT_BYTES = 4096;

/** A TCP connection whose owner means no good. Whatever becomes of it is no error. */
export class HostileConnection {
  /** Resolves when it has ended, whoever ended it. */
  readonly closed: Promise<void>;
  isOpen = false;
  /** What came, its first 4096 bytes. */
  received: Buffer = Buffer.alloc(0);
  /** All that came. */
  receivedBytes = 0;
  /** Why there is no connection, a code of the system. */
  failure: string | undefined;
  readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.receivedBytes += chunk.length;
      if (this.received.length < KEPT_BYTES)
        this.received = Buffer.concat([this.received, chunk]).subarray(0, KEPT_BYTES);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => (this.failure = error.code));
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.isOpen = false;
        resolve();
      });
    });
  }

  /** Resolves when it stands or has failed: see `isOpen`. @param source  Address to come from. */
  static open(place: Place, source: string | undefined): Promise<HostileConnection> {
    const connection = new HostileConnection(new Socket());
    const { socket } = connection;
    return new Promise((resolve) => {
      socket.once("connect", () => {
        connection.isOpen = true;
        resolve(connection);
      });
      socket.once("close", () => resolve(connection));
      socket.connect({
        ...place,
        noDelay: true,
        ...(source !== undefined && { localAddress: source }),
      });
    });
  }

  /** Sends bytes; on a connection that has ended, nothing happens. @returns whether the system took all of them. */
  send(bytes: Uint8Array | string): boolean {
    return this.socket.writable && this.socket.write(bytes);
  }

  /** Stops to read. */
  stopReading(): void {
    this.socket.pause();
  }

  /** Waits until what was sent is with the system, or the connection has ended, but no longer than `ms`. */
  drained(ms: number): Promise<void> {
    return this.#within(
      ms,
      (done) => this.socket.once("drain", done),
      (done) => this.socket.off("drain", done),
    ).then(() => undefined);
  }

  /** Waits for its end. @returns whether that came in time. */
  async closesWithin(ms: number): Promise<boolean> {
    if (this.socket.closed) return true;
    return this.#within(
      ms,
      (done) => this.socket.once("close", done),
      (done) => this.socket.off("close", done),
    );
  }

  /** Waits until so many bytes have come. @returns whether they came in time. */
  async receives(bytes: number, ms: number): Promise<boolean> {
    const endsAt = performance.now() + ms;
    while (this.receivedBytes < bytes) {
      const left = endsAt - performance.now();
      if (left <= 0 || this.socket.closed) return false;
      await this.#within(
        left,
        (done) => this.socket.once("data", done).once("close", done),
        (done) => this.socket.off("data", done).off("close", done),
      );
    }
    return true;
  }

  /** Ends it in order. */
  end(): void {
    this.socket.end();
  }

  /** Cuts it: a reset, which leaves no port behind that waits. */
  reset(): void {
    // Node does not let go of a socket that is reset while it ends in order.
    if (this.isOpen && !this.socket.writableEnded) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  #within(
    ms: number,
    listen: (done: () => void) => void,
    unlisten: (done: () => void) => void,
  ): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.socket.closed) return resolve(true);
      const end = (isInTime: boolean): void => {
        clearTimeout(timer);
        unlisten(done);
        resolve(isInTime);
      };
      const done = (): void => end(true);
      const timer = setTimeout(() => end(false), ms);
      listen(done);
    });
  }
}
