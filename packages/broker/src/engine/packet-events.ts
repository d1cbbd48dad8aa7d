import { Parser, fromServer } from "@sericite/protocol";
import type { Packet } from "@sericite/protocol";
import type { Connection } from "./connection.ts";

/** Largest packet that there can be. Bytes. */
const LARGEST = 268_435_460;

/** Tells of the parser's current packet, has it handled, and tells how long that took. */
export function handleHeard(connection: Connection, handle: () => void): void {
  const { engine, parser } = connection;
  const { events, clock } = engine;
  const { start, end } = parser;
  const packet = parser.packet();
  if (events.has("packetReceived")) {
    events.emit("packetReceived", {
      clientId: clientIdOf(connection, packet),
      peer: connection.peer,
      packet: withoutSecrets(packet),
      packetSize: end - start,
    });
  }
  // A listener may have sent it away.
  if (!connection.isAlive) return;
  const begunAt = clock.now();
  handle();
  if (!events.has("packetHandled")) return;
  events.emit("packetHandled", {
    clientId: connection.clientId,
    packetType: packet.type,
    packetSize: end - start,
    durationMs: clock.now() - begunAt,
    isWaiting: connection.isParked,
  });
}

/** Tells of each packet that is about to be written. */
export function tellSent(connection: Connection): void {
  const { engine, protocolVersion, clientId, peer } = connection;
  const parser = new Parser({
    from: fromServer,
    protocolVersion,
    maximumPacketSize: LARGEST,
    topicNames: engine.topicNames,
  });
  const bytes = connection.sender.output.whole();
  parser.push(bytes, 0, bytes.length);
  while (parser.next() !== 0) {
    engine.events.emit("packetSent", {
      clientId,
      peer,
      packet: withoutSecrets(parser.packet()),
      packetSize: parser.end - parser.start,
    });
  }
}

/** Of CONNECT, what it says itself: the connection has no name yet. */
function clientIdOf(connection: Connection, packet: Packet): string {
  return packet.type === "connect" ? packet.clientId : connection.clientId;
}

/** Neither passwords nor Authentication Data are told to anybody. */
function withoutSecrets(packet: Packet): Packet {
  switch (packet.type) {
    case "connect":
      return {
        ...packet,
        password: undefined,
        properties: packet.properties && { ...packet.properties, authenticationData: undefined },
      };
    case "connack":
    case "auth":
      return packet.properties?.authenticationData === undefined
        ? packet
        : { ...packet, properties: { ...packet.properties, authenticationData: undefined } };
    default:
      return packet;
  }
}
