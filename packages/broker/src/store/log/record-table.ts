import type { QoS } from "@sericite/protocol";
import type { MessageNumber, SessionKey, StoredMessage } from "../../engine/ports.ts";
import type { BanKind, StoreRecord } from "../../engine/records.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { newer } from "./error-codes.ts";

type RecordType = StoreRecord["type"];
type RecordOf<T extends RecordType> = Extract<KeptRecord, { type: T }>;

/** What the log knows of one type of record. */
export interface RecordEncoding<R> {
  /** Its number in the file, for ever. */
  readonly id: number;
  /** Version of its encoding that is written; `decode` reads this one and all before it. */
  readonly version: number;
  /** The acknowledgement that waits until it is durable; "nobody" where losing it is allowed. */
  readonly waits: string;
  encode(writer: ByteWriter, record: R): void;
  decode(reader: ByteReader, version: number): R;
}

/** A message that was copied forward to a newer segment: no news, only another place. */
export interface MovedRecord {
  readonly type: "moved";
  readonly number: MessageNumber;
}

/**
 * A `trim` as it is kept: what waited from `from` to below `to` is given up. Unlike a count it means
 * the same however often it is applied.
 */
export interface TrimmedRecord {
  readonly type: "trim";
  readonly session: SessionKey;
  readonly from: number;
  readonly to: number;
}

/** The engine's records, as they are kept. */
export type KeptRecord = Exclude<StoreRecord, { type: "trim" }> | TrimmedRecord;

/** Writes a message whole. */
export function encodeMessage(writer: ByteWriter, message: StoredMessage): void {
  const expires = message.expiresAt !== Infinity;
  writer.byte(message.qos | (message.retain ? 4 : 0) | (expires ? 8 : 0));
  writer.varint(message.number);
  if (expires) writer.float(message.expiresAt);
  writer.string(message.topicName);
  writer.string(message.publisher);
  writer.blob(message.properties);
  writer.blob(message.payload);
}

/** Reads a message; its payload and properties are views of what the reader reads. */
export function decodeMessage(reader: ByteReader): StoredMessage {
  const flags = reader.byte();
  const number = reader.varint();
  const expiresAt = flags & 8 ? reader.float() : Infinity;
  const topicName = reader.string();
  const publisher = reader.string();
  const properties = reader.blob();
  const payload = reader.blob();
  return {
    number,
    topicName,
    payload,
    qos: (flags & 3) as QoS,
    retain: (flags & 4) !== 0,
    properties,
    publisher,
    expiresAt,
  };
}

/** What waits for a record that may be lost. */
export const NOBODY = "nobody";

/** Kinds of bans, by their numbers in the file. */
const BAN_KINDS: readonly BanKind[] = ["clientId", "username", "address"];

function banKind(number: number): BanKind {
  const kind = BAN_KINDS[number];
  if (kind === undefined) throw newer(`a ban of kind ${number}`);
  return kind;
}

/** What older versions did not say: as many as there are Packet Identifiers. */
const ALL_IN_FLIGHT = 65_535;

/** One line for each record of the store: a type that is missing does not compile. */
export const recordTable: { readonly [T in RecordType]: RecordEncoding<RecordOf<T>> } = {
  message: {
    id: 1,
    version: 1,
    waits: "PUBACK, PUBREC",
    encode: (writer, { message }) => encodeMessage(writer, message),
    decode: (reader) => ({ type: "message", message: decodeMessage(reader) }),
  },
  "session-begin": {
    id: 2,
    // 2: with whose session it is. 3: with what may be in flight.
    version: 3,
    waits: "CONNACK",
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.string(record.clientId);
      writer.varint(record.epoch);
      writer.byte(record.username === undefined ? 0 : 1);
      if (record.username !== undefined) writer.string(record.username);
      writer.varint(record.sessionExpiryInterval);
      writer.byte(record.isTrusted ? 1 : 0);
      writer.varint(record.inFlightMaximum);
    },
    decode: (reader, version) => ({
      type: "session-begin",
      session: reader.varint(),
      clientId: reader.string(),
      epoch: reader.varint(),
      username: reader.byte() === 0 ? undefined : reader.string(),
      sessionExpiryInterval: reader.varint(),
      isTrusted: version >= 2 && reader.byte() !== 0,
      inFlightMaximum: version >= 3 ? reader.varint() : ALL_IN_FLIGHT,
    }),
  },
  "session-attach": {
    id: 3,
    // 2: with whose session it is. 3: with what may be in flight.
    version: 3,
    waits: "CONNACK",
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.varint(record.epoch);
      writer.varint(record.sessionExpiryInterval);
      writer.byte(record.isTrusted ? 1 : 0);
      writer.varint(record.inFlightMaximum);
    },
    decode: (reader, version) => ({
      type: "session-attach",
      session: reader.varint(),
      epoch: reader.varint(),
      sessionExpiryInterval: reader.varint(),
      isTrusted: version >= 2 && reader.byte() !== 0,
      inFlightMaximum: version >= 3 ? reader.varint() : ALL_IN_FLIGHT,
    }),
  },
  "session-detach": {
    id: 4,
    // 2: with what was in flight.
    version: 2,
    waits: NOBODY,
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.varint(record.sessionExpiryInterval);
      writer.float(record.detachedAt);
      writer.varint(record.inFlight);
    },
    decode: (reader, version) => ({
      type: "session-detach",
      session: reader.varint(),
      sessionExpiryInterval: reader.varint(),
      detachedAt: reader.float(),
      inFlight: version >= 2 ? reader.varint() : ALL_IN_FLIGHT,
    }),
  },
  "session-end": {
    id: 5,
    version: 1,
    waits: "CONNACK",
    encode: (writer, { session }) => writer.varint(session),
    decode: (reader) => ({ type: "session-end", session: reader.varint() }),
  },
  "session-leave": {
    id: 23,
    version: 1,
    waits: "CONNACK",
    encode: (writer, { session }) => writer.varint(session),
    decode: (reader) => ({ type: "session-leave", session: reader.varint() }),
  },
  subscribe: {
    id: 6,
    version: 1,
    waits: "SUBACK",
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.string(record.topicFilter);
      writer.byte(
        record.qos |
          (record.noLocal ? 4 : 0) |
          (record.retainAsPublished ? 8 : 0) |
          (record.retainedOwed ? 16 : 0),
      );
      writer.varint(record.subscriptionIdentifier);
    },
    decode: (reader) => {
      const session = reader.varint();
      const topicFilter = reader.string();
      const flags = reader.byte();
      return {
        type: "subscribe",
        session,
        topicFilter,
        qos: (flags & 3) as QoS,
        noLocal: (flags & 4) !== 0,
        retainAsPublished: (flags & 8) !== 0,
        subscriptionIdentifier: reader.varint(),
        retainedOwed: (flags & 16) !== 0,
      };
    },
  },
  "retained-sent": {
    id: 7,
    version: 1,
    waits: NOBODY,
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.string(record.topicFilter);
    },
    decode: (reader) => ({
      type: "retained-sent",
      session: reader.varint(),
      topicFilter: reader.string(),
    }),
  },
  unsubscribe: {
    id: 8,
    version: 1,
    waits: "UNSUBACK",
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.string(record.topicFilter);
    },
    decode: (reader) => ({
      type: "unsubscribe",
      session: reader.varint(),
      topicFilter: reader.string(),
    }),
  },
  enqueue: {
    id: 9,
    // 2: with the Shared Subscription.
    version: 2,
    waits: "PUBACK, PUBREC; a QoS 2 delivery to a durable session",
    encode: (writer, record) => {
      const { subscriptionIdentifiers, share } = record;
      writer.varint(record.session);
      writer.varint(record.sequence);
      writer.varint(record.message);
      writer.byte(
        record.qos |
          (record.retain ? 4 : 0) |
          (subscriptionIdentifiers.length > 0 ? 8 : 0) |
          (share === "" ? 0 : 16),
      );
      if (subscriptionIdentifiers.length > 0) {
        writer.varint(subscriptionIdentifiers.length);
        for (const identifier of subscriptionIdentifiers) writer.varint(identifier);
      }
      if (share !== "") writer.string(share);
    },
    decode: (reader) => {
      const session = reader.varint();
      const sequence = reader.varint();
      const message = reader.varint();
      const flags = reader.byte();
      const subscriptionIdentifiers: number[] = [];
      if (flags & 8)
        for (let left = reader.varint(); left > 0; left -= 1)
          subscriptionIdentifiers.push(reader.varint());
      return {
        type: "enqueue",
        session,
        sequence,
        message,
        qos: (flags & 3) as QoS,
        retain: (flags & 4) !== 0,
        subscriptionIdentifiers,
        share: flags & 16 ? reader.string() : "",
      };
    },
  },
  trim: {
    id: 24,
    version: 1,
    waits: NOBODY,
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.varint(record.from);
      writer.varint(record.to);
    },
    decode: (reader) => ({
      type: "trim",
      session: reader.varint(),
      from: reader.varint(),
      to: reader.varint(),
    }),
  },
  settled: {
    id: 10,
    version: 1,
    waits: NOBODY,
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.varint(record.sequence);
    },
    decode: (reader) => ({
      type: "settled",
      session: reader.varint(),
      sequence: reader.varint(),
    }),
  },
  received: {
    id: 11,
    version: 1,
    waits: "PUBREL",
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.varint(record.sequence);
      writer.varint(record.packetIdentifier);
    },
    decode: (reader) => ({
      type: "received",
      session: reader.varint(),
      sequence: reader.varint(),
      packetIdentifier: reader.varint(),
    }),
  },
  "inbound-begin": {
    id: 12,
    version: 1,
    waits: "PUBREC",
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.varint(record.packetIdentifier);
      writer.byte(record.denied ? 1 : 0);
    },
    decode: (reader) => ({
      type: "inbound-begin",
      session: reader.varint(),
      packetIdentifier: reader.varint(),
      denied: reader.byte() === 1,
    }),
  },
  "inbound-end": {
    id: 13,
    version: 1,
    waits: "PUBCOMP",
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.varint(record.packetIdentifier);
    },
    decode: (reader) => ({
      type: "inbound-end",
      session: reader.varint(),
      packetIdentifier: reader.varint(),
    }),
  },
  retained: {
    id: 14,
    version: 1,
    waits: "PUBACK, PUBREC",
    encode: (writer, record) => {
      writer.string(record.topicName);
      writer.varint(record.message);
    },
    decode: (reader) => ({
      type: "retained",
      topicName: reader.string(),
      message: reader.varint(),
    }),
  },
  "retained-clear": {
    id: 15,
    version: 1,
    waits: "PUBACK, PUBREC",
    encode: (writer, { topicName }) => writer.string(topicName),
    decode: (reader) => ({ type: "retained-clear", topicName: reader.string() }),
  },
  "will-set": {
    id: 16,
    // 2: with how long its message lives and is delayed.
    version: 2,
    waits: NOBODY,
    encode: (writer, { session, clientId, will }) => {
      writer.varint(session);
      writer.string(clientId);
      writer.varint(will.delayInterval);
      writer.varint(will.expiryInterval + 1);
      writer.varint(will.delayedBy);
      encodeMessage(writer, will.message);
    },
    decode: (reader, version) => {
      const session = reader.varint();
      const clientId = reader.string();
      const delayInterval = reader.varint();
      const expiryInterval = version >= 2 ? reader.varint() - 1 : -1;
      const delayedBy = version >= 2 ? reader.varint() : 0;
      const message = ownBytes(decodeMessage(reader));
      const will = { message, delayInterval, expiryInterval, delayedBy };
      return { type: "will-set", session, clientId, will };
    },
  },
  "will-clear": {
    id: 17,
    version: 1,
    waits: NOBODY,
    encode: (writer, { session }) => writer.varint(session),
    decode: (reader) => ({ type: "will-clear", session: reader.varint() }),
  },
  delayed: {
    id: 18,
    version: 1,
    waits: "PUBACK, PUBREC",
    encode: (writer, record) => {
      writer.varint(record.delayedId);
      writer.varint(record.message);
      writer.float(record.dueAt);
    },
    decode: (reader) => ({
      type: "delayed",
      delayedId: reader.varint(),
      message: reader.varint(),
      dueAt: reader.float(),
    }),
  },
  "delayed-end": {
    id: 19,
    version: 1,
    waits: "PUBACK, PUBREC of what cancels it",
    encode: (writer, { delayedId }) => writer.varint(delayedId),
    decode: (reader) => ({ type: "delayed-end", delayedId: reader.varint() }),
  },
  ban: {
    id: 20,
    version: 1,
    waits: "HTTP's reply",
    encode: (writer, record) => {
      writer.byte(BAN_KINDS.indexOf(record.kind));
      writer.string(record.value);
      writer.float(record.until);
      writer.string(record.reason);
    },
    decode: (reader) => ({
      type: "ban",
      kind: banKind(reader.byte()),
      value: reader.string(),
      until: reader.float(),
      reason: reader.string(),
    }),
  },
  "ban-end": {
    id: 21,
    version: 1,
    waits: "HTTP's reply",
    encode: (writer, { kind, value }) => {
      writer.byte(BAN_KINDS.indexOf(kind));
      writer.string(value);
    },
    decode: (reader) => ({
      type: "ban-end",
      kind: banKind(reader.byte()),
      value: reader.string(),
    }),
  },
  "time-mark": {
    id: 22,
    version: 1,
    waits: NOBODY,
    encode: (writer, record) => {
      writer.float(record.storeTime);
      writer.float(record.wallTime);
    },
    decode: (reader) => ({
      type: "time-mark",
      storeTime: reader.float(),
      wallTime: reader.float(),
    }),
  },
};

/** A message that keeps no more of what was read than its own bytes. */
function ownBytes(message: StoredMessage): StoredMessage {
  return {
    ...message,
    payload: message.payload.slice(),
    properties: message.properties.slice(),
  };
}
