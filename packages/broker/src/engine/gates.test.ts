import assert from "node:assert/strict";
import { test } from "node:test";
import { PacketType } from "@sericite/protocol";
import type { ProtocolVersion } from "@sericite/protocol";
import { bytesOf } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { ConnectOptions, WireClient } from "../wire-client.test-support.ts";
import { LaggingBus, Chance } from "../testing/index.ts";
import type { StoreRecord } from "./records.ts";

const durable = (version: ProtocolVersion): ConnectOptions =>
  version === 5
    ? { cleanStart: false, properties: { sessionExpiryInterval: 1000 } }
    : { cleanStart: false };

/** A broker whose store takes records and makes nothing durable until `unstall`. */
interface Stalled {
  readonly broker: TestBroker;
  readonly client: WireClient;
  /** The store goes on; gives what the client is told then. */
  readonly release: () => string[];
}

function stalled(
  version: ProtocolVersion,
  prepare: (client: WireClient, broker: TestBroker) => void = () => {},
): Stalled {
  const broker = new TestBroker({ durable: true, settings: { mqtt: { retryInterval: 0 } } });
  const client = broker.connect("c", version, durable(version));
  prepare(client, broker);
  client.take();
  broker.store.stall();
  return {
    broker,
    client,
    release: () => {
      broker.store.unstall();
      return client.told();
    },
  };
}

/** Types of the records that are kept. */
function kept(broker: TestBroker): string[] {
  return broker.store.medium.kept
    .map(({ record }) => record.type)
    .filter((type) => type !== "time-mark");
}

for (const version of VERSIONS) {
  const name = NAME_OF_VERSION[version];

  test(`[MQTT3-3.2.0-1] [MQTT5-3.2.0-1] ${name}: CONNACK of a durable session waits for its record, and nothing at all leaves before it`, () => {
    const broker = new TestBroker({ durable: true });
    broker.store.stall();
    const client = broker.dial(version);
    client.sendConnect("c", durable(version));
    client.sendSubscribe([["a", 2]]);
    client.sendPublish("b", "x", { qos: 1, id: 5 });
    client.send({ type: "pingreq" });
    broker.connect("p", 5).sendPublish("a", "x");
    assert.deepEqual(client.told(), []);
    broker.advance(60_000);
    assert.deepEqual(client.told(), []);
    broker.store.unstall();
    const lines = client.told();
    assert.equal(lines[0], "CONNACK 0x00");
    assert.deepEqual(
      lines.toSorted(),
      [
        "CONNACK 0x00",
        "SUBACK 1 [2]",
        version === 5 ? "PUBACK 5 0x10" : "PUBACK 5",
        "PINGRESP",
        "PUBLISH a 'x' qos0",
      ].toSorted(),
    );
    assert.equal(kept(broker)[0], "session-begin");
  });

  test(`${name}: CONNACK of a session that ends with its connection waits for nothing`, () => {
    const broker = new TestBroker({ durable: true });
    broker.store.stall();
    broker.connect("c", version, { cleanStart: true });
  });

  test(`${name}: a clean start over a stored session waits until its end is kept`, () => {
    const broker = new TestBroker({ durable: true });
    broker.connect("c", version, durable(version)).leave();
    broker.store.stall();
    const client = broker.dial(version);
    client.sendConnect("c", { ...durable(version), cleanStart: true });
    assert.deepEqual(client.told(), []);
    broker.store.unstall();
    assert.deepEqual(client.told(), ["CONNACK 0x00"]);
    assert.ok(kept(broker).includes("session-end"));
  });

  test(`${name}: so does a second clean start, though there is nothing left to end`, () => {
    const broker = new TestBroker({ durable: true });
    broker.connect("c", version, durable(version)).leave();
    broker.store.stall();
    const first = broker.dial(version);
    first.sendConnect("c", { cleanStart: true });
    assert.deepEqual(first.told(), []);
    first.leave();
    const second = broker.dial(version);
    second.sendConnect("c", { cleanStart: true });
    assert.deepEqual(second.told(), []);
    broker.store.unstall();
    assert.deepEqual(second.told(), ["CONNACK 0x00"]);
  });

  test(`[MQTT5-4.3.2-4] ${name}: PUBACK waits until a durable session's message is kept`, () => {
    const { broker, client, release } = stalled(version, (_client, self) => {
      self.connect("r", 5, durable(5)).subscribe("a", 1);
    });
    client.sendPublish("a", "x", { qos: 1, id: 7 });
    assert.deepEqual(client.told(), []);
    assert.equal(kept(broker).includes("enqueue"), false);
    assert.deepEqual(release(), ["PUBACK 7"]);
    assert.deepEqual(
      kept(broker).filter((type) => type === "message" || type === "enqueue"),
      ["message", "enqueue"],
    );
  });

  test(`${name}: PUBACK waits until a retained message is kept, and until its removal is`, () => {
    const { broker, client, release } = stalled(version);
    client.sendPublish("a", "x", { qos: 1, id: 7, retain: true });
    assert.deepEqual(client.told(), []);
    const code = version === 5 ? " 0x10" : "";
    assert.deepEqual(release(), [`PUBACK 7${code}`]);
    assert.ok(kept(broker).includes("retained"));
    broker.store.stall();
    client.sendPublish("a", "", { qos: 1, id: 8, retain: true });
    assert.deepEqual(client.told(), []);
    assert.deepEqual(release(), [`PUBACK 8${code}`]);
    assert.ok(kept(broker).includes("retained-clear"));
  });

  test(`${name}: PUBACK of a message that nobody keeps waits for nothing`, () => {
    const { broker, client } = stalled(version, (_client, self) => {
      self.connect("r", 5).subscribe("a", 1);
      self.connect("qos0", 5, durable(5)).subscribe("a", 0);
    });
    client.sendPublish("a", "x", { qos: 1, id: 7 });
    assert.deepEqual(client.told(), ["PUBACK 7"]);
    assert.equal(
      broker.store.records.some(({ record }) => record.type === "enqueue"),
      false,
    );
  });

  test(`[MQTT5-4.3.3-8] ${name}: PUBREC waits until the message and its Packet Identifier are kept`, () => {
    for (const isRouted of [true, false]) {
      const { broker, client, release } = stalled(version, (_client, self) => {
        if (isRouted) self.connect("r", 5, durable(5)).subscribe("a", 2);
      });
      client.sendPublish("a", "x", { qos: 2, id: 7 });
      assert.deepEqual(client.told(), []);
      assert.deepEqual(release(), [version === 5 && !isRouted ? "PUBREC 7 0x10" : "PUBREC 7"]);
      assert.ok(kept(broker).includes("inbound-begin"));
      assert.equal(kept(broker).includes("enqueue"), isRouted);
    }
  });

  test(`[MQTT5-4.3.3-10] ${name}: the PUBREC of a repeat waits for the same`, () => {
    const { client, release } = stalled(version);
    client.sendPublish("a", "x", { qos: 2, id: 7 });
    client.sendPublish("a", "x", { qos: 2, id: 7, dup: true });
    assert.deepEqual(client.told(), []);
    assert.equal(release().length, 2);
  });

  test(`[MQTT5-4.3.3-11] ${name}: PUBCOMP waits until the end of the Packet Identifier is kept`, () => {
    const { broker, client, release } = stalled(version, (self) => {
      self.sendPublish("a", "x", { qos: 2, id: 7 });
    });
    client.sendAcknowledgement("pubrel", 7);
    assert.deepEqual(client.told(), []);
    // A repeat of it promises the same.
    client.sendAcknowledgement("pubrel", 7);
    assert.deepEqual(client.told(), []);
    assert.deepEqual(release(), ["PUBCOMP 7", version === 5 ? "PUBCOMP 7 0x92" : "PUBCOMP 7"]);
    assert.ok(kept(broker).includes("inbound-end"));
  });

  test(`[MQTT5-4.3.3-4] ${name}: PUBREL waits until it is kept that the client has the message`, () => {
    const { broker, client, release } = stalled(version, (self, on) => {
      self.subscribe("a", 2);
      on.connect("p", 5).sendPublish("a", "x", { qos: 2 });
      const packet = self.take().find((one) => one.type === "publish");
      identifier = packet!.packetIdentifier!;
    });
    client.sendAcknowledgement("pubrec", identifier);
    assert.deepEqual(client.told(), []);
    client.sendAcknowledgement("pubrec", identifier);
    assert.deepEqual(client.told(), []);
    assert.deepEqual(release(), [`PUBREL ${identifier}`, `PUBREL ${identifier}`]);
    assert.ok(kept(broker).includes("received"));
  });

  test(`[MQTT3-3.8.4-1] [MQTT5-3.8.4-1] ${name}: SUBACK and UNSUBACK wait until the change is kept`, () => {
    const { broker, client, release } = stalled(version);
    client.sendSubscribe([
      ["a", 1],
      ["b", 1],
    ]);
    assert.deepEqual(client.told(), []);
    assert.deepEqual(release(), ["SUBACK 1 [1 1]"]);
    assert.equal(kept(broker).filter((type) => type === "subscribe").length, 2);
    broker.store.stall();
    client.sendUnsubscribe(["a"]);
    assert.deepEqual(client.told(), []);
    assert.deepEqual(release(), [version === 5 ? "UNSUBACK 2 [0]" : "UNSUBACK 2"]);
    assert.ok(kept(broker).includes("unsubscribe"));
    broker.store.stall();
    client.sendUnsubscribe(["a"]);
    assert.equal(client.told().length, 1, "nothing changed, nothing to wait for");
  });

  test(`${name}: PINGRESP passes the line, all else stays in order behind what waits`, () => {
    const { client, release } = stalled(version, (_client, self) => {
      self.connect("r", 5, durable(5)).subscribe("kept", 1);
    });
    client.sendPublish("kept", "x", { qos: 1, id: 1 });
    client.sendPublish("unkept", "x", { qos: 1, id: 2 });
    client.send({ type: "pingreq" });
    client.sendSubscribe([["x", 0]], undefined, 3);
    client.sendPublish("kept", "x", { qos: 1, id: 4 });
    assert.deepEqual(client.told(), ["PINGRESP"]);
    assert.deepEqual(
      release().map((line) => line.split(" ").slice(0, 2).join(" ")),
      ["PUBACK 1", "PUBACK 2", "SUBACK 3", "PUBACK 4"],
    );
  });

  test(`${name}: a QoS 2 delivery to a durable session waits until it is kept; QoS 0 and 1 do not`, () => {
    const { broker, client } = stalled(version, (self) => self.subscribe("#", 2));
    const publisher = broker.connect("p", 5);
    publisher.sendPublish("a", "1", { qos: 1, id: 1 });
    publisher.sendPublish("a", "0");
    publisher.sendPublish("a", "2", { qos: 2, id: 2 });
    publisher.sendPublish("a", "behind", { qos: 1, id: 3 });
    const payloads = (): string[] =>
      client.takePublishes().map(({ payload }) => Buffer.from(payload).toString());
    assert.deepEqual(payloads(), ["1", "0"]);
    broker.store.unstall();
    assert.deepEqual(payloads(), ["2", "behind"]);
  });

  test(`${name}: takeover drops the line; the answer to a repeat waits for the newest position`, () => {
    const { broker, client } = stalled(version, (_client, self) => {
      self.connect("r", 5, durable(5)).subscribe("a", 2);
    });
    client.sendPublish("a", "x", { qos: 2, id: 7 });
    broker.settle();
    const again = broker.dial(version);
    again.sendConnect("c", durable(version));
    again.sendPublish("a", "x", { qos: 2, id: 7, dup: true });
    assert.deepEqual(again.told(), []);
    assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x8e", "CLOSED"] : ["CLOSED"]);
    broker.store.unstall();
    assert.deepEqual(again.told(), [
      version === 3 ? "CONNACK 0x00" : "CONNACK 0x00 present",
      "PUBREC 7",
    ]);
    assert.deepEqual(client.told(), []);
    assert.equal(broker.engine.waiting.size, 0);
  });
}

let identifier = 0;

test("a connection that ends with acknowledgements in line leaves nothing behind", () => {
  const { broker, client } = stalled(4);
  client.sendPublish("a", "x", { qos: 2, id: 7, retain: true });
  broker.settle();
  assert.equal(broker.engine.waiting.size, 1);
  client.drop();
  assert.equal(broker.engine.waiting.size, 0);
  broker.store.unstall();
  broker.settle();
  assert.equal(broker.engine.connections.size, 0);
});

test("a connection that is closed while its CONNACK waits is told nothing", () => {
  const broker = new TestBroker({ durable: true });
  broker.store.stall();
  const client = broker.dial(5);
  client.sendConnect("c", durable(5));
  broker.settle();
  broker.engine.sessions.get("c")!.connection!.close(0x98, "administrator");
  assert.deepEqual(client.told(), ["CLOSED"]);
  broker.store.unstall();
  assert.deepEqual(client.told(), []);
});

test("an acknowledgement waits for the bus as well as for the store", () => {
  let bus: LaggingBus | undefined;
  const broker = new TestBroker({
    durable: true,
    bus: (process) => (bus = new LaggingBus(process, Chance.ofSeed(1), 0)),
  });
  const client = broker.connect("c", 4);
  const [connection] = broker.engine.connections;
  const { engine } = broker;
  engine.enter();
  const position = bus!.send({
    from: "here",
    to: "there",
    number: 1,
    event: { type: "filter", topicFilter: "a", isAdded: true },
  });
  let durable = 0;
  Object.defineProperty(bus, "durable", { get: () => durable });
  connection!.sender.acknowledge(PacketType.puback, 1, 0, 0, position);
  connection!.sender.acknowledge(PacketType.puback, 2, 0, 0, 0);
  assert.deepEqual(client.told(), []);
  durable = position;
  bus!.onDurable!();
  assert.deepEqual(client.told(), ["PUBACK 1", "PUBACK 2"]);
});

test("what is appended in one turn is one batch", () => {
  const broker = new TestBroker({ durable: true });
  const receivers = [1, 2, 3].map((i) => broker.connect(`r${i}`, 5, durable(5)));
  for (const receiver of receivers) receiver.subscribe("a", 1);
  const before = broker.store.records.length;
  broker.connect("p", 4).sendPublish("a", "x", { qos: 1, retain: true });
  broker.settle();
  const records = broker.store.records.slice(before);
  assert.equal(new Set(records.map(({ position }) => position)).size, 1);
  const count = (type: StoreRecord["type"]): number =>
    records.filter(({ record }) => record.type === type).length;
  assert.deepEqual([count("message"), count("enqueue"), count("retained")], [1, 3, 1]);
});

test("what is settled is recorded, for QoS 1, QoS 2, refused, expired and dropped messages", () => {
  const broker = new TestBroker({ durable: true });
  const client = broker.connect("c", 5, durable(5));
  client.subscribe("a", 2);
  const publisher = broker.connect("p");
  const [one, two, refused] = ([1, 2, 2] as const).map((qos, i) => {
    publisher.sendPublish("a", "x", { qos, id: i + 1 });
    return client.takePublishes()[0]!.packetIdentifier!;
  });
  client.sendAcknowledgement("puback", one!);
  client.sendAcknowledgement("pubrec", two!);
  client.sendAcknowledgement("pubcomp", two!);
  client.sendAcknowledgement("pubrec", refused!, 0x80);
  broker.settle();
  client.leave();
  publisher.sendPublish("a", "x", { qos: 1, id: 4, properties: { messageExpiryInterval: 1 } });
  broker.advance(2000);
  broker.connect("c", 5, durable(5));
  broker.settle();
  const settled = broker.store.records.flatMap(({ record }) =>
    record.type === "settled" ? [record.sequence] : [],
  );
  assert.deepEqual(settled, [0, 1, 2, 3]);
  const state = broker.store.medium.state();
  assert.equal(state.queue(broker.engine.sessions.get("c")!.key).length, 0);
});

// --- a slow store

test("a slow store holds publishers after the PUBLISH that found it slow, and lets them go when it is well", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker({ durable: true });
    const receiver = broker.connect("r");
    receiver.subscribe("a");
    const client = broker.connect("c", version);
    broker.store.enter("slow");
    broker.settle();
    client.sendPublish("a", "1", { qos: 1, id: 1 });
    client.sendPublish("a", "2", { qos: 1, id: 2 });
    client.send({ type: "pingreq" });
    assert.deepEqual(receiver.told(), ["PUBLISH a '1' qos0"]);
    assert.deepEqual(client.told(), ["PUBACK 1"]);
    broker.advance(30_000);
    broker.store.enter("ok");
    assert.deepEqual(receiver.told(), ["PUBLISH a '2' qos0"]);
    assert.deepEqual(client.told(), ["PUBACK 2", "PINGRESP"]);
  }
});

test("acknowledgements of a held publisher pass: what everybody waits for may wait for them", () => {
  const broker = new TestBroker({ durable: true });
  const client = broker.connect("c", 5, { properties: { receiveMaximum: 1 } });
  client.subscribe("a", 1);
  const publisher = broker.connect("p");
  for (let i = 1; i <= 3; i++) publisher.sendPublish("a", String(i), { qos: 1, id: i });
  const [first] = client.takePublishes();
  broker.store.enter("slow");
  client.sendPublish("b", "x");
  broker.settle();
  client.sendPublish("b", "held");
  client.sendAcknowledgement("puback", first!.packetIdentifier!);
  const [second] = client.takePublishes();
  assert.equal(Buffer.from(second!.payload).toString(), "2");
  assert.equal(broker.engine.counters.publishReceived, 4);
});

test("a publisher is held for limits.holdTimeout at most: 0x97", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker({
      durable: true,
      settings: { limits: { holdTimeout: 5000 } },
    });
    const client = broker.connect("c", version);
    broker.store.enter("slow");
    client.sendPublish("a", "x");
    broker.advance(4999);
    assert.equal(client.isClosed, false);
    broker.advance(1);
    assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x97", "CLOSED"] : ["CLOSED"]);
  }
});

test("a slow store holds nobody who does not publish", () => {
  const broker = new TestBroker({ durable: true });
  broker.store.enter("slow");
  broker.settle();
  const client = broker.connect("c", 4, { cleanStart: false });
  client.subscribe("a", 1);
  client.send({ type: "pingreq" });
  assert.deepEqual(client.told(), ["PINGRESP"]);
});

// --- a store that refuses

test("a refusing store: durable messages are refused before any effect, 0x97; 3.x is closed without an acknowledgement", () => {
  for (const version of VERSIONS) {
    for (const qos of [1, 2] as const) {
      const broker = new TestBroker({ durable: true });
      const receiver = broker.connect("r", 5, durable(5));
      receiver.subscribe("a", 2);
      const bystander = broker.connect("b", 5);
      bystander.subscribe("a", 2);
      broker.store.enter("refusing");
      broker.settle();
      const client = broker.connect("c", version);
      client.sendPublish("a", "x", { qos, id: 7 });
      assert.deepEqual(
        client.told(),
        version === 5 ? [`${qos === 1 ? "PUBACK" : "PUBREC"} 7 0x97`] : ["CLOSED"],
      );
      assert.deepEqual(receiver.told(), []);
      assert.deepEqual(bystander.told(), [], "before any effect");
      assert.equal(broker.engine.drops["store-refusing"], 1);
    }
  }
});

test("a refusing store: retained messages are refused at every QoS; all that is not kept goes on", () => {
  const broker = new TestBroker({ durable: true });
  const receiver = broker.connect("r");
  receiver.subscribe("#", 2);
  broker.store.enter("refusing");
  broker.settle();
  const client = broker.connect("c");
  client.sendPublish("a", "x", { retain: true });
  client.sendPublish("a", "x", { retain: true, qos: 1, id: 1 });
  assert.deepEqual(client.told(), ["PUBACK 1 0x97"]);
  assert.deepEqual(receiver.told(), []);
  assert.equal(broker.engine.retained.count, 0);
  client.sendPublish("a", "0");
  client.sendPublish("a", "1", { qos: 1, id: 1 });
  client.sendPublish("a", "2", { qos: 2, id: 2 });
  assert.deepEqual(client.told(), ["PUBACK 1", "PUBREC 2"]);
  assert.equal(receiver.takePublishes().length, 3);
});

test("a refusing store: no durable session begins or is resumed, and nobody loses a connection or a session by trying", () => {
  const broker = new TestBroker({ durable: true });
  const owner = broker.connect("c", 5, durable(5));
  const away = broker.connect("away", 5, durable(5));
  away.leave();
  broker.store.enter("refusing");
  broker.settle();
  for (const version of VERSIONS) {
    const told = version === 5 ? ["CONNACK 0x97", "CLOSED"] : ["CONNACK 0x03", "CLOSED"];
    for (const clientId of ["c", "away", "new"]) {
      for (const cleanStart of version === 5 ? [true, false] : [false]) {
        const client = broker.dial(version);
        client.sendConnect(clientId, { ...durable(version), cleanStart });
        assert.deepEqual(client.told(), told, `${version} ${clientId}`);
      }
    }
    broker.connect(`passing${version}`, version);
  }
  assert.equal(owner.isClosed, false);
  assert.ok(broker.engine.sessions.get("c")!.connection !== undefined);
  assert.ok(broker.engine.sessions.get("away") !== undefined);
  broker.store.enter("ok");
  broker.settle();
  assert.equal(broker.connect("away", 5, durable(5)).connack!.sessionPresent, true);
});

test("a full store: no durable message is taken, delayed ones neither, and clients come and make room", () => {
  const broker = new TestBroker({ durable: true });
  const away = broker.connect("away", 5, durable(5));
  away.subscribe("a", 1);
  away.leave();
  const publisher = broker.connect("p");
  publisher.sendPublish("a", "1", { qos: 1, id: 1 });
  assert.deepEqual(publisher.told(), ["PUBACK 1"]);
  broker.store.enter("full");
  broker.settle();
  publisher.sendPublish("a", "2", { qos: 1, id: 2 });
  publisher.sendPublish("$delayed/5/b", "3", { qos: 1, id: 3 });
  publisher.sendPublish("b", "4", { qos: 1, id: 4 });
  assert.deepEqual(publisher.told(), ["PUBACK 2 0x97", "PUBACK 3 0x97", "PUBACK 4 0x10"]);
  const back = broker.connect("away", 5, durable(5));
  const [message] = back.takePublishes();
  assert.equal(Buffer.from(message!.payload).toString(), "1");
  back.sendAcknowledgement("puback", message!.packetIdentifier!);
  back.subscribe("c", 1);
  assert.deepEqual(broker.store.medium.state().queue(broker.engine.sessions.get("away")!.key), []);
  assert.equal(broker.connect("new", 5, durable(5)).connack!.sessionPresent, false);
});

test("a refusing store: subscriptions of durable sessions are refused, those of others are not", () => {
  const broker = new TestBroker({ durable: true });
  const clients = ([5, 4] as const).map((version) =>
    broker.connect(`c${version}`, version, durable(version)),
  );
  broker.store.enter("refusing");
  broker.settle();
  for (const [i, line] of ["SUBACK 1 [0x97]", "SUBACK 1 [0x80]"].entries()) {
    clients[i]!.sendSubscribe([["a", 0]]);
    assert.deepEqual(clients[i]!.told(), [line]);
  }
  broker.connect("passing").subscribe("a");
  broker.store.enter("ok");
  broker.settle();
  clients[0]!.sendSubscribe([["a", 0]]);
  assert.deepEqual(clients[0]!.told(), ["SUBACK 2 [0]"]);
});

test("what waited while the store refused is acknowledged when it is well again", () => {
  const broker = new TestBroker({ durable: true });
  const client = broker.connect("c", 4, durable(4));
  broker.store.stall();
  client.sendPublish("a", "x", { qos: 2, id: 1 });
  broker.settle();
  broker.store.enter("refusing");
  broker.advance(60_000);
  assert.deepEqual(client.told(), []);
  broker.store.enter("ok");
  assert.deepEqual(client.told(), ["PUBREC 1"]);
});

test("what waits in line for a store that stands still is bounded: nobody has more than 65 535 unanswered messages", () => {
  const broker = new TestBroker({ durable: true });
  const client = broker.connect("c", 4);
  broker.store.stall();
  const packet = bytesOf("33 06 0001'a' 0001 'x'");
  const block = Buffer.concat(Array.from({ length: 5000 }, () => packet));
  for (let sent = 0; sent < 65_000; sent += 5000) client.sendBytes(block);
  assert.deepEqual(client.told(), []);
  client.sendBytes(block);
  assert.deepEqual(client.told(), ["CLOSED"]);
  assert.equal(broker.engine.waiting.size, 0);
});
