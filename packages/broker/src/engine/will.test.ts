import assert from "node:assert/strict";
import { test } from "node:test";
import type { Properties, Will } from "@sericite/protocol";
import { utf8 } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { WireClient } from "../wire-client.test-support.ts";

const will: Will = { topicName: "will", payload: utf8("gone"), qos: 0, retain: false };

/** A will with a delay, for a session that lives longer or shorter. */
function delayed(
  willDelayInterval: number,
  sessionExpiryInterval: number | undefined,
  cleanStart = true,
): { will: Will; cleanStart: boolean; properties: Properties } {
  return {
    cleanStart,
    will: { ...will, properties: { willDelayInterval } },
    properties: { sessionExpiryInterval },
  };
}

function listener(broker: TestBroker, topicFilter = "#"): WireClient {
  const client = broker.connect("listener");
  client.subscribe(topicFilter, 2);
  return client;
}

/** How connections end, and whether that publishes the Will. */
const ends: readonly {
  readonly what: string;
  readonly versions: readonly (3 | 4 | 5)[];
  readonly end: (client: WireClient, broker: TestBroker) => void;
  readonly isPublished: boolean;
}[] = [
  {
    what: "[MQTT3-3.1.2-10] [MQTT3-3.14.4-3] [MQTT5-3.1.2-10] [MQTT5-3.14.4-3] DISCONNECT",
    versions: [3, 4, 5],
    end: (client) => client.sendDisconnect(),
    isPublished: false,
  },
  {
    what: "[X-65] DISCONNECT 0x04",
    versions: [5],
    end: (client) => client.sendDisconnect(4),
    isPublished: true,
  },
  {
    what: "[X-65] DISCONNECT 0x82",
    versions: [5],
    end: (client) => client.sendDisconnect(0x82),
    isPublished: true,
  },
  {
    what: "[MQTT3-3.1.2-8] [MQTT5-3.1.2-8] [X-117] a broken network",
    versions: [3, 4, 5],
    end: (client) => client.drop(),
    isPublished: true,
  },
  {
    what: "an end of the connection without DISCONNECT",
    versions: [3, 4, 5],
    end: (client) => client.link.end(),
    isPublished: true,
  },
  {
    what: "[MQTT3-3.1.2-24] [MQTT5-3.1.2-22] [X-117] [X-118] silence",
    versions: [3, 4, 5],
    end: (_client, broker) => broker.advance(60_000),
    isPublished: true,
  },
  {
    what: "[X-93] a protocol error",
    versions: [3, 4, 5],
    end: (client) => client.sendHex("00 00"),
    isPublished: true,
  },
  {
    what: "[MQTT3-3.14.1-1] [MQTT5-3.14.1-1] a DISCONNECT with reserved flags",
    versions: [4, 5],
    end: (client) => client.sendHex("e1 00"),
    isPublished: true,
  },
  {
    what: "[X-69] a DISCONNECT with a Session Expiry Interval that CONNECT did not have",
    versions: [5],
    end: (client) => client.sendDisconnect(0, { sessionExpiryInterval: 5 }),
    isPublished: true,
  },
  {
    what: "[MQTT3-3.1.4-2] [X-35] takeover with Clean Start 1",
    versions: [3, 4, 5],
    end: (_client, broker) => void broker.connect("c", 5),
    isPublished: true,
  },
  {
    what: "[X-35] takeover with Clean Start 0 and no Will Delay",
    versions: [3, 4, 5],
    end: (_client, broker) => void broker.connect("c", 5, { cleanStart: false }),
    isPublished: true,
  },
  {
    what: "the administrator's disconnection",
    versions: [3, 4, 5],
    end: (_client, broker) => broker.engine.sessions.get("c")!.connection!.close(0x98, "because"),
    isPublished: true,
  },
];

for (const { what, versions, end, isPublished } of ends) {
  for (const version of versions) {
    test(`${what} ${isPublished ? "publishes" : "deletes"} the Will of a ${NAME_OF_VERSION[version]} client`, () => {
      const broker = new TestBroker();
      const seen = listener(broker);
      const client = broker.connect("c", version, { will, keepAlive: 10 });
      assert.deepEqual(seen.told(), []);
      end(client, broker);
      broker.advance(1000);
      assert.deepEqual(seen.told(), isPublished ? ["PUBLISH will 'gone' qos0"] : []);
      assert.equal(broker.engine.counters.willsPublished, isPublished ? 1 : 0);
      // Never again.
      broker.advance(1_000_000);
      assert.deepEqual(seen.told(), []);
    });
  }
}

test("[MQTT3-3.1.2-12] a client without a Will leaves none", () => {
  const broker = new TestBroker();
  const seen = listener(broker);
  broker.connect("c", 4, { will }).leave();
  broker.connect("c", 4).drop();
  assert.deepEqual(seen.told(), []);
});

test("a Will of a CONNECT that was refused is never published", () => {
  const broker = new TestBroker({
    authenticator: {
      authenticate: ({ clientId }) => (clientId === "c" ? { accepted: false } : { accepted: true }),
    },
  });
  const seen = listener(broker);
  broker.dial().sendConnect("c", { will });
  broker.advance(10_000);
  assert.deepEqual(seen.told(), []);
});

// --- how it is published

for (const version of VERSIONS) {
  for (const qos of [0, 1, 2] as const) {
    for (const retain of [false, true]) {
      test(`[MQTT3-3.1.2-9] [MQTT3-3.1.2-16] [MQTT3-3.1.2-17] [MQTT5-3.1.2-14] [MQTT5-3.1.2-15] ${NAME_OF_VERSION[version]}: a Will of QoS ${qos}${retain ? " with Will Retain" : ""} is published like that`, () => {
        const broker = new TestBroker();
        const seen = listener(broker);
        broker.connect("c", version, { will: { ...will, qos, retain } }).drop();
        const [message] = seen.takePublishes();
        assert.equal(message!.qos, qos);
        const late = broker.connect("late");
        late.sendSubscribe([["will", 0]]);
        assert.equal(late.told().includes("PUBLISH will 'gone' qos0 retain"), retain);
      });
    }
  }
}

test("[MQTT5-3.1.3-10] [X-31] the Will's properties go out with it, without its delay", () => {
  const broker = new TestBroker();
  const seen = listener(broker);
  const properties: Properties = {
    willDelayInterval: 0,
    payloadFormatIndicator: 1,
    messageExpiryInterval: 100,
    contentType: "t",
    responseTopic: "r",
    correlationData: Uint8Array.of(1),
    userProperties: [
      ["b", "1"],
      ["a", "2"],
    ],
  };
  broker.connect("c", 5, { will: { ...will, properties } }).drop();
  const [message] = seen.takePublishes();
  const { correlationData, ...rest } = message!.properties!;
  assert.deepEqual([...correlationData!], [1]);
  assert.deepEqual(rest, {
    messageExpiryInterval: 100,
    payloadFormatIndicator: 1,
    contentType: "t",
    responseTopic: "r",
    userProperties: [
      ["b", "1"],
      ["a", "2"],
    ],
  });
});

test("the Message Expiry Interval of a Will counts from its publication", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r", 5, { properties: { sessionExpiryInterval: 1000 } });
  receiver.subscribe("will", 1);
  receiver.leave();
  const client = broker.connect("c", 5, {
    will: { ...will, qos: 1, properties: { willDelayInterval: 30, messageExpiryInterval: 10 } },
    properties: { sessionExpiryInterval: 100 },
  });
  broker.advance(50_000);
  client.drop();
  broker.advance(34_000); // 4 s after the Will went out
  const again = broker.connect("r", 5, {
    cleanStart: false,
    properties: { sessionExpiryInterval: 1000 },
  });
  assert.equal(again.takePublishes()[0]!.properties!.messageExpiryInterval, 6);
});

test("a client does not get its own Will over a No Local subscription of its resumed session", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 4, { cleanStart: false, will: { ...will, qos: 1 } });
  client.subscribe("will", 1);
  client.drop();
  const again = broker.connect("c", 4, { cleanStart: false });
  assert.equal(again.takePublishes().length, 1, "an ordinary subscription gets it");
});

// --- delay

test("[MQTT5-3.1.2-8] [X-32] a Will waits for its delay, and no longer", () => {
  const broker = new TestBroker();
  const seen = listener(broker);
  broker.connect("c", 5, delayed(10, 100)).drop();
  broker.advance(9999);
  assert.deepEqual(seen.told(), []);
  broker.advance(1);
  assert.deepEqual(seen.told(), ["PUBLISH will 'gone' qos0"]);
  broker.advance(200_000);
  assert.deepEqual(seen.told(), []);
});

test("[MQTT5-3.1.2-8] [X-32] the session's end is earlier than the delay: the Will goes then", () => {
  for (const [expiry, at] of [
    [5, 5000],
    [undefined, 0],
    [0, 0],
  ] as const) {
    const broker = new TestBroker();
    const seen = listener(broker);
    broker.connect("c", 5, delayed(1000, expiry)).drop();
    if (at > 0) {
      broker.advance(at - 1);
      assert.deepEqual(seen.told(), []);
      broker.advance(1);
    }
    assert.deepEqual(seen.told(), ["PUBLISH will 'gone' qos0"], String(expiry));
    broker.advance(2_000_000);
    assert.deepEqual(seen.told(), []);
  }
});

test("[MQTT5-3.1.3-9] a client that resumes its session in time takes the Will back", () => {
  const broker = new TestBroker();
  const seen = listener(broker);
  broker.connect("c", 5, delayed(10, 100)).drop();
  broker.advance(9000);
  const again = broker.connect("c", 5, { cleanStart: false });
  broker.advance(100_000);
  assert.deepEqual(seen.told(), []);
  again.drop();
  broker.advance(100_000);
  assert.deepEqual(seen.told(), []);
});

test("[X-35] a client that comes back with Clean Start 1 has its old Will published at once", () => {
  const broker = new TestBroker();
  const seen = listener(broker);
  broker.connect("c", 5, delayed(10, 100)).drop();
  broker.advance(5000);
  broker.connect("c", 5);
  assert.deepEqual(seen.told(), ["PUBLISH will 'gone' qos0"]);
  broker.advance(100_000);
  assert.deepEqual(seen.told(), []);
});

test("[MQTT5-3.1.3-9] [X-35] takeover: a delayed Will is spared if the session goes on, and published if not", () => {
  for (const [cleanStart, expiry, told] of [
    [false, 100, []],
    [true, 100, ["PUBLISH will 'gone' qos0"]],
    [false, 0, ["PUBLISH will 'gone' qos0"]],
  ] as const) {
    const broker = new TestBroker();
    const seen = listener(broker);
    broker.connect("c", 5, delayed(10, expiry));
    broker.connect("c", 5, { cleanStart, properties: { sessionExpiryInterval: 100 } });
    broker.advance(1_000_000);
    assert.deepEqual(seen.told(), told, `${cleanStart} ${expiry}`);
  }
});

test("the Will of the newest connection counts", () => {
  const broker = new TestBroker();
  const seen = listener(broker);
  broker.connect("c", 5, delayed(10, 100)).drop();
  const next = { ...will, payload: utf8("second"), properties: { willDelayInterval: 3 } };
  broker
    .connect("c", 5, { cleanStart: false, will: next, properties: { sessionExpiryInterval: 100 } })
    .drop();
  broker.advance(2999);
  assert.deepEqual(seen.told(), []);
  broker.advance(1);
  assert.deepEqual(seen.told(), ["PUBLISH will 'second' qos0"]);
  broker.advance(1_000_000);
  assert.deepEqual(seen.told(), []);
});

test("the delay of an old Will does not run on for the Will of a client that came back", () => {
  const broker = new TestBroker();
  const seen = listener(broker);
  broker.connect("c", 5, delayed(10, 100)).drop();
  broker.advance(5000);
  const again = broker.connect("c", 5, delayed(60, 100, false));
  broker.advance(100_000);
  assert.deepEqual(seen.told(), [], "it is connected");
  again.drop();
  broker.advance(59_999);
  assert.deepEqual(seen.told(), []);
  broker.advance(1);
  assert.deepEqual(seen.told(), ["PUBLISH will 'gone' qos0"]);
});

test("DISCONNECT 0x04 starts the delay too", () => {
  const broker = new TestBroker();
  const seen = listener(broker);
  const client = broker.connect("c", 5, delayed(10, 100));
  client.sendDisconnect(4);
  broker.advance(9999);
  assert.deepEqual(seen.told(), []);
  broker.advance(1);
  assert.deepEqual(seen.told(), ["PUBLISH will 'gone' qos0"]);
});

test("[X-68] a DISCONNECT that ends the session publishes a delayed Will only if it asked for it", () => {
  for (const [reasonCode, told] of [
    [0, []],
    [4, ["PUBLISH will 'gone' qos0"]],
  ] as const) {
    const broker = new TestBroker();
    const seen = listener(broker);
    const client = broker.connect("c", 5, delayed(10, 100));
    client.sendDisconnect(reasonCode, { sessionExpiryInterval: 0 });
    assert.deepEqual(seen.told(), told);
    broker.advance(1_000_000);
    assert.deepEqual(seen.told(), []);
  }
});

test("a Will Delay of 4 294 967 295 seconds is waited for, if the session lives for ever", () => {
  const broker = new TestBroker({ settings: { session: { maximumExpiryInterval: 0xffff_ffff } } });
  const seen = listener(broker);
  broker.connect("c", 5, delayed(0xffff_fffe, 0xffff_ffff)).drop();
  broker.advance(0xffff_fffd * 1000);
  assert.deepEqual(seen.told(), []);
  broker.advance(1000);
  assert.deepEqual(seen.told(), ["PUBLISH will 'gone' qos0"]);
});

test("a Will is checked for permission when its client connects", () => {
  const asked: unknown[] = [];
  const broker = new TestBroker({
    hooks: {
      authorizePublish: (client, publish) => {
        asked.push({ clientId: client.clientId, ...publish });
        return publish.topicName !== "will";
      },
    },
  });
  for (const [version, told] of [
    [5, ["CONNACK 0x87", "CLOSED"]],
    [4, ["CONNACK 0x05", "CLOSED"]],
  ] as const) {
    const client = broker.dial(version);
    client.sendConnect("c", { will: { ...will, qos: 1, retain: true } });
    assert.deepEqual(client.told(), told);
  }
  broker.connect("c", 5, { will: { ...will, topicName: "allowed" } });
  assert.deepEqual(asked[0], {
    clientId: "c",
    topicName: "will",
    qos: 1,
    retain: true,
    isWill: true,
  });
});

test("limits.topicLevels holds for Wills", () => {
  const broker = new TestBroker({ settings: { limits: { topicLevels: 2 } } });
  const client = broker.dial();
  client.sendConnect("c", { will: { ...will, topicName: "a/b/c" } });
  assert.deepEqual(client.told(), ["CONNACK 0x90", "CLOSED"]);
});

test("[X-75] [X-107] a Will to a $-topic is refused, to $SYS always", () => {
  for (const [allowDollarTopics, topicName, told] of [
    [false, "$a/b", ["CONNACK 0x87", "CLOSED"]],
    [true, "$a/b", ["CONNACK 0x00"]],
    [true, "$SYS/b", ["CONNACK 0x87", "CLOSED"]],
    [true, "$SYS", ["CONNACK 0x87", "CLOSED"]],
  ] as const) {
    const broker = new TestBroker({ settings: { mqtt: { allowDollarTopics } } });
    const client = broker.dial();
    client.sendConnect("c", { will: { ...will, topicName } });
    assert.deepEqual(client.told(), told, topicName);
  }
});

test("[X-33] mqtt.checkPayloadFormat refuses a Will Payload that is marked as UTF-8 and is none", () => {
  const broker = new TestBroker({ settings: { mqtt: { checkPayloadFormat: true } } });
  const client = broker.dial();
  client.sendConnect("c", {
    will: { ...will, payload: Uint8Array.of(0xff), properties: { payloadFormatIndicator: 1 } },
  });
  assert.deepEqual(client.told(), ["CONNACK 0x99", "CLOSED"]);
});

test("a Will to $delayed/10/a is published to a, 10 s after its time", () => {
  const broker = new TestBroker();
  const seen = listener(broker);
  broker.connect("c", 4, { will: { ...will, topicName: "$delayed/10/a" } }).drop();
  broker.advance(9999);
  assert.deepEqual(seen.told(), []);
  broker.advance(1);
  assert.deepEqual(seen.told(), ["PUBLISH a 'gone' qos0"]);
});
