/** What is known of the other end of a `Link` before it says a word. */
export interface Peer {
  /** Name of the listener that accepted it, such as `tcp:1883`; for a client the address dialled. */
  readonly listener: string;
  readonly transport: "tcp" | "tls" | "websocket" | "unix" | "memory";
  /** Address in numeric form, or `undefined` where the transport has none. */
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  /** The peer's TLS certificate, as its transport gives it. */
  readonly certificate?: unknown;
  /** The HTTP upgrade request of a WebSocket: path, headers (lower-case names), query. */
  readonly upgrade?:
    | {
        readonly url: string;
        readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
      }
    | undefined;
}

/**
 * An ordered, lossless stream of bytes to one peer (§4.2). A listener or a transport adapts a
 * socket to it; simulations and tests have links in memory.
 */
export interface Link {
  readonly peer: Peer;
  /**
   * Hands bytes on. They must not change until the link is through with them.
   *
   * @returns true: all taken, the bytes are the caller's again and more may be written. false: the
   * link still holds them, and `LinkHandler.onWritable` tells when it is through. Bytes written
   * meanwhile are kept and sent in order all the same.
   */
  write(bytes: Uint8Array): boolean;
  /** Bytes written that the transport has not taken yet. */
  readonly unsentBytes: number;
  /** No `onData` until `resume`. Data already on its way may still arrive once; see `onEnd`. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes. `onClose` follows. */
  end(): void;
  /** Closes at once; what was not sent is lost. `onClose` follows. */
  destroy(): void;
}

/** What a `Link` calls. Never called from inside `write`, `pause`, `resume`, `end` or `destroy`. */
export interface LinkHandler {
  /** Bytes `start` (inclusive) to `end` (exclusive) arrived. Valid only during the call. */
  onData(bytes: Uint8Array, start: number, end: number): void;
  /** All that `write` took has left, after a `write` that returned false. */
  onWritable(): void;
  /**
   * The other side has closed while this end is paused: what it sent before is still held, and comes
   * after `resume`, then `onClose`. At most once. Not told where nothing is held (`onClose` comes at
   * once then), nor by every transport: one that is not read may not see the end.
   */
  onEnd?(): void;
  /** The link is gone: both sides, once, last. `cause` is absent where the close was in order. */
  onClose(cause?: Error): void;
}

/** What accepts incoming links: a broker's engine. */
export type Accept = (link: Link) => LinkHandler;

/** What opens an outgoing link: a client's transport. Settles when bytes can be written. */
export type Dial = (handler: LinkHandler) => Promise<Link>;
