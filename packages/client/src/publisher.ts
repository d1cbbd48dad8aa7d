import type { AcknowledgementPacket, PublishPacket } from "@sericite/protocol";
import { TimerEntry } from "@sericite/protocol";
import type { AbortSignalLike } from "./abort.ts";
import { abortError, onAbort } from "./abort.ts";
import type { ClientState } from "./client-state.ts";
import type { Connection } from "./connection.ts";
import { RequestError } from "./errors.ts";
import { InFlight } from "./in-flight.ts";
import type { KeptPublication } from "./kept-session.ts";
import { KeptState } from "./kept-session.ts";
import type { Payload } from "./message.ts";
import type { Publication, PublishOptions, PublishResult } from "./publication.ts";
import {
  expired,
  makePublication,
  publishFault,
  refusalOf,
  reject,
  resolve,
  success,
} from "./publication.ts";
import { PublishEncoder } from "./publish-encoder.ts";
import { PublishQueue } from "./publish-queue.ts";
import { Queue } from "./queue.ts";
import type { ServerLimits } from "./server-limits.ts";

/** Bytes that one turn puts out, about; the others have their turn then. */
const outputPerTurn = 256 * 1024;

/** Sends messages: one line for all QoS, within what the server allows, until they are acknowledged. */
export class Publisher {
  readonly #state: ClientState;
  readonly #queue = new PublishQueue();
  readonly #encoder: PublishEncoder;
  readonly #flying: InFlight;
  /** QoS 0 in the output that was not handed to the transport yet. */
  #handingOver: Publication[] = [];
  /** Those in the queue that have no Packet Identifier, where the session is kept. */
  readonly #unnumbered = new Queue<Publication>();
  #idleWaiters: (() => void)[] = [];
  #closedBy: Error | undefined = undefined;
  /** The last one: not to look through the same text for each message (bench/src/client-compare.ts). */
  #soundTopicName: string | undefined = undefined;

  constructor(state: ClientState) {
    this.#state = state;
    this.#encoder = new PublishEncoder(state);
    this.#flying = new InFlight(state, this.#encoder, () => this.#tellIdle());
  }

  /** Messages that wait to be sent. */
  get queuedMessages(): number {
    return this.#queue.messages;
  }

  /** Messages that were sent and are not acknowledged. */
  get inFlight(): number {
    return this.#flying.size;
  }

  /** See `Client.publish`. */
  publish(topicName: string, payload: Payload, options: PublishOptions): Promise<PublishResult> {
    const { qos = 0, signal } = options;
    const published = new Promise<PublishResult>((onResult, onFailure) => {
      const fault = publishFault(topicName, payload, qos, options, this.#soundTopicName);
      if (fault !== undefined) throw fault;
      this.#soundTopicName = topicName;
      if (this.#closedBy !== undefined) throw this.#closedBy;
      if (signal?.aborted === true) throw abortError(signal);
      const { settings, connection, clock } = this.#state;
      if (qos === 0 && connection === undefined && !settings.queue.qos0) {
        throw new RequestError(
          "ERR_NOT_CONNECTED",
          "there is no connection, and QoS 0 does not wait for one",
        );
      }
      const publication = makePublication(topicName, payload, options, clock, onResult, onFailure);
      this.#makeRoom(publication);
      if (qos > 0) this.#keep(publication);
      if (signal !== undefined) {
        publication.stopListening = onAbort(signal, () => this.#abort(publication, signal));
      }
      if (publication.expiresAt !== Infinity) this.#watchExpiry(publication);
      this.#queue.push(publication);
      if (publication.sequence !== 0) this.#unnumbered.push(publication);
      connection?.wake();
    });
    // Whoever sends at QoS 0 without looking does not want an outage to end the process.
    if (qos === 0 && this.#state.connection === undefined) published.catch(() => {});
    return published;
  }

  /** A connection is there. @param sessionPresent  What CONNACK said; false at a first connection. */
  connected(sessionPresent: boolean, limits: ServerLimits): void {
    this.#encoder.connected(limits);
    const again = this.#flying.connected(sessionPresent, limits);
    this.#queue.unshift(again);
    if (this.#state.records !== undefined) this.#unnumbered.unshift(again);
    this.#tellIdle();
  }

  /** There is no connection any more, or still none: QoS 0 that it did not take is not sent again. */
  disconnected(): void {
    this.#flying.disconnected();
    if (this.#state.settings.queue.qos0) return;
    const kept: Publication[] = [];
    for (const publication of this.#queue.clear()) {
      if (publication.qos > 0) kept.push(publication);
      else {
        reject(
          publication,
          new RequestError(
            "ERR_NOT_CONNECTED",
            "the connection closed before the message was sent",
          ),
        );
      }
    }
    this.#queue.unshift(kept);
  }

  /** A connection ended after its CONNACK; a message that made the server close once too often is given up. */
  connectionEnded(error: Error | undefined): void {
    this.#flying.connectionEnded(error);
  }

  /** Nothing more is sent: every promise is rejected with `error`. */
  close(error: Error): void {
    this.#closedBy = error;
    for (const publication of [...this.#queue.clear(), ...this.#flying.close()])
      reject(publication, error);
    this.#tellIdle();
  }

  /** Settles when nothing waits, everything is acknowledged, and the transport holds nothing back. */
  whenIdle(): Promise<void> {
    return new Promise((onIdle) => {
      this.#idleWaiters.push(onIdle);
      this.#tellIdle();
    });
  }

  /** Appends what may be sent now to the connection's output. @returns whether there is more. */
  fill(connection: Connection, limits: ServerLimits): boolean {
    const flying = this.#flying;
    while (flying.hasResends) {
      if (connection.output.position >= outputPerTurn) return true;
      if (flying.isHeldBack(limits)) return false;
      if (!flying.resendNext(connection, limits)) return false;
    }
    if (this.#queue.messages === 0) return false;
    if (this.#unnumbered.length > 0) this.#numberAhead(limits);
    const now = this.#state.clock.now();
    for (;;) {
      const publication = this.#queue.peek();
      if (publication === undefined) return false;
      if (connection.output.position >= outputPerTurn) return true;
      if (flying.isHeldBack(limits)) return false;
      const { qos } = publication;
      if (qos > 0 && !(flying.hasRoom(limits) && this.#isKept(publication))) return false;
      this.#queue.shift();
      const refusal = refusalOf(publication, limits, now);
      if (refusal !== undefined) this.#giveUp(publication, refusal);
      else if (qos !== 0) flying.sendFirst(publication, connection, limits, now);
      else if (this.#encoder.encode(publication, 0, false, connection, limits, now))
        this.#handingOver.push(publication);
    }
  }

  /** The transport has what `fill` appended. */
  onHandedOver(): void {
    if (this.#handingOver.length === 0) {
      // It may have taken now what it held.
      if (this.#idleWaiters.length > 0) this.#tellIdle();
      return;
    }
    const handedOver = this.#handingOver;
    this.#handingOver = [];
    for (const publication of handedOver) resolve(publication, success);
    this.#tellIdle();
  }

  /** PUBACK, PUBREC or PUBCOMP came. @throws ProtocolError where it cannot be one. */
  onAcknowledgement(packet: AcknowledgementPacket, connection: Connection): void {
    this.#flying.onAcknowledgement(packet, connection);
  }

  /** @throws RequestError ERR_QUEUE_FULL where the message has to give way. */
  #makeRoom(publication: Publication): void {
    const queue = this.#queue;
    const { maximumMessages, maximumBytes, whenFull } = this.#state.settings.queue;
    const { size } = publication;
    while (queue.messages >= maximumMessages || queue.bytes + size > maximumBytes) {
      const full = new RequestError(
        "ERR_QUEUE_FULL",
        `${queue.messages} messages of ${queue.bytes} bytes wait, and queue allows ${maximumMessages} and ${maximumBytes}`,
      );
      const oldest = queue.peek();
      if (whenFull === "reject" || size > maximumBytes || oldest === undefined) throw full;
      this.#giveUp(oldest, full);
    }
  }

  /** A message that expires while it waits is given up then, with or without a connection. */
  #watchExpiry(publication: Publication): void {
    const { wheel, clock } = this.#state;
    const timer = new TimerEntry(() => {
      if (!publication.isQueued) return;
      this.#giveUp(publication, expired());
    });
    wheel.schedule(timer, Math.max(0, publication.expiresAt - clock.now()));
    const { stopListening } = publication;
    publication.stopListening = () => {
      stopListening();
      wheel.cancel(timer);
    };
  }

  #abort(publication: Publication, signal: AbortSignalLike): void {
    if (publication.isSettled) return;
    // In flight it stays in the session, and its acknowledgement is taken in silence.
    if (publication.isQueued) this.#giveUp(publication, abortError(signal));
    else reject(publication, abortError(signal));
  }

  /** A message that was not sent is not sent any more. */
  #giveUp(publication: Publication, error: Error): void {
    reject(publication, error);
    this.#queue.leave(publication);
    this.#state.identifiers.release(publication.packetIdentifier);
    this.#state.records?.forget(publication);
    this.#tellIdle();
  }

  #keep(publication: Publication): void {
    const { records, clock } = this.#state;
    records?.accept(publication, clock.now(), clock.wallTime());
  }

  /** Whether the message and its Packet Identifier are safe in the store, if there is one. */
  #isKept({ packetIdentifier, position }: Publication): boolean {
    const { records } = this.#state;
    return records === undefined || (packetIdentifier !== 0 && records.journal.isSafe(position));
  }

  /**
   * Gives Packet Identifiers to messages that are soon to be sent: a message under an identifier that
   * the next process did not know of were lost, if that process used it for another one.
   */
  #numberAhead(limits: ServerLimits): void {
    const { records, identifiers } = this.#state;
    if (records === undefined) return;
    while (this.#queue.numbered + this.#flying.size < limits.receiveMaximum) {
      const publication = this.#unnumbered.peek();
      if (publication === undefined) return;
      if (publication.isQueued) {
        const packetIdentifier = identifiers.take();
        if (packetIdentifier === 0) return;
        records.number(publication, packetIdentifier);
        this.#queue.noteNumbered();
      }
      this.#unnumbered.shift();
    }
  }

  /** Takes over what an earlier process left. @param onFailed  Told where one of them cannot be sent. */
  restore(
    kept: readonly KeptPublication[],
    onFailed: (packet: PublishPacket, error: Error) => void,
  ): void {
    const { clock, identifiers } = this.#state;
    for (const one of kept) {
      const { packet, sequence, packetIdentifier, state } = one;
      const publication: Publication = {
        ...makePublication(
          packet.topicName,
          packet.payload,
          packet,
          clock,
          () => {},
          (error) => onFailed(packet, error),
        ),
        expiresAt: one.expiresAt - clock.wallTime() + clock.now(),
        sequence,
        packetIdentifier,
      };
      if (packetIdentifier !== 0) identifiers.reserve(packetIdentifier);
      if (state !== KeptState.queued) this.#flying.restore(publication, state);
      else {
        if (publication.expiresAt !== Infinity) this.#watchExpiry(publication);
        this.#queue.push(publication);
        this.#unnumbered.push(publication);
      }
    }
  }

  #tellIdle(): void {
    if (this.#idleWaiters.length === 0) return;
    if (this.#queue.messages > 0 || this.#flying.size > 0 || this.#handingOver.length > 0) return;
    if (this.#state.connection?.isBlocked === true) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const waiter of waiters) waiter();
  }
}
