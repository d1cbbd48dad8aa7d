import type {
  ConnackPacket,
  Packet,
  PingrespPacket,
  ProtocolVersion,
  SubackPacket,
  UnsubackPacket,
} from "../packet.ts";
import { encodeAcknowledgement } from "./acknowledgement.ts";
import { encodeAuth } from "./auth.ts";
import { encodeConnect } from "./connect.ts";
import { encodeDisconnect } from "./disconnect.ts";
import { encodeFrame } from "./encode-frame.ts";
import { encodePublish } from "./publish.ts";
import { encodeSubscribe } from "./subscribe.ts";
import { encodeUnsubscribe } from "./unsubscribe.ts";
import type { Writer } from "./writer.ts";

/** A packet that a Client sends. */
export type ClientPacket = Exclude<
  Packet,
  ConnackPacket | SubackPacket | UnsubackPacket | PingrespPacket
>;

/** `encodePacket` for a Client: without the code for what only a Server sends. */
export function encodeClientPacket(
  packet: ClientPacket,
  protocolVersion: ProtocolVersion,
  writer?: Writer,
): Uint8Array {
  return encodeFrame(packet, protocolVersion, writer, encodeClientContent);
}

/** Writes what follows the fixed header. */
export function encodeClientContent(
  packet: ClientPacket,
  version: ProtocolVersion,
  writer: Writer,
): void {
  switch (packet.type) {
    case "connect":
      return encodeConnect(writer, packet);
    case "publish":
      return encodePublish(writer, packet, version);
    case "puback":
    case "pubrec":
    case "pubrel":
    case "pubcomp":
      return encodeAcknowledgement(writer, packet, version);
    case "subscribe":
      return encodeSubscribe(writer, packet, version);
    case "unsubscribe":
      return encodeUnsubscribe(writer, packet, version);
    case "disconnect":
      return encodeDisconnect(writer, packet, version);
    case "auth":
      return encodeAuth(writer, packet, version);
    case "pingreq":
  }
}
