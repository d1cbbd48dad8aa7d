import type { ProtocolVersion } from "../packet.ts";
import { PacketType } from "../packet.ts";
import type { Sender } from "./fixed-header.ts";
import { fault, firstByteFault } from "./fixed-header.ts";

function tableOf(sender: Sender, version: ProtocolVersion): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, firstByte) =>
    firstByteFault(firstByte, sender, version),
  );
}

const tables = {
  client: { 3: tableOf("client", 3), 4: tableOf("client", 4), 5: tableOf("client", 5) },
  server: { 3: tableOf("server", 3), 4: tableOf("server", 4), 5: tableOf("server", 5) },
};

/** Before CONNECT the version is not known, and no other packet may come [MQTT5-3.1.0-1] [MQTT3-3.1.0-1]. */
const beforeConnect = Uint8Array.from({ length: 256 }, (_, firstByte) => {
  const type = firstByte >> 4;
  return type === 0 ? fault.type : type === PacketType.connect ? fault.none : fault.notConnect;
});

/**
 * A table by the first byte of a packet: 0 where it is in order, else a number for
 * `firstByteError`.
 *
 * @param version  `undefined`: nothing but a CONNECT may come.
 */
export function firstByteFaults(sender: Sender, version: ProtocolVersion | undefined): Uint8Array {
  return version === undefined ? beforeConnect : tables[sender][version];
}
