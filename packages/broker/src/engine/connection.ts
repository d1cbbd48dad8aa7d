import { ProtocolError, ReasonCode, TimerEntry } from "@sericite/protocol";
import type {
  Parser,
  Link,
  LinkHandler,
  Peer,
  ProtocolVersion,
  TopicAliasInbound,
  TopicAliasOutbound,
  TopicName,
} from "@sericite/protocol";
import type { EnhancedAuthentication } from "./auth.ts";
import type { ConnectionGroup, Engine } from "./engine.ts";
import type { ClientIdentity } from "./hooks.ts";
import { Intake } from "./intake.ts";
import type { LimitName } from "./limit-table.ts";
import { limitPassed } from "./limits.ts";
import { connackFailure } from "./refusal.ts";
import type { PublishRate } from "./publish-rate.ts";
import type { Rights } from "./ports.ts";
import { LINES_OF_REFUSALS } from "./quiet-log.ts";
import { tellSent } from "./packet-events.ts";
import { Sender } from "./sender.ts";
import type { ArmedWill } from "./will.ts";
import type { Session } from "./session.ts";
import { pump } from "./deliver.ts";
import { detach } from "./session-registry.ts";

/** Life of a connection. Until "open" nothing but CONNECT is taken; "closing" waits for the link to end. */
export type ConnectionState = "new" | "connecting" | "open" | "closing" | "closed";

/** Output above which a client that does not read its acknowledgements is not read from either. Bytes. */
const OUTPUT_PAUSE = 64 * 1024;
/** Topic Names that a connection remembers to be let have messages of, besides the last, and how long they may be. Bytes. */
const DELIVERIES_REMEMBERED = 128;
const REMEMBERED_BYTES = 256;
/** Time that a closing link has to end by itself. Milliseconds. */
const CLOSE_TIMEOUT = 5000;

/** The timer of a connection: with a closure of its own each would take twice the memory. */
class ConnectionTimer extends TimerEntry {
  readonly connection: Connection;

  constructor(fire: (timer: TimerEntry) => void, connection: Connection) {
    super(fire);
    this.connection = connection;
  }
}

/**
 * One network connection: bytes in, packets to `dispatch` one at a time, bytes out once per turn.
 * It knows the connection's own limits; what outlives it is its `session`.
 */
export class Connection implements LinkHandler, ClientIdentity {
  readonly engine: Engine;
  readonly link: Link;
  readonly intake: Intake;
  readonly sender: Sender;
  /** Came in by the embedding program: nobody is asked who it is and what it may. */
  readonly isTrusted: boolean;
  /** Where it is counted besides. */
  group: ConnectionGroup | undefined;
  /** It is one connection too many for this: its CONNECT is refused. */
  excess: LimitName | undefined;
  state: ConnectionState = "new";
  protocolVersion: ProtocolVersion = 4;
  /** Its CONNECT had the bridge bit (no standard). */
  isBridge = false;
  clientId = "";
  username: string | undefined;
  rights: Rights | undefined;
  /** `Hooks.answers` that allowed what follows: the Topic Name that it was last let publish to, and those that it may have messages of. */
  answers: object | undefined;
  publishAllowed: TopicName | undefined;
  #deliveryAllowed: TopicName | undefined;
  /** Made for the second one. */
  #deliveriesAllowed: Set<TopicName> | undefined;
  session: Session | undefined;
  /** Epoch of the session when this connection took it; a lower one than the session's has no effect. */
  epoch = 0;
  /** `undefined`: what it publishes is not limited. */
  rate: PublishRate | undefined;
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
  /** A Reason String may go out with acknowledgements too [MQTT5-3.1.2-29]. */
  wantsProblemInformation = true;
  /** What it reads of compressed payloads, by its CONNECT. */
  acceptedEncodings: readonly string[] | undefined;
  aliases: TopicAliasInbound<TopicName> | undefined;
  outboundAliases: TopicAliasOutbound | undefined;
  authentication: EnhancedAuthentication | undefined;
  /** Of CONNECT, until the session has it. */
  will: ArmedWill | undefined;
  /** Goes out with CONNACK. */
  authenticationData: Uint8Array | undefined;

  isReady = false;
  isWritable = true;
  #isParked = false;
  #ticket: object | undefined;
  #isPaused = false;
  /** The client closed in order; what it sent before is still being handled. */
  #isLinkGone = false;
  #lastReceivedAt: number;
  readonly #timer: ConnectionTimer;
  #stallTimer: TimerEntry | undefined;
  #expiryTimer: TimerEntry | undefined;
  retryTimer: TimerEntry | undefined;
  /** Engine time since when the link takes bytes without a break. */
  writableSince = 0;

  constructor(engine: Engine, link: Link, isTrusted: boolean) {
    this.engine = engine;
    this.link = link;
    this.isTrusted = isTrusted;
    this.intake = new Intake(this);
    this.sender = new Sender(this);
    this.#lastReceivedAt = engine.now;
    this.#timer = new ConnectionTimer(Connection.#fire, this);
    engine.wheel.schedule(this.#timer, engine.settings.mqtt.connectTimeout);
  }

  /** What hooks allowed counts only under the same answers, and the same names. */
  renewAnswers(answers: object | undefined): void {
    this.answers = answers;
    this.publishAllowed = undefined;
    this.#deliveryAllowed = undefined;
    this.#deliveriesAllowed = undefined;
  }

  /** Whether it is remembered that it may have messages of this Topic Name, by these answers. */
  isDeliveryAllowed(answers: object, topic: TopicName): boolean {
    return (
      this.answers === answers &&
      (this.#deliveryAllowed === topic || this.#deliveriesAllowed?.has(topic) === true)
    );
  }

  /** Remembers it. */
  allowDelivery(answers: object, topic: TopicName): void {
    if (this.answers !== answers) this.renewAnswers(answers);
    const last = this.#deliveryAllowed;
    if (last !== undefined && last.bytes.length <= REMEMBERED_BYTES) {
      const all = (this.#deliveriesAllowed ??= new Set());
      if (all.size >= DELIVERIES_REMEMBERED) all.clear();
      all.add(last);
    }
    this.#deliveryAllowed = topic;
  }

  get peer(): Peer {
    return this.link.peer;
  }

  // --- bytes in ---

  onData(bytes: Uint8Array, start: number, end: number): void {
    const engine = this.engine;
    engine.enter();
    engine.counters.bytesReceived += end - start;
    if (engine.events.hearsBytes) {
      const { clientId, peer } = this;
      engine.events.emit("bytesReceived", { clientId, peer, byteCount: end - start });
    }
    this.#lastReceivedAt = engine.now;
    if (!this.isAlive) return; // [MQTT5-3.1.4-6] [MQTT3-3.1.4-5]
    this.intake.take(bytes, start, end);
  }

  /** Neither ended nor ending. */
  get isAlive(): boolean {
    return this.state !== "closing" && this.state !== "closed";
  }

  /** The parser with the packet that is being handled. */
  get parser(): Parser {
    return this.intake.parser;
  }

  /** The client's fault ends its connection as the standard says; one of ours ends it too, and hurts nobody else [MQTT3-4.8.0-2]. */
  caught(error: unknown): void {
    if (error instanceof ProtocolError) this.fail(error);
    else {
      this.engine.internalError(error, this.clientId);
      this.close(ReasonCode.unspecifiedError, "internal error");
    }
  }

  /** What was read was handled, or is held: reads on or not, and ends where the client has ended. */
  intakeChanged(): void {
    if (this.#isLinkGone && this.isAlive && !this.#isParked && !this.intake.isBehind)
      this.#gone(undefined);
    else this.#updatePause();
  }

  #updatePause(): void {
    const wantsPause =
      this.intake.isFull || (!this.isWritable && this.sender.output.size > OUTPUT_PAUSE);
    if (wantsPause === this.#isPaused || !this.isAlive || this.#isLinkGone) return;
    this.#isPaused = wantsPause;
    if (wantsPause) this.link.pause();
    else {
      // What was sent meanwhile is still to be read: the Keep Alive starts anew.
      this.#lastReceivedAt = this.engine.now;
      this.link.resume();
    }
  }

  /** Handles all that a link brought which has ended in order, as far as nothing has to be waited for. */
  finishIntake(): void {
    if (this.#isLinkGone) this.intake.run(Infinity);
  }

  /** Runs what goes on after a park; a fault of the client ends the connection as it would have then. */
  guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.caught(error);
    }
  }

  // --- parking ---

  get isParked(): boolean {
    return this.#isParked;
  }

  /**
   * Stops handling packets, but acknowledgements, until `unpark` is called for the ticket that is
   * returned. The keep-alive stands still meanwhile. Whoever parks sees to it that a deadline ends it.
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

  /** Ends the park. Call `intake.run` when the answer was dealt with. */
  unpark(): void {
    this.#isParked = false;
    this.#ticket = undefined;
    this.#lastReceivedAt = this.engine.now;
  }

  // --- bytes out ---

  /** End of the turn: fills the output from the session's queue and writes it, once. */
  flushTurn(): void {
    // Nothing goes behind the last packet [MQTT5-3.14.4-1].
    if (this.state === "closing" || this.state === "closed") return this.sender.output.clear();
    const hasMore =
      this.state === "open" &&
      this.isWritable &&
      !this.sender.awaitsConnack &&
      this.session !== undefined &&
      pump(this, this.session);
    if (this.sender.output.size > 0) {
      if (this.isWritable) this.#flush();
      else this.sender.output.keep();
    }
    if (hasMore && this.isWritable) this.engine.readyNextTurn(this);
    this.#updatePause();
  }

  #flush(): void {
    this.engine.counters.bytesSent += this.sender.output.size;
    if (this.engine.events.hearsSent) tellSent(this);
    if (this.engine.trace !== undefined) this.engine.trace.sent(this, this.sender.output.whole());
    if (this.sender.output.flush(this.link, this.engine.joiner)) return;
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
    this.engine.limitReached("session.slowConsumerTimeout", this);
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

  static readonly #fire = (timer: TimerEntry): void =>
    (timer as ConnectionTimer).connection.#onTimer();

  #onTimer(): void {
    const engine = this.engine;
    engine.enter();
    if (this.state === "closing") return this.link.destroy();
    if (this.state === "closed") return;
    if (this.state !== "open") {
      if (this.#isParked)
        return engine.wheel.schedule(this.#timer, engine.settings.mqtt.connectTimeout);
      engine.counters.connectTimeouts++;
      engine.limitReached("mqtt.connectTimeout", this);
      const { listener, address, port } = this.peer;
      engine.events.emit("connectionRefused", {
        listener,
        reason: "connect-timeout",
        address,
        port,
      });
      return this.#abandon(ReasonCode.unspecifiedError, "no CONNECT in time");
    }
    // Re-armed from what was received last: no packet touches the wheel.
    const idle = this.#isParked || this.#isPaused ? 0 : engine.now - this.#lastReceivedAt;
    const rest = this.keepAlive * 1500 - idle;
    if (rest > 0) return engine.wheel.schedule(this.#timer, rest);
    engine.counters.keepAliveTimeouts++;
    this.close(ReasonCode.keepAliveTimeout, "nothing received for 1.5 times the Keep Alive"); // [MQTT5-3.1.2-22] [MQTT3-3.1.2-24]
  }

  /** What let the client in holds for so long; `undefined`: for good. Milliseconds. */
  expireIn(timeMs: number | undefined): void {
    const { engine } = this;
    if (this.#expiryTimer !== undefined) engine.wheel.cancel(this.#expiryTimer);
    if (timeMs === undefined || timeMs === Infinity) return;
    this.#expiryTimer ??= new TimerEntry(() => {
      engine.enter();
      engine.counters.authenticationsExpired++;
      this.close(ReasonCode.notAuthorized, "the authentication has expired");
    });
    engine.wheel.schedule(this.#expiryTimer, Math.max(0, timeMs));
  }

  // --- the end ---

  /** The client broke the protocol: answers as its version has it, and closes [MQTT5-4.13.1-1]. */
  fail(error: ProtocolError): void {
    this.engine.counters.protocolErrors++;
    const limit = limitPassed(error);
    if (limit !== undefined) this.engine.limitReached(limit, this);
    if (this.state === "new" || this.state === "connecting") {
      this.refuse(error.reasonCode, error.message);
      return;
    }
    this.close(error.reasonCode, error.message);
  }

  /** Answers CONNECT with a failure, where it may be answered, and closes [MQTT5-3.2.2-7] [MQTT5-3.1.4-1] [MQTT3-3.1.4-1] [MQTT3-3.2.2-5]. */
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
    this.#tellRefused(reasonCode, reason);
    const answer = connackFailure(
      this.protocolVersion,
      reasonCode,
      reason,
      this.state === "connecting" || reasonCode === ReasonCode.unsupportedProtocolVersion,
    );
    if (answer !== undefined) this.sender.send(answer);
    this.#shut(reasonCode, reason);
  }

  #tellRefused(reasonCode: number, reason: string): void {
    const { engine, clientId, username, peer } = this;
    if (!engine.quietLog.isDue("client-refused", reasonCode, engine.now, LINES_OF_REFUSALS)) return;
    const fields = { clientId, username, address: peer.address, port: peer.port, reason };
    engine.quietLog.write(
      "info",
      "client-refused",
      "reasonCode",
      reasonCode,
      engine.now,
      fields,
      LINES_OF_REFUSALS,
    );
  }

  /**
   * Ends the connection for a reason, where CONNACK was sent [MQTT5-3.14.0-1]: 5.0 clients get DISCONNECT with it, as the last packet
   * [MQTT5-3.14.4-1]; earlier versions have none from a Server.
   */
  close(reasonCode: number, reason: string, serverReference?: string): void {
    if (this.state === "closing" || this.state === "closed") return;
    if (
      this.state === "open" &&
      !this.sender.awaitsConnack &&
      this.protocolVersion === 5 &&
      reasonCode !== ReasonCode.success
    ) {
      this.sender.send({
        type: "disconnect",
        reasonCode,
        properties: { reasonString: reason, serverReference },
      });
    }
    this.#shut(reasonCode, reason);
  }

  /** The client said DISCONNECT: nothing is answered. */
  finish(): void {
    if (this.state === "closing" || this.state === "closed") return;
    this.#shut(ReasonCode.success, "client disconnected");
  }

  /** Ends a connection that is not wanted, or that nothing can be said to, without a word. */
  abort(reason: string, reasonCode: number = ReasonCode.serverBusy): void {
    this.#abandon(reasonCode, reason);
  }

  /** Ends the connection without another word. */
  #abandon(reasonCode: number, reason: string): void {
    this.sender.output.clear();
    this.#leave(reasonCode, reason);
    this.state = "closing";
    if (this.#isLinkGone) return this.#gone(undefined);
    this.link.destroy();
  }

  #shut(reasonCode: number, reason: string): void {
    this.#leave(reasonCode, reason);
    this.state = "closing";
    if (this.#isLinkGone) return this.#gone(undefined);
    // Also to a link that is full: it keeps the order, and sends all before it ends.
    if (this.sender.output.size > 0) this.#flush();
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
    this.intake.clear();
    this.sender.dropPending();
    if (this.#stallTimer !== undefined) engine.wheel.cancel(this.#stallTimer);
    if (this.retryTimer !== undefined) engine.wheel.cancel(this.retryTimer);
    this.expireIn(undefined);
    engine.wheel.cancel(this.#timer);
    const session = this.session;
    if (session !== undefined && session.connection === this) detach(engine, session);
    if (!wasOpen) return;
    engine.counters.clientsDisconnected++;
    engine.entryLimits.left(this);
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
    if (this.state === "open" && cause === undefined && (this.#isParked || this.intake.isBehind)) {
      // A link that ended in order has delivered everything: DISCONNECT may be among what is held.
      this.#isLinkGone = true;
      this.isWritable = false;
      return;
    }
    this.#gone(cause);
  }

  #gone(cause: Error | undefined): void {
    if (this.state !== "closing") {
      this.#leave(
        ReasonCode.success,
        cause === undefined ? "connection closed by the client" : cause.message,
      );
    }
    this.engine.wheel.cancel(this.#timer);
    this.state = "closed";
    this.sender.output.clear();
    this.engine.forget(this);
  }
}
