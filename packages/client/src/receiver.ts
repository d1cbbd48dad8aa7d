import type { PublishPacket, QoS } from "@sericite/protocol";
import {
  ProtocolError,
  ReasonCode,
  ReceiveMaximum,
  TopicAliasInbound,
  encodeClientPacket,
} from "@sericite/protocol";
import type { ClientState } from "./client-state.ts";
import type { Connection } from "./connection.ts";
import { Message } from "./message.ts";
import { Queue } from "./queue.ts";
import type { ReceivedTopic } from "./received-topics.ts";
import { ReceivedTopics } from "./received-topics.ts";

/**
 * One QoS 1 or 2 message that is with the handlers: when the last of them has done with it, its
 * acknowledgement is due.
 */
export class Receipt {
  readonly packetIdentifier: number;
  readonly qos: QoS;
  /** Connection on which its acknowledgement is due. */
  connectionNumber: number;
  /** Handlers that have not done with it. One more while it is handed out. */
  pending = 1;
  /** What the acknowledgement says, on 5.0; 0x80 and above: a handler failed or refused the message. */
  reasonCode = 0;
  reasonString: string | undefined = undefined;
  /** QoS 2: PUBREL came while the repeated acknowledgement waited for its turn. */
  isReleased = false;
  readonly #receiver: Receiver;

  constructor(receiver: Receiver, packetIdentifier: number, qos: QoS, connectionNumber: number) {
    this.#receiver = receiver;
    this.packetIdentifier = packetIdentifier;
    this.qos = qos;
    this.connectionNumber = connectionNumber;
  }

  get isDone(): boolean {
    return this.pending === 0;
  }

  /** One handler has done with the message. The first refusal counts. */
  done(reasonCode = 0, reasonString?: string): void {
    if (this.reasonCode === 0) {
      this.reasonCode = reasonCode;
      this.reasonString = reasonString;
    }
    this.pending--;
    if (this.pending === 0) this.#receiver.onDone(this);
  }
}

/** Where messages go. */
export interface Deliverer {
  /**
   * Hands a message to whoever subscribed to it. Each of them that has not done with it when this
   * returns adds one to `receipt.pending` and calls `receipt.done()` later.
   */
  deliver(message: Message, topic: ReceivedTopic, receipt: Receipt | undefined): void;
}

/**
 * Receives messages: Topic Aliases, QoS 2 exactly once, and acknowledgements in the order of the
 * PUBLISHes [MQTT5-4.6.0-2] [MQTT5-4.6.0-3] [MQTT3-4.6.0-2] [MQTT3-4.6.0-3], each when the message's
 * handlers have done with it.
 */
export class Receiver {
  readonly #state: ClientState;
  readonly #deliverer: Deliverer;
  /** Packet Identifiers of QoS 2 messages that came and whose PUBREL has not. */
  readonly #inbound = new Set<number>();
  /**
   * Messages that are with their handlers, or whose acknowledgement waits for its turn, by Packet
   * Identifier: of QoS 2 across connections, of QoS 1 those of this one.
   */
  readonly #unfinished = new Map<number, Receipt>();
  /** Acknowledgements that are due on this connection, in the order of their PUBLISHes. */
  readonly #line = new Queue<Receipt>();
  readonly #topics = new ReceivedTopics();
  #quota = new ReceiveMaximum(1);
  #aliases = new TopicAliasInbound<ReceivedTopic>(0);

  constructor(state: ClientState, deliverer: Deliverer) {
    this.#state = state;
    this.#deliverer = deliverer;
  }

  /** A connection is there. */
  connected(sessionPresent: boolean): void {
    const { settings } = this.#state;
    const is5 = settings.protocolVersion === 5;
    // What was done with and not yet acknowledged the server will send again.
    for (let receipt = this.#line.shift(); receipt !== undefined; receipt = this.#line.shift())
      if (receipt.isDone) this.#forget(receipt);
    this.#quota.reset(is5 ? settings.receiveMaximum : 65_535);
    this.#aliases = new TopicAliasInbound(is5 ? settings.topicAliasMaximum : 0); // [MQTT5-3.3.2-7]
    if (!sessionPresent) {
      const { records } = this.#state;
      if (records !== undefined)
        for (const packetIdentifier of this.#inbound) records.completed(packetIdentifier);
      this.#inbound.clear(); // [MQTT5-3.2.2-5]
      this.#unfinished.clear();
    }
  }

  /** A PUBLISH came. @throws ProtocolError */
  onPublish(packet: PublishPacket, connection: Connection): void {
    const topic = this.#topicOf(packet);
    const { qos, packetIdentifier } = packet;
    if (packetIdentifier === undefined) {
      this.#deliverer.deliver(messageOf(packet, topic), topic, undefined); // [MQTT5-3.3.4-1]
      return;
    }
    const is5 = this.#state.settings.protocolVersion === 5;
    if (!this.#quota.take() && is5) {
      //
      throw new ProtocolError(
        "ERR_PROTOCOL",
        ReasonCode.receiveMaximumExceeded,
        "the server exceeded the Receive Maximum",
      );
    }
    if (qos === 2) {
      if (this.#inbound.has(packetIdentifier)) {
        this.#acknowledgeAgain(packetIdentifier, connection);
        return;
      }
      if (is5 && this.#isUnanswered(packetIdentifier)) {
        this.#refuseInUse(packetIdentifier, qos, connection);
        return;
      }
      this.#inbound.add(packetIdentifier);
    } else if (is5) {
      if (this.#inbound.has(packetIdentifier)) {
        this.#refuseInUse(packetIdentifier, qos, connection);
        return;
      }
    }
    // The server does not wait any longer and sends it again, while it is still at work here.
    else if (this.#isUnanswered(packetIdentifier)) return;
    const receipt = new Receipt(this, packetIdentifier, qos, this.#state.connectionNumber);
    this.#deliverer.deliver(messageOf(packet, topic), topic, receipt);
    receipt.pending--;
    if (receipt.isDone && this.#line.length === 0) {
      this.#acknowledge(receipt, connection);
      return;
    }
    this.#unfinished.set(packetIdentifier, receipt);
    this.#line.push(receipt);
  }

  /** PUBREL came: the message will not be sent again. */
  onPubrel(packetIdentifier: number, connection: Connection): void {
    const wasThere = this.#inbound.delete(packetIdentifier);
    if (wasThere) {
      this.#quota.give();
      this.#state.records?.completed(packetIdentifier);
      const waiting = this.#unfinished.get(packetIdentifier);
      if (waiting?.isDone === true) {
        waiting.isReleased = true;
        this.#forget(waiting);
      }
    }
    const reasonCode = wasThere ? ReasonCode.success : ReasonCode.packetIdentifierNotFound;
    this.#answer("pubcomp", packetIdentifier, connection, reasonCode); // [MQTT5-4.3.3-11] [MQTT3-4.3.3-2]
  }

  /** The handlers of a message have done with it. */
  onDone(receipt: Receipt): void {
    const { connection, connectionNumber } = this.#state;
    // Of a message that came on an earlier connection the server will remind us.
    if (connection === undefined || receipt.connectionNumber !== connectionNumber) {
      this.#forget(receipt);
      return;
    }
    for (let first = this.#line.peek(); first?.isDone === true; first = this.#line.peek()) {
      this.#line.shift();
      this.#forget(first);
      this.#acknowledge(first, connection);
    }
  }

  #forget(receipt: Receipt): void {
    const { packetIdentifier } = receipt;
    if (this.#unfinished.get(packetIdentifier) === receipt)
      this.#unfinished.delete(packetIdentifier);
  }

  /** Whether a message that came on this connection under the identifier is not acknowledged yet. */
  #isUnanswered(packetIdentifier: number): boolean {
    return (
      this.#unfinished.get(packetIdentifier)?.connectionNumber === this.#state.connectionNumber
    );
  }

  /**
   * A message under an identifier that one of the other QoS has in use: it is refused, in its turn
   * . Before 5.0 nothing could say so, and it is taken.
   */
  #refuseInUse(packetIdentifier: number, qos: QoS, connection: Connection): void {
    const receipt = new Receipt(this, packetIdentifier, qos, this.#state.connectionNumber);
    receipt.pending = 0;
    receipt.reasonCode = ReasonCode.packetIdentifierInUse;
    if (this.#line.length === 0) this.#acknowledge(receipt, connection);
    else this.#line.push(receipt);
  }

  /** A QoS 2 message that came before: PUBREC again, and no second delivery [MQTT5-4.3.3-10] [MQTT3-4.3.3-2]. */
  #acknowledgeAgain(packetIdentifier: number, connection: Connection): void {
    const { connectionNumber } = this.#state;
    const unfinished = this.#unfinished.get(packetIdentifier);
    if (unfinished === undefined) {
      const receipt = new Receipt(this, packetIdentifier, 2, connectionNumber);
      receipt.pending = 0;
      if (this.#line.length === 0) this.#acknowledge(receipt, connection);
      else {
        this.#unfinished.set(packetIdentifier, receipt);
        this.#line.push(receipt);
      }
    } else if (unfinished.connectionNumber !== connectionNumber) {
      unfinished.connectionNumber = connectionNumber;
      this.#line.push(unfinished);
    }
  }

  #acknowledge(receipt: Receipt, connection: Connection): void {
    const { packetIdentifier, qos, reasonCode } = receipt;
    const isRefusal = reasonCode !== 0 && this.#state.settings.protocolVersion === 5;
    if (qos === 1 || isRefusal) this.#quota.give();
    if (qos === 2 && isRefusal) this.#inbound.delete(packetIdentifier); // [MQTT5-4.3.3-9]
    const type = qos === 1 ? "puback" : "pubrec"; // [MQTT5-4.3.2-4] [MQTT3-4.3.2-2] [MQTT5-4.3.3-8]
    if (isRefusal) this.#refuse(type, receipt, connection);
    else {
      if (qos === 2 && !receipt.isReleased) this.#state.records?.received(packetIdentifier);
      this.#answer(type, packetIdentifier, connection, ReasonCode.success);
    }
  }

  /** Sends an acknowledgement, behind the records that it rests on. */
  #answer(
    type: "puback" | "pubrec" | "pubcomp",
    packetIdentifier: number,
    connection: Connection,
    reasonCode: number,
  ): void {
    const { records } = this.#state;
    if (records === undefined) {
      connection.acknowledge(type, packetIdentifier, reasonCode);
      return;
    }
    records.journal.whenSafe(() => {
      if (this.#state.connection === connection)
        connection.acknowledge(type, packetIdentifier, reasonCode);
    });
  }

  /** Takes over what an earlier process had between PUBREC and PUBREL. */
  restore(packetIdentifiers: readonly number[]): void {
    for (const packetIdentifier of packetIdentifiers) this.#inbound.add(packetIdentifier);
  }

  #refuse(type: "puback" | "pubrec", receipt: Receipt, connection: Connection): void {
    const { packetIdentifier, reasonCode, reasonString } = receipt;
    const packet = { type, packetIdentifier, reasonCode };
    const whole = { ...packet, properties: { reasonString } };
    const size = encodeClientPacket(whole, 5).length;
    const fits = size <= this.#state.limits!.maximumPacketSize; // [MQTT5-3.4.2-2] [MQTT5-3.5.2-2]
    const answer = fits && reasonString !== undefined ? whole : packet;
    const { records } = this.#state;
    if (records === undefined) connection.send(answer);
    // In line behind the others.
    else
      records.journal.whenSafe(() => {
        if (this.#state.connection === connection) connection.send(answer);
      });
  }

  #topicOf({ topicName, properties }: PublishPacket): ReceivedTopic {
    const topicAlias = properties?.topicAlias;
    if (topicName === "") return this.#aliases.resolve(topicAlias!);
    const topic = this.#topics.lookup(topicName);
    if (topicAlias !== undefined) this.#aliases.set(topicAlias, topic);
    return topic;
  }
}

function messageOf(packet: PublishPacket, topic: ReceivedTopic): Message {
  const { payload, qos, retain, dup, properties } = packet;
  return new Message(topic.name, payload, qos, retain, dup, properties);
}
