/**
 * What the broker says, decoded. A codec of its own, as small as it can be: what judges the broker
 * must not share its mistakes.
 */
export type Packet =
  | { readonly type: "connack"; readonly sessionPresent: boolean; readonly reasonCode: number }
  | Publish
  | {
      readonly type: "puback" | "pubrec" | "pubrel" | "pubcomp";
      readonly packetIdentifier: number;
      readonly reasonCode: number;
    }
  | {
      readonly type: "suback" | "unsuback";
      readonly packetIdentifier: number;
      readonly reasonCodes: readonly number[];
    }
  | { readonly type: "pingresp" }
  | { readonly type: "disconnect"; readonly reasonCode: number }
  /** Sent by clients only; a trace of system calls holds them too. */
  | { readonly type: "connect"; readonly clientId: string }
  | {
      readonly type: "subscribe" | "unsubscribe";
      readonly packetIdentifier: number;
      readonly topicFilter: string;
    };

/** A PUBLISH. */
export interface Publish {
  readonly type: "publish";
  readonly topicName: string;
  /** A view of the bytes that it was decoded from. */
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly dup: boolean;
  readonly retain: boolean;
  /** 0 at QoS 0. */
  readonly packetIdentifier: number;
  readonly subscriptionIdentifiers: readonly number[];
}

/** Protocol version as it stands in CONNECT: 4 is 3.1.1. */
export type Version = 4 | 5;

/** Takes packets out of a stream of bytes. */
export class PacketReader {
  /** May be set when the stream holds a CONNECT: that decides it. */
  version: Version;
  #rest: Buffer = Buffer.alloc(0);

  constructor(version: Version) {
    this.version = version;
  }

  /** Adds what was read. @throws Error where it is no MQTT. */
  *read(chunk: Buffer): Generator<Packet> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const frame = this.#take();
      if (frame === undefined) return;
      const packet = decode(frame.first, frame.body, this.version);
      if (packet.type === "connect") this.version = frame.body[6] === 5 ? 5 : 4;
      yield packet;
    }
  }

  #take(): { first: number; body: Buffer } | undefined {
    const bytes = this.#rest;
    let length = 0;
    let at = 1;
    for (let shift = 0; ; shift += 7) {
      if (at >= bytes.length) return undefined;
      if (shift > 21) throw new Error("a Remaining Length of more than four bytes");
      const byte = bytes[at++]!;
      length += (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (bytes.length < at + length) return undefined;
    this.#rest = bytes.subarray(at + length);
    return { first: bytes[0]!, body: bytes.subarray(at, at + length) };
  }
}

const ACKNOWLEDGEMENTS = { 4: "puback", 5: "pubrec", 6: "pubrel", 7: "pubcomp" } as const;

function decode(first: number, body: Buffer, version: Version): Packet {
  const type = first >> 4;
  switch (type) {
    case 1:
      return { type: "connect", clientId: clientIdOf(body) };
    case 2:
      return { type: "connack", sessionPresent: (body[0]! & 1) === 1, reasonCode: body[1]! };
    case 3:
      return decodePublish(first, body, version);
    case 4:
    case 5:
    case 6:
    case 7:
      return {
        type: ACKNOWLEDGEMENTS[type],
        packetIdentifier: body.readUInt16BE(0),
        reasonCode: body.length > 2 ? body[2]! : 0,
      };
    case 8:
    case 10: {
      const at = version === 5 ? 2 + propertiesLength(body, 2) : 2;
      return {
        type: type === 8 ? "subscribe" : "unsubscribe",
        packetIdentifier: body.readUInt16BE(0),
        topicFilter: textAt(body, at),
      };
    }
    case 9:
    case 11: {
      const at = version === 5 ? 2 + propertiesLength(body, 2) : 2;
      return {
        type: type === 9 ? "suback" : "unsuback",
        packetIdentifier: body.readUInt16BE(0),
        reasonCodes: [...body.subarray(at)],
      };
    }
    case 13:
      return { type: "pingresp" };
    case 14:
      return { type: "disconnect", reasonCode: body[0] ?? 0 };
    default:
      throw new Error(`a packet of type ${type}`);
  }
}

function decodePublish(first: number, body: Buffer, version: Version): Publish {
  const qos = ((first >> 1) & 3) as 0 | 1 | 2;
  const topicName = textAt(body, 0);
  let at = 2 + Buffer.byteLength(topicName);
  const packetIdentifier = qos === 0 ? 0 : body.readUInt16BE(at);
  if (qos > 0) at += 2;
  const subscriptionIdentifiers: number[] = [];
  if (version === 5) {
    const end = at + propertiesLength(body, at);
    at = variableInteger(body, at).end;
    while (at < end) at = readProperty(body, at, subscriptionIdentifiers);
  }
  return {
    type: "publish",
    topicName,
    payload: body.subarray(at),
    qos,
    dup: (first & 8) !== 0,
    retain: (first & 1) !== 0,
    packetIdentifier,
    subscriptionIdentifiers,
  };
}

/** Bytes of each property of a PUBLISH whose length is fixed. */
const FIXED_PROPERTIES = new Map([
  [0x01, 1],
  [0x02, 4],
  [0x23, 2],
]);

/** Skips one property of a PUBLISH. @returns where the next one begins. */
function readProperty(body: Buffer, at: number, subscriptionIdentifiers: number[]): number {
  const identifier = body[at]!;
  const fixed = FIXED_PROPERTIES.get(identifier);
  if (fixed !== undefined) return at + 1 + fixed;
  if (identifier === 0x0b) {
    const { value, end } = variableInteger(body, at + 1);
    subscriptionIdentifiers.push(value);
    return end;
  }
  const afterFirst = at + 3 + body.readUInt16BE(at + 1);
  // A User Property is two strings.
  return identifier === 0x26 ? afterFirst + 2 + body.readUInt16BE(afterFirst) : afterFirst;
}

/** Length of the properties at `at`, that of their own length included. */
function propertiesLength(body: Buffer, at: number): number {
  if (at >= body.length) return 0;
  const { value, end } = variableInteger(body, at);
  return value + end - at;
}

function variableInteger(body: Buffer, at: number): { value: number; end: number } {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = body[at++]!;
    value += (byte & 0x7f) << shift;
    if (byte < 0x80) return { value, end: at };
  }
}

function textAt(body: Buffer, at: number): string {
  return body.toString("utf8", at + 2, at + 2 + body.readUInt16BE(at));
}

function clientIdOf(body: Buffer): string {
  // Protocol Name (6), level, flags, Keep Alive (2).
  const at = 10;
  return textAt(body, body[6] === 5 ? at + propertiesLength(body, at) : at);
}
