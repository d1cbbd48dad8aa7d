import {
  encodePacket,
  PacketType,
  Parser,
  ProtocolError,
  ReasonCode,
  TimerEntry,
  writeAcknowledgement,
} from "@sericite/protocol";
import type {
  Link,
  LinkHandler,
  Packet,
  Peer,
  ProtocolVersion,
  TopicAliasInbound,
  TopicName,
} from "@sericite/protocol";
import { dispatch } from "./dispatch.ts";
import type { Engine } from "./engine.ts";
import type { ClientIdentity } from "./hooks.ts";
import { Output } from "./output.ts";
import { packAcknowledgement, PendingLine } from "./pending.ts";
import type { PendingItem } from "./pending.ts";
import type { Position } from "./ports.ts";
import type { Session } from "./session.ts";
import { pump } from "./deliver.ts";
import { detach } from "./session-registry.ts";

/** Life of a connection. Until "open" nothing but CONNECT is taken; "closing" waits for the link to end. */
export type ConnectionState = "new" | "connecting" | "open" | "closing" | "closed";

/** Output above which a client that does not read its acknowledgements is not read from either. Bytes. */
const OUTPUT_PAUSE = 64 * 1024;
/** Time that a closing link has to end by itself. Milliseconds. */
const CLOSE_TIMEOUT = 5000;
/** Flags of PUBREL's first byte are 0010 [MQTT5-3.6.1-1]. */
const ACKNOWLEDGEMENT_FIRST_BYTE = [0, 0, 0, 0, 0x40, 0x50, 0x62, 0x70];
const pingresp = Uint8Array.of(PacketType.pingresp << 4, 0);

/**
 * One network connection: bytes in, packets to `dispatch` one at a time, bytes out once per turn.
 * It knows the connection's own limits; what outlives it is its `session`.
 */
export class Connection implements LinkHandler, ClientIdentity {
  readonly engine: Engine;
  readonly link: Link;
  readonly parser: Parser;
  readonly output = new Output();
  /** Came in by the embedding program: nobody is asked who it is and what it may. */
  readonly isTrusted: boolean;
  state: ConnectionState = "new";
  protocolVersion: ProtocolVersion = 4;
  clientId = "";
  username: string | undefined;
  session: Session | undefined;
  /** Epoch of the session when this connection took it; a lower one than the session's has no effect. */
  epoch = 0;
  /** Seconds; 0: none. */
  keepAlive = 0;
  /** Bytes; the largest packet that the client takes. */
  maximumPacketSize = 0xffff_ffff;
  /** Sent QoS 1 and 2 PUBLISHes that may be unacknowledged at once. */
  sendMaximum = 65535;
  /** Of those, how many are. */
  sent = 0;
  /** PUBRELs resent after resumption: their PUBCOMP gives no quota back that was not taken here. */
  uncounted: Set<number> | undefined;
  /** QoS 1 and 2 PUBLISHes of the client that were not answered for good yet. */
  unanswered = 0;
  /** Reason Strings and User Properties may go out in any packet [MQTT5-3.1.2-29]. */
  wantsProblemInformation = true;
  aliases: TopicAliasInbound<TopicName> | undefined;
  pending: PendingLine | undefined;
  /** CONNACK still waits for the store: nothing goes before it [MQTT5-3.2.0-1] [MQTT3-3.2.0-1]. */
  awaitsConnack = false;

  isReady = false;
  isWritable = true;
  #isParked = false;
  #ticket: object | undefined;
  #isPaused = false;
  #hasBacklog = false;
  #isHandling = false;
  #lastReceivedAt: number;
  readonly #timer: TimerEntry;
  #stallTimer: TimerEntry | undefined;
  retryTimer: TimerEntry | undefined;
  /** Engine time since when the link takes bytes without a break. */
  writableSince = 0;

  constructor(engine: Engine, link: Link, isTrusted: boolean) {
    this.engine = engine;
    this.link = link;
    this.isTrusted = isTrusted;
    this.parser = new Parser({
      from: "client",
      maximumPacketSize: engine.settings.mqtt.maximumPacketSize,
      topicNames: engine.topicNames,
    });
    this.#lastReceivedAt = engine.now;
    this.#timer = new TimerEntry(() => this.#onTimer());
    engine.wheel.schedule(this.#timer, engine.settings.mqtt.connectTimeout);
  }

  get peer(): Peer {
    return this.link.peer;
  }

  // --- bytes in ---

  onData(bytes: Uint8Array, start: number, end: number): void {
    const engine = this.engine;
    engine.enter();
    engine.counters.bytesReceived += end - start;
    this.#lastReceivedAt = engine.now;
    if (this.state === "closing" || this.state === "closed") return;
    const slab = engine.slabs.room(end - start);
    const at = slab.used;
    slab.bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
    slab.used = at + end - start;
    this.parser.push(slab.bytes, at, slab.used);
    if (this.#isParked || this.#hasBacklog) this.parser.hold();
    else this.handlePackets();
  }

  /** Handles what was read, a bounded number of packets a turn. */
  handlePackets(): void {
    if (this.#isHandling) return;
    this.#isHandling = true;
    this.#hasBacklog = false;
    let budget = this.engine.settings.limits.packetsPerTurn;
    try {
      for (;;) {
        if (budget-- === 0) {
          this.#hasBacklog = true;
          this.parser.hold();
          this.engine.nextTurn(this.#resumeBacklog);
          break;
        }
        const packetType = this.parser.next();
        if (packetType === 0) break;
        this.engine.counters.packetsReceived++;
        dispatch(this, packetType);
        if (this.#isParked) {
          this.parser.hold();
          break;
        }
        if (this.state === "closing" || this.state === "closed") break;
      }
    } catch (error) {
      this.#caught(error);
    }
    this.#isHandling = false;
    this.#updatePause();
  }

  /** The client's fault ends its connection as the standard says; one of ours ends it too, and hurts nobody else. */
  #caught(error: unknown): void {
    if (error instanceof ProtocolError) this.fail(error);
    else {
      this.engine.internalError(error, this.clientId);
      this.close(ReasonCode.unspecifiedError, "internal error");
    }
  }

  readonly #resumeBacklog = (): void => {
    if (this.#hasBacklog && !this.#isParked && this.state !== "closing" && this.state !== "closed")
      this.handlePackets();
  };

  #updatePause(): void {
    const wantsPause =
      this.#isParked || this.#hasBacklog || (!this.isWritable && this.output.size > OUTPUT_PAUSE);
    if (wantsPause === this.#isPaused || this.state === "closing" || this.state === "closed")
      return;
    this.#isPaused = wantsPause;
    if (wantsPause) this.link.pause();
    else this.link.resume();
  }

  /** Runs what goes on after a park; a fault of the client ends the connection as it would have then. */
  guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#caught(error);
    }
  }

  // --- parking ---

  get isParked(): boolean {
    return this.#isParked;
  }

  /**
   * Stops handling packets until `unpark` is called with the ticket that is returned. The keep-alive
   * stands still meanwhile. Whoever parks sees to it that a deadline ends it.
   */
  park(): object {
    const ticket = {};
    this.#isParked = true;
    this.#ticket = ticket;
    return ticket;
  }

  /** Whether `ticket` is still the one that this connection waits for. */
  isWaitingFor(ticket: object): boolean {
    return this.#ticket === ticket && this.state !== "closing" && this.state !== "closed";
  }

  /** Ends the park. Call `handlePackets` when the answer was dealt with. */
  unpark(): void {
    this.#isParked = false;
    this.#ticket = undefined;
    this.#lastReceivedAt = this.engine.now;
  }

  // --- bytes out ---

  /** Sends a packet at the end of the turn, behind everything sent before. */
  send(packet: Packet): void {
    const bytes = encodePacket(packet, this.protocolVersion);
    this.output.append(bytes, 0, bytes.length);
    this.engine.ready(this);
  }

  sendPingresp(): void {
    if (this.awaitsConnack) return this.#wait(pingresp, 0, 0);
    this.output.append(pingresp, 0, 2); // [MQTT5-3.12.4-1] [MQTT3-3.12.4-1]
    this.engine.ready(this);
  }

  /** Sends PUBACK, PUBREC, PUBREL or PUBCOMP once the positions are durable, in line. */
  acknowledge(
    packetType: number,
    packetIdentifier: number,
    reasonCode: number,
    store: Position,
    bus: Position,
  ): void {
    if (
      this.pending === undefined &&
      store <= this.engine.store.durable &&
      bus <= this.engine.bus.durable
    ) {
      this.#writeAcknowledgement(packetType, packetIdentifier, reasonCode);
      this.engine.ready(this);
    } else this.#wait(packAcknowledgement(packetType, packetIdentifier, reasonCode), store, bus);
  }

  /** Sends a PUBREL again: its record may still be on its way, so it waits for the newest position. */
  resendPubrel(packetIdentifier: number): void {
    const newest = this.engine.newestPosition;
    if (this.pending === undefined && newest <= this.engine.store.durable)
      this.#writeAcknowledgement(PacketType.pubrel, packetIdentifier, 0);
    else this.#wait(packAcknowledgement(PacketType.pubrel, packetIdentifier, 0), newest, 0);
  }

  /** Sends CONNACK once the position is durable. Nothing else leaves before it. */
  sendConnack(packet: Packet, store: Position): void {
    this.awaitsConnack = store > this.engine.store.durable;
    this.sendWhenDurable(packet, store, 0);
  }

  /** Sends any other answer once the positions are durable, in line. */
  sendWhenDurable(packet: Packet, store: Position, bus: Position): void {
    if (
      this.pending === undefined &&
      store <= this.engine.store.durable &&
      bus <= this.engine.bus.durable
    )
      this.send(packet);
    else this.#wait(encodePacket(packet, this.protocolVersion), store, bus);
  }

  #wait(item: PendingItem, store: Position, bus: Position): void {
    if (this.pending === undefined) {
      this.pending = new PendingLine();
      this.engine.waiting.add(this);
    }
    this.pending.push(item, store, bus);
  }

  /** Something became durable: sends what waited for it. */
  drainPending(): void {
    const pending = this.pending;
    if (pending === undefined) return;
    pending.drain(this.engine.store.durable, this.engine.bus.durable, this.#sendItem);
    if (pending.isEmpty) {
      this.pending = undefined;
      this.engine.waiting.delete(this);
    }
    if (this.output.size > 0) this.engine.ready(this);
  }

  readonly #sendItem = (item: PendingItem): void => {
    this.awaitsConnack = false;
    if (typeof item === "number")
      this.#writeAcknowledgement(item >>> 24, item & 0xffff, (item >>> 16) & 0xff);
    else this.output.append(item, 0, item.length);
  };

  #writeAcknowledgement(packetType: number, packetIdentifier: number, reasonCode: number): void {
    const arena = this.engine.arena;
    const isLong = reasonCode !== 0 && this.protocolVersion === 5;
    const at = arena.reserve(isLong ? 5 : 4);
    const bytes = arena.bytes;
    const first = ACKNOWLEDGEMENT_FIRST_BYTE[packetType]!;
    if (isLong) {
      bytes[at] = first;
      bytes[at + 1] = 3;
      bytes[at + 2] = packetIdentifier >> 8;
      bytes[at + 3] = packetIdentifier & 0xff;
      bytes[at + 4] = reasonCode;
      this.output.append(bytes, at, at + 5);
    } else {
      writeAcknowledgement(bytes, at, first, packetIdentifier);
      this.output.append(bytes, at, at + 4);
    }
    if (
      packetType !== PacketType.pubrel &&
      (packetType !== PacketType.pubrec || reasonCode >= 0x80) &&
      this.unanswered > 0
    )
      this.unanswered--;
  }

  /** End of the turn: fills the output from the session's queue and writes it, once. */
  flushTurn(): void {
    if (this.state === "closed") return;
    const hasMore =
      this.state === "open" &&
      this.isWritable &&
      !this.awaitsConnack &&
      this.session !== undefined &&
      pump(this, this.session);
    if (this.output.size > 0) {
      if (this.isWritable) this.#flush();
      else this.output.keep();
    }
    if (hasMore && this.isWritable) this.engine.readyNextTurn(this);
    this.#updatePause();
  }

  #flush(): void {
    this.engine.counters.bytesSent += this.output.size;
    if (this.output.flush(this.link, this.engine.joiner)) return;
    this.isWritable = false;
    const timeout = this.engine.settings.session.slowConsumerTimeout;
    if (timeout > 0)
      this.engine.wheel.schedule(
        (this.#stallTimer ??= new TimerEntry(() => this.#onStall())),
        timeout,
      );
  }

  onWritable(): void {
    this.engine.enter();
    if (this.state === "closed") return;
    this.isWritable = true;
    this.writableSince = this.engine.now;
    if (this.#stallTimer !== undefined) this.engine.wheel.cancel(this.#stallTimer);
    this.engine.ready(this);
    this.#updatePause();
  }

  #onStall(): void {
    this.engine.enter();
    if (this.isWritable || this.state !== "open") return;
    this.engine.counters.slowConsumers++;
    this.engine.log.write("warn", "slow-consumer", {
      clientId: this.clientId,
      address: this.peer.address,
      unsentBytes: this.link.unsentBytes,
    });
    // DISCONNECT would stand behind what the client does not read.
    this.#abandon(ReasonCode.quotaExceeded, "did not read in time");
  }

  // --- timers ---

  /** CONNECT was accepted: from now on the timer watches the Keep Alive, or nothing. */
  open(): void {
    this.state = "open";
    if (this.keepAlive === 0) this.engine.wheel.cancel(this.#timer);
    else this.engine.wheel.schedule(this.#timer, this.keepAlive * 1500);
  }

  #onTimer(): void {
    const engine = this.engine;
    engine.enter();
    if (this.state === "closing") return this.link.destroy();
    if (this.state === "closed") return;
    if (this.state !== "open") {
      if (this.#isParked)
        return engine.wheel.schedule(this.#timer, engine.settings.mqtt.connectTimeout);
      engine.counters.connectTimeouts++;
      return this.#abandon(ReasonCode.unspecifiedError, "no CONNECT in time");
    }
    // Re-armed from what was received last: no packet touches the wheel.
    const idle = this.#isParked || this.#isPaused ? 0 : engine.now - this.#lastReceivedAt;
    const rest = this.keepAlive * 1500 - idle;
    if (rest > 0) return engine.wheel.schedule(this.#timer, rest);
    engine.counters.keepAliveTimeouts++;
    this.close(ReasonCode.keepAliveTimeout, "nothing received for 1.5 times the Keep Alive"); // [MQTT5-3.1.2-22] [MQTT3-3.1.2-24]
  }

  // --- the end ---

  /** The client broke the protocol: answers as its version has it, and closes [MQTT5-4.13.1-1]. */
  fail(error: ProtocolError): void {
    this.engine.counters.protocolErrors++;
    if (this.state === "new" || this.state === "connecting") {
      this.refuse(error.reasonCode, error.message);
      return;
    }
    this.close(error.reasonCode, error.message);
  }

  /** Answers CONNECT with a failure, where it may be answered, and closes [MQTT5-3.2.2-7]. */
  refuse(reasonCode: number, reason: string): void {
    const engine = this.engine;
    if (this.state === "new") this.protocolVersion = this.parser.protocolVersion;
    engine.counters.connectRefused++;
    engine.events.emit("clientRefused", {
      clientId: this.clientId,
      username: this.username,
      peer: this.peer,
      reasonCode,
      reason,
    });
    engine.log.write("info", "client-refused", {
      clientId: this.clientId,
      username: this.username,
      address: this.peer.address,
      port: this.peer.port,
      reasonCode,
      reason,
    });
    const answer = connackFailure(
      this.protocolVersion,
      reasonCode,
      reason,
      this.state === "connecting" || reasonCode === ReasonCode.unsupportedProtocolVersion,
    );
    if (answer !== undefined) this.send(answer);
    this.#shut(reasonCode, reason);
  }

  /**
   * Ends the connection for a reason, where CONNACK was sent [MQTT5-3.14.0-1]: 5.0 clients get DISCONNECT with it, as the last packet
   * [MQTT5-3.14.4-1]; earlier versions have none from a Server.
   */
  close(reasonCode: number, reason: string): void {
    if (this.state === "closing" || this.state === "closed") return;
    if (
      this.state === "open" &&
      !this.awaitsConnack &&
      this.protocolVersion === 5 &&
      reasonCode !== ReasonCode.success
    ) {
      let bytes = encodePacket(
        { type: "disconnect", reasonCode, properties: { reasonString: reason } },
        5,
      );
      // [MQTT5-3.14.2-3]: the Reason String is left out where the packet would be too large.
      if (bytes.length > this.maximumPacketSize)
        bytes = encodePacket({ type: "disconnect", reasonCode }, 5);
      this.output.append(bytes, 0, bytes.length);
    }
    this.#shut(reasonCode, reason);
  }

  /** The client said DISCONNECT: nothing is answered. */
  finish(): void {
    if (this.state === "closing" || this.state === "closed") return;
    this.#shut(ReasonCode.success, "client disconnected");
  }

  /** Ends a connection that is not wanted, before it said a word. */
  abort(reason: string): void {
    this.#abandon(ReasonCode.serverBusy, reason);
  }

  /** Ends the connection without another word. */
  #abandon(reasonCode: number, reason: string): void {
    this.output.clear();
    this.#leave(reasonCode, reason);
    this.state = "closing";
    this.link.destroy();
  }

  #shut(reasonCode: number, reason: string): void {
    this.#leave(reasonCode, reason);
    this.state = "closing";
    if (this.output.size > 0 && this.isWritable) this.#flush();
    if (this.#isPaused) this.link.resume(); // Reads on and discards, so that a reset does not overtake the last packet.
    this.link.end();
    this.engine.wheel.schedule(this.#timer, CLOSE_TIMEOUT);
  }

  /** Lets go of the session and of everything that waits. */
  #leave(reasonCode: number, reason: string): void {
    const engine = this.engine;
    const wasOpen = this.state === "open";
    this.#ticket = undefined;
    this.#isParked = false;
    this.#hasBacklog = false;
    if (this.pending !== undefined) {
      this.pending = undefined;
      engine.waiting.delete(this);
    }
    if (this.#stallTimer !== undefined) engine.wheel.cancel(this.#stallTimer);
    if (this.retryTimer !== undefined) engine.wheel.cancel(this.retryTimer);
    engine.wheel.cancel(this.#timer);
    const session = this.session;
    if (session !== undefined && session.connection === this) detach(engine, session);
    if (!wasOpen) return;
    engine.events.emit("clientDisconnected", {
      clientId: this.clientId,
      username: this.username,
      peer: this.peer,
      reasonCode,
      reason,
    });
    engine.log.write("info", "client-disconnected", {
      clientId: this.clientId,
      address: this.peer.address,
      port: this.peer.port,
      reasonCode,
      reason,
    });
  }

  onClose(cause?: Error): void {
    const engine = this.engine;
    engine.enter();
    if (this.state === "closed") return;
    if (this.state !== "closing")
      this.#leave(
        ReasonCode.success,
        cause === undefined ? "connection closed by the client" : cause.message,
      );
    engine.wheel.cancel(this.#timer);
    this.state = "closed";
    this.output.clear();
    engine.forget(this);
  }
}

function connackFailure(
  protocolVersion: ProtocolVersion,
  reasonCode: number,
  reason: string,
  isAnswerable: boolean,
): Packet | undefined {
  if (!isAnswerable) return undefined;
  if (protocolVersion === 5)
    return {
      type: "connack",
      sessionPresent: false,
      reasonCode,
      properties: { reasonString: reason },
    };
  const returnCode = RETURN_CODE_OF[reasonCode];
  return returnCode === undefined
    ? undefined
    : { type: "connack", sessionPresent: false, reasonCode: returnCode };
}

/** What 3.1 and 3.1.1 have for a 5.0 Reason Code; what is missing closes without an answer. */
const RETURN_CODE_OF: Readonly<Record<number, number>> = {
  [ReasonCode.unsupportedProtocolVersion]: 1,
  [ReasonCode.clientIdentifierNotValid]: 2,
  [ReasonCode.serverUnavailable]: 3,
  [ReasonCode.serverBusy]: 3,
  [ReasonCode.quotaExceeded]: 3,
  [ReasonCode.connectionRateExceeded]: 3,
  [ReasonCode.unspecifiedError]: 3,
  [ReasonCode.badUserNameOrPassword]: 4,
  [ReasonCode.notAuthorized]: 5,
  [ReasonCode.banned]: 5,
  [ReasonCode.badAuthenticationMethod]: 5,
};
