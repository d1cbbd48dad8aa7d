import assert from "node:assert/strict";
import { test } from "node:test";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { PartialSettings } from "../settings.ts";

const limited = (limits: NonNullable<PartialSettings["limits"]>): TestBroker =>
  new TestBroker({ settings: { limits } });

/** How a CONNECT is answered that is refused with a 5.0 Reason Code, or a return code of 3.x. */
const refused = (version: number, reasonCode: string, returnCode: string): string[] => [
  `CONNACK 0x${version === 5 ? reasonCode : returnCode}`,
  "CLOSED",
];

for (const version of VERSIONS) {
  const name = NAME_OF_VERSION[version];

  for (const limit of ["connections", "connectionsPerAddress"] as const) {
    test(`${name}: a connection beyond limits.${limit} has its CONNECT refused, and there is room again when one ends`, () => {
      const broker = limited({ [limit]: 2 });
      const clients = ["a", "b"].map((clientId) => broker.connect(clientId, version));
      const third = broker.dial(version);
      const silent = broker.dial(version);
      third.sendConnect("c");
      broker.settle();
      assert.deepEqual(third.told(), refused(version, "97", "03"));
      assert.equal(broker.engine.counters.connectTooMany, 1);
      assert.equal(broker.engine.counters.connectionsRefused, 0);
      assert.equal(broker.logged("limit-reached")[0]?.fields["limit"], `limits.${limit}`);
      clients[0]!.leave();
      broker.settle();
      broker.connect("c", version);
      broker.advance(10_000);
      assert.deepEqual(silent.told(), ["CLOSED"], "it does not wait longer than others");
    });

    test(`${name}: beyond limits.refusalReserve such connections are closed without a word`, () => {
      const broker = limited({ [limit]: 1, refusalReserve: 2 });
      broker.connect("a", version);
      const reserve = [broker.dial(version), broker.dial(version)];
      const fourth = broker.dial(version);
      fourth.sendConnect("d");
      broker.settle();
      assert.deepEqual(fourth.told(), ["CLOSED"]);
      assert.equal(broker.engine.counters.connectionsRefused, 1);
      reserve[0]!.drop();
      const next = broker.dial(version);
      for (const client of [reserve[1]!, next]) client.sendConnect("x");
      broker.settle();
      for (const client of [reserve[1]!, next])
        assert.deepEqual(client.told(), refused(version, "97", "03"));
      assert.equal(broker.engine.counters.connectTooMany, 2);
    });
  }

  test(`${name}: a connection too many cannot send a large CONNECT, nor anything else`, () => {
    const broker = limited({ connections: 1 });
    broker.connect("a", version);
    const large = broker.dial(version);
    large.sendConnect("c", { username: "u", password: new Uint8Array(65_535) });
    const other = broker.dial(version);
    other.send({ type: "pingreq" });
    broker.settle();
    assert.deepEqual(large.told(), ["CLOSED"]);
    assert.deepEqual(other.told(), ["CLOSED"]);
  });

  test(`${name}: a connection too many of one Username is refused, and the one that is taken over does not count`, () => {
    const broker = limited({ connectionsPerUser: 2 });
    const a = broker.connect("a", version, { username: "u" });
    broker.connect("b", version, { username: "u" });
    broker.connect("other", version, { username: "v" });
    broker.connect("nobody", version);
    const third = broker.dial(version);
    third.sendConnect("c", { username: "u" });
    broker.settle();
    assert.deepEqual(third.told(), refused(version, "97", "03"));
    assert.equal(broker.engine.counters.connectUserRefused, 1);
    const again = broker.connect("a", version, { username: "u" });
    broker.settle();
    assert.ok(a.isClosed);
    again.leave();
    broker.settle();
    broker.connect("c", version, { username: "u" });
  });

  for (const limit of ["connectRate", "connectRatePerAddress"] as const)
    test(`${name}: CONNECTs beyond limits.${limit} are refused until the second is over`, () => {
      const broker = limited({ [limit]: 2 });
      broker.connect("a", version);
      broker.connect("b", version);
      const third = broker.dial(version);
      third.sendConnect("c");
      broker.settle();
      assert.deepEqual(third.told(), refused(version, "9f", "03"));
      assert.equal(broker.engine.counters.connectRateExceeded, 1);
      assert.equal(broker.logged("limit-reached")[0]?.fields["limit"], `limits.${limit}`);
      broker.advance(1000);
      broker.connect("c", version);
    });

  test(`${name}: a Client Identifier that connects too often is banned for a while, with the connection that it has`, () => {
    const broker = limited({ flappingConnects: 3, flappingBan: 60_000 });
    for (let i = 0; i < 2; i++) {
      broker.connect("c", version).leave();
      broker.settle();
    }
    const last = broker.connect("c", version);
    broker.connect("d", version);
    const fourth = broker.dial(version);
    fourth.sendConnect("c");
    broker.settle();
    assert.deepEqual(fourth.told(), refused(version, "8a", "05"));
    assert.deepEqual(last.told(), version === 5 ? ["DISCONNECT 0x98", "CLOSED"] : ["CLOSED"]);
    assert.equal(broker.engine.counters.flappingBans, 1);
    assert.equal(broker.engine.bans.list()[0]?.value, "c");
    broker.advance(61_000);
    broker.connect("c", version);
  });
}

test("connects that are far enough apart are not flapping", () => {
  const broker = limited({ flappingConnects: 3, flappingWindow: 10_000 });
  for (let i = 0; i < 12; i++) {
    broker.connect("c").leave();
    broker.advance(4000);
  }
  assert.equal(broker.engine.counters.flappingBans, 0);
});

test("who is not let in does not count as flapping", () => {
  const broker = new TestBroker({
    settings: { limits: { flappingConnects: 2 } },
    authenticator: { authenticate: ({ username }) => ({ accepted: username === "u" }) },
  });
  for (let i = 0; i < 5; i++) {
    broker.dial().sendConnect("c");
    broker.settle();
  }
  broker.connect("c", 5, { username: "u" });
});

test("the embedding program's own connections meet none of these limits", () => {
  const broker = limited({
    connections: 1,
    connectionsPerAddress: 1,
    connectionsPerUser: 1,
    connectRate: 1,
    connectRatePerAddress: 1,
    flappingConnects: 1,
  });
  for (let i = 0; i < 3; i++) {
    broker.connect(`own${i}`, 5, { isTrusted: true, username: "u" });
    broker.connect("own", 5, { isTrusted: true, username: "u" });
  }
  broker.connect("c", 5, { username: "u" });
});

test("a flood of refusals is one line in ten seconds, which says how many there were", () => {
  const broker = limited({ connectRate: 1 });
  broker.connect("c");
  for (let i = 0; i < 50; i++) broker.dial().sendConnect(`c${i}`);
  broker.settle();
  assert.equal(broker.logged("limit-reached").length, 1);
  broker.advance(10_000);
  for (let i = 0; i < 2; i++) broker.dial().sendConnect(`c${i}`);
  broker.settle();
  assert.equal(broker.logged("limit-reached")[1]?.fields["unsaid"], 49);
});
