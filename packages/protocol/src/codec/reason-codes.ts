import type { ProtocolVersion } from "../packet.ts";
import { PacketType } from "../packet.ts";
import type { Sender } from "./fixed-header.ts";
import { packetTitles } from "./fixed-header.ts";

const byClient = 1;
const byServer = 2;

/** Who may send which code: a bit for each side. @param both  Codes and ranges of codes, hexadecimal. */
function codes(both: string, clientOnly = "", serverOnly = ""): Uint8Array {
  const senders = new Uint8Array(256);
  const note = (bits: number, text: string): void => {
    for (const range of text.split(" ")) {
      const [first = "", last = first] = range.split("-");
      senders.fill(bits, Number.parseInt(first, 16), Number.parseInt(last, 16) + 1);
    }
  };
  note(byClient | byServer, both);
  if (clientOnly !== "") note(byClient, clientOnly);
  if (serverOnly !== "") note(byServer, serverOnly);
  return senders;
}

const publishing = codes("0 80 83 87 90 91 97 99", "", "10");
const releasing = codes("0 92");

/** Of 5.0, by packet type (§2.4, table 2-6). */
const allowed: Readonly<Record<number, Uint8Array>> = {
  [PacketType.connack]: codes("0 80-8a 8c 90 95 97 99-9d 9f"), // [MQTT5-3.2.2-8]
  [PacketType.puback]: publishing, // [MQTT5-3.4.2-1]
  [PacketType.pubrec]: publishing, // [MQTT5-3.5.2-1]
  [PacketType.pubrel]: releasing, // [MQTT5-3.6.2-1]
  [PacketType.pubcomp]: releasing, // [MQTT5-3.7.2-1]
  [PacketType.suback]: codes("0-2 80 83 87 8f 91 97 9e a1 a2"), // [MQTT5-3.9.3-2]
  [PacketType.unsuback]: codes("0 11 80 83 87 8f 91"), // [MQTT5-3.11.3-2]
  // Table 2-6 has 0x8C here, table 3-10 forgets it; §3.3.4 has a Client send 0x9B, table 3-10 does not.
  [PacketType.disconnect]: codes("0 80-83 8c 90 93-99 9b", "4", "87 89 8b 8d-8f 9a 9c-a2"), // [MQTT5-3.14.2-1]
  [PacketType.auth]: codes("18", "19", "0"), // [MQTT5-3.15.2-1]
};

/** Of 3.1 and 3.1.1. */
const connackOf3 = codes("0-5");
const subackOf4 = codes("0-2 80"); // [MQTT3-3.9.3-2]
const subackOf3 = codes("0-2"); // 3.1 has no failure code.

/**
 * What is wrong with a code of a packet, or `undefined`.
 *
 * @param sender  `undefined`: either side.
 * @returns a sentence that names the packet and the code.
 */
export function reasonCodeFault(
  packetType: number,
  reasonCode: number,
  sender: Sender | undefined,
  version: ProtocolVersion,
): string | undefined {
  let senders = allowed[packetType]!;
  if (version !== 5) {
    if (packetType === PacketType.connack) senders = connackOf3;
    else if (packetType === PacketType.suback) senders = version === 4 ? subackOf4 : subackOf3;
  }
  const bits = senders[reasonCode] ?? 0;
  const isAllowed =
    sender === undefined ? bits !== 0 : (bits & (sender === "client" ? byClient : byServer)) !== 0;
  if (isAllowed) return undefined;
  return `${packetTitles[packetType]} must not have code 0x${reasonCode.toString(16)}`;
}
