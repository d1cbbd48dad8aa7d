import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { ProtocolError, UsageError } from "../errors.ts";
import { TopicNameTable, type TopicName } from "./topic-name-table.ts";

const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));

test("a Topic Name is known again by its bytes, wherever they stand", () => {
  const table = new TopicNameTable({ maximumEntries: 10 });
  const topic = table.lookup(bytesOf("61 2f c3 a9"), 0, 4); // a/é
  assert.equal(topic.name, "a/é");
  assert.deepEqual(topic.bytes, bytesOf("61 2f c3 a9"));
  assert.equal(topic.levels, 2);
  assert.equal(table.lookup(bytesOf("00 61 2f c3 a9 00"), 1, 5), topic);
  assert.equal(table.intern("a/é"), topic);
  assert.equal(table.size, 1);
});

test("the bytes are not kept: they may change after the lookup", () => {
  const table = new TopicNameTable({ maximumEntries: 10 });
  const bytes = bytesOf("61 62");
  const topic = table.lookup(bytes, 0, 2);
  bytes.fill(0x7a);
  assert.deepEqual(topic.bytes, bytesOf("61 62"));
  assert.equal(table.intern("ab"), topic);
});

test("[MQTT5-1.5.4-3] [MQTT3-1.5.3-3] U+FEFF at the beginning is a character of the name", () => {
  const table = new TopicNameTable({ maximumEntries: 10 });
  assert.equal(table.lookup(bytesOf("ef bb bf 61"), 0, 4).name, "\ufeffa");
});

for (const [hex, code, reasonCode, what] of [
  ["c3 28", "ERR_MALFORMED_PACKET", 0x81, "a broken sequence"], // [MQTT5-1.5.4-1] [MQTT3-1.5.3-1]
  ["c0 af", "ERR_MALFORMED_PACKET", 0x81, "an overlong sequence"],
  ["ed a0 80", "ERR_MALFORMED_PACKET", 0x81, "a surrogate"], // [MQTT5-1.5.4-1] [MQTT3-1.5.3-1]
  ["f4 90 80 80", "ERR_MALFORMED_PACKET", 0x81, "a code point above U+10FFFF"],
  ["61 00", "ERR_MALFORMED_PACKET", 0x81, "U+0000"], // [MQTT5-1.5.4-2] [MQTT3-1.5.3-2]
  ["", "ERR_TOPIC_NAME", 0x90, "nothing"],
  ["61 2f 2b", "ERR_TOPIC_NAME", 0x90, "the wildcard +"],
  ["23", "ERR_TOPIC_NAME", 0x90, "the wildcard #"],
] as const)
  test(`a Topic Name that holds ${what} is refused with 0x${reasonCode.toString(16)} each time`, () => {
    const table = new TopicNameTable({ maximumEntries: 10 });
    const bytes = bytesOf(hex);
    for (let time = 0; time < 2; time++) {
      assert.throws(
        () => table.lookup(bytes, 0, bytes.length),
        (error) =>
          error instanceof ProtocolError && error.code === code && error.reasonCode === reasonCode,
      );
    }
    assert.equal(table.size, 0);
  });

test("a string with a lone surrogate is refused, and does not stand for another name", () => {
  const table = new TopicNameTable({ maximumEntries: 10 });
  const replacement = table.intern("a\ufffd");
  assert.throws(() => table.intern("a\ud800"), ProtocolError);
  assert.equal(table.intern("a\ufffd"), replacement);
});

test("a table without room is refused", () => {
  for (const maximumEntries of [0, -1, Number.NaN])
    assert.throws(() => new TopicNameTable({ maximumEntries }), UsageError);
});

test("the table is bounded, and names that are in use stay while names seen once pass", () => {
  const table = new TopicNameTable({ maximumEntries: 100 });
  const used = Array.from({ length: 50 }, (_, index) => table.intern(`used/${index}`));
  for (let round = 0; round < 100; round++) {
    for (const topic of used) assert.equal(table.intern(topic.name), topic);
    for (let index = 0; index < 40; index++) table.intern(`once/${round}/${index}`);
    assert.ok(table.size <= 100);
  }
  assert.equal(table.size, 100);
});

/** Names that a table with so many chains keeps in one of them. */
function crowdedNames(chains: number, count: number): string[] {
  const table = new TopicNameTable({ maximumEntries: 1 });
  const names: string[] = [];
  for (let index = 0; names.length < count; index++) {
    const name = `crowded/${index}`;
    if ((table.intern(name).hash & (chains - 1)) === 7) names.push(name);
  }
  return names;
}

test("names with equal hashes do not make lookups long: the oldest of too many goes", () => {
  const table = new TopicNameTable({ maximumEntries: 64 });
  const crowded = crowdedNames(64, 40);
  for (const name of crowded) table.intern(name);
  assert.equal(table.size, 16);
  for (const name of crowded) assert.equal(table.intern(name).name, name);
});

test("names that were in use and are no more make room for those that are", () => {
  const table = new TopicNameTable({ maximumEntries: 100 });
  const use = (prefix: string): TopicName[] =>
    Array.from({ length: 50 }, (_, index) => table.intern(`${prefix}/${index}`));
  const old = use("old");
  use("hot");
  use("old");
  let hot: TopicName[] = [];
  for (let round = 0; round < 100; round++) {
    if (round === 50) hot = use("hot");
    else use("hot");
    for (let index = 0; index < 10; index++) table.intern(`once/${round}/${index}`);
  }
  assert.deepEqual(use("hot"), hot);
  for (const topic of old) assert.notEqual(table.intern(topic.name), topic);
});

test("no name stays for ever, also after names with equal hashes went", () => {
  const table = new TopicNameTable({ maximumEntries: 64 });
  const pass = (prefix: string): TopicName[] =>
    Array.from({ length: 1000 }, (_, index) => table.intern(`${prefix}/${index}`));
  const before = pass("before");
  const crowded = crowdedNames(64, 200);
  const topics = crowded.map((name) => table.intern(name));
  pass("after");
  assert.equal(table.size, 64);
  for (const topic of [...before, ...topics]) assert.notEqual(table.intern(topic.name), topic);
});

test("whatever is looked up in whatever order, the table gives the name that was asked for", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.array(fc.nat(300), { maxLength: 500 }),
      (maximumEntries, indexes) => {
        const table = new TopicNameTable({ maximumEntries });
        let last: number | undefined;
        for (const index of indexes) {
          const name = "topic/".repeat(index % 7) + index;
          const topic = table.intern(name);
          assert.equal(topic.name, name);
          assert.equal(topic.levels, name.split("/").length);
          assert.ok(table.size <= maximumEntries);
          if (index === last) assert.equal(table.intern(name), topic);
          last = index;
        }
      },
    ),
    { numRuns: 50 },
  );
});
