import { ProtocolError, UsageError } from "../errors.ts";
import type { ConnectPacket, ProtocolVersion, QoS, Will } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { willProperties } from "../property.ts";
import { ReasonCode } from "../reason-code.ts";
import { topicNameFault } from "../topic/topic-name.ts";
import { malformed, protocolError } from "./malformed.ts";
import { takeProperties } from "./read-properties.ts";
import { appendProperties } from "./write-properties.ts";
import { checkedQoS } from "./qos.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

const usernameFlag = 0x80;
const passwordFlag = 0x40;
const willRetainFlag = 0x20;
const willQoSMask = 0x18;
const willFlag = 0x04;
const cleanStartFlag = 0x02;

const bridgeBit = 0x80;

/** Protocol Name and level as they stand in the bytes; the level without its bridge bit. */
interface Protocol {
  readonly name: string;
  readonly level: number;
  readonly bridge: boolean;
}

function readProtocol(reader: Reader): Protocol {
  const name = reader.string();
  const level = reader.byte();
  return { name, level: level & ~bridgeBit, bridge: (level & bridgeBit) !== 0 };
}

function isSupported({ name, level }: Protocol): boolean {
  return name === "MQTT" ? level === 4 || level === 5 : name === "MQIsdp" && level === 3;
}

/**
 * The version in which the sender of a CONNECT can be answered: the one that it names, or the
 * nearest where it names one that does not exist. Never throws.
 *
 * @param offset  Of the variable header.
 */
export function protocolVersionOfConnect(
  bytes: Uint8Array,
  offset: number,
  end: number,
): ProtocolVersion {
  const nameEnd = offset + 2 + ((bytes[offset] ?? 0) << 8) + (bytes[offset + 1] ?? 0);
  if (nameEnd >= end) return 4;
  if (nameEnd === offset + 8 && bytes[offset + 4] === 0x49) return 3; // MQIsdp
  return (bytes[nameEnd]! & ~bridgeBit) >= 5 ? 5 : 4;
}

/**
 * Decodes a CONNECT (§3.1).
 *
 * @param reader  At the variable header.
 * @throws ProtocolError; 0x84 for an unknown Protocol Name or level.
 */
export function decodeConnect(reader: Reader, fixedHeaderFlags: number): ConnectPacket {
  const protocol = readProtocol(reader);
  if (!isSupported(protocol)) {
    // [MQTT5-3.1.2-1] [MQTT5-3.1.2-2] [MQTT3-3.1.2-1] [MQTT3-3.1.2-2]
    throw new ProtocolError(
      "ERR_PROTOCOL",
      ReasonCode.unsupportedProtocolVersion,
      `protocol ${JSON.stringify(protocol.name)} level ${protocol.level} is not known`,
    );
  }
  const protocolVersion = protocol.level as ProtocolVersion;
  const flags = reader.byte();
  if (protocolVersion !== 3) {
    if (fixedHeaderFlags !== 0) throw malformed("CONNECT has reserved flags"); // [MQTT5-2.1.3-1] [MQTT3-2.2.2-2]
    if ((flags & 1) !== 0) throw malformed("CONNECT has its reserved Connect Flag set"); // [MQTT5-3.1.2-3] [MQTT3-3.1.2-3]
    if ((flags & willFlag) === 0 && (flags & (willQoSMask | willRetainFlag)) !== 0) {
      // [MQTT5-3.1.2-11] [MQTT5-3.1.2-13] [MQTT3-3.1.2-11] [MQTT3-3.1.2-13] [MQTT3-3.1.2-15]; 3.1 ignores them.
      throw malformed("CONNECT has Will QoS or Will Retain without Will Flag");
    }
  }
  if ((flags & willFlag) !== 0 && (flags & willQoSMask) === willQoSMask) {
    throw malformed("CONNECT has Will QoS 3"); // [MQTT5-3.1.2-12] [MQTT3-3.1.2-14]
  }
  if (protocolVersion !== 5 && (flags & (usernameFlag | passwordFlag)) === passwordFlag) {
    throw malformed("CONNECT has a Password without User Name"); // [MQTT3-3.1.2-22]; 5.0 allows it.
  }
  const keepAlive = reader.uint16();
  const properties = protocolVersion === 5 ? takeProperties(reader, PacketType.connect) : undefined;
  if (properties?.authenticationData && properties.authenticationMethod === undefined) {
    throw protocolError("CONNECT has Authentication Data without Authentication Method");
  }
  // [MQTT5-3.1.3-1] [MQTT3-3.1.3-1]
  const clientId = reader.string(); // [MQTT5-3.1.3-4] [MQTT3-3.1.3-4]
  const will = (flags & willFlag) !== 0 ? readWill(reader, protocolVersion, flags) : undefined;
  // 3.1: the flag may be set and the string not there.
  const mayBeMissing = protocolVersion === 3;
  let username: string | undefined;
  if ((flags & usernameFlag) !== 0 && !(mayBeMissing && reader.isAtEnd)) {
    // [MQTT3-3.1.2-18] [MQTT5-3.1.2-16] [MQTT5-3.1.2-17] [MQTT3-3.1.2-19]
    username = reader.string(); // [MQTT5-3.1.3-12] [MQTT3-3.1.3-11]
  }
  let password: Uint8Array | undefined;
  if ((flags & passwordFlag) !== 0 && !(mayBeMissing && reader.isAtEnd)) {
    // [MQTT3-3.1.2-20] [MQTT3-3.1.2-21] [MQTT5-3.1.2-18] [MQTT5-3.1.2-19]
    password = reader.binary();
  }
  reader.finish("CONNECT");
  return {
    type: "connect",
    protocolVersion,
    bridge: protocol.bridge ? true : undefined,
    clientId,
    cleanStart: (flags & cleanStartFlag) !== 0,
    keepAlive,
    username,
    password,
    will,
    properties,
  };
}

function readWill(reader: Reader, protocolVersion: ProtocolVersion, flags: number): Will {
  const properties = protocolVersion === 5 ? takeProperties(reader, willProperties) : undefined;
  const topicName = reader.string(); // [MQTT5-3.1.3-11] [MQTT3-3.1.3-10]
  const fault = topicNameFault(topicName); // [MQTT5-4.7.0-1] [MQTT5-4.7.3-1] [MQTT3-4.7.1-1] [MQTT3-4.7.3-1]
  if (fault !== undefined) {
    throw new ProtocolError(
      "ERR_TOPIC_NAME",
      ReasonCode.topicNameInvalid,
      `Will Topic ${JSON.stringify(topicName)} ${fault}`,
    );
  }
  return {
    topicName,
    payload: reader.binary(),
    qos: ((flags & willQoSMask) >> 3) as QoS,
    retain: (flags & willRetainFlag) !== 0,
    properties,
  };
}

/** Writes the variable header and payload of a CONNECT, in the version that it names. */
export function encodeConnect(writer: Writer, packet: ConnectPacket): void {
  const { protocolVersion, username, password, will, properties } = packet;
  if (protocolVersion !== 5 && password !== undefined && username === undefined) {
    throw new UsageError("ERR_USAGE", "a Password without User Name is for MQTT 5.0 only"); // [MQTT3-3.1.2-22]
  }
  if (properties?.authenticationData && properties.authenticationMethod === undefined) {
    throw new UsageError("ERR_USAGE", "Authentication Data needs an Authentication Method");
  }
  writer.string(protocolVersion === 3 ? "MQIsdp" : "MQTT"); // [X-109] [MQTT5-3.1.2-1]
  writer.byte(protocolVersion | (packet.bridge ? bridgeBit : 0));
  // [MQTT5-3.1.2-11] [MQTT5-3.1.2-13] [MQTT5-3.1.2-16] [MQTT5-3.1.2-17] [MQTT5-3.1.2-18] [MQTT5-3.1.2-19]
  writer.byte(
    (username === undefined ? 0 : usernameFlag) |
      (password === undefined ? 0 : passwordFlag) |
      (will === undefined
        ? 0
        : willFlag | (checkedQoS(will.qos) << 3) | (will.retain ? willRetainFlag : 0)) |
      (packet.cleanStart ? cleanStartFlag : 0),
  );
  writer.uint16(packet.keepAlive);
  if (protocolVersion === 5) appendProperties(writer, properties, PacketType.connect);
  // [MQTT5-3.1.3-1] [MQTT5-3.1.3-3] [MQTT3-3.1.3-1] [MQTT3-3.1.3-3]
  writer.string(packet.clientId);
  if (will !== undefined) {
    // [MQTT5-3.1.2-9] [MQTT3-3.1.2-9]
    const fault = topicNameFault(will.topicName);
    if (fault !== undefined) throw new UsageError("ERR_USAGE", `Will Topic ${fault}`);
    if (protocolVersion === 5) appendProperties(writer, will.properties, willProperties);
    writer.string(will.topicName);
    writer.binary(will.payload);
  }
  if (username !== undefined) writer.string(username);
  if (password !== undefined) writer.binary(password);
}
