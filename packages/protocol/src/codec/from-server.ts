import { PacketType } from "../packet.ts";
import { decodeAuth } from "./auth.ts";
import { decodeConnack } from "./connack.ts";
import { decodeDisconnect } from "./disconnect.ts";
import type { PacketSource } from "./packet-source.ts";
import { decodeSuback } from "./suback.ts";
import { decodeUnsuback } from "./unsuback.ts";

/** What a Server sends and a Client reads. */
export const fromServer: PacketSource = {
  sender: "server",
  decode(type, _flags, reader, version, packetIdentifier) {
    switch (type) {
      case PacketType.connack:
        return decodeConnack(reader, version);
      case PacketType.suback:
        return decodeSuback(reader, version, packetIdentifier);
      case PacketType.unsuback:
        return decodeUnsuback(reader, version, packetIdentifier);
      case PacketType.disconnect:
        return decodeDisconnect(reader, version, "server");
      case PacketType.auth:
        return decodeAuth(reader, "server");
      default:
        return { type: "pingresp" };
    }
  },
};
