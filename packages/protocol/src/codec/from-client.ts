import { PacketType } from "../packet.ts";
import { decodeAuth } from "./auth.ts";
import { decodeConnect, protocolVersionOfConnect } from "./connect.ts";
import { decodeDisconnect } from "./disconnect.ts";
import type { PacketSource } from "./packet-source.ts";
import { decodeSubscribe } from "./subscribe.ts";
import { decodeUnsubscribe } from "./unsubscribe.ts";

/** What a Client sends and a Server reads. */
export const fromClient: PacketSource = {
  sender: "client",
  versionOfConnect: protocolVersionOfConnect,
  decode(type, flags, reader, version, packetIdentifier) {
    switch (type) {
      case PacketType.connect:
        return decodeConnect(reader, flags);
      case PacketType.subscribe:
        return decodeSubscribe(reader, version, packetIdentifier, (flags & 8) !== 0);
      case PacketType.unsubscribe:
        return decodeUnsubscribe(reader, version, packetIdentifier, (flags & 8) !== 0);
      case PacketType.disconnect:
        return decodeDisconnect(reader, version, "client");
      case PacketType.auth:
        return decodeAuth(reader, "client");
      default:
        return { type: "pingreq" };
    }
  },
};
