/** What the tests of the codec share. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolError } from "../errors.ts";
import type { Packet, ProtocolVersion } from "../packet.ts";
import { TopicNameTable } from "../topic/topic-name-table.ts";
import type { Sender } from "./fixed-header.ts";
import { fromClient } from "./from-client.ts";
import { fromServer } from "./from-server.ts";
import { PacketStream } from "./packet-stream.ts";
import { Parser } from "./parser.ts";

/** Bytes from hexadecimal digits and 'text' in quotes, such as `30 07 0003'a/b' 'hi'`. */
export function bytesOf(spelled: string): Uint8Array {
  const hex = spelled.replace(/'([^']*)'/g, (_, text: string) =>
    Buffer.from(text, "utf8").toString("hex"),
  );
  const digits = hex.replace(/\s/g, "");
  const bytes = Buffer.from(digits, "hex");
  if (bytes.length * 2 !== digits.length) throw new Error(`not hexadecimal: ${spelled}`);
  return new Uint8Array(bytes);
}

/** How a parser is made in tests; `version` absent: CONNECT has to say it. */
export interface Expected {
  readonly from?: Sender | undefined;
  readonly version?: ProtocolVersion | undefined;
  readonly maximumPacketSize?: number | undefined;
}

export function parserFor({ from = "client", version, maximumPacketSize }: Expected = {}): Parser {
  return new Parser({
    from: from === "client" ? fromClient : fromServer,
    protocolVersion: version,
    maximumPacketSize: maximumPacketSize ?? 268_435_460,
    topicNames: new TopicNameTable({ maximumEntries: 100 }),
  });
}

/** Every packet of the chunks, as objects that keep nothing of the chunks. */
export function packetsOf(
  parser: Parser | PacketStream,
  ...chunks: readonly Uint8Array[]
): Packet[] {
  const packets: Packet[] = [];
  for (const chunk of chunks) {
    // A copy that is spoilt afterwards: nobody may rely on pushed bytes any longer.
    const pushed = new Uint8Array(chunk.length + 6).fill(0xee);
    pushed.set(chunk, 3);
    if (parser instanceof PacketStream) {
      parser.push(pushed, 3, 3 + chunk.length, (packet) => packets.push(packet) > 0);
      pushed.fill(0xdd);
      continue;
    }
    parser.push(pushed, 3, 3 + chunk.length);
    while (parser.next() !== 0) packets.push(plain(parser.packet()));
    pushed.fill(0xdd);
  }
  // What a stream gives is its receiver's own.
  return parser instanceof PacketStream ? packets.map(plain) : packets;
}

/** The packet with views copied and without keys whose value is `undefined`. */
export function plain<T>(value: T): T {
  if (value instanceof Uint8Array) return Uint8Array.from(value) as T;
  if (Array.isArray(value)) return value.map(plain) as T;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries.map(([key, field]) => [key, plain(field)])) as T;
}

/** The bytes in chunks of one. */
export function bytesOneByOne(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

/** What `Parser` finds wrong with the chunks, and `PacketStream` too; throws where it finds nothing. */
export function faultOf(chunks: readonly Uint8Array[], expected: Expected): ProtocolError {
  const fault = faultBy(parserFor(expected), chunks);
  const { from, version, maximumPacketSize = 268_435_460 } = expected;
  if (from !== "server" || version === undefined || fault.code === "ERR_TOPIC_NAME") return fault;
  const { code, reasonCode } = faultBy(new PacketStream(version, maximumPacketSize), chunks);
  assert.deepEqual({ code, reasonCode }, { code: fault.code, reasonCode: fault.reasonCode });
  return fault;
}

function faultBy(parser: Parser | PacketStream, chunks: readonly Uint8Array[]): ProtocolError {
  let packets: Packet[];
  try {
    packets = packetsOf(parser, ...chunks);
  } catch (error) {
    return error as ProtocolError;
  }
  throw new Error(
    `no fault in ${Buffer.concat(chunks).toString("hex")}: ${JSON.stringify(packets)}`,
  );
}

/** Codes that each packet may have, 5.0: from the tables of the standard, not from the code. */
export const reasonCodesOf: Readonly<Record<string, readonly number[]>> = {
  connack: [0, ...range(0x80, 0x8a), 0x8c, 0x90, 0x95, 0x97, ...range(0x99, 0x9d), 0x9f],
  "puback from client": [0, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  "puback from server": [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  pubrel: [0, 0x92],
  suback: [0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
  unsuback: [0, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91],
  // Table 3-10, with 0x8C of table 2-6 and 0x9B of §3.3.4.
  "disconnect from client": [0, 4, ...range(0x80, 0x83), 0x8c, 0x90, ...range(0x93, 0x99), 0x9b],
  "disconnect from server": [
    ...[0, ...range(0x80, 0x83), 0x87, 0x89, 0x8b],
    ...[...range(0x8c, 0x90), ...range(0x93, 0xa2)],
  ],
  "auth from client": [0x18, 0x19],
  "auth from server": [0, 0x18],
};

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

test("bytes are spelled in hexadecimal digits and in text between quotes", () => {
  assert.deepEqual(
    bytesOf("00 1fFF 'a b' 20"),
    Uint8Array.of(0, 0x1f, 0xff, 0x61, 0x20, 0x62, 0x20),
  );
  assert.throws(() => bytesOf("0"), /not hexadecimal/);
});
