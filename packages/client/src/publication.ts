import type { Clock, Properties, QoS } from "@sericite/protocol";
import {
  PacketType,
  ReasonCode,
  UsageError,
  encodeProperties,
  topicNameFault,
} from "@sericite/protocol";
import type { AbortSignalLike } from "./abort.ts";
import { RequestError } from "./errors.ts";
import type { Payload } from "./message.ts";
import { payloadBytes } from "./message.ts";
import type { PublishProperties } from "./options.ts";
import type { ServerLimits } from "./server-limits.ts";

/** How a message is published. */
export interface PublishOptions {
  /** Default 0. */
  readonly qos?: QoS | undefined;
  /** Default false. */
  readonly retain?: boolean | undefined;
  /** 5.0. */
  readonly properties?: PublishProperties | undefined;
  /**
   * Time for which the server holds the message back. Seconds, at least 1. No part of MQTT: it is
   * published to `$delayed/SECONDS/TOPIC`, which Sericite's broker and some others know.
   */
  readonly delay?: number | undefined;
  /**
   * Rejects the promise. A message that was not sent yet is not sent any more; one that was stays
   * in the session.
   */
  readonly signal?: AbortSignalLike | undefined;
}

/** How a publish ended well. */
export interface PublishResult {
  /** Of PUBACK or PUBCOMP; 0 at QoS 0 and on 3.x. 0x10: nobody subscribes to it. */
  readonly reasonCode: number;
  /** 5.0: properties of the acknowledgement. */
  readonly properties: Properties | undefined;
}

/** A message on its way to the server. */
export interface Publication {
  readonly topicName: string;
  payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties: PublishProperties | undefined;
  /** Bytes that it counts for in the queue. */
  readonly size: number;
  /** Milliseconds of the clock; Infinity: never. */
  readonly expiresAt: number;
  /** Connection that its PUBLISH was sent on last. */
  connectionNumber: number;
  /** Number among the messages that the session store keeps, 0: it is not kept. */
  sequence: number;
  /** Position in the store's journal that has to be safe before it is sent. */
  position: number;
  /** QoS 2: PUBREC came. */
  isReleased: boolean;
  /** Place among what is in flight. */
  order: number;
  /** Of this connection; -1: it was not sent on it. Milliseconds of the clock. */
  sentAt: number;
  /** How often PUBLISH, and then PUBREL, was sent on this connection. */
  sendings: number;
  /** Taken before it is sent, where the session is kept, else as it is sent; 0 until then. */
  packetIdentifier: number;
  /** It waits to be sent, or to be sent anew. */
  isQueued: boolean;
  /** The promise has its answer. */
  isSettled: boolean;
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: Error) => void;
  stopListening: () => void;
}

/** The result where there is nothing to say. */
export const success: PublishResult = { reasonCode: ReasonCode.success, properties: undefined };

/** What a message costs in memory beside payload and Topic Name, about. Bytes. */
const overhead = 64;

/** A message that was asked to be published just now. */
export function makePublication(
  topicName: string,
  payload: Payload,
  options: PublishOptions,
  clock: Clock,
  onResult: (result: PublishResult) => void,
  onFailure: (error: Error) => void,
): Publication {
  const { qos = 0, retain = false, delay } = options;
  const properties = options.properties ?? undefined;
  const bytes = payloadBytes(payload);
  const seconds = properties?.messageExpiryInterval;
  return {
    topicName: delay === undefined ? topicName : `$delayed/${delay}/${topicName}`,
    payload: bytes,
    qos,
    retain,
    properties,
    size: bytes.length + topicName.length + overhead,
    expiresAt: seconds === undefined ? Infinity : clock.now() + seconds * 1000,
    connectionNumber: 0,
    isReleased: false,
    order: 0,
    sentAt: -1,
    sendings: 0,
    sequence: 0,
    position: 0,
    packetIdentifier: 0,
    isQueued: false,
    isSettled: false,
    resolve: onResult,
    reject: onFailure,
    stopListening: noListener,
  };
}

function noListener(): void {}

/** Keeps the promise of a publish, if it is still open. */
export function resolve(publication: Publication, result: PublishResult): void {
  if (publication.isSettled) return;
  publication.isSettled = true;
  publication.stopListening();
  publication.resolve(result);
}

/** Breaks the promise of a publish, if it is still open. */
export function reject(publication: Publication, error: Error): void {
  if (publication.isSettled) return;
  publication.isSettled = true;
  publication.stopListening();
  publication.reject(error);
}

/**
 * What is wrong with the arguments of a publish, or `undefined`.
 *
 * @param soundTopicName  A Topic Name that was found right before: most publishers have one or few.
 */
export function publishFault(
  topicName: string,
  payload: Payload,
  qos: QoS,
  { delay, properties }: PublishOptions,
  soundTopicName: string | undefined,
): UsageError | undefined {
  const isSound = soundTopicName !== undefined && topicName === soundTopicName;
  const fault = isSound ? undefined : topicFault(topicName); // [MQTT5-3.3.2-2] [MQTT3-3.3.2-2] [MQTT5-4.7.3-1] [MQTT3-4.7.3-1]
  if (fault !== undefined) return new UsageError("ERR_TOPIC_NAME", `topicName ${fault}`);
  if (qos !== 0 && qos !== 1 && qos !== 2)
    return new UsageError("ERR_USAGE", `qos is ${String(qos)}, expected 0, 1 or 2`);
  if (delay !== undefined && !(Number.isInteger(delay) && delay >= 1))
    return new UsageError("ERR_USAGE", `delay is ${delay}, expected whole seconds, 1 or more`);
  const propertyFault = properties ? propertiesFault(properties) : undefined;
  if (propertyFault !== undefined) return propertyFault;
  if (typeof payload !== "string" && !(payload instanceof Uint8Array)) {
    return new UsageError("ERR_USAGE", "payload is neither a string nor a Uint8Array");
  }
  return undefined;
}

/** Why something is no Topic Name; a caller without types may give anything. */
export function topicFault(topicName: unknown): string | undefined {
  if (typeof topicName === "string") return topicNameFault(topicName);
  return `is of type ${typeof topicName}, expected a string`;
}

/** A message may wait for long before it is encoded: its properties are tried at once. */
function propertiesFault(properties: PublishProperties): UsageError | undefined {
  try {
    encodeProperties(properties, PacketType.publish);
    return undefined;
  } catch (error) {
    if (error instanceof UsageError) return error;
    return new UsageError("ERR_USAGE", "properties cannot be encoded", { cause: error });
  }
}

/** What the publisher of a message gets that waited for too long. */
export function expired(): RequestError {
  return new RequestError("ERR_MESSAGE_EXPIRED", "the message expired before it could be sent");
}

/** Why a message cannot be sent on this connection, or at all; or `undefined`. */
export function refusalOf(
  publication: Publication,
  limits: ServerLimits,
  now: number,
): RequestError | undefined {
  if (publication.expiresAt <= now) return expired();
  if (publication.qos > limits.maximumQos) {
    // [MQTT5-3.2.2-11]
    return new RequestError(
      "ERR_NOT_SUPPORTED",
      `the server takes no QoS above ${limits.maximumQos}`,
      {
        reasonCode: ReasonCode.qosNotSupported,
      },
    );
  }
  if (publication.retain && !limits.retainAvailable) {
    // [MQTT5-3.2.2-14]
    return new RequestError("ERR_NOT_SUPPORTED", "the server retains no messages", {
      reasonCode: ReasonCode.retainNotSupported,
    });
  }
  return undefined;
}
