import { PacketType, ProtocolError, ReasonCode } from "@sericite/protocol";
import type {
  AuthPacket,
  ConnectPacket,
  DisconnectPacket,
  SubscribePacket,
  UnsubscribePacket,
} from "@sericite/protocol";
import { handlePuback, handlePubcomp, handlePubrec, handlePubrel } from "./acknowledge.ts";
import { handleAuth } from "./auth.ts";
import { handleConnect } from "./connect.ts";
import type { Connection } from "./connection.ts";
import { handleDisconnect } from "./disconnect.ts";
import { handleHeard } from "./packet-events.ts";
import { handlePublish } from "./publish.ts";
import { handleSubscribe } from "./subscribe.ts";
import { handleUnsubscribe } from "./unsubscribe.ts";

/** Hands the parser's current packet to what a client can do. */
export function dispatch(connection: Connection, packetType: number): void {
  if (connection.engine.events.hearsPackets)
    handleHeard(connection, () => handlePacket(connection, packetType));
  else handlePacket(connection, packetType);
}

function handlePacket(connection: Connection, packetType: number): void {
  if (connection.engine.trace !== undefined)
    connection.engine.trace.received(connection, packetType);
  if (connection.state !== "open") return dispatchFirst(connection, packetType);
  const parser = connection.parser;
  switch (packetType) {
    case PacketType.publish:
      return handlePublish(connection);
    case PacketType.puback:
      return handlePuback(connection, parser.packetIdentifier, parser.reasonCode);
    case PacketType.pubrec:
      return handlePubrec(connection, parser.packetIdentifier, parser.reasonCode);
    case PacketType.pubrel:
      return handlePubrel(connection, parser.packetIdentifier);
    case PacketType.pubcomp:
      return handlePubcomp(connection, parser.packetIdentifier);
    case PacketType.subscribe:
      return handleSubscribe(connection, parser.packet() as SubscribePacket);
    case PacketType.unsubscribe:
      return handleUnsubscribe(connection, parser.packet() as UnsubscribePacket);
    case PacketType.pingreq:
      parser.packet();
      return connection.sender.sendPingresp();
    case PacketType.disconnect:
      return handleDisconnect(connection, parser.packet() as DisconnectPacket);
    case PacketType.connect:
      throw protocolError("a second CONNECT on the connection"); // [MQTT5-3.1.0-2] [MQTT3-3.1.0-2] [MQTT5-3.2.0-2]
    case PacketType.auth:
      return handleAuth(connection, parser.packet() as AuthPacket);
    default:
      throw protocolError(`packet type ${packetType} from a client`);
  }
}

function dispatchFirst(connection: Connection, packetType: number): void {
  // Between CONNECT and CONNACK only AUTH goes on, where it was asked for [MQTT5-3.1.2-30].
  if (
    packetType === PacketType.auth &&
    connection.state === "connecting" &&
    connection.authentication !== undefined
  ) {
    return handleAuth(connection, connection.parser.packet() as AuthPacket);
  }
  if (packetType === PacketType.disconnect && connection.state === "connecting") {
    connection.parser.packet();
    return connection.finish();
  }
  // [MQTT5-3.1.0-1] [MQTT3-3.1.0-1]
  if (connection.state !== "new" || packetType !== PacketType.connect) {
    throw protocolError(`packet type ${packetType} before CONNECT was accepted`);
  }
  connection.state = "connecting";
  connection.protocolVersion = connection.parser.protocolVersion;
  handleConnect(connection, connection.parser.packet() as ConnectPacket);
}

function protocolError(message: string): ProtocolError {
  return new ProtocolError("ERR_PROTOCOL", ReasonCode.protocolError, message);
}
