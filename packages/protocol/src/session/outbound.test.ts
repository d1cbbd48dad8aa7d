import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Outbound, OutboundState } from "./outbound.ts";

type Row = [packetIdentifier: number, state: OutboundState, value: string];

function rows(outbound: Outbound<string>): Row[] {
  const seen: Row[] = [];
  outbound.forEach((packetIdentifier, state, value) => seen.push([packetIdentifier, state, value]));
  return seen;
}

test("QoS 1 is in flight until PUBACK", () => {
  const outbound = new Outbound<string>();
  assert.equal(outbound.stateOf(7), OutboundState.free);
  outbound.begin(7, 1, "a", 42, 1000);
  assert.equal(outbound.size, 1);
  assert.equal(outbound.stateOf(7), OutboundState.awaitingPuback);
  assert.equal(outbound.valueOf(7), "a");
  assert.equal(outbound.detailOf(7), 42);
  assert.equal(outbound.pubrec(7), undefined);
  assert.equal(outbound.pubcomp(7), undefined);
  assert.equal(outbound.puback(7), "a");
  assert.equal(outbound.puback(7), undefined);
  assert.equal(outbound.size, 0);
});

test("[X-4] QoS 2 is in flight until PUBCOMP, or until it is refused", () => {
  const outbound = new Outbound<string>();
  outbound.begin(1, 2, "a", 0, 0);
  outbound.begin(2, 2, "b", 0, 0);
  assert.equal(outbound.puback(1), undefined);
  assert.equal(outbound.pubrec(1), "a");
  assert.equal(outbound.pubrec(1), undefined);
  assert.equal(outbound.fail(2), "b");
  assert.equal(outbound.fail(2), undefined);
  assert.equal(outbound.size, 1);
  outbound.setValue(1, "light");
  assert.equal(outbound.pubcomp(1), "light");
  assert.equal(outbound.size, 0);
});

test("[MQTT5-4.6.0-1] [MQTT5-4.6.0-4] PUBRELs go in the order of PUBREC, PUBLISHes in that of first sending", () => {
  const outbound = new Outbound<string>();
  for (const [packetIdentifier, qos] of [
    [9, 2],
    [3, 1],
    [5, 2],
    [4, 2],
    [8, 1],
  ] as const) {
    outbound.begin(packetIdentifier, qos, `m${packetIdentifier}`, 0, 0);
  }
  outbound.pubrec(4);
  outbound.pubrec(9);
  assert.deepEqual(rows(outbound), [
    [4, OutboundState.awaitingPubcomp, "m4"],
    [9, OutboundState.awaitingPubcomp, "m9"],
    [3, OutboundState.awaitingPuback, "m3"],
    [5, OutboundState.awaitingPubrec, "m5"],
    [8, OutboundState.awaitingPuback, "m8"],
  ]);
});

test("[MQTT5-4.4.0-1] after a rewind all are sent again once, and what is settled meanwhile is skipped", () => {
  const outbound = new Outbound<string>();
  for (const packetIdentifier of [1, 2, 3, 4]) outbound.begin(packetIdentifier, 2, "m", 0, 0);
  outbound.pubrec(2);
  outbound.rewind();
  assert.equal(outbound.resendNext, 2);
  assert.equal(outbound.sendingsOf(2), 0);
  outbound.resent(50);
  assert.equal(outbound.sendingsOf(2), 1);
  assert.equal(outbound.resendNext, 1);
  assert.throws(() => outbound.begin(9, 1, "new", 0, 0), { code: "ERR_USAGE" });
  outbound.resent(50);
  outbound.fail(3);
  assert.equal(outbound.resendNext, 4);
  outbound.pubrec(4);
  assert.equal(outbound.resendNext, 0);
  outbound.begin(9, 1, "new", 0, 0);
  assert.throws(() => outbound.resent(50), { code: "ERR_USAGE" });
});

test("the packet that waits longest is the one whose sending lies back furthest", () => {
  const outbound = new Outbound<string>();
  assert.equal(outbound.oldestSentAt, -1);
  outbound.begin(1, 1, "a", 0, 100);
  outbound.begin(2, 1, "b", 0, 200);
  outbound.restore(3, OutboundState.awaitingPubcomp, "c", 0);
  assert.equal(outbound.oldestSentAt, 100);
  outbound.touch(1, 300);
  assert.equal(outbound.oldestSentAt, 200);
  assert.equal(outbound.sendingsOf(1), 2);
  assert.equal(outbound.sendingsOf(2), 1);
  assert.equal(outbound.sendingsOf(3), 0);
  outbound.rewind();
  assert.equal(outbound.oldestSentAt, -1);
  outbound.resent(400);
  assert.equal(outbound.oldestSentAt, 400);
});

test("a Packet Identifier in flight, or that is none, is refused", () => {
  const outbound = new Outbound<string>();
  outbound.begin(65535, 1, "a", 0, 0);
  for (const packetIdentifier of [65535, 0, 65536, -1, Number.NaN]) {
    assert.throws(() => outbound.begin(packetIdentifier, 1, "b", 0, 0), { code: "ERR_USAGE" });
  }
  assert.throws(() => outbound.touch(5, 0), { code: "ERR_USAGE" });
  assert.equal(outbound.fail(0), undefined);
});

test("[X-5] the next free Packet Identifier goes on at 1 after 65535, and is 0 when all are taken", () => {
  const outbound = new Outbound<number>();
  assert.equal(outbound.nextFree(65535), 65535);
  outbound.begin(65535, 1, 0, 0, 0);
  outbound.begin(1, 1, 0, 0, 0);
  assert.equal(outbound.nextFree(65535), 2);
  for (let packetIdentifier = 2; packetIdentifier < 65535; packetIdentifier++) {
    assert.equal(outbound.nextFree(packetIdentifier), packetIdentifier);
    outbound.begin(packetIdentifier, 1, packetIdentifier, packetIdentifier, 0);
  }
  assert.equal(outbound.size, 65535);
  assert.equal(outbound.nextFree(1), 0);
  outbound.puback(30000);
  assert.equal(outbound.nextFree(30001), 30000);
  outbound.clear();
  assert.equal(outbound.size, 0);
  assert.equal(outbound.nextFree(9), 9);
});

test("a sender that holds nothing holds no arrays after trim, and works on", () => {
  const outbound = new Outbound<string>();
  outbound.begin(1, 1, "a", 0, 0);
  outbound.trim();
  assert.equal(outbound.size, 1);
  outbound.puback(1);
  outbound.trim();
  outbound.begin(1, 1, "b", 0, 0);
  assert.equal(outbound.valueOf(1), "b");
});

type Entry = { id: number; state: OutboundState; value: number; detail: number };

// The model: two plain arrays, PUBRELs and PUBLISHes, each in order.
test("it does what two plain lists do, whatever happens", () => {
  const identifier = fc.oneof(
    fc.integer({ min: 1, max: 24 }),
    fc.integer({ min: 1, max: 40 }).map((n) => n * 1024),
  );
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        act: fc.constant("begin" as const),
        id: identifier,
        qos: fc.constantFrom(1 as const, 2 as const),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        act: fc.constantFrom(
          "puback" as const,
          "pubrec" as const,
          "pubcomp" as const,
          "fail" as const,
        ),
        id: identifier,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        act: fc.constantFrom("rewind" as const, "resent" as const, "clear" as const),
        id: identifier,
      }),
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const outbound = new Outbound<number>();
      let publishes: Entry[] = [];
      let pubrels: Entry[] = [];
      let toResend: Entry[] = [];
      let counter = 0;
      const find = (id: number) =>
        publishes.find((entry) => entry.id === id) ?? pubrels.find((entry) => entry.id === id);
      const remove = (id: number) => {
        publishes = publishes.filter((entry) => entry.id !== id);
        pubrels = pubrels.filter((entry) => entry.id !== id);
        toResend = toResend.filter((entry) => entry.id !== id);
      };
      const awaited = {
        puback: OutboundState.awaitingPuback,
        pubcomp: OutboundState.awaitingPubcomp,
      } as const;
      for (const at of steps) {
        const entry = find(at.id);
        switch (at.act) {
          case "begin": {
            counter++;
            if (entry !== undefined || toResend.length > 0) {
              assert.throws(() => outbound.begin(at.id, at.qos, counter, counter * 2 ** 33, 0));
              break;
            }
            outbound.begin(at.id, at.qos, counter, counter * 2 ** 33, 0);
            publishes.push({
              id: at.id,
              state: at.qos === 1 ? 1 : 2,
              value: counter,
              detail: counter * 2 ** 33,
            });
            break;
          }
          case "puback":
          case "pubcomp": {
            const settles = entry?.state === awaited[at.act];
            assert.equal(outbound[at.act](at.id), settles ? entry?.value : undefined);
            if (settles) remove(at.id);
            break;
          }
          case "pubrec": {
            const moves = entry?.state === OutboundState.awaitingPubrec;
            assert.equal(outbound.pubrec(at.id), moves ? entry.value : undefined);
            if (!moves) break;
            const wasResending = toResend.some(
              (other) => other.state === OutboundState.awaitingPubcomp,
            );
            remove(at.id);
            entry.state = OutboundState.awaitingPubcomp;
            pubrels.push(entry);
            // Behind a cursor that still stands among the PUBRELs it is reached.
            if (wasResending) {
              const index = toResend.findLastIndex(
                (other) => other.state === OutboundState.awaitingPubcomp,
              );
              toResend.splice(index + 1, 0, entry);
            }
            break;
          }
          case "fail":
            assert.equal(outbound.fail(at.id), entry?.value);
            remove(at.id);
            break;
          case "rewind":
            outbound.rewind();
            toResend = [...pubrels, ...publishes];
            break;
          case "resent":
            if (toResend.length > 0) {
              outbound.resent(5);
              toResend.shift();
            } else assert.throws(() => outbound.resent(5));
            break;
          case "clear": {
            const values: number[] = [];
            outbound.clear((value) => values.push(value));
            assert.deepEqual(
              values,
              [...pubrels, ...publishes].map((other) => other.value),
            );
            publishes = [];
            pubrels = [];
            toResend = [];
            break;
          }
        }
        assert.equal(outbound.size, publishes.length + pubrels.length);
        assert.equal(outbound.resendNext, toResend[0]?.id ?? 0);
        assert.equal(outbound.stateOf(at.id), find(at.id)?.state ?? 0);
        assert.equal(outbound.detailOf(at.id), find(at.id)?.detail ?? -1);
        const free = outbound.nextFree(at.id);
        assert.equal(find(free), undefined);
      }
      const seen: Entry[] = [];
      outbound.forEach((id, state, value, detail) => seen.push({ id, state, value, detail }));
      assert.deepEqual(seen, [...pubrels, ...publishes]);
    }),
    { numRuns: 300 },
  );
});
