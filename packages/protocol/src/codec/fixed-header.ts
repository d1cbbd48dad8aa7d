import type { ProtocolError } from "../errors.ts";
import type { ProtocolVersion } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { malformed, protocolError } from "./malformed.ts";

/** Who sent the bytes. */
export type Sender = "client" | "server";

/** As the specification writes the packet types, for messages. */
export const packetTitles: readonly string[] = [
  "",
  "CONNECT",
  "CONNACK",
  "PUBLISH",
  "PUBACK",
  "PUBREC",
  "PUBREL",
  "PUBCOMP",
  "SUBSCRIBE",
  "SUBACK",
  "UNSUBSCRIBE",
  "UNSUBACK",
  "PINGREQ",
  "PINGRESP",
  "DISCONNECT",
  "AUTH",
];

/** What may be wrong with a first byte. */
export const fault = {
  none: 0,
  type: 1,
  flags: 2,
  qos: 3,
  dup: 4,
  direction: 5,
  notConnect: 6,
} as const;

const { connect, connack, publish, pubrel, subscribe, unsubscribe, disconnect, auth } = PacketType;

/** 0 where the first byte of a packet is in order, else a number for `firstByteError`. */
export function firstByteFault(
  firstByte: number,
  sender: Sender,
  version: ProtocolVersion,
): number {
  const type = firstByte >> 4;
  const flags = firstByte & 0x0f;
  // Type 15 came with 5.0.
  if (type === 0 || (type === auth && version !== 5)) return fault.type;
  const fromClientOnly =
    type === connect ||
    type === subscribe ||
    type === unsubscribe ||
    type === PacketType.pingreq ||
    (type === disconnect && version !== 5);
  const fromServerOnly =
    type === connack ||
    type === PacketType.suback ||
    type === PacketType.unsuback ||
    type === PacketType.pingresp;
  if (sender === "client" ? fromServerOnly : fromClientOnly) return fault.direction;
  // Its flags are for the version that the packet itself names.
  if (type === connect) return fault.none;
  if (type === publish) {
    if ((flags & 6) === 6) return fault.qos; // [MQTT5-3.3.1-4] [MQTT3-3.3.1-4]
    if (version !== 3 && (flags & 0x0e) === 8) return fault.dup; // [MQTT5-3.3.1-2] [MQTT3-3.3.1-2]
    return fault.none;
  }
  // 3.1 has DUP on PUBREL, SUBSCRIBE and UNSUBSCRIBE and names no error for other bits.
  if (version === 3) return fault.none;
  // [MQTT5-2.1.3-1] [MQTT3-2.2.2-2] [MQTT5-3.6.1-1] [MQTT3-3.6.1-1] [MQTT5-3.8.1-1] [MQTT3-3.8.1-1]
  // [MQTT5-3.10.1-1] [MQTT3-3.10.1-1] [MQTT5-3.14.1-1] [MQTT3-3.14.1-1] [MQTT5-3.15.1-1]
  const expected = type === pubrel || type === subscribe || type === unsubscribe ? 2 : 0;
  return flags === expected ? fault.none : fault.flags;
}

/** The error for a first byte that `firstByteFault` found fault with. For the caller to throw. */
export function firstByteError(faultNumber: number, firstByte: number): ProtocolError {
  const title = packetTitles[firstByte >> 4]!;
  const flags = (firstByte & 0x0f).toString(2).padStart(4, "0");
  switch (faultNumber) {
    case fault.type:
      return malformed(`packet type ${firstByte >> 4} is reserved`);
    case fault.qos:
      return malformed("PUBLISH has QoS 3");
    case fault.dup:
      return malformed("PUBLISH has DUP and QoS 0");
    case fault.direction:
      return protocolError(`${title} came from the wrong side`);
    case fault.notConnect:
      return protocolError(`the first packet is ${title}, not CONNECT`);
    default:
      return malformed(`${title} has reserved flags ${flags}`);
  }
}
