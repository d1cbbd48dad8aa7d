import assert from "node:assert/strict";
import { test } from "node:test";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { WireClient } from "../wire-client.test-support.ts";
import type { BanKind } from "./records.ts";

/** What a CONNECT is answered, as lines. */
function answerOf(
  broker: TestBroker,
  client: WireClient,
  clientId = "c",
  username = "u",
): string[] {
  client.sendConnect(clientId, { username });
  broker.settle();
  return client.told();
}

/** Bans of the client `c` with the Username `u` at 192.0.2.1. */
const MEANT: readonly (readonly [BanKind, string])[] = [
  ["clientId", "c"],
  ["username", "u"],
  ["address", "192.0.2.1"],
  ["address", "192.0.2.0/24"],
  ["address", "::ffff:192.0.2.1"],
];
const OTHERS: readonly (readonly [BanKind, string])[] = [
  ["clientId", "u"],
  ["username", "c"],
  ["address", "192.0.2.2"],
  ["address", "192.0.3.0/24"],
  ["address", "::/96"],
];

for (const version of VERSIONS) {
  const name = NAME_OF_VERSION[version];

  for (const [kind, value] of MEANT)
    test(`${name}: a ban of the ${kind} ${value} keeps the client out and its connection ends`, () => {
      const broker = new TestBroker();
      const client = broker.connect("c", version, { username: "u" });
      broker.engine.bans.add(kind, value, Infinity, "no");
      broker.settle();
      assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x98", "CLOSED"] : ["CLOSED"]);
      const again = broker.dial(version);
      again.sendConnect("c", { username: "u" });
      broker.settle();
      assert.deepEqual(again.told(), [`CONNACK 0x${version === 5 ? "8a" : "05"}`, "CLOSED"]);
      assert.equal(broker.engine.counters.connectBanned, 1);
      broker.engine.bans.lift(kind, value);
      broker.connect("c", version, { username: "u" });
    });

  for (const [kind, value] of OTHERS)
    test(`${name}: a ban of the ${kind} ${value} is about others`, () => {
      const broker = new TestBroker();
      const client = broker.connect("c", version, { username: "u" });
      broker.engine.bans.add(kind, value, Infinity, "no");
      broker.settle();
      assert.deepEqual(client.told(), []);
      broker.connect("c", version, { username: "u" });
    });
}

test("a timed ban ends by itself, and a new one of the same replaces it", () => {
  const broker = new TestBroker();
  broker.engine.bans.add("clientId", "c", 10_000, "no");
  broker.engine.bans.add("clientId", "c", 60_000, "still no");
  assert.equal(broker.engine.bans.list().length, 1);
  broker.advance(59_000);
  assert.deepEqual(answerOf(broker, broker.dial()), ["CONNACK 0x8a", "CLOSED"]);
  broker.advance(1500);
  broker.connect("c");
  assert.deepEqual(broker.engine.bans.list(), []);
  assert.equal(broker.logged("ban-ended").length, 1);
});

test("a client that the authenticator names otherwise is banned by that name", () => {
  const broker = new TestBroker({
    authenticator: { authenticate: () => ({ accepted: true, clientId: "d", username: "v" }) },
  });
  broker.engine.bans.add("username", "v", Infinity, "no");
  assert.deepEqual(answerOf(broker, broker.dial()), ["CONNACK 0x8a", "CLOSED"]);
});

test("a banned client is refused before its password is looked at", () => {
  let asked = 0;
  const broker = new TestBroker({
    authenticator: { authenticate: () => ({ accepted: ++asked > 0 }) },
  });
  broker.engine.bans.add("clientId", "c", Infinity, "no");
  assert.deepEqual(answerOf(broker, broker.dial()), ["CONNACK 0x8a", "CLOSED"]);
  assert.equal(asked, 0);
});

test("who is banned while it is being authenticated is kept out, and takes nobody over", () => {
  let admit: (() => void) | undefined;
  const broker = new TestBroker({
    authenticator: {
      authenticate: ({ username }) =>
        username === "slow"
          ? new Promise((resolve) => (admit = () => resolve({ accepted: true })))
          : { accepted: true },
    },
  });
  const before = broker.connect("c", 5, { username: "u" });
  const client = broker.dial();
  client.sendConnect("c", { username: "slow" });
  broker.settle();
  broker.engine.bans.add("username", "slow", Infinity, "no");
  admit!();
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    broker.settle();
    assert.deepEqual(client.told(), ["CONNACK 0x8a", "CLOSED"]);
    assert.deepEqual(before.told(), []);
  });
});

test("the embedding program's own clients cannot be banned", () => {
  const broker = new TestBroker();
  broker.engine.bans.add("address", "0.0.0.0/0", Infinity, "no");
  broker.connect("c", 5, { isTrusted: true });
});

test("an address that is none is no ban", () => {
  const broker = new TestBroker();
  assert.throws(() => broker.engine.bans.add("address", "example.org", 1000, ""), {
    code: "ERR_USAGE",
  });
});

test("a timed ban goes on over a crash, and its time with it", () => {
  const broker = new TestBroker({ durable: true });
  broker.engine.bans.add("address", "192.0.2.0/24", 60_000, "no");
  broker.engine.bans.add("clientId", "d", 20_000, "no");
  broker.settle();
  const next = broker.restart({ lasts: 30_000 });
  assert.deepEqual(answerOf(next, next.dial()), ["CONNACK 0x8a", "CLOSED"]);
  assert.deepEqual(
    next.engine.bans.list().map(({ kind, value, reason }) => [kind, value, reason]),
    [["address", "192.0.2.0/24", "no"]],
  );
  next.advance(31_000);
  next.connect("c");
  const last = next.restart();
  assert.deepEqual(last.engine.bans.list(), []);
});
