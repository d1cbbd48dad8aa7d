import { UsageError } from "../errors.ts";
import type { Packet, ProtocolVersion } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { publishFlags, publishLengthGuess } from "./publish.ts";
import { variableByteIntegerLength } from "./variable-byte-integer.ts";
import { Writer } from "./writer.ts";

/** A scratch that grew beyond this is not kept. Bytes. */
const scratchKept = 65_536;

let scratch = new Writer(1024);

/**
 * Encodes a packet: its fixed header here, what follows by `encodeContent`.
 *
 * @param writer  Where to append it.
 * @returns without `writer` a fresh array, the caller's own; with it a view of the writer's memory,
 * good until the writer is written to or reset.
 * @throws UsageError ERR_USAGE for a packet that the protocol forbids to send; `writer` then stands
 * where it stood.
 */
export function encodeFrame<P extends Packet>(
  packet: P,
  version: ProtocolVersion,
  writer: Writer | undefined,
  encodeContent: (packet: P, version: ProtocolVersion, writer: Writer) => void,
): Uint8Array {
  if (writer !== undefined) return append(packet, version, writer, encodeContent);
  scratch.reset();
  const bytes = append(packet, version, scratch, encodeContent).slice();
  if (scratch.bytes.length > scratchKept) scratch = new Writer(1024);
  return bytes;
}

function append<P extends Packet>(
  packet: P,
  version: ProtocolVersion,
  writer: Writer,
  encodeContent: (packet: P, version: ProtocolVersion, writer: Writer) => void,
): Uint8Array {
  const start = writer.position;
  try {
    writer.byte((PacketType[packet.type] << 4) | flagsOf(packet, version));
    const width =
      packet.type === "publish"
        ? variableByteIntegerLength(publishLengthGuess(packet, version))
        : 1;
    const content = writer.openLength(width);
    encodeContent(packet, version, writer);
    writer.closeLength(content, width);
  } catch (error) {
    writer.position = start;
    throw error;
  }
  return writer.bytes.subarray(start, writer.position);
}

function flagsOf(packet: Packet, version: ProtocolVersion): number {
  switch (packet.type) {
    case "publish":
      return publishFlags(packet, version);
    case "pubrel":
    case "subscribe":
    case "unsubscribe":
      // [MQTT5-2.1.3-1] [MQTT3-2.2.2-1] [MQTT5-3.6.1-1] [MQTT5-3.8.1-1] [MQTT5-3.10.1-1]; DUP in 3.1 alone.
      if (packet.dup && version !== 3) {
        throw new UsageError("ERR_USAGE", `${packet.type} has DUP, which only MQTT 3.1 knows`);
      }
      return packet.dup ? 0x0a : 0x02;
    default:
      return 0;
  }
}
