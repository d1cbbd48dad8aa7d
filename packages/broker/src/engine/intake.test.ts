import assert from "node:assert/strict";
import { test } from "node:test";
import { encodePacket } from "@sericite/protocol";
import { utf8 } from "../spelling.test-support.ts";
import { TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import { Answer } from "../testing/index.ts";

/** A broker on which a PUBLISH to "slow" takes a second to be permitted. */
function slowBroker(settings: object = {}): TestBroker {
  return new TestBroker({
    settings,
    hooks: ({ process }) => ({
      authorizePublish: (_client, { topicName, isWill }) =>
        topicName === "slow" && !isWill ? Answer.after(process, 1000, () => true) : true,
    }),
  });
}

test("while a connection is parked its acknowledgements pass, and nothing else does", () => {
  for (const version of VERSIONS) {
    const broker = slowBroker({ session: { inflightMaximum: 3 } });
    const client = broker.connect("c", version);
    client.subscribe("a", 2);
    const publisher = broker.connect("p");
    for (const [i, qos] of ([1, 2, 2, 1, 2] as const).entries())
      publisher.sendPublish("a", String(i), { qos, id: i + 1 });
    const [one, two, three] = client.takePublishes().map((message) => message.packetIdentifier!);
    client.sendPublish("slow", "x");
    broker.settle();
    client.sendAcknowledgement("puback", one!);
    client.sendPublish("b", "x", { qos: 1, id: 9 });
    client.send({ type: "pingreq" });
    client.sendAcknowledgement("pubrec", two!);
    client.sendAcknowledgement("pubrel", 77);
    client.sendAcknowledgement("pubrec", three!);
    client.sendAcknowledgement("pubcomp", two!);
    const passed = client.told().map((line) => line.split(" ").slice(0, 3).join(" "));
    assert.deepEqual(
      passed.toSorted(),
      ["PUBLISH a '3'", "PUBLISH a '4'", `PUBREL ${two}`, `PUBREL ${three}`].toSorted(),
    );
    broker.advance(1000);
    assert.deepEqual(
      client.told().map((line) => line.split(" ").slice(0, 2).join(" ")),
      ["PUBACK 9", "PINGRESP", "PUBCOMP 77"],
    );
  }
});

test("what is wrong behind a parked PUBLISH ends the connection after it has had its effect", () => {
  const broker = slowBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("#", 0);
  const client = broker.connect("c");
  client.sendPublish("slow", "1", { qos: 1 });
  client.sendPublish("b", "2", { qos: 1, id: 2 });
  client.sendHex("00 00");
  client.sendPublish("b", "never");
  broker.advance(500);
  assert.equal(client.isClosed, false);
  broker.advance(500);
  assert.deepEqual(client.told(), ["PUBACK 1", "PUBACK 2", "DISCONNECT 0x81", "CLOSED"]);
  assert.deepEqual(receiver.told(), ["PUBLISH slow '1' qos0", "PUBLISH b '2' qos0"]);
});

test("a packet of which a part came before the park and a part during it is whole", () => {
  const broker = slowBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("#", 0);
  const client = broker.connect("c", 4);
  const next = encodePacket(
    {
      type: "publish",
      topicName: "b",
      payload: utf8("whole"),
      qos: 0,
      dup: false,
      retain: false,
    },
    4,
  );
  client.sendPublish("slow", "x");
  client.sendBytes(next.slice(0, 4));
  broker.settle();
  for (let at = 4; at < next.length; at++) {
    client.sendBytes(next.slice(at, at + 1));
    broker.settle();
  }
  broker.advance(1000);
  assert.deepEqual(receiver.told(), ["PUBLISH slow 'x' qos0", "PUBLISH b 'whole' qos0"]);
});

test("several parks in a row keep the order, and end with the link if it ended in order", () => {
  const broker = slowBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("#", 0);
  const client = broker.connect("c", 4, {
    will: { topicName: "will", payload: utf8("never"), qos: 0, retain: false },
  });
  for (let i = 0; i < 3; i++) {
    client.sendPublish("slow", String(i));
    client.sendPublish("quick", String(i));
  }
  client.sendDisconnect();
  client.link.end();
  broker.advance(10_000);
  assert.deepEqual(
    receiver.told(),
    [0, 1, 2].flatMap((i) => [`PUBLISH slow '${i}' qos0`, `PUBLISH quick '${i}' qos0`]),
  );
  assert.equal(broker.engine.connections.size, 1, "the receiver's is left");
  assert.equal(broker.engine.counters.willsPublished, 0);
});

test("a burst that ends in DISCONNECT is handled to its end, though the client closed long before", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker({ settings: { limits: { packetsPerTurn: 3 } } });
    const receiver = broker.connect("r");
    receiver.subscribe("a", 0);
    const client = broker.connect("c", version, {
      will: { topicName: "will", payload: utf8("never"), qos: 0, retain: false },
    });
    for (let i = 0; i < 100; i++) client.sendPublish("a", String(i));
    client.sendDisconnect();
    client.link.end();
    broker.settle();
    assert.equal(receiver.takePublishes().length, 100);
    assert.equal(broker.engine.counters.willsPublished, 0);
    assert.equal(broker.engine.connections.size, 1, "the receiver's is left");
  }
});

test("a client that comes back at once does not lose the burst that it closed with", () => {
  const broker = new TestBroker({ settings: { limits: { packetsPerTurn: 3 } } });
  const receiver = broker.connect("r");
  receiver.subscribe("a", 0);
  const client = broker.connect("c", 4, {
    cleanStart: false,
    will: { topicName: "will", payload: utf8("never"), qos: 0, retain: false },
  });
  for (let i = 0; i < 100; i++) client.sendPublish("a", String(i));
  client.sendDisconnect();
  client.link.end();
  const again = broker.dial(4);
  again.sendConnect("c", { cleanStart: false });
  broker.settle();
  const payloads = receiver.takePublishes().map(({ payload }) => Number(Buffer.from(payload)));
  assert.deepEqual(
    payloads,
    Array.from({ length: payloads.length }, (_, i) => i),
  );
  assert.equal(again.told().length, 1);
  // Who comes first is for the network to say; a burst that was handled was handled whole.
  if (payloads.length === 100) assert.equal(broker.engine.counters.willsPublished, 0);
});

test("of SUBSCRIBEs and UNSUBSCRIBEs a twentieth of limits.packetsPerTurn is handled in a turn", () => {
  const broker = new TestBroker({ settings: { limits: { packetsPerTurn: 100 } } });
  const client = broker.connect("c", 4);
  const other = broker.connect("other", 4);
  const packets = Array.from({ length: 100 }, (_, i) => {
    const packetIdentifier = i + 1;
    const [topicFilter, qos] = ["a", 0] as const;
    return i % 2 === 0
      ? encodePacket(
          { type: "subscribe", packetIdentifier, subscriptions: [{ topicFilter, qos }] },
          4,
        )
      : encodePacket({ type: "unsubscribe", packetIdentifier, topicFilters: [topicFilter] }, 4);
  });
  const before = broker.engine.turn;
  client.sendBytes(Buffer.concat(packets));
  other.send({ type: "pingreq" });
  let flushes = 0;
  let flushesBefore = -1;
  const { onData } = client;
  client.onData = function (bytes, start, end) {
    flushes += 1;
    onData.call(client, bytes, start, end);
  };
  const otherOnData = other.onData;
  other.onData = function (bytes, start, end) {
    flushesBefore = flushes;
    otherOnData.call(other, bytes, start, end);
  };
  assert.equal(client.take().length, 100);
  assert.ok(flushesBefore >= 0 && flushesBefore <= 3, `${flushesBefore} of ${flushes} came before`);
  assert.ok(broker.engine.turn - before >= 20);
});

test("packets that take long are handled a few in a turn, in order, and none is lost", () => {
  const inTurn = new Map<number, number>();
  const broker: TestBroker = new TestBroker({
    hooks: ({ events: { clock } }) => ({
      authorizePublish: () => {
        clock.moveTo(clock.now() + 0.25);
        const { turn } = broker.engine;
        inTurn.set(turn, (inTurn.get(turn) ?? 0) + 1);
        return true;
      },
    }),
  });
  const receiver = broker.connect("receiver");
  receiver.subscribe("a");
  const slow = broker.connect("slow", 4);
  const bytes: Uint8Array[] = [];
  for (let i = 0; i < 160; i++) bytes.push(Uint8Array.of(0x30, 4, 0, 1, 0x61, i));
  slow.sendBytes(Buffer.concat(bytes));
  assert.deepEqual(
    receiver.takePublishes().map(({ payload }) => payload[0]),
    Array.from({ length: 160 }, (_, i) => i),
  );
  assert.ok(Math.max(...inTurn.values()) <= 32, [...inTurn.values()].join(" "));
});

test("a link that breaks takes what is held with it, and its Will is published", () => {
  const broker = slowBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("#", 0);
  const client = broker.connect("c", 4, {
    will: { topicName: "will", payload: utf8("gone"), qos: 0, retain: false },
  });
  client.sendPublish("slow", "never");
  client.sendPublish("quick", "never");
  broker.settle();
  client.drop();
  broker.advance(5000);
  assert.deepEqual(receiver.told(), ["PUBLISH will 'gone' qos0"]);
});

test("what a parked CONNECT brings along is intact when it is let in, however much is read meanwhile", () => {
  const broker = new TestBroker({
    authenticator: ({ process }) => ({
      authenticate: ({ clientId }) =>
        clientId === "c"
          ? Answer.after(process, 1000, () => ({ accepted: true }) as const)
          : { accepted: true },
    }),
  });
  const receiver = broker.connect("r");
  receiver.subscribe("#", 0);
  const client = broker.dial();
  client.sendConnect("c", {
    username: "user",
    will: {
      topicName: "will",
      payload: utf8("intact"),
      qos: 0,
      retain: false,
      properties: { correlationData: utf8("intact too"), contentType: "t" },
    },
  });
  client.sendPublish("behind", "intact as well");
  broker.settle();
  const other = broker.connect("other", 4);
  for (let i = 0; i < 100; i++) {
    other.sendPublish("noise/nobody", "#".repeat(5000));
    broker.settle();
  }
  receiver.take();
  broker.advance(1000);
  assert.deepEqual(client.told(), ["CONNACK 0x00"]);
  client.drop();
  const [behind, will] = receiver.takePublishes();
  assert.equal(Buffer.from(behind!.payload).toString(), "intact as well");
  assert.equal(Buffer.from(will!.payload).toString(), "intact");
  assert.equal(Buffer.from(will!.properties!.correlationData!).toString(), "intact too");
});

test("a client that sends much behind a park is held up, not cut off, and a flood of tiny packets costs little", () => {
  const broker = slowBroker();
  const client = broker.connect("c", 4);
  client.sendPublish("slow", "x");
  broker.settle();
  for (let i = 0; i < 50; i++) {
    client.sendBytes(Buffer.alloc(20_000, Uint8Array.of(0xc0, 0)));
    broker.settle();
  }
  assert.ok(client.link.unsentBytes > 500_000, `${client.link.unsentBytes}`);
  broker.advance(1000);
  assert.equal(client.told().length, 500_000);
});
