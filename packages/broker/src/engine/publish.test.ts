import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "@sericite/protocol";
import { hexOf, utf8 } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";

const QOS: readonly QoS[] = [0, 1, 2];

// --- answers

for (const version of VERSIONS) {
  const name = NAME_OF_VERSION[version];
  const unmatched = version === 5 ? " 0x10" : "";

  test(`[MQTT3-3.3.4-1] [MQTT5-3.3.4-1] [MQTT5-2.2.1-5] [MQTT3-2.3.1-6] ${name}: nothing answers QoS 0, PUBACK QoS 1, PUBREC and PUBCOMP QoS 2`, () => {
    const broker = new TestBroker();
    const receiver = broker.connect("receiver");
    receiver.subscribe("a");
    const client = broker.connect("c", version);
    client.sendPublish("a", "x");
    assert.deepEqual(client.told(), []);
    client.sendPublish("a", "x", { qos: 1, id: 65_535 });
    assert.deepEqual(client.told(), ["PUBACK 65535"]);
    client.sendPublish("a", "x", { qos: 2, id: 7 });
    assert.deepEqual(client.told(), ["PUBREC 7"]);
    client.sendAcknowledgement("pubrel", 7);
    assert.deepEqual(client.told(), ["PUBCOMP 7"]);
    assert.equal(receiver.takePublishes().length, 3);
  });

  test(`[X-10] ${name}: ${version === 5 ? "0x10 tells that nobody subscribed" : "nobody is told that nobody subscribed"}`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.sendPublish("a", "x", { qos: 1, id: 1 });
    client.sendPublish("a", "x", { qos: 2, id: 2 });
    assert.deepEqual(client.told(), [`PUBACK 1${unmatched}`, `PUBREC 2${unmatched}`]);
    assert.equal(broker.engine.counters.messagesUnmatched, 2);
  });

  test(`[MQTT3-4.3.3-2] [MQTT5-4.3.3-10] [MQTT5-4.3.3-11] [MQTT5-4.3.3-12] ${name}: a QoS 2 message is routed once, however often it is repeated before its PUBREL`, () => {
    const broker = new TestBroker();
    const receiver = broker.connect("receiver", 4);
    receiver.subscribe("a", 0);
    const client = broker.connect("c", version);
    client.sendPublish("a", "first", { qos: 2, id: 7 });
    client.sendPublish("a", "first", { qos: 2, id: 7, dup: true });
    client.sendPublish("a", "first", { qos: 2, id: 7 });
    assert.deepEqual(client.told(), ["PUBREC 7", "PUBREC 7", "PUBREC 7"]);
    client.sendAcknowledgement("pubrel", 7);
    client.sendAcknowledgement("pubrel", 7);
    assert.deepEqual(client.told(), ["PUBCOMP 7", version === 5 ? "PUBCOMP 7 0x92" : "PUBCOMP 7"]);
    // Whatever its DUP, it is a new message now.
    client.sendPublish("a", "second", { qos: 2, id: 7, dup: true });
    assert.deepEqual(client.told(), ["PUBREC 7"]);
    assert.deepEqual(receiver.told(), ["PUBLISH a 'first' qos0", "PUBLISH a 'second' qos0"]);
  });

  test(`[MQTT3-4.3.2-2] [MQTT5-4.3.2-4] [MQTT5-4.3.2-5] ${name}: a QoS 1 message with an identifier used before is new, whatever its DUP`, () => {
    const broker = new TestBroker();
    const receiver = broker.connect("receiver", 4);
    receiver.subscribe("a", 0);
    const client = broker.connect("c", version);
    client.sendPublish("a", "1", { qos: 1, id: 7 });
    client.sendPublish("a", "2", { qos: 1, id: 7, dup: true });
    assert.deepEqual(client.told(), ["PUBACK 7", "PUBACK 7"]);
    assert.equal(receiver.takePublishes().length, 2);
  });
}

test("[MQTT3-4.6.0-2] [MQTT3-4.6.0-3] [MQTT3-4.6.0-4] acknowledgements leave in the order of what they answer", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 4);
  for (let id = 1; id <= 20; id++) client.sendPublish("a", "x", { qos: id % 2 === 0 ? 1 : 2, id });
  const order = client
    .take()
    .map((packet) => "packetIdentifier" in packet && packet.packetIdentifier);
  assert.deepEqual(
    order,
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
});

// --- what the receiver gets

for (const published of QOS) {
  for (const granted of QOS) {
    test(`[MQTT3-3.8.4-6] [MQTT5-3.8.4-8] published with QoS ${published} and granted ${granted}, a message arrives with the lower one`, () => {
      for (const from of VERSIONS) {
        for (const to of VERSIONS) {
          const broker = new TestBroker();
          const receiver = broker.connect("receiver", to);
          receiver.subscribe("a/+", granted);
          broker.connect("c", from).sendPublish("a/b", "x", { qos: published, id: 9 });
          const [message] = receiver.takePublishes();
          assert.equal(message!.qos, Math.min(published, granted), `${from} to ${to}`);
          assert.equal(message!.packetIdentifier === undefined, message!.qos === 0); // [MQTT5-2.2.1-2] [MQTT3-2.3.1-5]
          assert.equal(message!.dup, false);
          assert.equal(Buffer.from(message!.payload).toString(), "x");
        }
      }
    });
  }
}

test("[MQTT3-3.3.1-3] [MQTT5-3.3.1-3] [MQTT5-4.3.2-2] [MQTT5-4.3.3-2] DUP is the hop's own: it is not handed on", () => {
  for (const version of VERSIONS) {
    for (const qos of [1, 2] as const) {
      const broker = new TestBroker();
      const receiver = broker.connect("receiver", version);
      receiver.subscribe("a", qos);
      broker.connect("c", version).sendPublish("a", "x", { qos, id: 5, dup: true });
      assert.equal(receiver.takePublishes()[0]!.dup, false);
    }
  }
});

test("[MQTT5-3.3.2-4] [MQTT5-3.3.2-15] [MQTT5-3.3.2-16] [MQTT5-3.3.2-17] [MQTT5-3.3.2-18] [MQTT5-3.3.2-20] properties reach a 5.0 receiver unchanged and in order", () => {
  const properties = {
    payloadFormatIndicator: 1,
    contentType: "text/plain",
    responseTopic: "reply/é",
    correlationData: Buffer.from([0, 1, 255]),
    userProperties: [
      ["b", "1"],
      ["a", "2"],
      ["b", "1"],
      ["", ""],
    ],
  } as const;
  for (const qos of QOS) {
    const broker = new TestBroker();
    const receiver = broker.connect("receiver");
    receiver.subscribe("a", qos);
    const old = broker.connect("old", 4);
    old.subscribe("a", qos);
    broker.connect("c").sendPublish("a", "x", { qos: 2, properties });
    const [message] = receiver.takePublishes();
    const { correlationData, ...rest } = message!.properties!;
    assert.equal(hexOf(correlationData!), "00 01 ff");
    const { correlationData: _, ...expected } = properties;
    assert.deepEqual(rest, expected);
    assert.deepEqual(old.takePublishes()[0]!.properties, undefined);
  }
});

for (const [what, topicName, payload] of [
  ["an empty payload", "a", new Uint8Array(0)],
  ["a byte", "a", Uint8Array.of(0)],
  ["all bytes", "a", Uint8Array.from({ length: 256 }, (_, i) => i)],
  ["more than a slab", "a", new Uint8Array(300 * 1024).fill(7)],
  ["a Topic Name beyond ASCII", "caf\u00e9/\u6e29\u5ea6/\ud83d\ude00", utf8("x")],
  ["a Topic Name that begins with U+FEFF [MQTT5-1.5.4-3] [MQTT3-1.5.3-3]", "\ufeffa", utf8("x")],
  ["spaces and empty levels [X-76]", "/ a //b/", utf8("x")],
  ["a Topic Name of 65 535 bytes", "t".repeat(65_535), utf8("x")],
] as const) {
  test(`${what} arrives as it was sent, in every version and QoS`, () => {
    for (const from of VERSIONS) {
      for (const to of VERSIONS) {
        for (const qos of QOS) {
          const broker = new TestBroker();
          const receiver = broker.connect("receiver", to);
          receiver.subscribe("#", 2);
          broker.connect("c", from).sendPublish(topicName, payload, { qos });
          const [message, ...others] = receiver.takePublishes();
          assert.deepEqual(others, []);
          assert.equal(message!.topicName, topicName);
          assert.ok(Buffer.from(message!.payload).equals(payload), `${from} to ${to} at ${qos}`);
        }
      }
    }
  });
}

test("[MQTT3-4.6.0-6] [MQTT5-4.6.0-5] [MQTT5-4.6.0-6] messages of a topic arrive in the order in which they came in, whatever their QoS", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("receiver", 5);
  receiver.subscribe("a", 2);
  const client = broker.connect("c", 4);
  for (let i = 1; i <= 300; i++) client.sendPublish("a", String(i), { qos: (i % 3) as QoS, id: i });
  const order = receiver.takePublishes().map((message) => Number(Buffer.from(message.payload)));
  assert.deepEqual(
    order,
    Array.from({ length: 300 }, (_, i) => i + 1),
  );
});

test("[MQTT5-2.2.1-4] [MQTT5-4.3.2-1] [MQTT5-4.3.3-1] [MQTT3-2.3.1-4] messages in flight to one client have identifiers of their own, also after 65 535", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("receiver", 4);
  receiver.subscribe("slow", 1);
  receiver.subscribe("quick", 1);
  const client = broker.connect("c", 4);
  client.sendPublish("slow", "x", { qos: 1 });
  const [slow] = receiver.takePublishes();
  // One message stays unacknowledged while the numbers go round.
  const chunk = 500;
  const inFlight = new Set([slow!.packetIdentifier]);
  for (let sent = 0; sent < 70_000; sent += chunk) {
    for (let i = 0; i < chunk; i++) client.sendPublish("quick", "", { qos: 1, id: i + 1 });
    for (const { packetIdentifier } of receiver.takePublishes()) {
      assert.equal(inFlight.has(packetIdentifier), false);
      assert.notEqual(packetIdentifier, 0);
      inFlight.add(packetIdentifier);
    }
    for (const identifier of inFlight) {
      if (identifier === slow!.packetIdentifier) continue;
      receiver.sendAcknowledgement("puback", identifier!);
      inFlight.delete(identifier);
    }
    client.take();
  }
});

// --- Topic Names

test("[MQTT3-3.3.2-2] [MQTT5-3.3.2-2] [MQTT3-4.7.1-1] [MQTT5-4.7.0-1] a Topic Name with a wildcard ends the connection", () => {
  for (const version of VERSIONS) {
    for (const spelled of ["'a/#'", "'+/a'", "'a+b'"]) {
      const broker = new TestBroker();
      const client = broker.connect("c", version);
      client.sendHex(version === 5 ? `30 07 0003${spelled} 00 'x'` : `30 06 0003${spelled} 'x'`);
      assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x90", "CLOSED"] : ["CLOSED"]);
    }
  }
});

test("limits.topicLevels bounds Topic Names: 0x90, 3.x is closed", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker({ settings: { limits: { topicLevels: 3 } } });
    const client = broker.connect("c", version);
    client.sendPublish("a/b/c", "x", { qos: 1 });
    assert.equal(client.told().length, 1);
    client.sendPublish("a/b/c/", "x", { qos: 1 });
    assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x90", "CLOSED"] : ["CLOSED"]);
  }
});

test("[X-75] [X-107] clients do not exchange messages over $-topics: 5.0 is told, 3.x acknowledged in form", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker();
    const receiver = broker.connect("receiver");
    receiver.subscribe("$a/#", 2);
    receiver.subscribe("$SYS/#", 2);
    const client = broker.connect("c", version);
    client.sendPublish("$a/b", "x", { retain: true });
    client.sendPublish("$SYS/b", "x", { qos: 1, id: 1 });
    client.sendPublish("$a/b", "x", { qos: 2, id: 2 });
    assert.deepEqual(
      client.told(),
      version === 5 ? ["PUBACK 1 0x87", "PUBREC 2 0x87"] : ["PUBACK 1", "PUBREC 2"],
    );
    assert.deepEqual(receiver.told(), []);
    assert.equal(broker.engine.retained.count, 0);
    assert.equal(broker.engine.drops["publish-denied"], 3);
  }
});

test("mqtt.allowDollarTopics opens $-topics, but never $SYS", () => {
  const broker = new TestBroker({ settings: { mqtt: { allowDollarTopics: true } } });
  const receiver = broker.connect("receiver");
  receiver.subscribe("$a/#");
  receiver.subscribe("$SYS/#");
  const client = broker.connect("c");
  client.sendPublish("$a/b", "x");
  client.sendPublish("$SYS/b", "x", { qos: 1 });
  assert.deepEqual(client.told(), ["PUBACK 1 0x87"]);
  assert.deepEqual(receiver.told(), ["PUBLISH $a/b 'x' qos0"]);
});

// --- Topic Alias of the client

const alias = (topicAlias: number) => ({ properties: { topicAlias } });

test("[MQTT5-3.3.2-12] [X-54] a Topic Alias stands for the Topic Name that set it last", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("receiver");
  receiver.subscribe("#", 2);
  const client = broker.connect("c");
  client.sendPublish("a", "1", { ...alias(1), qos: 1, id: 1 });
  client.sendPublish("", "2", alias(1));
  client.sendPublish("b", "3", alias(64));
  client.sendPublish("", "4", { ...alias(64), qos: 2, id: 2 });
  client.sendPublish("", "5", alias(1));
  client.sendPublish("c", "6", alias(1));
  client.sendPublish("", "7", { properties: { topicAlias: 1, contentType: "t" } });
  client.sendPublish("a", "8");
  assert.deepEqual(
    receiver.told().map((line) => line.replace(/ #\d+/, "")),
    [
      "PUBLISH a '1' qos1",
      "PUBLISH a '2' qos0",
      "PUBLISH b '3' qos0",
      "PUBLISH b '4' qos2",
      "PUBLISH a '5' qos0",
      "PUBLISH c '6' qos0",
      `PUBLISH c '7' qos0 {"contentType":"t"}`,
      "PUBLISH a '8' qos0",
    ],
  );
});

test("[MQTT5-3.3.2-7] Topic Aliases end with their connection", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: 60 } });
  client.sendPublish("a", "x", alias(1));
  client.leave();
  const again = broker.connect("c", 5, { cleanStart: false });
  again.sendPublish("", "x", alias(1));
  assert.deepEqual(again.told(), ["DISCONNECT 0x82", "CLOSED"]);
});

for (const [what, spelled, maximum, told] of [
  ["[MQTT5-3.3.2-8] [X-52] Topic Alias 0", "30 08 0001'a' 03 23 0000 'x'", 64, "DISCONNECT 0x94"],
  [
    "[MQTT5-3.3.2-9] [X-52] a Topic Alias above the maximum",
    "30 08 0001'a' 03 23 0041 'x'",
    64,
    "DISCONNECT 0x94",
  ],
  [
    "[X-27] a Topic Alias where none is allowed",
    "30 08 0001'a' 03 23 0001 'x'",
    0,
    "DISCONNECT 0x94",
  ],
  ["[X-53] a Topic Alias that was never set", "30 07 0000 03 23 0001 'x'", 64, "DISCONNECT 0x82"],
  ["[X-48] neither Topic Name nor Topic Alias", "30 04 0000 00 'x'", 64, "DISCONNECT 0x82"],
] as const) {
  test(`${what} ends the connection with ${told}`, () => {
    const broker = new TestBroker({ settings: { mqtt: { topicAliasMaximum: maximum } } });
    const client = broker.connect("c");
    client.sendHex(spelled);
    assert.deepEqual(client.told(), [told, "CLOSED"]);
  });
}

// --- what the broker does not offer

for (const [what, settings, options, told] of [
  ["[X-39] QoS 2 above mqtt.maximumQos", { maximumQos: 1 }, { qos: 2 }, "DISCONNECT 0x9b"],
  ["[X-39] QoS 1 above mqtt.maximumQos", { maximumQos: 0 }, { qos: 1 }, "DISCONNECT 0x9b"],
  [
    "[X-40] RETAIN where it is not offered",
    { retainAvailable: false },
    { retain: true },
    "DISCONNECT 0x9a",
  ],
] as const) {
  test(`${what} ends the connection: ${told}, 3.x is just closed`, () => {
    for (const version of VERSIONS) {
      const broker = new TestBroker({ settings: { mqtt: settings } });
      const receiver = broker.connect("receiver");
      receiver.subscribe("a");
      const client = broker.connect("c", version);
      client.sendPublish("a", "x", options);
      assert.deepEqual(client.told(), version === 5 ? [told, "CLOSED"] : ["CLOSED"]);
      assert.deepEqual(receiver.told(), []);
    }
  });
}

test("[MQTT5-3.2.2-10] a subscription above mqtt.maximumQos is taken, and granted what is offered", () => {
  const broker = new TestBroker({ settings: { mqtt: { maximumQos: 0 } } });
  const client = broker.connect("c");
  client.sendSubscribe([["a", 2]]);
  client.sendPublish("a", "x");
  assert.deepEqual(client.told(), ["SUBACK 1 [0]", "PUBLISH a 'x' qos0"]);
});

test("[X-49] mqtt.checkPayloadFormat refuses a payload that is marked as UTF-8 and is none", () => {
  const properties = { payloadFormatIndicator: 1 } as const;
  const broken = Uint8Array.of(0xff);
  const broker = new TestBroker({ settings: { mqtt: { checkPayloadFormat: true } } });
  const receiver = broker.connect("receiver");
  receiver.subscribe("a");
  const client = broker.connect("c");
  client.sendPublish("a", broken, { qos: 1, id: 1, properties });
  client.sendPublish("a", broken, { qos: 2, id: 2, properties });
  client.sendPublish("a", broken, { properties });
  assert.deepEqual(client.told(), ["PUBACK 1 0x99", "PUBREC 2 0x99"]);
  assert.deepEqual(receiver.told(), []);
  client.sendPublish("a", "é", { qos: 1, id: 1, properties });
  client.sendPublish("a", broken, { qos: 1, id: 3 });
  assert.deepEqual(client.told(), ["PUBACK 1", "PUBACK 3"]);
  assert.equal(receiver.takePublishes().length, 2);
});

// --- one turn, many connections

test("a packet is handled the same however its bytes are split", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker();
    const receiver = broker.connect("receiver", version);
    receiver.subscribe("a", 2);
    const client = broker.connect("c", version);
    const tail = version === 5 ? "00 'hello'" : "'hello'";
    const spelled = `34 ${version === 5 ? "0b" : "0a"} 0001'a' 0001 ${tail}`;
    for (const byte of spelled
      .match(/'[^']*'|[0-9a-f]{2}/g)!
      .flatMap((token) =>
        token.startsWith("'") ? [...token.slice(1, -1)].map((letter) => `'${letter}'`) : [token],
      )) {
      client.sendHex(byte);
      broker.settle();
    }
    assert.deepEqual(client.told(), ["PUBREC 1"]);
    assert.equal(receiver.takePublishes()[0]!.payload.length, 5);
  }
});

test("a client that sends more than limits.packetsPerTurn lets others have their turn, and loses nothing", () => {
  const broker = new TestBroker({ settings: { limits: { packetsPerTurn: 10 } } });
  const receiver = broker.connect("receiver");
  receiver.subscribe("a");
  const flood = broker.connect("flood", 4);
  const bytes: Uint8Array[] = [];
  for (let i = 0; i < 500; i++) bytes.push(Uint8Array.of(0x30, 5, 0, 1, 0x61, i >> 8, i & 255));
  flood.sendBytes(Buffer.concat(bytes));
  const payloads = receiver.takePublishes().map(({ payload }) => payload[0]! * 256 + payload[1]!);
  assert.deepEqual(
    payloads,
    Array.from({ length: 500 }, (_, i) => i),
  );
  assert.ok(broker.engine.turn > 50);
});

test("messages read after a memory slab was changed in the middle of a read stay intact while they wait", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("receiver", 5, {
    properties: { receiveMaximum: 1, sessionExpiryInterval: 60 },
  });
  receiver.subscribe("a", 1);
  const client = broker.connect("c", 5);
  const payloadOf = (i: number): string => `${i}`.padStart(200, "-");
  // Every second message is composed anew (it has an expiry), the others stay where they were read.
  let id = 0;
  const sendMany = (count: number): void => {
    for (let i = 0; i < count; i++) {
      id++;
      client.sendPublish("a", payloadOf(id), {
        qos: 1,
        id: (id % 60_000) + 1,
        properties: id % 2 === 0 ? { messageExpiryInterval: 1000 } : {},
      });
    }
    client.take();
  };
  for (let i = 0; i < 60; i++) sendMany(100);
  const last = id;
  // Overwrite whatever memory was given free too early.
  const other = broker.connect("other", 5);
  for (let i = 0; i < 400; i++) {
    other.sendPublish("nobody", "#".repeat(4000));
    broker.settle();
  }
  for (let i = 1; i <= last; i++) {
    const [message] = receiver.takePublishes();
    assert.equal(Buffer.from(message!.payload).toString(), payloadOf(i));
    receiver.sendAcknowledgement("puback", message!.packetIdentifier!);
  }
});

// --- Topic Aliases of the broker

test("[MQTT5-3.1.2-26] [MQTT5-3.1.2-27] [MQTT5-3.3.2-11] the broker uses Topic Aliases only where the client takes them, and as many", () => {
  const broker = new TestBroker();
  for (const [maximum, used] of [
    [undefined, 0],
    [0, 0],
    [2, 2],
    [65_535, 5],
  ] as const) {
    const receiver = broker.connect("receiver", 5, { properties: { topicAliasMaximum: maximum } });
    receiver.subscribe("topic/#", 1);
    const names = new Map<number, string>();
    const client = broker.connect("c", 4);
    const seen: string[] = [];
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 5; i++) client.sendPublish(`topic/${i}`, "x");
    }
    for (const { topicName, properties } of receiver.takePublishes()) {
      const topicAlias = properties?.topicAlias;
      if (topicAlias !== undefined) {
        assert.ok(topicAlias >= 1 && topicAlias <= (maximum ?? 0));
        if (topicName !== "") names.set(topicAlias, topicName);
      }
      seen.push(topicName === "" ? names.get(topicAlias!)! : topicName);
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 15 }, (_, i) => `topic/${i % 5}`),
    );
    assert.equal(names.size, used);
  }
});

test("a message that is sent again has its Topic Name, whatever aliases there were", () => {
  const broker = new TestBroker();
  const options = { properties: { topicAliasMaximum: 5, sessionExpiryInterval: 60 } };
  const receiver = broker.connect("receiver", 5, options);
  receiver.subscribe("topic/#", 1);
  const client = broker.connect("c", 4);
  client.sendPublish("topic/a", "1");
  client.sendPublish("topic/a", "2", { qos: 1 });
  const [, aliased] = receiver.takePublishes();
  assert.equal(aliased!.topicName, "");
  receiver.drop();
  const again = broker.connect("receiver", 5, { ...options, cleanStart: false });
  const [repeat] = again.takePublishes();
  assert.equal(repeat!.topicName, "topic/a");
  assert.equal(repeat!.dup, true);
});
