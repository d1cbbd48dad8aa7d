import type {
  AcknowledgementPacket,
  AuthPacket,
  ClientPacket,
  Clock,
  ConnackPacket,
  ConnectPacket,
  Dial,
  DisconnectPacket,
  Link,
  LinkHandler,
  ProtocolVersion,
  PublishPacket,
  Scheduler,
  ServerPacket,
  SubackPacket,
  TimingWheel,
  UnsubackPacket,
} from "@sericite/protocol";
import {
  ConnectionError,
  PacketStream,
  ProtocolError,
  ReasonCode,
  TimerEntry,
  Writer,
  encodeClientPacket,
  writeAcknowledgement,
} from "@sericite/protocol";
import { dialError, disconnectedBy, knownAnswer, lostBy, refusedBy } from "./connection-errors.ts";
import type { WatchedConnection } from "./keep-alive.ts";
import { KeepAlive } from "./keep-alive.ts";

/** Unsent bytes above which nothing more is read: a server that does not read gets no more answers. */
const outputMaximum = 256 * 1024;
/** Memory for output that is kept from one turn to the next. Bytes. */
const outputKept = 64 * 1024;
/** Time for the transport to close in order after the last packet. Milliseconds. */
const lingerMs = 2000;

/** Packet type and flags of acknowledgements [MQTT5-2.1.3-1] [MQTT3-2.2.2-1]. */
const firstBytes = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

/** What a `Connection` needs to know. */
export interface ConnectionOptions {
  readonly dial: Dial;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly wheel: TimingWheel;
  readonly protocolVersion: ProtocolVersion;
  readonly maximumPacketSize: number;
  readonly connectTimeoutMs: number;
  /** Time for an answer to PINGREQ; a shorter Keep Alive counts in its place. Milliseconds. */
  readonly pingTimeoutMs: number;
}

/** Who a `Connection` works for. */
export interface ConnectionHandler {
  /** The server accepted. @throws ProtocolError where what it says cannot be. */
  onConnack(connack: ConnackPacket): void;
  /** @throws ProtocolError */
  onPublish(packet: PublishPacket): void;
  /** PUBACK, PUBREC, PUBREL or PUBCOMP came. @throws ProtocolError */
  onAcknowledgement(packet: AcknowledgementPacket): void;
  /** AUTH came, before CONNACK or after it. @throws ProtocolError where it was not asked for. */
  onAuth(packet: AuthPacket): void;
  /** @throws ProtocolError */
  onSuback(packet: SubackPacket | UnsubackPacket): void;
  /**
   * The turn ends and the transport takes more: appends packets to `connection.output`.
   *
   * @returns whether there is more for the next turn.
   */
  fill(): boolean;
  /** What `fill` appended was handed to the transport. */
  onHandedOver(): void;
  /**
   * The connection is over. Once, last. No error: the client asked for it.
   *
   * @param serverReference  Where the server sends the client (§4.11), if it does.
   */
  onClose(error: Error | undefined, serverReference?: string): void;
}

/**
 * One network connection, from dialling to the end: CONNECT and CONNACK, bytes to packets, one
 * write per turn, Keep Alive, and the right end for every fault.
 */
export class Connection implements LinkHandler, WatchedConnection {
  readonly #options: ConnectionOptions;
  readonly #handler: ConnectionHandler;
  readonly #packets: PacketStream;
  readonly #timer: TimerEntry;
  #state: "idle" | "dialling" | "handshaking" | "open" | "closing" | "closed" = "idle";
  #link: Link | undefined = undefined;
  /** The encoded CONNECT, until it is sent. */
  #connect: Uint8Array | undefined = undefined;
  /** Packets of this turn. Append with `encodeClientPacket`, then call `wake`. */
  output: Writer = new Writer();
  #flushDue = false;
  #blocked = false;
  #pausedByHandler = false;
  #pausedByOutput = false;
  /** The other side has closed; what it sent before is being taken. */
  #isEnded = false;
  readonly #keepAlive: KeepAlive;
  #thrown: { readonly error: unknown } | undefined = undefined;
  #isReported = false;

  readonly #onPacket = (packet: ServerPacket): boolean => {
    try {
      this.#handle(packet);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      // What the user's code threw: what stands behind this packet is not lost over it.
      this.#thrown ??= { error };
    }
    // What was handled may have ended the connection.
    return this.#isReading();
  };

  readonly #endTurn = (): void => {
    const more = this.#state === "open" && this.#flush();
    this.#flushDue = false;
    if (more) this.wake();
  };

  constructor(options: ConnectionOptions, handler: ConnectionHandler) {
    this.#options = options;
    this.#handler = handler;
    this.#packets = new PacketStream(options.protocolVersion, options.maximumPacketSize);
    this.#timer = new TimerEntry(() => this.#onTimer());
    this.#keepAlive = new KeepAlive(options.clock, options.wheel, options.pingTimeoutMs, this);
  }

  /** CONNACK came and the end has not. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Whether reading is held back: nothing may be made of the server's silence. */
  get isPaused(): boolean {
    return this.#pausedByHandler || this.#pausedByOutput;
  }

  /** The transport holds what was written and takes no more at present. */
  get isBlocked(): boolean {
    return this.#blocked;
  }

  /**
   * Dials and sends CONNECT. Once.
   *
   * @throws UsageError where the packet cannot be sent; nothing was done then.
   */
  open(connect: ConnectPacket): void {
    this.#connect = encodeClientPacket(connect, this.#options.protocolVersion);
    this.#state = "dialling";
    this.#options.wheel.schedule(this.#timer, this.#options.connectTimeoutMs);
    // Within a promise, so that a `dial` that throws fails in the same way as one that rejects.
    new Promise<Link>((resolve) => resolve(this.#options.dial(this))).then(
      (link) => this.#onDialled(link),
      (cause: unknown) => this.#close(dialError(cause)),
    );
  }

  /** Appends a packet to what leaves at the end of this turn. */
  send(packet: ClientPacket): void {
    encodeClientPacket(packet, this.#options.protocolVersion, this.output);
    this.wake();
  }

  /** Appends an acknowledgement: PUBACK, PUBREC, PUBREL or PUBCOMP. */
  acknowledge(type: AcknowledgementPacket["type"], packetIdentifier: number, reasonCode = 0): void {
    if (reasonCode !== 0) {
      this.send({ type, packetIdentifier, reasonCode });
      return;
    }
    const output = this.output;
    output.reserve(4);
    output.position = writeAcknowledgement(
      output.bytes,
      output.position,
      firstBytes[type],
      packetIdentifier,
    );
    this.wake();
  }

  /** Sends AUTH, which may go before CONNACK came; nothing else may [MQTT5-3.1.2-30]. */
  sendAuth(packet: AuthPacket): void {
    if (this.#state === "open") this.send(packet);
    else if (this.#state === "handshaking")
      this.#link?.write(encodeClientPacket(packet, this.#options.protocolVersion));
  }

  /** Appends encoded packets to what leaves at the end of this turn. */
  sendBytes(bytes: Uint8Array): void {
    this.output.raw(bytes);
    this.wake();
  }

  /** Something is there to be sent: `fill` is called at the end of this turn. */
  wake(): void {
    if (this.#flushDue || this.#state !== "open") return;
    this.#flushDue = true;
    this.#options.scheduler.endOfTurn(this.#endTurn);
  }

  /** Reads nothing until `resume`: the handler has as much as it can hold. */
  pause(): void {
    if (this.#isEnded) return;
    this.#pausedByHandler = true;
    this.#link?.pause();
  }

  resume(): void {
    if (!this.#pausedByHandler) return;
    this.#pausedByHandler = false;
    this.#resumeLink();
  }

  /**
   * Sends DISCONNECT behind everything that was sent, then closes. `onClose` follows at once where
   * there is an `error`, else when the transport is closed.
   */
  disconnect(packet: DisconnectPacket, error?: Error): void {
    const link = this.#link;
    if (this.#state !== "open" || link === undefined) {
      this.#close(error);
      return;
    }
    encodeClientPacket(packet, this.#options.protocolVersion, this.output);
    // Nothing follows it [MQTT5-3.14.4-1] [MQTT3-3.14.4-2], and the transport is closed [MQTT5-3.14.4-2] [MQTT3-3.14.4-1].
    this.#blocked = !link.write(this.output.bytes.subarray(0, this.output.position));
    this.#state = "closing";
    this.#keepAlive.stop();
    this.#options.wheel.schedule(this.#timer, lingerMs);
    link.end();
    if (error !== undefined) this.#report(error);
  }

  /**
   * Sends DISCONNECT behind everything that was sent, if there was a CONNACK, and is done: `onClose`
   * is called from inside, and the transport closes by itself.
   */
  leave(packet: DisconnectPacket): void {
    this.disconnect(packet);
    this.#report(undefined);
  }

  /** Asks the server for a sign of life: there is reason to doubt that it is there. */
  probe(): void {
    if (this.#state === "open") this.#keepAlive.probe();
  }

  /** Closes at once, without DISCONNECT; `onClose` is called from inside. */
  destroy(error?: Error): void {
    this.#close(error);
  }

  /** The server broke the protocol: tells it, on 5.0, and closes. */
  #refuse(error: ProtocolError): void {
    const failure = new ConnectionError(error.code, error.message, {
      cause: error,
      reasonCode: error.reasonCode,
    });
    // 3.x closes [MQTT3-4.8.0-1].
    if (this.#state === "open" && this.#options.protocolVersion === 5) {
      this.disconnect({ type: "disconnect", reasonCode: error.reasonCode }, failure); // [MQTT5-4.13.2-1]
    } else this.#close(failure);
  }

  onData(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#isReading()) return;
    this.#keepAlive.received();
    try {
      this.#packets.push(plain(bytes), start, end, this.#onPacket);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const known =
        this.#state === "handshaking" ? knownAnswer(bytes, start, end, error) : undefined;
      if (known === undefined) this.#refuse(error);
      else this.#close(known);
    }
    const thrown = this.#thrown;
    this.#thrown = undefined;
    if (thrown !== undefined) throw thrown.error;
  }

  onWritable(): void {
    this.#blocked = false;
    if (this.#pausedByOutput) {
      this.#pausedByOutput = false;
      this.#resumeLink();
    }
    this.wake();
  }

  /** What is still to come is taken at once: a handler that takes its time must not hide the end. */
  onEnd(): void {
    this.#isEnded = true;
    this.#pausedByHandler = false;
    this.#pausedByOutput = false;
    this.#link?.resume();
  }

  onClose(cause?: Error): void {
    if (this.#state === "closing") this.#close(this.#unsentError(cause));
    else this.#close(lostBy(cause, this.#state === "open"));
  }

  /**
   * The transport is gone and still held what was written before its end, DISCONNECT among it; or it broke, as it does
   * where the server closes without having read all of it.
   */
  #unsentError(cause?: Error): ConnectionError | undefined {
    // Over TLS and WebSocket something follows DISCONNECT that a server need not read.
    const transport = this.#link?.peer.transport;
    const isTelling = cause !== undefined && (transport === "tcp" || transport === "unix");
    if (!this.#blocked && !isTelling) return undefined;
    return new ConnectionError(
      "ERR_CONNECTION_LOST",
      "the connection ended before everything was sent",
      { cause },
    );
  }

  #isReading(): boolean {
    return this.#state === "open" || this.#state === "handshaking";
  }

  #onDialled(link: Link): void {
    if (this.#state !== "dialling" || this.#connect === undefined) {
      link.destroy();
      return;
    }
    this.#link = link;
    this.#state = "handshaking";
    // The first packet of every connection [MQTT5-3.1.0-1] [MQTT3-3.1.0-1].
    link.write(this.#connect);
    this.#connect = undefined;
    this.#keepAlive.sent();
  }

  #handle(packet: ServerPacket): void {
    if (this.#state === "handshaking") {
      this.#handleConnack(packet);
      return;
    }
    switch (packet.type) {
      case "publish":
        this.#handler.onPublish(packet);
        return;
      case "puback":
      case "pubrec":
      case "pubrel":
      case "pubcomp":
        this.#handler.onAcknowledgement(packet);
        return;
      case "pingresp":
        this.#keepAlive.answered();
        return;
      case "suback":
      case "unsuback":
        this.#handler.onSuback(packet);
        return;
      case "disconnect": {
        //
        this.#close(disconnectedBy(packet), packet.properties?.serverReference);
        return;
      }
      case "auth":
        this.#handler.onAuth(packet);
        return;
      case "connack":
        throw new ProtocolError(
          "ERR_PROTOCOL",
          ReasonCode.protocolError,
          "the server sent a second CONNACK",
        );
    }
  }

  #handleConnack(connack: ServerPacket): void {
    if (connack.type === "auth") {
      this.#handler.onAuth(connack);
      return;
    }
    if (connack.type !== "connack") {
      throw new ProtocolError(
        "ERR_PROTOCOL",
        ReasonCode.protocolError,
        "the server's first packet is not CONNACK",
      ); // [MQTT5-3.2.0-1] [MQTT3-3.2.0-1]
    }
    if (connack.reasonCode !== 0) {
      this.#close(
        refusedBy(connack, this.#options.protocolVersion),
        connack.properties?.serverReference,
      );
      return;
    }
    this.#state = "open";
    this.#handler.onConnack(connack);
    this.wake();
  }

  /** Starts Keep Alive. @param keepAlive  Seconds; 0: none. */
  startKeepAlive(keepAlive: number): void {
    this.#options.wheel.cancel(this.#timer);
    this.#keepAlive.start(keepAlive);
  }

  /** See `WatchedConnection`. */
  ping(): void {
    this.send({ type: "pingreq" });
  }

  /** See `WatchedConnection`. */
  onSilence(): void {
    this.#close(new ConnectionError("ERR_KEEP_ALIVE_TIMEOUT", "the server did not answer PINGREQ"));
  }

  #onTimer(): void {
    if (this.#state === "closing") this.#close(this.#unsentError());
    else {
      const message = `no CONNACK within ${this.#options.connectTimeoutMs} ms`;
      this.#close(new ConnectionError("ERR_CONNECT_TIMEOUT", message));
    }
  }

  /** @returns whether there is more for the next turn. */
  #flush(): boolean {
    const link = this.#link;
    if (link === undefined) return false;
    if (this.#blocked) {
      // Answers gather until the transport takes more; a server that sends on must wait for them.
      if (this.output.position > outputMaximum && !this.#pausedByOutput && !this.#isEnded) {
        this.#pausedByOutput = true;
        link.pause();
      }
      return false;
    }
    const more = this.#handler.fill();
    const output = this.output;
    if (output.position > 0) {
      this.#blocked = !link.write(output.bytes.subarray(0, output.position));
      this.#keepAlive.sent();
      // What the link still holds must not change.
      if (this.#blocked || output.bytes.length > outputKept) this.output = new Writer();
      else output.reset();
    }
    this.#handler.onHandedOver();
    return more && !this.#blocked;
  }

  #resumeLink(): void {
    if (this.isPaused) return;
    this.#keepAlive.received();
    this.#link?.resume();
  }

  #close(error: Error | undefined, serverReference?: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#options.wheel.cancel(this.#timer);
    this.#keepAlive.stop();
    this.#link?.destroy();
    this.#report(error, serverReference);
  }

  #report(error: Error | undefined, serverReference?: string): void {
    if (this.#isReported) return;
    this.#isReported = true;
    this.#handler.onClose(error, serverReference);
  }
}

/** A transport may bring a subclass, such as Node's Buffer, whose `slice` is no copy. */
function plain(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
