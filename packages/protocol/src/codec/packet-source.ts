import type { Packet, ProtocolVersion } from "../packet.ts";
import type { Sender } from "./fixed-header.ts";
import type { Reader } from "./reader.ts";

/**
 * Whose packets a `Parser` reads: `fromClient` for a broker, `fromServer` for a client. So a program
 * that is one of them has no code for what only the other receives.
 */
export interface PacketSource {
  readonly sender: Sender;
  /** The version in which the sender of a CONNECT can be answered; absent where none can come. */
  readonly versionOfConnect?: (bytes: Uint8Array, offset: number, end: number) => ProtocolVersion;
  /**
   * Makes the object of a packet that is neither PUBLISH nor its acknowledgement.
   *
   * @param reader  At the variable header.
   * @param packetIdentifier  Of packets that begin with one; the reader stands behind it.
   * @throws ProtocolError
   */
  decode(
    type: number,
    flags: number,
    reader: Reader,
    version: ProtocolVersion,
    packetIdentifier: number,
  ): Packet;
}
