import type { Properties, QoS } from "@sericite/protocol";
import { ReasonCode, UsageError } from "@sericite/protocol";
import type { Acknowledgement } from "./acknowledgement.ts";

// Node and browsers have it; the core of the client has no types of a platform.
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string };
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A message that came from the server. */
export class Message {
  readonly topicName: string;
  /** The receiver's own: nobody writes to it again. */
  readonly payload: Uint8Array;
  readonly qos: QoS;
  /** It was retained, and came because of a new subscription (or Retain As Published is set). */
  readonly retain: boolean;
  /** The server may have sent it before (§3.3.1.1). */
  readonly dup: boolean;
  /** 5.0: what came with it, Topic Alias included; `undefined` where there was nothing. */
  readonly properties: Properties | undefined;
  readonly #acknowledgement: Acknowledgement | undefined;

  /** Made by the client. */
  constructor(
    topicName: string,
    payload: Uint8Array,
    qos: QoS,
    retain: boolean,
    dup: boolean,
    properties: Properties | undefined,
    acknowledgement?: Acknowledgement,
  ) {
    this.topicName = topicName;
    this.payload = payload;
    this.qos = qos;
    this.retain = retain;
    this.dup = dup;
    this.properties = properties;
    this.#acknowledgement = acknowledgement;
  }

  /** The same message for a receiver that acknowledges by hand. */
  withAcknowledgement(acknowledgement: Acknowledgement): Message {
    const { topicName, payload, qos, retain, dup, properties } = this;
    return new Message(topicName, payload, qos, retain, dup, properties, acknowledgement);
  }

  /** The same message with another payload and other properties. */
  with(payload: Uint8Array, properties: Properties | undefined): Message {
    const { topicName, qos, retain, dup } = this;
    return new Message(topicName, payload, qos, retain, dup, properties, this.#acknowledgement);
  }

  /**
   * Acknowledges the message, in a subscription with `acknowledge: "manual"`. Acknowledgements leave
   * in the order in which the messages came, whatever the order of the calls. Called again, or at
   * QoS 0, it does nothing.
   *
   * @throws UsageError where the subscription acknowledges by itself.
   */
  ack(): void {
    this.#manual().ack();
  }

  /**
   * 5.0: refuses the message, in a subscription with `acknowledge: "manual"`. For the server it is
   * done with: it does not send it again, nor to another client.
   *
   * @param reasonCode  0x80 unspecified error, 0x83, 0x87, 0x90, 0x91, 0x97 or 0x99. The last is for a
   * payload that is marked as UTF-8 and is none, which the client itself takes.
   * @param reasonString  Left out where the server takes no packet as large.
   * @throws UsageError at QoS 0, before 5.0, and where the subscription acknowledges by itself.
   */
  reject(reasonCode: number = ReasonCode.unspecifiedError, reasonString?: string): void {
    this.#manual().reject(reasonCode, reasonString);
  }

  #manual(): Acknowledgement {
    if (this.#acknowledgement !== undefined) return this.#acknowledgement;
    throw new UsageError(
      "ERR_USAGE",
      'the subscription acknowledges by itself; subscribe with acknowledge: "manual"',
    );
  }

  /** The payload as UTF-8 text; what is not UTF-8 becomes U+FFFD. */
  text(): string {
    return payloadText(this.payload);
  }

  /** The payload read as JSON. @throws SyntaxError where it is none. */
  json(): unknown {
    return JSON.parse(payloadText(this.payload));
  }
}

/** A payload as UTF-8 text; what is not UTF-8 becomes U+FFFD. */
export function payloadText(payload: Uint8Array): string {
  return decoder.decode(payload);
}

/** A payload as the caller gives it; a string is sent as UTF-8. */
export type Payload = string | Uint8Array;

/** Up to this length a loop is quicker than the call of the encoder (bench/src/client-compare.ts). */
const short = 64;

/** The bytes of a payload: a string's UTF-8, or the very array that was given. */
export function payloadBytes(payload: Payload): Uint8Array {
  if (typeof payload !== "string") return payload;
  const { length } = payload;
  if (length > short) return encoder.encode(payload);
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) {
    const unit = payload.charCodeAt(index);
    if (unit > 0x7f) return encoder.encode(payload);
    bytes[index] = unit;
  }
  return bytes;
}
