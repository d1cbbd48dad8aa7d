import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IdentifierTable, NOT_FOUND } from "./identifier-table.ts";
import { Inbound } from "./inbound.ts";
import { PacketIdentifiers } from "./packet-identifiers.ts";
import { ReceiveMaximum } from "./receive-maximum.ts";
import { TopicAliasInbound, TopicAliasOutbound } from "./topic-alias.ts";

test("an IdentifierTable does what a Map does", () => {
  const identifier = fc.oneof(
    fc.integer({ min: 1, max: 65535 }),
    fc.integer({ min: 1, max: 30 }),
    fc.integer({ min: 1, max: 63 }).map((n) => n * 1024),
  );
  const step = fc.tuple(
    fc.constantFrom("set", "set", "delete", "get"),
    identifier,
    fc.integer({ min: 0, max: 65535 }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const table = new IdentifierTable();
      const model = new Map<number, number>();
      for (const [act, id, value] of steps) {
        if (act === "set") {
          table.set(id, value);
          model.set(id, value);
        } else if (act === "delete") {
          assert.equal(table.delete(id), model.get(id) ?? NOT_FOUND);
          model.delete(id);
        }
        assert.equal(table.get(id), model.get(id) ?? NOT_FOUND);
        assert.equal(table.size, model.size);
      }
      const entries = new Map<number, number>();
      table.forEach((id, value) => entries.set(id, value));
      assert.deepEqual(entries, model);
      assert.equal(table.get(0), NOT_FOUND);
      assert.equal(table.delete(0), NOT_FOUND);
    }),
  );
});

test("an IdentifierTable holds all 65535 identifiers", () => {
  const table = new IdentifierTable();
  for (let id = 1; id <= 65535; id++) table.set(id, 65535 - id);
  for (let id = 1; id <= 65535; id++) assert.equal(table.get(id), 65535 - id);
  for (let id = 65535; id >= 1; id--) assert.equal(table.delete(id), 65535 - id);
  assert.equal(table.size, 0);
});

test("[MQTT5-4.3.3-10] [MQTT3-4.3.3-2] a QoS 2 Packet Identifier is a repeat from PUBLISH to PUBREL", () => {
  const inbound = new Inbound();
  assert.equal(inbound.has(5), false);
  inbound.begin(5, false);
  assert.equal(inbound.has(5), true);
  assert.equal(inbound.isRefused(5), false);
  assert.equal(inbound.end(5), true);
  assert.equal(inbound.end(5), false);
  assert.equal(inbound.has(5), false);
});

test("a refused QoS 2 message stays refused until its PUBREL", () => {
  const inbound = new Inbound();
  inbound.begin(9, true);
  inbound.begin(2, false);
  assert.equal(inbound.isRefused(9), true);
  assert.deepEqual(inbound.identifiers(), [2, 9]);
  inbound.end(9);
  assert.equal(inbound.isRefused(9), false);
  assert.equal(inbound.size, 1);
  inbound.clear();
  assert.equal(inbound.size, 0);
});

test("[MQTT5-4.9.0-2] a quota that is used up lets no PUBLISH go", () => {
  const quota = new ReceiveMaximum(2);
  assert.equal(quota.take(), true);
  assert.equal(quota.take(), true);
  assert.equal(quota.take(), false);
  quota.give();
  assert.equal(quota.available, 1);
});

test("[X-82] [X-83] a quota never rises above its start, and starts afresh with a connection", () => {
  const quota = new ReceiveMaximum(2);
  quota.give();
  assert.equal(quota.available, 2);
  quota.take();
  quota.reset(5);
  assert.equal(quota.available, 5);
});

test("[X-52] a Topic Alias of 0 or above the maximum is 0x94, [X-53] an unknown one 0x82", () => {
  const aliases = new TopicAliasInbound<string>(3);
  for (const alias of [0, 4, 65535]) {
    assert.throws(() => aliases.set(alias, "a"), { reasonCode: 0x94 });
    assert.throws(() => aliases.resolve(alias), { reasonCode: 0x94 });
  }
  assert.throws(() => aliases.resolve(2), { reasonCode: 0x82 });
  assert.throws(() => new TopicAliasInbound(0).set(1, "a"), { reasonCode: 0x94 });
});

test("[X-54] a Topic Alias can be set to another Topic Name", () => {
  const aliases = new TopicAliasInbound<string>(3);
  aliases.set(3, "a");
  aliases.set(3, "b");
  assert.equal(aliases.resolve(3), "b");
});

test("[MQTT5-3.1.2-26] [MQTT5-3.2.2-17] no alias above the maximum is sent, and the receiver ends with the same names", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 4 }),
      fc.array(fc.constantFrom("abcd", "bcde", "cdef", "defg", "efgh", "fghi", "a"), {
        maxLength: 60,
      }),
      (maximum, names) => {
        const outbound = new TopicAliasOutbound(maximum);
        const inbound = new TopicAliasInbound<string>(maximum);
        for (const name of names) {
          const alias = outbound.assign(name);
          if (alias === 0) continue;
          if (outbound.isNew) inbound.set(alias, name);
          else assert.equal(inbound.resolve(alias), name);
        }
      },
    ),
  );
});

test("a Topic Name in steady use keeps its alias among many used once", () => {
  const outbound = new TopicAliasOutbound(4);
  outbound.assign("busy");
  let renewed = 0;
  for (let i = 0; i < 100; i++) {
    outbound.assign(`once/${i}`);
    assert.equal(outbound.assign("busy"), 1);
    if (outbound.isNew) renewed++;
  }
  assert.equal(renewed, 0);
});

test("[X-5] Packet Identifiers come from one set, do not come back at once, and run out at 65535", () => {
  const identifiers = new PacketIdentifiers();
  assert.equal(identifiers.take(), 1);
  identifiers.release(1);
  assert.equal(identifiers.take(), 2);
  identifiers.reserve(3);
  identifiers.reserve(3);
  assert.equal(identifiers.take(), 4);
  const taken = new Set([2, 3, 4]);
  for (let i = 0; i < 65532; i++) taken.add(identifiers.take());
  assert.equal(taken.size, 65535);
  assert.equal(taken.has(0), false);
  assert.equal(identifiers.take(), 0);
  identifiers.release(77);
  identifiers.release(77);
  assert.equal(identifiers.size, 65534);
  assert.equal(identifiers.take(), 77);
  identifiers.clear();
  assert.equal(identifiers.isFree(77), true);
});
