import assert from "node:assert/strict";
import { test } from "node:test";
import type { Properties, QoS } from "@sericite/protocol";
import { utf8 } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import { Answer } from "../testing/index.ts";
import { joinHooks } from "./hooks.ts";
import type { DeliveryRequest, Hooks, IncomingMessage, PublishRequest } from "./hooks.ts";

const QOS: readonly QoS[] = [0, 1, 2];

/** The ways of saying no. Each takes less than a second but `never`, which takes `limits.hookTimeout`. */
const refusals: Readonly<Record<string, (broker: TestBroker) => boolean | Promise<boolean>>> = {
  "at once": () => false,
  late: ({ process }) => Answer.after(process, 500, () => false),
  "by throwing": () => {
    throw new Error("the hook is broken");
  },
  "by rejecting": ({ process }) =>
    Answer.after(process, 500, (): never => {
      throw new Error("the hook is broken");
    }),
  "by never answering": ({ process }) => new Answer(process),
  "by answering neither true nor false": () => undefined as unknown as boolean,
  "by answering late with something else": ({ process }) =>
    Answer.after(process, 500, () => "yes" as unknown as boolean),
};

// --- authorizePublish

for (const [how, answer] of Object.entries(refusals)) {
  for (const version of VERSIONS) {
    for (const qos of QOS) {
      test(`[X-19] [X-122] [MQTT3-3.3.5-2] [MQTT5-4.3.3-9] a QoS ${qos} PUBLISH of ${NAME_OF_VERSION[version]} that is denied ${how} has no effect, not even by its PUBREL`, () => {
        const broker = new TestBroker({
          hooks: (self) => ({ authorizePublish: () => answer(self) }),
          settings: { limits: { hookTimeout: 2000 } },
        });
        const dropped = broker.listen("messageDropped");
        const receiver = broker.connect("r");
        receiver.subscribe("#", 2);
        const client = broker.connect("c", version);
        client.sendPublish("a", "x", { qos, retain: true, id: 7 });
        client.send({ type: "pingreq" });
        broker.advance(2000);
        const code = version === 5 ? " 0x87" : "";
        assert.deepEqual(client.told(), [
          ...[[], [`PUBACK 7${code}`], [`PUBREC 7${code}`]][qos]!,
          "PINGRESP",
        ]);
        if (qos === 2) {
          client.sendAcknowledgement("pubrel", 7);
          assert.deepEqual(client.told(), [version === 5 ? "PUBCOMP 7 0x92" : "PUBCOMP 7"]);
        }
        broker.advance(100_000);
        assert.deepEqual(receiver.told(), []);
        assert.equal(broker.engine.retained.count, 0);
        assert.deepEqual(dropped, [
          { reason: "publish-denied", clientId: "c", topicName: "a", qos },
        ]);
        assert.equal(broker.engine.sessions.get("c")!.inbound?.size ?? 0, 0);
        assert.equal(client.isClosed, false);
        const { hookErrors, hookTimeouts, internalErrors } = broker.engine.counters;
        assert.equal(hookErrors, /throwing|rejecting/.test(how) ? 1 : 0);
        assert.equal(hookTimeouts, /never/.test(how) ? 1 : 0);
        assert.equal(internalErrors, 0);
      });
    }
  }
}

test("3.x: a denied QoS 2 message is remembered until its PUBREL, its repeats ask nobody, and a new one is asked about", () => {
  for (const version of [3, 4] as const) {
    let asked = 0;
    const broker = new TestBroker({
      hooks: { authorizePublish: () => ++asked > 1 },
    });
    const receiver = broker.connect("r");
    receiver.subscribe("a");
    const client = broker.connect("c", version, { cleanStart: false });
    client.sendPublish("a", "denied", { qos: 2, id: 7 });
    client.sendPublish("a", "denied", { qos: 2, id: 7, dup: true });
    assert.deepEqual(client.told(), ["PUBREC 7", "PUBREC 7"]);
    assert.equal(asked, 1);
    client.drop();
    const again = broker.connect("c", version, { cleanStart: false });
    again.sendPublish("a", "denied", { qos: 2, id: 7, dup: true });
    again.sendAcknowledgement("pubrel", 7);
    assert.deepEqual(again.told(), ["PUBREC 7", "PUBCOMP 7"]);
    assert.equal(asked, 1);
    again.sendPublish("a", "allowed", { qos: 2, id: 7 });
    assert.deepEqual(again.told(), ["PUBREC 7"]);
    assert.deepEqual(receiver.told(), ["PUBLISH a 'allowed' qos0"]);
  }
});

test("[MQTT5-4.3.3-9] 5.0: after PUBREC 0x87 the same identifier is a new message", () => {
  let asked = 0;
  const broker = new TestBroker({ hooks: { authorizePublish: () => ++asked > 1 } });
  const client = broker.connect("c");
  client.sendPublish("a", "x", { qos: 2, id: 7 });
  client.sendPublish("a", "x", { qos: 2, id: 7, dup: true });
  assert.deepEqual(client.told(), ["PUBREC 7 0x87", "PUBREC 7 0x10"]);
  assert.equal(asked, 2);
});

test("permission is asked for the Topic Name that results from an alias, for each PUBLISH", () => {
  const asked: PublishRequest[] = [];
  const broker = new TestBroker({
    hooks: {
      authorizePublish: (client, request) => {
        assert.equal(client.clientId, "c");
        assert.equal(client.username, "u");
        assert.equal(client.protocolVersion, 5);
        asked.push(request);
        return true;
      },
    },
  });
  const client = broker.connect("c", 5, { username: "u" });
  client.sendPublish("a", "x", { properties: { topicAlias: 1 } });
  client.sendPublish("", "x", { qos: 1, retain: true, properties: { topicAlias: 1 } });
  broker.settle();
  assert.deepEqual(asked, [
    { topicName: "a", qos: 0, retain: false, isWill: false },
    { topicName: "a", qos: 1, retain: true, isWill: false },
  ]);
});

test("packets behind one that a hook thinks about wait for it, in order; other clients do not", () => {
  const broker = new TestBroker({
    hooks: ({ process }) => ({
      authorizePublish: (client) =>
        client.clientId === "c" ? Answer.after(process, 1000, () => true) : true,
    }),
  });
  const receiver = broker.connect("r");
  receiver.subscribe("#");
  const client = broker.connect("c", 4);
  for (let i = 1; i <= 3; i++) client.sendPublish("a", String(i), { qos: 1, id: i });
  client.send({ type: "pingreq" });
  broker.connect("d", 4).sendPublish("b", "other");
  broker.advance(1500);
  assert.deepEqual(receiver.told(), ["PUBLISH b 'other' qos0", "PUBLISH a '1' qos0"]);
  assert.deepEqual(client.told(), ["PUBACK 1"]);
  broker.advance(2000);
  assert.deepEqual(receiver.told(), ["PUBLISH a '2' qos0", "PUBLISH a '3' qos0"]);
  assert.deepEqual(client.told(), ["PUBACK 2", "PUBACK 3", "PINGRESP"]);
});

test("a client that goes on sending while a hook thinks is not read from, and loses nothing", () => {
  const broker = new TestBroker({
    hooks: ({ process }) => ({
      authorizePublish: (_client, { topicName }) =>
        topicName === "slow" ? Answer.after(process, 1000, () => true) : true,
    }),
  });
  const receiver = broker.connect("r");
  receiver.subscribe("#");
  const client = broker.connect("c", 4);
  client.sendPublish("slow", "0");
  broker.settle();
  for (let i = 1; i <= 200; i++) {
    client.sendPublish("a", `${i}:${"x".repeat(10_000)}`);
    broker.settle();
  }
  assert.ok(client.link.unsentBytes > 1_000_000);
  assert.deepEqual(receiver.told(), []);
  broker.advance(1000);
  const order = receiver
    .takePublishes()
    .map((message) => Number.parseInt(Buffer.from(message.payload).toString(), 10));
  assert.deepEqual(
    order,
    Array.from({ length: 201 }, (_, i) => i),
  );
});

test("a client that is gone when its hook answers has no effect", () => {
  const broker = new TestBroker({
    hooks: ({ process }) => ({ authorizePublish: () => Answer.after(process, 1000, () => true) }),
  });
  const receiver = broker.connect("r");
  receiver.subscribe("#");
  const client = broker.connect("c");
  client.sendPublish("a", "x", { retain: true });
  broker.settle();
  client.drop();
  broker.advance(2000);
  assert.deepEqual(receiver.told(), []);
  assert.equal(broker.engine.retained.count, 0);
});

test("real promises are waited for as well", async () => {
  const broker = new TestBroker({
    hooks: {
      authorizePublish: (_client, { topicName }) => Promise.resolve(topicName === "yes"),
      publish: () => Promise.resolve({ payload: utf8("changed") }),
    },
  });
  const receiver = broker.connect("r");
  receiver.subscribe("#");
  const client = broker.connect("c", 4);
  client.sendPublish("no", "x");
  client.sendPublish("yes", "x");
  for (let i = 0; i < 10; i++) await broker.events.settleAsync();
  assert.deepEqual(receiver.told(), ["PUBLISH yes 'changed' qos0"]);
});

test("Wills and the broker's own messages are not asked about again when they are published", () => {
  let asked = 0;
  const broker = new TestBroker({
    hooks: {
      authorizePublish: () => {
        asked++;
        return true;
      },
    },
  });
  const client = broker.connect("c", 5, {
    will: { topicName: "w", payload: utf8("x"), qos: 0, retain: false },
  });
  client.drop();
  assert.equal(asked, 1);
  broker.connect("trusted", 5, { isTrusted: true }).sendPublish("a", "x");
  broker.settle();
  assert.equal(asked, 1);
});

// --- authorizeSubscribe

for (const [how, answer] of Object.entries(refusals)) {
  test(`[X-124] [MQTT3-3.9.3-2] a SUBSCRIBE that is denied ${how}: 0x87, 3.1.1 0x80, 3.1 granted in form; nothing is delivered`, () => {
    for (const version of VERSIONS) {
      const broker = new TestBroker({
        hooks: (self) => ({
          authorizeSubscribe: (_client, { topicFilter }) =>
            topicFilter === "b" ? answer(self) : true,
        }),
        settings: { limits: { hookTimeout: 2000 } },
      });
      broker.connect("p").sendPublish("b", "kept", { retain: true });
      broker.settle();
      const client = broker.connect("c", version);
      client.sendSubscribe([
        ["a", 0],
        ["b", 1],
        ["c", 2],
      ]);
      broker.advance(2000);
      const code = { 3: "1", 4: "0x80", 5: "0x87" }[version];
      assert.deepEqual(client.told(), [`SUBACK 1 [0 ${code} 2]`]);
      const publisher = broker.connect("q");
      for (const topicName of ["a", "b", "c"]) publisher.sendPublish(topicName, "x");
      assert.deepEqual(client.told(), ["PUBLISH a 'x' qos0", "PUBLISH c 'x' qos0"]);
      assert.equal(broker.engine.counters.internalErrors, 0);
    }
  });
}

test("each filter is asked about, with what was requested; granted late is granted", () => {
  const asked: unknown[] = [];
  const broker = new TestBroker({
    hooks: ({ process }) => ({
      authorizeSubscribe: (client, subscription) => {
        asked.push({ clientId: client.clientId, ...subscription });
        return Answer.after(process, 100, () => true);
      },
    }),
  });
  const client = broker.connect("c");
  client.sendSubscribe([
    { topicFilter: "a", qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 },
    { topicFilter: "$share/g/b", qos: 1 },
    { topicFilter: "a/".repeat(200), qos: 1 },
  ]);
  broker.advance(1000);
  assert.deepEqual(client.told(), ["SUBACK 1 [2 1 0x8f]"]);
  assert.deepEqual(asked, [
    {
      clientId: "c",
      topicFilter: "a",
      qos: 2,
      noLocal: true,
      retainAsPublished: true,
      retainHandling: 2,
    },
    {
      clientId: "c",
      topicFilter: "$share/g/b",
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    },
  ]);
});

test("a SUBSCRIBE of 50 000 filters is asked about filter by filter without running out of stack", () => {
  const broker = new TestBroker({ hooks: { authorizeSubscribe: () => true } });
  const client = broker.connect("c", 4);
  client.sendSubscribe(Array.from({ length: 50_000 }, (_, i) => [`${i}`, 0] as const));
  const [suback] = client.take();
  assert.equal(suback?.type === "suback" && suback.reasonCodes.length, 50_000);
  assert.equal(broker.engine.counters.internalErrors, 0);
});

// --- authorizeDelivery

for (const [how, answer] of Object.entries(refusals)) {
  test(`a delivery that is denied ${how} is dropped, at every QoS; those around it come`, () => {
    for (const qos of QOS) {
      const broker = new TestBroker({
        hooks: (self) => ({
          authorizeDelivery: (_client, { topicName }) => (topicName === "no" ? answer(self) : true),
        }),
        settings: { limits: { hookTimeout: 2000 } },
      });
      const dropped = broker.listen("messageDropped");
      const client = broker.connect("c");
      client.subscribe("#", 2);
      const publisher = broker.connect("p");
      ["1", "no", "2"].forEach((topicName, i) =>
        publisher.sendPublish(topicName, "x", { qos, id: i + 1 }),
      );
      broker.advance(2000);
      assert.deepEqual(
        client.takePublishes().map((message) => message.topicName),
        ["1", "2"],
      );
      assert.deepEqual(dropped, [
        { reason: "delivery-denied", clientId: "c", topicName: "no", qos },
      ]);
      assert.equal(broker.engine.counters.internalErrors, 0);
    }
  });
}

test("a delivery hook that thinks holds one session, and neither the publisher nor the others", () => {
  const asked: DeliveryRequest[] = [];
  const broker = new TestBroker({
    hooks: ({ process }) => ({
      authorizeDelivery: (client, delivery) => {
        if (client.clientId !== "slow") return true;
        asked.push(delivery);
        return Answer.after(process, 1000, () => true);
      },
    }),
  });
  const slow = broker.connect("slow");
  slow.subscribe("#", 2, { retainAsPublished: true });
  const quick = broker.connect("quick");
  quick.subscribe("#", 2);
  const publisher = broker.connect("p", 4);
  publisher.sendPublish("a", "1", { qos: 2, retain: true });
  publisher.sendPublish("b", "2");
  assert.deepEqual(publisher.told(), ["PUBREC 1"]);
  assert.equal(quick.takePublishes().length, 2);
  slow.send({ type: "pingreq" });
  assert.deepEqual(slow.told(), ["PINGRESP"]);
  broker.advance(1000);
  assert.deepEqual(
    slow.takePublishes().map((message) => message.topicName),
    ["a"],
  );
  broker.advance(1000);
  assert.deepEqual(
    slow.takePublishes().map((message) => message.topicName),
    ["b"],
  );
  assert.deepEqual(asked, [
    { topicName: "a", qos: 2, retain: true, publisher: "p" },
    { topicName: "b", qos: 0, retain: false, publisher: "p" },
  ]);
});

test("a session whose connection ends while the delivery hook thinks keeps the message, and asks again", () => {
  for (const first of [true, false]) {
    let asked = 0;
    const broker = new TestBroker({
      hooks: ({ process }) => ({
        authorizeDelivery: () => {
          asked++;
          return asked === 1 ? Answer.after(process, 5000, () => first) : true;
        },
      }),
    });
    const options = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const client = broker.connect("c", 5, options);
    client.subscribe("a", 1);
    broker.connect("p").sendPublish("a", "x", { qos: 1 });
    broker.settle();
    client.drop();
    const again = broker.connect("c", 5, options);
    assert.equal(again.takePublishes().length, 1);
    // The late answer to the question about the lost connection means nothing.
    broker.advance(10_000);
    assert.deepEqual(again.told(), []);
    assert.equal(broker.engine.drops["delivery-denied"], 0);
    broker.connect("q").sendPublish("a", "y", { qos: 1 });
    assert.equal(again.takePublishes().length, 1);
  }
});

test("a late answer about a lost connection does not answer the question that is open now", () => {
  let asked = 0;
  const broker = new TestBroker({
    hooks: ({ process }) => ({
      authorizeDelivery: () => {
        asked++;
        return asked === 1
          ? Answer.after(process, 1000, () => false)
          : Answer.after(process, 3000, () => true);
      },
    }),
  });
  const options = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
  const client = broker.connect("c", 5, options);
  client.subscribe("a", 1);
  broker.connect("p").sendPublish("a", "x", { qos: 1 });
  broker.settle();
  client.drop();
  const again = broker.connect("c", 5, options);
  broker.advance(2000);
  assert.deepEqual(again.told(), []);
  broker.advance(2000);
  assert.equal(again.takePublishes().length, 1);
  assert.equal(asked, 2);
});

test("thousands of denied deliveries are dropped without holding up anybody", () => {
  const broker = new TestBroker({
    hooks: { authorizeDelivery: (_client, { topicName }) => topicName === "last" },
  });
  const client = broker.connect("c", 4, { cleanStart: false });
  client.subscribe("#", 1);
  client.leave();
  const publisher = broker.connect("p");
  for (let i = 1; i <= 5000; i++) {
    publisher.sendPublish("a", "x", { qos: 1, id: i });
    if (i % 1000 === 0) publisher.take();
  }
  publisher.sendPublish("last", "x", { qos: 1 });
  broker.settle();
  const again = broker.connect("c", 4, { cleanStart: false });
  assert.deepEqual(
    again.takePublishes().map((message) => message.topicName),
    ["last"],
  );
});

// --- publish

test("a publish hook sees the message, and lets it go on as it is by true or nothing", () => {
  const seen: unknown[] = [];
  for (const answer of [true, undefined]) {
    for (const version of VERSIONS) {
      const broker = new TestBroker({
        hooks: {
          publish: (client, message) => {
            seen.push({ clientId: client.clientId, ...message, payload: [...message.payload] });
            return answer;
          },
        },
      });
      const receiver = broker.connect("r");
      receiver.subscribe("#", 2);
      const properties: Properties = version === 5 ? { contentType: "t" } : {};
      broker.connect("c", version).sendPublish("a", "x", { qos: 1, retain: true, properties });
      const [message] = receiver.takePublishes();
      assert.equal(message!.properties?.contentType, properties.contentType);
      assert.deepEqual(seen.pop(), {
        clientId: "c",
        topicName: "a",
        payload: [0x78],
        qos: 1,
        retain: true,
        properties,
      });
    }
  }
});

for (const [how, answer] of Object.entries(refusals).slice(0, 5)) {
  test(`a publish hook that refuses ${how}: 0x83, 3.x acknowledged in form, and no effect`, () => {
    for (const version of VERSIONS) {
      for (const qos of QOS) {
        const broker = new TestBroker({
          hooks: (self) => ({ publish: () => answer(self) }),
          settings: { limits: { hookTimeout: 2000 } },
        });
        const receiver = broker.connect("r");
        receiver.subscribe("#", 2);
        const client = broker.connect("c", version);
        client.sendPublish("a", "x", { qos, retain: true, id: 7 });
        broker.advance(2000);
        const code = version === 5 ? " 0x83" : "";
        assert.deepEqual(client.told(), [[], [`PUBACK 7${code}`], [`PUBREC 7${code}`]][qos]);
        if (qos === 2) {
          client.sendAcknowledgement("pubrel", 7);
          client.take();
        }
        assert.deepEqual(receiver.told(), []);
        assert.equal(broker.engine.retained.count, 0);
        assert.equal(broker.engine.drops["hook-refused"], 1);
      }
    }
  });
}

test("a publish hook may change the payload and the properties, at once or late", () => {
  for (const isLate of [false, true]) {
    for (const version of VERSIONS) {
      const change = {
        payload: utf8("changed and longer than before"),
        properties: { contentType: "new", userProperties: [["k", "v"]] } satisfies Properties,
      };
      const broker = new TestBroker({
        hooks: ({ process }) => ({
          publish: () => (isLate ? Answer.after(process, 100, () => change) : change),
        }),
      });
      const receiver = broker.connect("r");
      receiver.subscribe("#", 2);
      const old = broker.connect("old", 4);
      old.subscribe("#", 0);
      const client = broker.connect("c", version);
      client.sendPublish("a", "x", { qos: 2, id: 7 });
      broker.advance(1000);
      const [message] = receiver.takePublishes();
      assert.deepEqual(
        { ...message, payload: Buffer.from(message!.payload).toString(), packetIdentifier: 0 },
        {
          type: "publish",
          topicName: "a",
          payload: "changed and longer than before",
          qos: 2,
          dup: false,
          retain: false,
          packetIdentifier: 0,
          properties: change.properties,
        },
      );
      assert.equal(old.takePublishes().length, 1);
      assert.deepEqual(client.told(), ["PUBREC 7"]);
    }
  }
});

test("a payload that a publish hook empties removes a retained message; one that it fills sets one", () => {
  const broker = new TestBroker({
    hooks: {
      publish: (_client, { payload }) => ({
        payload: payload.length === 0 ? utf8("filled") : new Uint8Array(0),
      }),
    },
  });
  const client = broker.connect("c");
  client.sendPublish("a", "", { retain: true });
  broker.settle();
  assert.equal(broker.engine.retained.count, 1);
  client.sendPublish("a", "x", { retain: true });
  broker.settle();
  assert.equal(broker.engine.retained.count, 0);
});

test("a publish hook may set a Message Expiry Interval; a Topic Alias and Subscription Identifiers are the hop's and stay out", () => {
  const broker = new TestBroker({
    hooks: {
      publish: () => ({
        properties: {
          messageExpiryInterval: 50,
          topicAlias: 3,
          subscriptionIdentifiers: [9],
          contentType: "t",
        },
      }),
    },
  });
  const receiver = broker.connect("r");
  receiver.subscribe("a");
  broker.connect("c").sendPublish("a", "x", { properties: { messageExpiryInterval: 100 } });
  assert.deepEqual(receiver.takePublishes()[0]!.properties, {
    messageExpiryInterval: 50,
    contentType: "t",
  });
});

test("a message keeps its expiry where a publish hook changes nothing but the payload", () => {
  const broker = new TestBroker({ hooks: { publish: () => ({ payload: utf8("y") }) } });
  const receiver = broker.connect("r");
  receiver.subscribe("a");
  broker.connect("c").sendPublish("a", "x", {
    properties: { messageExpiryInterval: 100, contentType: "t" },
  });
  assert.deepEqual(receiver.told(), [
    `PUBLISH a 'y' qos0 {"messageExpiryInterval":100,"contentType":"t"}`,
  ]);
});

test("a publish hook that gives properties which PUBLISH cannot have has failed: the message is refused, the client stays", () => {
  const broker = new TestBroker({
    hooks: { publish: () => ({ properties: { sessionExpiryInterval: 5 } }) },
  });
  const client = broker.connect("c");
  client.sendPublish("a", "x", { qos: 1 });
  assert.deepEqual(client.told(), ["PUBACK 1 0x83"]);
  assert.equal(broker.engine.counters.hookErrors, 1);
  assert.equal(broker.engine.counters.internalErrors, 0);
});

test("permission comes before the publish hook, and a trusted link meets neither", () => {
  let seen = 0;
  const broker = new TestBroker({
    hooks: {
      authorizePublish: () => false,
      publish: () => {
        seen++;
      },
    },
  });
  const receiver = broker.connect("r");
  receiver.subscribe("#");
  broker.connect("c").sendPublish("a", "x");
  broker.connect("trusted", 5, { isTrusted: true }).sendPublish("b", "x");
  assert.deepEqual(receiver.told(), ["PUBLISH b 'x' qos0"]);
  assert.equal(seen, 0);
});

test("messages that a hook thinks about are intact when it answers, however much is read meanwhile", () => {
  const broker = new TestBroker({
    hooks: ({ process }) => ({
      publish: ({ clientId }) =>
        clientId === "c" ? Answer.after(process, 1000, () => true) : undefined,
    }),
  });
  const receiver = broker.connect("r");
  receiver.subscribe("a");
  broker.connect("c", 4).sendPublish("a", "intact");
  const other = broker.connect("other", 4);
  for (let i = 0; i < 300; i++) {
    other.sendPublish("b", "#".repeat(5000));
    broker.settle();
  }
  broker.advance(1000);
  assert.deepEqual(receiver.told(), ["PUBLISH a 'intact' qos0"]);
});

// --- several sets

const client = {
  clientId: "c",
  username: undefined,
  protocolVersion: 5,
  peer: { listener: "memory", transport: "memory" },
} as const;
const publish: PublishRequest = { topicName: "a", qos: 0, retain: false, isWill: false };
const message: IncomingMessage = {
  topicName: "a",
  payload: utf8("0"),
  qos: 0,
  retain: false,
  properties: {},
};

test("joined questions go to all in order until one refuses", async () => {
  const order: number[] = [];
  const say =
    (number: number, answer: boolean | Promise<boolean>) => (): boolean | Promise<boolean> => {
      order.push(number);
      return answer;
    };
  const join = (...answers: (boolean | Promise<boolean> | undefined)[]): Hooks =>
    joinHooks(
      answers.map((answer, i) =>
        answer === undefined ? {} : { authorizePublish: say(i, answer) },
      ),
    );
  for (const [answers, expected, asked] of [
    [[true, true], true, [0, 1]],
    [[true, false], false, [0, 1]],
    [[false, true], false, [0]],
    [[undefined, false], false, [1]],
    [[Promise.resolve(true), true], true, [0, 1]],
    [[Promise.resolve(false), true], false, [0]],
    [[true, Promise.resolve(true), false], false, [0, 1, 2]],
    [[true, Promise.resolve(true), Promise.resolve(true)], true, [0, 1, 2]],
  ] as const) {
    order.length = 0;
    assert.equal(await join(...answers).authorizePublish!(client, publish), expected);
    assert.deepEqual(order, asked);
  }
});

test("joined hooks: nobody asks where nobody wants to know", () => {
  const joined = joinHooks([{}, {}]);
  assert.deepEqual(
    Object.values(joined).filter((hook) => hook !== undefined),
    [],
  );
  const only = { authorizePublish: () => true };
  assert.equal(joinHooks([only]), only);
  assert.equal(joinHooks([only, {}]).authorizePublish, only.authorizePublish);
});

test("joined questions that answer neither true nor false refuse", async () => {
  const odd = { authorizePublish: () => "yes" as unknown as boolean };
  const late = { authorizePublish: () => Promise.resolve("yes" as unknown as boolean) };
  const fine = { authorizePublish: () => true };
  for (const all of [
    [odd, fine],
    [fine, odd],
    [late, fine],
    [fine, late],
  ]) {
    const answer = await Promise.resolve(joinHooks(all).authorizePublish!(client, publish));
    assert.notEqual(answer, true);
  }
});

test("joined publish hooks see what those before them changed", async () => {
  const append =
    (text: string, isLate: boolean): NonNullable<Hooks["publish"]> =>
    (_client, { payload }) => {
      const change = { payload: utf8(Buffer.from(payload).toString() + text) };
      return isLate ? Promise.resolve(change) : change;
    };
  for (let late = 0; late < 8; late++) {
    const hooks = joinHooks([
      { publish: append("1", (late & 1) !== 0) },
      {},
      { publish: () => undefined },
      { publish: append("2", (late & 2) !== 0) },
      { publish: () => Promise.resolve(true) },
      { publish: append("3", (late & 4) !== 0) },
      { publish: () => true },
    ]);
    const change = await hooks.publish!(client, message);
    assert.ok(typeof change === "object");
    assert.equal(Buffer.from(change.payload!).toString(), "0123");
  }
});

test("joined publish hooks: a change of properties and one of the payload come together; a refusal ends it", async () => {
  const hooks = joinHooks([
    { publish: () => ({ properties: { contentType: "t" } }) },
    { publish: () => ({ payload: utf8("p") }) },
  ]);
  assert.deepEqual(await hooks.publish!(client, message), {
    payload: utf8("p"),
    properties: { contentType: "t" },
  });
  let reached = false;
  for (const refusal of [false, Promise.resolve(false)] as const) {
    const refusing = joinHooks([
      { publish: () => ({ payload: utf8("p") }) },
      { publish: () => refusal },
      {
        publish: () => {
          reached = true;
        },
      },
    ]);
    assert.equal(await refusing.publish!(client, message), false);
  }
  assert.equal(reached, false);
});

test("two sets of hooks in a broker", () => {
  const broker = new TestBroker({
    hooks: ({ process }) =>
      joinHooks([
        { authorizePublish: (_client, { topicName }) => topicName !== "first" },
        {
          authorizePublish: (_client, { topicName }) =>
            Answer.after(process, 100, () => topicName !== "second"),
          publish: () => ({ payload: utf8("changed") }),
        },
      ]),
  });
  const receiver = broker.connect("r");
  receiver.subscribe("#");
  const publisher = broker.connect("c");
  ["first", "second", "third"].forEach((topicName, i) =>
    publisher.sendPublish(topicName, "x", { qos: 1, id: i + 1 }),
  );
  broker.advance(1000);
  assert.deepEqual(publisher.told(), ["PUBACK 1 0x87", "PUBACK 2 0x87", "PUBACK 3"]);
  assert.deepEqual(receiver.told(), ["PUBLISH third 'changed' qos0"]);
});
