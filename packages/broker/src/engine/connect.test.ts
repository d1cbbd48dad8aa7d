import assert from "node:assert/strict";
import { test } from "node:test";
import { ReasonCode } from "@sericite/protocol";
import type { ProtocolVersion } from "@sericite/protocol";
import { utf8 } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import { Answer } from "../testing/index.ts";
import type { Authentication } from "./ports.ts";

const connect = {
  3: "10 0f 0006'MQIsdp' 03 02 0000 0001'c'",
  4: "10 0d 0004'MQTT' 04 02 0000 0001'c'",
  5: "10 0e 0004'MQTT' 05 02 0000 00 0001'c'",
} as const;

for (const [version, connack] of [
  [3, "20 02 00 00"],
  [4, "20 02 00 00"],
  // Receive Maximum 1024, Maximum Packet Size, Topic Alias Maximum 64: what a client could not guess.
  [5, "20 0e 00 00 0b 21 04 00 27 00 a1 00 00 22 00 40"],
] as const) {
  test(`[MQTT3-3.1.4-4] [MQTT5-3.1.4-5] a CONNECT of ${NAME_OF_VERSION[version]} is answered with CONNACK 0x00, and nothing else`, () => {
    const broker = new TestBroker();
    const client = broker.dial(version);
    client.sendHex(connect[version]);
    assert.equal(client.takeHex(), connack);
    assert.equal(client.isClosed, false);
  });

  test(`a CONNECT of ${NAME_OF_VERSION[version]} that comes byte by byte is the same`, () => {
    const broker = new TestBroker();
    const client = broker.dial(version);
    for (const spelled of connect[version].match(/'[^']*'|[0-9a-f]{2}/g)!) {
      client.sendHex(spelled);
      broker.settle();
    }
    assert.equal(client.takeHex(), connack);
  });
}

for (const [spelled, what, told, version] of [
  ["10 0d 0004'MQTT' 03 02 0000 0001'c'", "MQTT level 3", ["CONNACK 0x01", "CLOSED"], 4],
  ["10 0f 0006'MQIsdp' 04 02 0000 0001'c'", "MQIsdp level 4", ["CONNACK 0x01", "CLOSED"], 3],
  ["10 0d 0004'MQTT' 02 02 0000 0001'c'", "MQTT level 2", ["CONNACK 0x01", "CLOSED"], 4],
  ["10 0e 0004'MQTT' 06 02 0000 00 0001'c'", "MQTT level 6", ["CONNACK 0x84", "CLOSED"], 5],
  ["10 0d 0004'MQTX' 04 02 0000 0001'c'", "MQTX", ["CONNACK 0x01", "CLOSED"], 4],
  ["10 0d 0004'mqtt' 04 02 0000 0001'c'", "mqtt in small letters", ["CONNACK 0x01", "CLOSED"], 4],
] as const) {
  test(`[MQTT3-3.1.2-1] [MQTT3-3.1.2-2] [MQTT5-3.1.2-1] [MQTT5-3.1.2-2] [X-110] ${what} is refused: ${told.join(", ")}`, () => {
    const broker = new TestBroker();
    const client = broker.dial(version);
    client.sendHex(spelled);
    assert.deepEqual(client.told(), told);
  });
}

for (const [spelled, what] of [
  ["30 04 0001'a' 'x'", "PUBLISH"],
  ["c0 00", "PINGREQ"],
  ["82 06 0001 0001'a' 00", "SUBSCRIBE"],
  ["e0 00", "DISCONNECT"],
  ["20 02 00 00", "CONNACK"],
  ["f0 00", "AUTH"],
  ["00 00", "the reserved type 0"],
] as const) {
  test(`[MQTT3-3.1.0-1] [MQTT5-3.1.0-1] ${what} before CONNECT closes the connection without a word`, () => {
    const broker = new TestBroker();
    const client = broker.dial();
    client.sendHex(`${spelled} ${connect[5]}`);
    assert.deepEqual(client.told(), ["CLOSED"]);
    assert.equal(broker.engine.sessions.size, 0);
  });
}

for (const [version, told] of [
  [3, ["CLOSED"]],
  [4, ["CLOSED"]],
  [5, ["DISCONNECT 0x82", "CLOSED"]],
] as const) {
  test(`[MQTT3-3.1.0-2] [MQTT5-3.1.0-2] [MQTT5-3.2.0-2] a second CONNECT ends a ${NAME_OF_VERSION[version]} connection`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.sendConnect("d");
    assert.deepEqual(client.told(), told);
    assert.equal(broker.engine.sessions.size, 0);
  });
}

// --- Client Identifiers

for (const [version, clientId, cleanStart, told] of [
  [3, "", true, ["CONNACK 0x02", "CLOSED"]], // [X-111]
  [4, "", false, ["CONNACK 0x02", "CLOSED"]],
  [4, "", true, ["CONNACK 0x00"]],
  [5, "", true, ["CONNACK 0x00"]],
  [5, "", false, ["CONNACK 0x00"]],
  [3, "a".repeat(24), true, ["CONNACK 0x00"]],
  [4, "0123456789abcdefghijkLM", true, ["CONNACK 0x00"]],
  [5, "a b/+#é€😀", true, ["CONNACK 0x00"]],
] as const) {
  test(`[MQTT3-3.1.3-5] [MQTT3-3.1.3-8] [MQTT5-3.1.3-5] [X-111] ${NAME_OF_VERSION[version]}, Client Identifier "${clientId}", ${cleanStart ? "clean" : "not clean"}: ${told.join(", ")}`, () => {
    const broker = new TestBroker();
    const client = broker.dial(version);
    client.sendConnect(clientId, { cleanStart });
    assert.deepEqual(client.told(), told);
  });
}

test("[X-111] 3.1 with mqtt.strictClientIdentifier takes 23 characters and no more; later versions do not mind", () => {
  const broker = new TestBroker({ settings: { mqtt: { strictClientIdentifier: true } } });
  for (const [version, length, told] of [
    [3, 23, ["CONNACK 0x00"]],
    [3, 24, ["CONNACK 0x02", "CLOSED"]],
    [4, 24, ["CONNACK 0x00"]],
    [5, 24, ["CONNACK 0x00"]],
  ] as const) {
    const client = broker.dial(version);
    client.sendConnect("a".repeat(length));
    assert.deepEqual(client.told(), told, `${version} ${length}`);
  }
});

test("[MQTT5-3.1.3-6] [MQTT5-3.1.3-7] [MQTT5-3.2.2-16] a 5.0 client without Client Identifier is told the one it got, each another", () => {
  const broker = new TestBroker();
  const assigned = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const client = broker.connect("", 5, { properties: { sessionExpiryInterval: 60 } });
    assigned.add(client.connack!.properties!.assignedClientIdentifier!);
  }
  assert.equal(assigned.size, 50);
  for (const clientId of assigned) assert.ok(broker.engine.sessions.get(clientId) !== undefined);
});

test("[MQTT5-3.1.3-7] an assigned Client Identifier finds the session again", () => {
  const broker = new TestBroker();
  const client = broker.connect("", 5, { properties: { sessionExpiryInterval: 60 } });
  const clientId = client.connack!.properties!.assignedClientIdentifier!;
  client.leave();
  const again = broker.connect(clientId, 5, { cleanStart: false });
  assert.equal(again.connack!.sessionPresent, true);
  assert.equal(again.connack!.properties!.assignedClientIdentifier, undefined);
});

test("[MQTT3-3.1.3-6] a 3.1.1 client without Client Identifier gets one of its own", () => {
  const broker = new TestBroker();
  const one = broker.connect("", 4);
  const other = broker.connect("", 4);
  assert.equal(one.isClosed || other.isClosed, false);
  assert.equal(broker.engine.sessions.size, 2);
});

// --- before and behind CONNACK

test("[X-36] [X-98] packets right behind CONNECT are handled", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker();
    const client = broker.dial(version);
    client.sendConnect("c");
    client.sendSubscribe([["a", 0]]);
    client.sendPublish("a", "x");
    assert.deepEqual(client.told(), ["CONNACK 0x00", "SUBACK 1 [0]", "PUBLISH a 'x' qos0"]);
  }
});

test("[MQTT3-3.1.4-5] [MQTT5-3.1.4-6] nothing behind a refused CONNECT has an effect", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker({
      authenticator: { authenticate: () => ({ accepted: false }) },
      settings: { mqtt: { allowDollarTopics: true } },
    });
    const client = broker.dial(version);
    client.sendConnect("c");
    client.sendPublish("a", "x", { retain: true });
    assert.deepEqual(client.told(), [version === 5 ? "CONNACK 0x86" : "CONNACK 0x04", "CLOSED"]);
    assert.equal(broker.engine.retained.count, 0);
    assert.equal(broker.engine.counters.publishReceived, 0);
  }
});

for (const [what, spelled, version, told] of [
  ["Connect Flags bit 0", "10 0d 0004'MQTT' 04 03 0000 0001'c'", 4, ["CLOSED"]],
  ["Connect Flags bit 0", "10 0e 0004'MQTT' 05 03 0000 00 0001'c'", 5, ["CONNACK 0x81", "CLOSED"]],
  [
    "a Will Topic with a wildcard",
    "10 13 0004'MQTT' 04 06 0000 0001'c' 0001'#' 0001'x'",
    4,
    ["CLOSED"],
  ],
  [
    "Receive Maximum 0",
    "10 11 0004'MQTT' 05 02 0000 03 21 0000 0001'c'",
    5,
    ["CONNACK 0x82", "CLOSED"],
  ],
  ["bytes behind its end", "10 0e 0004'MQTT' 04 02 0000 0001'c' 00", 4, ["CLOSED"]],
] as const) {
  test(`[MQTT3-3.1.4-1] [MQTT5-3.1.4-1] a ${NAME_OF_VERSION[version]} CONNECT with ${what}: ${told.join(", ")}`, () => {
    const broker = new TestBroker();
    const client = broker.dial(version);
    client.sendHex(spelled);
    assert.deepEqual(client.told(), told);
    assert.equal(broker.engine.counters.protocolErrors, 1);
  });
}

test("[MQTT5-4.12.0-1] an Authentication Method that nobody knows is refused with 0x8C", () => {
  const broker = new TestBroker();
  const client = broker.dial();
  client.sendConnect("c", { properties: { authenticationMethod: "SCRAM-SHA-256" } });
  assert.deepEqual(client.told(), ["CONNACK 0x8c", "CLOSED"]);
});

test("[X-70] [MQTT5-4.12.0-7] AUTH on a connection without Authentication Method ends it", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  client.sendHex("f0 0b 19 09 15 0006'SCRAMX'");
  assert.deepEqual(client.told(), ["DISCONNECT 0x82", "CLOSED"]);
});

// --- who is let in

const outcomes: readonly {
  readonly answer: Authentication;
  readonly codes: Readonly<Record<ProtocolVersion, string | undefined>>;
}[] = [
  {
    answer: { accepted: false },
    codes: { 3: "CONNACK 0x04", 4: "CONNACK 0x04", 5: "CONNACK 0x86" },
  },
  {
    answer: { accepted: false, reasonCode: ReasonCode.notAuthorized },
    codes: { 3: "CONNACK 0x05", 4: "CONNACK 0x05", 5: "CONNACK 0x87" },
  },
  {
    answer: { accepted: false, reasonCode: ReasonCode.banned, reason: "go away" },
    codes: { 3: "CONNACK 0x05", 4: "CONNACK 0x05", 5: "CONNACK 0x8a" },
  },
  {
    answer: { accepted: false, reasonCode: ReasonCode.serverBusy },
    codes: { 3: "CONNACK 0x03", 4: "CONNACK 0x03", 5: "CONNACK 0x89" },
  },
  {
    // No return code of 3.x fits [MQTT3-3.2.2-6].
    answer: { accepted: false, reasonCode: ReasonCode.useAnotherServer },
    codes: { 3: undefined, 4: undefined, 5: "CONNACK 0x9c" },
  },
  {
    // Not a code that CONNACK may have [MQTT5-3.2.2-8].
    answer: { accepted: false, reasonCode: ReasonCode.sessionTakenOver },
    codes: { 3: undefined, 4: undefined, 5: "CONNACK 0x80" },
  },
];
for (const { answer, codes } of outcomes) {
  for (const version of VERSIONS) {
    for (const isLate of [false, true]) {
      test(`[MQTT5-3.1.4-2] [MQTT5-3.2.2-7] [MQTT3-3.2.2-5] [X-97] [X-101] refused ${isLate ? "late" : "at once"} with ${JSON.stringify(answer)}, ${NAME_OF_VERSION[version]} is told ${codes[version] ?? "nothing"} and closed`, () => {
        const broker = new TestBroker({
          authenticator: ({ process }) => ({
            authenticate: () => (isLate ? Answer.after(process, 50, () => answer) : answer),
          }),
        });
        const client = broker.dial(version);
        client.sendConnect("c");
        broker.advance(100);
        const code = codes[version];
        assert.deepEqual(client.told(), code === undefined ? ["CLOSED"] : [code, "CLOSED"]);
        assert.equal(broker.engine.counters.connectRefused, 1);
        assert.equal(broker.engine.counters.internalErrors, 0);
        assert.equal(broker.engine.sessions.size, 0);
      });
    }
  }
}

test("the authenticator sees what CONNECT said, and what it answers counts", () => {
  const seen: unknown[] = [];
  const broker = new TestBroker({
    authenticator: {
      authenticate: (request) => {
        seen.push({ ...request, password: Buffer.from(request.password ?? "").toString() });
        return { accepted: true, clientId: "renamed", username: "alias" };
      },
    },
  });
  const connected = broker.listen("clientConnected");
  const client = broker.connect("c", 5, {
    username: "user",
    password: utf8("secret"),
    properties: { userProperties: [["k", "v"]] },
  });
  const [request] = seen as { peer: { address: string } }[];
  assert.equal(request!.peer.address, "192.0.2.1");
  assert.deepEqual(
    { ...request, peer: undefined },
    {
      clientId: "c",
      username: "user",
      password: "secret",
      protocolVersion: 5,
      cleanStart: true,
      userProperties: [["k", "v"]],
      peer: undefined,
    },
  );
  assert.equal(client.connack!.properties!.assignedClientIdentifier, "renamed");
  assert.equal(connected[0]!.username, "alias");
  assert.ok(broker.engine.sessions.get("renamed") !== undefined);
  assert.equal(JSON.stringify(broker.log).includes("secret"), false);
});

for (const [what, answer] of [
  [
    "throws",
    (): never => {
      throw new Error("database is away");
    },
  ],
  [
    "rejects",
    ({ process }: TestBroker) =>
      Answer.after(process, 10, (): never => {
        throw new Error("database is away");
      }),
  ],
  ["never answers", ({ process }: TestBroker) => new Answer<Authentication>(process)],
] as const) {
  test(`an authenticator that ${what} lets nobody in, and no longer than limits.hookTimeout`, () => {
    const broker = new TestBroker({
      authenticator: (self) => ({ authenticate: () => answer(self) }),
      settings: { limits: { hookTimeout: 3000 } },
    });
    const client = broker.dial();
    client.sendConnect("c");
    client.sendPublish("a", "x");
    broker.advance(3000);
    assert.deepEqual(client.told(), ["CONNACK 0x86", "CLOSED"]);
    const { hookErrors, hookTimeouts, internalErrors } = broker.engine.counters;
    assert.deepEqual(
      { hookErrors, hookTimeouts, internalErrors },
      what === "never answers"
        ? { hookErrors: 0, hookTimeouts: 1, internalErrors: 0 }
        : { hookErrors: 1, hookTimeouts: 0, internalErrors: 0 },
    );
  });
}

test("a client that leaves while it is being authenticated never gets in", () => {
  const broker = new TestBroker({
    authenticator: ({ process }) => ({
      authenticate: () => Answer.after(process, 1000, () => ({ accepted: true }) as const),
    }),
  });
  const connected = broker.listen("clientConnected");
  const client = broker.dial();
  client.sendConnect("c");
  broker.settle();
  client.drop();
  broker.advance(2000);
  assert.equal(broker.engine.sessions.size, 0);
  assert.equal(broker.engine.connections.size, 0);
  assert.deepEqual(connected, []);
});

test("nobody is taken over by a client that is not let in", () => {
  const broker = new TestBroker({
    authenticator: {
      authenticate: ({ username }) =>
        username === "owner" ? { accepted: true } : { accepted: false },
    },
  });
  const owner = broker.connect("c", 5, { username: "owner" });
  const thief = broker.dial();
  thief.sendConnect("c");
  assert.deepEqual(thief.told(), ["CONNACK 0x86", "CLOSED"]);
  assert.deepEqual(owner.told(), []);
  assert.equal(broker.engine.sessions.get("c")!.connection!.username, "owner");
});

test("a trusted link is asked nothing", () => {
  const broker = new TestBroker({ authenticator: { authenticate: () => ({ accepted: false }) } });
  const client = broker.connect("c", 5, { isTrusted: true });
  assert.equal(client.isClosed, false);
});

// --- what the client is told

test("[MQTT5-3.2.2-9] [X-39] [X-40] [X-41] [X-42] [X-43] CONNACK tells what is not on offer", () => {
  const broker = new TestBroker({
    settings: {
      mqtt: {
        maximumQos: 1,
        retainAvailable: false,
        wildcardSubscriptionAvailable: false,
        sharedSubscriptionAvailable: false,
        subscriptionIdentifiersAvailable: false,
        receiveMaximum: 5,
        maximumPacketSize: 2048,
        topicAliasMaximum: 0,
      },
    },
  });
  assert.deepEqual(broker.connect("c").connack!.properties, {
    receiveMaximum: 5,
    maximumPacketSize: 2048,
    topicAliasMaximum: 0,
    maximumQoS: 1,
    wildcardSubscriptionAvailable: 0,
    sharedSubscriptionAvailable: 0,
    subscriptionIdentifiersAvailable: 0,
    retainAvailable: 0,
  });
});

for (const [asked, granted] of [
  [undefined, undefined],
  [0, undefined],
  [60, undefined],
  [604_800, undefined],
  [604_801, 604_800],
  [0xffff_ffff, 604_800],
] as const) {
  test(`[X-38] Session Expiry Interval ${asked ?? "absent"} is granted ${granted === undefined ? "silently" : `as ${granted}`}`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: asked } });
    assert.equal(client.connack!.properties!.sessionExpiryInterval, granted);
  });
}

test("[MQTT5-3.1.2-28] Response Information is given where it was requested, and only there", () => {
  const broker = new TestBroker({ settings: { mqtt: { responseInformation: "reply/%c" } } });
  for (const [requested, given] of [
    [undefined, undefined],
    [0, undefined],
    [1, "reply/c"],
  ] as const) {
    const client = broker.connect("c", 5, {
      properties: { requestResponseInformation: requested },
    });
    assert.equal(client.connack!.properties!.responseInformation, given);
  }
});

test("[MQTT5-3.2.2-12] [MQTT5-3.2.2-13] a Will that is not on offer is refused", () => {
  const will = { topicName: "w", payload: utf8("x"), qos: 0, retain: false } as const;
  for (const [version, settings, ask, told] of [
    [5, { maximumQos: 1 }, { qos: 2 }, ["CONNACK 0x9b", "CLOSED"]],
    [4, { maximumQos: 1 }, { qos: 2 }, ["CLOSED"]],
    [5, { maximumQos: 1 }, { qos: 1 }, ["CONNACK 0x00"]],
    [5, { retainAvailable: false }, { retain: true }, ["CONNACK 0x9a", "CLOSED"]],
    [3, { retainAvailable: false }, { retain: true }, ["CLOSED"]],
    [5, { retainAvailable: false }, {}, ["CONNACK 0x00"]],
  ] as const) {
    const broker = new TestBroker({ settings: { mqtt: settings } });
    const client = broker.dial(version);
    client.sendConnect("c", { will: { ...will, ...ask } });
    assert.deepEqual(client.told(), told, `${version} ${JSON.stringify(ask)}`);
  }
});

test("a draining broker refuses: 0x88, 3.x return code 3", () => {
  for (const [version, told] of [
    [3, ["CONNACK 0x03", "CLOSED"]],
    [4, ["CONNACK 0x03", "CLOSED"]],
    [5, ["CONNACK 0x88", "CLOSED"]],
  ] as const) {
    const broker = new TestBroker();
    broker.engine.isDraining = true;
    const client = broker.dial(version);
    client.sendConnect("c");
    assert.deepEqual(client.told(), told);
    assert.equal(broker.engine.counters.internalErrors, 0);
  }
});

test("[X-34] [X-96] a connection without CONNECT is closed after mqtt.connectTimeout", () => {
  for (const begun of ["", "10", "10 0e 0004'MQTT' 05 02 0000 00 0001"]) {
    const broker = new TestBroker({ settings: { mqtt: { connectTimeout: 2000 } } });
    const client = broker.dial();
    client.sendHex(begun);
    broker.advance(1999);
    assert.deepEqual(client.told(), []);
    broker.advance(1);
    assert.deepEqual(client.told(), ["CLOSED"]);
    assert.equal(broker.engine.counters.connectTimeouts, 1);
    assert.equal(broker.engine.connections.size, 0);
  }
});

test("a client that trickles its CONNECT gains no time by it", () => {
  const broker = new TestBroker({ settings: { mqtt: { connectTimeout: 2000 } } });
  const client = broker.dial();
  for (const byte of ["10", "0e", "00", "04"]) {
    client.sendHex(byte);
    broker.advance(500);
  }
  assert.deepEqual(client.told(), ["CLOSED"]);
});

test("the connect timeout does not run while the authenticator thinks", () => {
  const broker = new TestBroker({
    authenticator: ({ process }) => ({
      authenticate: () => Answer.after(process, 9000, () => ({ accepted: true }) as const),
    }),
    settings: { mqtt: { connectTimeout: 2000 } },
  });
  const client = broker.dial();
  client.sendConnect("c");
  broker.advance(10_000);
  assert.deepEqual(client.told(), ["CONNACK 0x00"]);
  broker.advance(10_000);
  assert.deepEqual(client.told(), []);
});

test("[MQTT5-3.2.2-19] [MQTT5-3.1.2-24] a refusing CONNACK leaves out its Reason String where the client could not take it", () => {
  for (const [maximumPacketSize, sizes] of [
    [undefined, [61]],
    [61, [61]],
    [60, [5]],
    [5, [5]],
    [4, []],
  ] as const) {
    const broker = new TestBroker();
    const client = broker.dial();
    client.sendConnect("c", {
      properties: { maximumPacketSize, authenticationMethod: "AN-UNUSUAL-ONE" },
    });
    broker.settle();
    assert.deepEqual(client.sizes, sizes, String(maximumPacketSize));
    assert.equal(client.isClosed, true);
  }
});

test("[MQTT5-3.1.2-24] a client that takes no packet as large as CONNACK is not let in", () => {
  const broker = new TestBroker();
  const client = broker.dial();
  client.sendConnect("c", { properties: { maximumPacketSize: 15 } });
  assert.deepEqual(client.told(), ["CLOSED"]);
  assert.equal(broker.engine.connections.size, 0);
  broker.connect("d", 5, { properties: { maximumPacketSize: 16 } });
});
