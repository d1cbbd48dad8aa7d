import type { Version } from "./packet.ts";

/** What goes into a CONNECT. */
export interface ConnectOptions {
  readonly version: Version;
  readonly clientId: string;
  /** Clean Session on 3.1.1. */
  readonly cleanStart: boolean;
  /** Seconds; 5.0 only. */
  readonly sessionExpiryInterval?: number;
  /** 5.0 only. */
  readonly receiveMaximum?: number;
  readonly will?: WillOptions;
}

/** A Will Message. */
export interface WillOptions {
  readonly topicName: string;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
  /** Seconds; 5.0 only. */
  readonly delayInterval?: number;
}

/** A CONNECT without Keep Alive. */
export function encodeConnect(options: ConnectOptions): Buffer {
  const { version, will } = options;
  const properties: Buffer[] = [];
  if (options.sessionExpiryInterval !== undefined)
    properties.push(Buffer.of(0x11), fourBytes(options.sessionExpiryInterval));
  if (options.receiveMaximum !== undefined)
    properties.push(Buffer.of(0x21), twoBytes(options.receiveMaximum));
  const body = [
    text("MQTT"),
    Buffer.of(
      version,
      (options.cleanStart ? 2 : 0) | (will === undefined ? 0 : 4 | (will.qos << 3)),
    ),
    twoBytes(0),
    ...propertyBlock(version, properties),
    text(options.clientId),
  ];
  if (will !== undefined) {
    const delay = will.delayInterval;
    const ofWill = delay === undefined ? [] : [Buffer.of(0x18), fourBytes(delay)];
    body.push(...propertyBlock(version, ofWill), text(will.topicName), text(will.payload));
  }
  return frame(0x10, body);
}

/** What goes into a PUBLISH. */
export interface PublishOptions {
  readonly topicName: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly packetIdentifier: number;
}

/** A PUBLISH. */
export function encodePublish(version: Version, options: PublishOptions): Buffer {
  const { qos, dup, retain } = options;
  return frame(0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0), [
    text(options.topicName),
    ...(qos === 0 ? [] : [twoBytes(options.packetIdentifier)]),
    ...propertyBlock(version, []),
    options.payload,
  ]);
}

const FIRST_BYTES = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

/** A PUBACK, PUBREC, PUBREL or PUBCOMP with Reason Code 0. */
export function encodeAcknowledgement(
  type: keyof typeof FIRST_BYTES,
  packetIdentifier: number,
): Buffer {
  return frame(FIRST_BYTES[type], [twoBytes(packetIdentifier)]);
}

/** A SUBSCRIBE to one Topic Filter. @param subscriptionIdentifier  5.0 only; 0: none. */
export function encodeSubscribe(
  version: Version,
  packetIdentifier: number,
  topicFilter: string,
  qos: 0 | 1 | 2,
  subscriptionIdentifier = 0,
): Buffer {
  const properties =
    subscriptionIdentifier === 0 ? [] : [Buffer.of(0x0b), variableInteger(subscriptionIdentifier)];
  return frame(0x82, [
    twoBytes(packetIdentifier),
    ...propertyBlock(version, properties),
    text(topicFilter),
    Buffer.of(qos),
  ]);
}

/** An UNSUBSCRIBE of one Topic Filter. */
export function encodeUnsubscribe(
  version: Version,
  packetIdentifier: number,
  topicFilter: string,
): Buffer {
  return frame(0xa2, [
    twoBytes(packetIdentifier),
    ...propertyBlock(version, []),
    text(topicFilter),
  ]);
}

/** A DISCONNECT. @param sessionExpiryInterval  Seconds; 5.0 only. */
export function encodeDisconnect(version: Version, sessionExpiryInterval?: number): Buffer {
  if (version === 4 || sessionExpiryInterval === undefined) return frame(0xe0, []);
  return frame(0xe0, [
    Buffer.of(0),
    ...propertyBlock(5, [Buffer.of(0x11), fourBytes(sessionExpiryInterval)]),
  ]);
}

function frame(first: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(first), variableInteger(body.length), body]);
}

function propertyBlock(version: Version, properties: readonly Buffer[]): Buffer[] {
  if (version === 4) return [];
  const bytes = Buffer.concat(properties);
  return [variableInteger(bytes.length), bytes];
}

function variableInteger(value: number): Buffer {
  const bytes = [];
  do {
    const low = value & 0x7f;
    value >>>= 7;
    bytes.push(value > 0 ? low | 0x80 : low);
  } while (value > 0);
  return Buffer.from(bytes);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([twoBytes(bytes.length), bytes]);
}

function twoBytes(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

function fourBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
