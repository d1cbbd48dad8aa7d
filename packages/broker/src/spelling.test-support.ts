import assert from "node:assert/strict";
import type { Packet, Properties } from "@sericite/protocol";

/** Bytes spelled as hex digits with quoted ASCII between: `30 05 0001'a' 'hi'`. */
export function bytesOf(spelled: string): Uint8Array {
  const bytes: number[] = [];
  for (const [, text, hex] of spelled.matchAll(/'([^']*)'|([0-9a-f]{2})/gi)) {
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else for (const character of text!) bytes.push(character.charCodeAt(0));
  }
  const rest = spelled.replaceAll(/'[^']*'|[0-9a-f]{2}|\s/gi, "");
  assert.equal(rest, "", `neither hex nor quoted: ${rest}`);
  return Uint8Array.from(bytes);
}

/** Hex digits of bytes, in pairs. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("hex")
    .replaceAll(/..(?=.)/g, "$& ");
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/**
 * A packet as a line: `PUBLISH a/b 'text' qos1 #7 dup retain {"contentType":"x"}`. The Reason Code
 * 0x00 of an acknowledgement is left out, and so is the Reason String, whose words are free.
 */
export function lineOf(packet: Packet): string {
  switch (packet.type) {
    case "publish": {
      const { topicName, payload, qos, dup, retain, packetIdentifier, properties } = packet;
      const shown =
        payload.length <= 40
          ? `'${new TextDecoder().decode(payload)}'`
          : `(${payload.length} bytes)`;
      return `PUBLISH ${topicName} ${shown} qos${qos}${packetIdentifier === undefined ? "" : ` #${packetIdentifier}`}${dup ? " dup" : ""}${retain ? " retain" : ""}${propertiesOf(properties)}`;
    }
    case "puback":
    case "pubrec":
    case "pubrel":
    case "pubcomp":
      return `${packet.type.toUpperCase()} ${packet.packetIdentifier}${codeOf(packet.reasonCode)}${propertiesOf(packet.properties)}`;
    case "connack":
      return `CONNACK 0x${hexByte(packet.reasonCode)}${packet.sessionPresent ? " present" : ""}`;
    case "suback":
    case "unsuback":
      return `${packet.type.toUpperCase()} ${packet.packetIdentifier}${packet.reasonCodes === undefined ? "" : ` [${packet.reasonCodes.map((code) => (code < 0x10 ? String(code) : `0x${hexByte(code)}`)).join(" ")}]`}${propertiesOf(packet.properties)}`;
    case "disconnect":
      return `DISCONNECT${codeOf(packet.reasonCode) || " 0x00"}`;
    default:
      return packet.type.toUpperCase();
  }
}

const hexByte = (value: number): string => value.toString(16).padStart(2, "0");
const codeOf = (reasonCode: number | undefined): string =>
  reasonCode === undefined || reasonCode === 0 ? "" : ` 0x${hexByte(reasonCode)}`;

function propertiesOf(properties: Properties | undefined): string {
  const { reasonString: _, ...rest } = properties ?? {};
  return Object.keys(rest).length === 0 ? "" : ` ${JSON.stringify(rest)}`;
}
