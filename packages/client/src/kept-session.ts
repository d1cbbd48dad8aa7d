import type { PublishPacket, ServerPacket } from "@sericite/protocol";
import { PacketStream, UsageError, encodeClientPacket } from "@sericite/protocol";
import type { Publication } from "./publication.ts";
import type { SessionJournal } from "./session-journal.ts";

/** How far a kept message is. */
export const KeptState = {
  /** Not sent; it has no Packet Identifier. */
  queued: 0,
  /** It has a Packet Identifier, and may have been sent. */
  numbered: 1,
  /** QoS 2: PUBREC came, PUBREL is due. */
  released: 2,
  /** QoS 2: given up, while the server may still know its Packet Identifier. */
  abandoned: 3,
} as const;

/** A message that an earlier process left. */
export interface KeptPublication {
  readonly sequence: number;
  readonly state: (typeof KeptState)[keyof typeof KeptState];
  readonly packetIdentifier: number;
  /** The message; without payload once it is `released`. */
  readonly packet: PublishPacket;
  /** Milliseconds of the wall clock; Infinity: never. */
  readonly expiresAt: number;
}

/** What an earlier process left. */
export interface KeptSession {
  readonly clientId: string | undefined;
  /** In the order in which they were published. */
  readonly publications: readonly KeptPublication[];
  /** QoS 2 messages that were handled, and whose PUBREL has not come. */
  readonly inbound: readonly number[];
}

// Keys: `c` the Client Identifier, `m` and a number a message, `s` and that number its state, `i` and
// a Packet Identifier a QoS 2 message that came in.
const digits = 12;
const headerBytes = 9;
const format = 1;
const largestPacket = 268_435_460;

function messageKey(sequence: number): string {
  return `m${sequence.toString(16).padStart(digits, "0")}`;
}

function stateKey(sequence: number): string {
  return `s${sequence.toString(16).padStart(digits, "0")}`;
}

/** Notes in the store what becomes of the session's messages. */
export class SessionRecords {
  readonly journal: SessionJournal;
  #lastSequence: number;

  /** @param lastSequence  Of the messages that were there already. */
  constructor(journal: SessionJournal, lastSequence: number) {
    this.journal = journal;
    this.#lastSequence = lastSequence;
  }

  /** Whose session it is. */
  owner(clientId: string): void {
    this.journal.append(
      "c",
      Uint8Array.from(encodeURIComponent(clientId), (c) => c.charCodeAt(0)),
    );
  }

  /** A message is accepted. @param now  Of the publication's clock. @param wallTime  At the same moment. */
  accept(publication: Publication, now: number, wallTime: number): void {
    publication.sequence = ++this.#lastSequence;
    publication.position = this.journal.append(
      messageKey(publication.sequence),
      encodeKept(publication, publication.expiresAt - now + wallTime),
    );
  }

  /** The message has a Packet Identifier from now on. It may be sent when that is safe. */
  number(publication: Publication, packetIdentifier: number): void {
    publication.packetIdentifier = packetIdentifier;
    publication.position = this.#state(publication.sequence, KeptState.numbered, packetIdentifier);
  }

  /** The message has no Packet Identifier any more: the server lost the session. */
  unnumber(publication: Publication): void {
    publication.packetIdentifier = 0;
    publication.position = this.journal.append(stateKey(publication.sequence), undefined);
  }

  /** PUBREC came: the payload has done its duty. */
  release(publication: Publication, packetIdentifier: number): void {
    const { sequence, topicName } = publication;
    this.journal.append(messageKey(sequence), encodeKept({ topicName, qos: 2 }, Infinity));
    publication.position = this.#state(sequence, KeptState.released, packetIdentifier);
  }

  /** A QoS 2 message was given up, and its Packet Identifier stays taken until the session ends. */
  abandon(publication: Publication, packetIdentifier: number): void {
    this.release(publication, packetIdentifier);
    this.#state(publication.sequence, KeptState.abandoned, packetIdentifier);
  }

  /** The message is done with. */
  forget(publication: Publication): void {
    const { sequence } = publication;
    if (sequence === 0) return;
    publication.sequence = 0;
    this.journal.append(messageKey(sequence), undefined);
    this.journal.append(stateKey(sequence), undefined);
  }

  /** A QoS 2 message that came in was handled. */
  received(packetIdentifier: number): void {
    this.journal.append(`i${packetIdentifier}`, new Uint8Array(0));
  }

  /** Its PUBREL came. */
  completed(packetIdentifier: number): void {
    this.journal.append(`i${packetIdentifier}`, undefined);
  }

  #state(sequence: number, state: number, packetIdentifier: number): number {
    const value = Uint8Array.of(state, packetIdentifier >> 8, packetIdentifier & 0xff);
    return this.journal.append(stateKey(sequence), value);
  }
}

/** Reads what a store kept. @throws UsageError where it is not what a client wrote. */
export function keptSession(records: ReadonlyMap<string, Uint8Array>): KeptSession {
  const publications: KeptPublication[] = [];
  const inbound: number[] = [];
  let clientId: string | undefined;
  for (const [key, value] of records) {
    switch (key.charAt(0)) {
      case "c":
        clientId = decodeURIComponent(String.fromCharCode(...value));
        break;
      case "i":
        inbound.push(Number(key.slice(1)));
        break;
      case "m": {
        const sequence = Number.parseInt(key.slice(1), 16);
        const state = records.get(stateKey(sequence));
        publications.push({
          sequence,
          state: (state?.[0] ?? KeptState.queued) as KeptPublication["state"],
          packetIdentifier: state === undefined ? 0 : (state[1]! << 8) | state[2]!,
          ...decodeKept(value),
        });
        break;
      }
      default:
    }
  }
  publications.sort((one, other) => one.sequence - other.sequence);
  return { clientId, publications, inbound };
}

/** A version, the time of expiry, and the message as a PUBLISH of 5.0. */
function encodeKept(
  message: Pick<PublishPacket, "topicName" | "qos"> & Partial<Publication>,
  expiresAt: number,
): Uint8Array {
  const { topicName, payload = new Uint8Array(0), qos, retain = false, properties } = message;
  const packet = encodeClientPacket(
    // The Packet Identifier stands apart, since it comes later; here is any.
    {
      type: "publish",
      topicName,
      payload,
      qos,
      retain,
      dup: false,
      packetIdentifier: 1,
      properties,
    },
    5,
  );
  const bytes = new Uint8Array(headerBytes + packet.length);
  bytes[0] = format;
  new DataView(bytes.buffer).setFloat64(1, expiresAt);
  bytes.set(packet, headerBytes);
  return bytes;
}

function decodeKept(bytes: Uint8Array): Pick<KeptPublication, "packet" | "expiresAt"> {
  if (bytes[0] !== format)
    throw new UsageError("ERR_USAGE", `the session store has format ${bytes[0]}, expected 1`);
  let packet: ServerPacket | undefined;
  new PacketStream(5, largestPacket).push(bytes, headerBytes, bytes.length, (one) => {
    packet = one;
    return false;
  });
  if (packet?.type !== "publish")
    throw new UsageError("ERR_USAGE", "the session store has a message that is none");
  const { buffer, byteOffset } = bytes;
  return { packet, expiresAt: new DataView(buffer, byteOffset).getFloat64(1) };
}
