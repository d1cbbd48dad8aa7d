import { TopicNameTable } from "@sericite/protocol";
import type { QoS, TopicName } from "@sericite/protocol";
import type { DelayRequest } from "./delayed.ts";
import type { Position } from "./ports.ts";
import type { Slab } from "./slab.ts";

/** A message as it goes out to receivers of one kind: a range of bytes. Valid until the end of its turn. */
export interface WireForm {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Where the Packet Identifier stands; 0 at QoS 0. */
  readonly identifierAt: number;
}

/**
 * One application message, made once per PUBLISH and never changed; QoS and flags of a delivery
 * live in the queue entry. It is held in its *native form*: a PUBLISH packet, DUP and RETAIN
 * cleared, without Topic Alias and Message Expiry Interval, so that receivers of the same version
 * and QoS are sent that very range of bytes.
 */
export class Message {
  /** Unique in this broker and rising; decides the Packet Identifier. */
  readonly number: number;
  /** Or, until somebody asks for it, what knows it by its bytes. */
  #topic: TopicName | TopicNameTable;
  /** Holds the native form from `start` (inclusive) to `end` (exclusive). */
  bytes: Uint8Array;
  start: number;
  end: number;
  /** Offsets from `start`. */
  readonly identifierAt: number;
  readonly propertiesStart: number;
  readonly propertiesEnd: number;
  readonly payloadStart: number;
  /** The native form has a property field. */
  readonly isVersion5: boolean;
  readonly qos: QoS;
  readonly retain: boolean;
  /** Client Identifier of the publisher; empty where no client published it. */
  readonly publisher: string;
  /** Time of the engine's clock at which it expires, milliseconds; 0: never. */
  readonly expiresAt: number;
  /** Queues, flights and the retained table that refer to it. */
  references = 0;
  slab: Slab | undefined;
  /** Position of its record; 0 while it has none. */
  storedAt: Position = 0;
  isStored = false;
  /** What its Topic Name below `$delayed/` asked for. */
  delay: DelayRequest | undefined = undefined;
  /** Encoded variants, of turn `formsTurn` only. */
  forms: (WireForm | undefined)[] | undefined;
  formsTurn = -1;

  constructor(
    number: number,
    topic: TopicName | TopicNameTable,
    bytes: Uint8Array,
    start: number,
    end: number,
    identifierAt: number,
    propertiesStart: number,
    propertiesEnd: number,
    payloadStart: number,
    isVersion5: boolean,
    qos: QoS,
    retain: boolean,
    publisher: string,
    expiresAt: number,
    slab: Slab | undefined,
  ) {
    this.number = number;
    this.#topic = topic;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.identifierAt = identifierAt;
    this.propertiesStart = propertiesStart;
    this.propertiesEnd = propertiesEnd;
    this.payloadStart = payloadStart;
    this.isVersion5 = isVersion5;
    this.qos = qos;
    this.retain = retain;
    this.publisher = publisher;
    this.expiresAt = expiresAt;
    this.slab = slab;
  }

  get topic(): TopicName {
    const topic = this.#topic;
    return topic instanceof TopicNameTable ? this.#find(topic) : topic;
  }

  get topicName(): string {
    return this.topic.name;
  }

  /** Bytes of the native form: what a queue's bound counts. */
  get size(): number {
    return this.end - this.start;
  }

  get payloadLength(): number {
    return this.end - this.start - this.payloadStart;
  }

  /** View of the payload; valid until the end of the turn unless the message is owned. */
  payload(): Uint8Array {
    return this.bytes.subarray(this.start + this.payloadStart, this.end);
  }

  /** View of the encoded properties without their length. */
  properties(): Uint8Array {
    return this.bytes.subarray(this.start + this.propertiesStart, this.start + this.propertiesEnd);
  }

  /** Where its Topic Name, with its length of two bytes before it, begins in `bytes`. */
  topicStart(): number {
    let at = this.start + 1;
    while (this.bytes[at++]! & 0x80);
    return at;
  }

  #find(topicNames: TopicNameTable): TopicName {
    const { bytes } = this;
    const start = this.topicStart();
    const end = start + 2 + ((bytes[start]! << 8) | bytes[start + 1]!);
    return (this.#topic = topicNames.lookup(bytes, start + 2, end));
  }

  /** One more refers to it: it outlives the turn. */
  refer(): void {
    if (this.references++ === 0 && this.slab !== undefined) {
      this.slab.live++;
      this.slab.note(this);
    }
  }

  /** One less refers to it. */
  release(): void {
    if (--this.references === 0 && this.slab !== undefined) this.slab.live--;
  }

  /** Copies itself out of `slab`, where it still lies in there and something refers to it. */
  own(slab: Slab | undefined = this.slab): void {
    if (this.slab !== slab || slab === undefined || this.references === 0) return;
    this.bytes = this.bytes.slice(this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    this.slab = undefined;
    slab.live--;
  }
}

/** Stands for a message whose receiver has it, and of which only the Packet Identifier still counts. */
export const settledMessage = new Message(
  0,
  { name: "", bytes: new Uint8Array(0), levels: 1 } as TopicName,
  new Uint8Array(0),
  0,
  0,
  0,
  0,
  0,
  0,
  false,
  0,
  false,
  "",
  0,
  undefined,
);
