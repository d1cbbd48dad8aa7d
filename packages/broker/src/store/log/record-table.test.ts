import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreRecord } from "../../engine/records.ts";
import { RECORD_SEQUENCES, sampleMessage } from "../../testing/record-samples.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { decodeRecord, encodeRecord, MOVED_ID } from "./log-record.ts";
import { encodeMessage, recordTable } from "./record-table.ts";
import type { KeptRecord } from "./record-table.ts";

test("every type of record has a line, with a number of its own and who waits for it", () => {
  assert.deepEqual(Object.keys(recordTable).sort(), Object.keys(RECORD_SEQUENCES).sort());
  const ids = Object.values(recordTable).map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const [type, { id, version, waits }] of Object.entries(recordTable)) {
    assert.ok(id > 0 && id < MOVED_ID && version >= 1, type);
    assert.notEqual(waits, "", type);
  }
});

/** In files for ever: a change here makes stores of before unreadable. */
const IDS = {
  message: 1,
  "session-begin": 2,
  "session-attach": 3,
  "session-detach": 4,
  "session-end": 5,
  subscribe: 6,
  "retained-sent": 7,
  unsubscribe: 8,
  enqueue: 9,
  settled: 10,
  received: 11,
  "inbound-begin": 12,
  "inbound-end": 13,
  retained: 14,
  "retained-clear": 15,
  "will-set": 16,
  "will-clear": 17,
  delayed: 18,
  "delayed-end": 19,
  ban: 20,
  "ban-end": 21,
  "time-mark": 22,
  "session-leave": 23,
  trim: 24,
};

test("the numbers of the types are as they always were", () => {
  assert.deepEqual(
    Object.fromEntries(Object.entries(recordTable).map(([type, { id }]) => [type, id])),
    IDS,
  );
});

for (const [type, records] of Object.entries(RECORD_SEQUENCES))
  test(`${type} is read as it was written`, () => {
    const kept = records.map(keptRecord);
    const writer = new ByteWriter(1);
    for (const record of kept) encodeRecord(writer, record);
    const reader = new ByteReader(writer.bytes);
    for (const record of kept)
      assert.deepEqual(decodeRecord(reader, reader.byte(), reader.byte()), record);
    assert.equal(reader.left, 0);
  });

/** As a log has it; where a `trim` ends follows from the queue, of which nothing is known here. */
function keptRecord(record: StoreRecord): KeptRecord {
  if (record.type !== "trim") return record;
  const { session, from, count } = record;
  return { type: "trim", session, from, to: from + count };
}

test("version 1 of a queue's entry has no Shared Subscription", () => {
  const writer = new ByteWriter();
  for (const value of [11, 300, 5]) writer.varint(value);
  writer.byte(2 | 4 | 8);
  for (const value of [2, 1, 268_435_455]) writer.varint(value);
  assert.deepEqual(decodeRecord(new ByteReader(writer.bytes), recordTable.enqueue.id, 1), {
    type: "enqueue",
    session: 11,
    sequence: 300,
    message: 5,
    qos: 2,
    retain: true,
    subscriptionIdentifiers: [1, 268_435_455],
    share: "",
  });
});

test("version 1 of a session's begin and attach says neither whose it is nor what may be in flight: anybody's, and all", () => {
  const attach = new ByteWriter();
  for (const value of [11, 3]) attach.varint(value);
  const begin = new ByteWriter();
  begin.varint(11);
  begin.string("c");
  begin.varint(3);
  begin.byte(0);
  begin.varint(100);
  assert.deepEqual(decodeRecord(new ByteReader(begin.bytes), recordTable["session-begin"].id, 1), {
    type: "session-begin",
    session: 11,
    clientId: "c",
    epoch: 3,
    username: undefined,
    sessionExpiryInterval: 100,
    isTrusted: false,
    inFlightMaximum: 65_535,
  });
  attach.varint(100);
  assert.deepEqual(
    decodeRecord(new ByteReader(attach.bytes), recordTable["session-attach"].id, 1),
    {
      type: "session-attach",
      session: 11,
      epoch: 3,
      sessionExpiryInterval: 100,
      isTrusted: false,
      inFlightMaximum: 65_535,
    },
  );
});

test("version 1 of a session's detach does not say what was in flight: all may have been", () => {
  const writer = new ByteWriter();
  writer.varint(11);
  writer.varint(100);
  writer.float(5000);
  assert.deepEqual(
    decodeRecord(new ByteReader(writer.bytes), recordTable["session-detach"].id, 1),
    {
      type: "session-detach",
      session: 11,
      sessionExpiryInterval: 100,
      detachedAt: 5000,
      inFlight: 65_535,
    },
  );
});

test("version 1 of a Will does not say how long its message lives: it does not expire", () => {
  const message = sampleMessage(4);
  const writer = new ByteWriter();
  writer.varint(11);
  writer.string("sensor");
  writer.varint(30);
  encodeMessage(writer, message);
  assert.deepEqual(decodeRecord(new ByteReader(writer.bytes), recordTable["will-set"].id, 1), {
    type: "will-set",
    session: 11,
    clientId: "sensor",
    will: { message, delayInterval: 30, expiryInterval: -1, delayedBy: 0 },
  });
});

test("numbers of any size and strings of any script are read as they were written", () => {
  const numbers = [0, 1, 127, 128, 16_383, 16_384, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];
  const strings = ["", "a", "\uFEFFmark", "ä€𝄞", "x".repeat(100_000)];
  const writer = new ByteWriter(1);
  for (const number of numbers) writer.varint(number);
  for (const string of strings) writer.string(string);
  for (const number of [0, -1.5, Infinity]) writer.float(number);
  const reader = new ByteReader(writer.bytes);
  assert.deepEqual(
    numbers.map(() => reader.varint()),
    numbers,
  );
  assert.deepEqual(
    strings.map(() => reader.string()),
    strings,
  );
  assert.deepEqual([reader.float(), reader.float(), reader.float()], [0, -1.5, Infinity]);
  assert.throws(() => reader.byte(), RangeError);
});

test("a type or version that is not known yet is refused as newer", () => {
  for (const [id, version] of [
    [200, 1],
    [recordTable.settled.id, 2],
  ] as const)
    assert.throws(() => decodeRecord(new ByteReader(Uint8Array.of(1, 1)), id, version), {
      code: "ERR_STORE_NEWER",
    });
});
