import { PacketReader } from "../wire/packet.ts";
import type { Packet } from "../wire/packet.ts";
import type { SystemCall } from "./system-calls.ts";

/** What a trace says of the acknowledgements in it. */
export interface FlushOrder {
  /** Acknowledgements by type that left after the flush which covers their record. */
  readonly covered: Readonly<Record<string, number>>;
  /** Those that did not, in words. */
  readonly early: readonly string[];
}

/** First byte of a CONNECT. */
const CONNECT = 0x10;

/** What an acknowledgement stands for. */
interface Pledge {
  readonly what: string;
  /** When the request had been read. */
  readonly asked: number;
  /** Bytes that the record holds; `undefined`: any write after the request counts. */
  readonly marker: Buffer | undefined;
}

/** One connection as the broker's process saw it. */
interface Conversation {
  readonly incoming: PacketReader;
  readonly outgoing: PacketReader;
  /** What was asked, by what answers it. */
  readonly asked: Map<string, Pledge>;
}

/**
 * Holds each PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK, CONNACK, PUBREL and PUBLISH of QoS 2 that the
 * broker sent to the flush that covers it: the write of its record had ended, then an `fdatasync` of that file
 * began, and that had ended before the acknowledgement left.
 *
 * Every one of them must be about something durable.
 */
export function flushOrder(calls: readonly SystemCall[]): FlushOrder {
  const writes = calls.filter(({ name, target }) => isSegment(target) && /write/.test(name));
  const flushes = calls.filter(
    ({ name, target, result }) => isSegment(target) && name.endsWith("sync") && result === 0,
  );
  const conversations = new Map<string, Conversation>();
  const covered: Record<string, number> = {};
  const early: string[] = [];
  /** Sessions that were begun: one that is resumed is recorded without its Client Identifier. */
  const begun = new Set<string>();
  for (const call of inOrderOfEffect(calls)) {
    if (!call.target.startsWith("socket:") || call.bytes.length === 0) continue;
    let one = conversations.get(call.target);
    if (one === undefined) {
      // The process's standard output may be a socket too: a connection begins with a CONNECT.
      if (!call.name.startsWith("read") || call.bytes[0] !== CONNECT) continue;
      one = { incoming: new PacketReader(5), outgoing: new PacketReader(5), asked: new Map() };
      conversations.set(call.target, one);
    }
    if (call.name.startsWith("read")) {
      for (const packet of one.incoming.read(call.bytes)) hear(one, packet, call.ended, begun);
      continue;
    }
    for (const packet of one.outgoing.read(call.bytes)) {
      const pledge = pledgeOf(one, packet);
      if (pledge === undefined) continue;
      if (isCovered(pledge, call.begun, writes, flushes))
        covered[packet.type] = (covered[packet.type] ?? 0) + 1;
      else early.push(`${packet.type} for ${pledge.what}`);
    }
  }
  return { covered, early };
}

/** A read has its effect when it ends, a write when it begins. */
function inOrderOfEffect(calls: readonly SystemCall[]): SystemCall[] {
  const at = (call: SystemCall): number => (call.name.startsWith("read") ? call.ended : call.begun);
  return calls.toSorted((a, b) => at(a) - at(b));
}

/** Notes what a packet of the client asks for. */
function hear(one: Conversation, packet: Packet, asked: number, begun: Set<string>): void {
  const note = (answer: string, what: string, marker?: string | Buffer): void => {
    const bytes = typeof marker === "string" ? Buffer.from(marker) : marker;
    one.asked.set(answer, { what, asked, marker: bytes });
  };
  switch (packet.type) {
    case "connect":
      one.outgoing.version = one.incoming.version;
      note("connack", packet.clientId, begun.has(packet.clientId) ? undefined : packet.clientId);
      begun.add(packet.clientId);
      return;
    case "publish":
      if (packet.qos === 0) return;
      note(
        `${packet.qos === 1 ? "puback" : "pubrec"} ${packet.packetIdentifier}`,
        `"${packet.payload.toString()}"`,
        Buffer.from(packet.payload),
      );
      return;
    case "pubrel":
      note(`pubcomp ${packet.packetIdentifier}`, `PUBREL ${packet.packetIdentifier}`);
      return;
    case "pubrec":
      note(`pubrel ${packet.packetIdentifier}`, `PUBREC ${packet.packetIdentifier}`);
      return;
    case "subscribe":
      note(`suback ${packet.packetIdentifier}`, packet.topicFilter, packet.topicFilter);
      return;
    case "unsubscribe":
      note(`unsuback ${packet.packetIdentifier}`, packet.topicFilter, packet.topicFilter);
      return;
    default:
  }
}

/** What a packet of the broker stands for; `undefined`: nothing that must be durable. */
function pledgeOf(one: Conversation, packet: Packet): Pledge | undefined {
  if (packet.type !== "publish") return one.asked.get(answerKey(packet));
  // At QoS 1 the delivery does not wait.
  if (packet.qos !== 2) return undefined;
  return { what: `"${packet.payload.toString()}"`, asked: 0, marker: Buffer.from(packet.payload) };
}

function answerKey(packet: Packet): string {
  return "packetIdentifier" in packet ? `${packet.type} ${packet.packetIdentifier}` : packet.type;
}

function isCovered(
  { asked, marker }: Pledge,
  leaves: number,
  writes: readonly SystemCall[],
  flushes: readonly SystemCall[],
): boolean {
  return writes.some(
    (write) =>
      write.ended < leaves &&
      (marker === undefined
        ? write.begun > asked
        : write.begun > asked && write.bytes.includes(marker)) &&
      flushes.some(
        (flush) =>
          flush.target === write.target && flush.begun > write.ended && flush.ended < leaves,
      ),
  );
}

function isSegment(target: string): boolean {
  return target.endsWith(".log");
}
