import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { utf8 } from "../spelling.test-support.ts";
import { TestBroker } from "../test-broker.test-support.ts";
import type { Outage, TestBrokerOptions } from "../test-broker.test-support.ts";
import type { ConnectOptions, WireClient } from "../wire-client.test-support.ts";
import type { StoreRecord } from "./records.ts";
import { endSession } from "./session-registry.ts";

/** What is done before a crash, and what has to be true behind it because of one kind of record. */
interface Reader {
  readonly what: string;
  readonly options?: TestBrokerOptions;
  readonly before: (broker: TestBroker) => void;
  readonly outage?: Outage;
  readonly after: (broker: TestBroker) => void;
}

/** A CONNECT of a session that lives on for so many seconds. */
function lasting(sessionExpiryInterval = 3600, cleanStart = false): ConnectOptions {
  return { cleanStart, properties: { sessionExpiryInterval } };
}

function subscriber(broker: TestBroker, qos: 1 | 2 = 1): WireClient {
  const client = broker.connect("s", 5, lasting());
  client.subscribe("a", qos);
  return client;
}

function publish(broker: TestBroker, topicName: string, payload: string, qos: 1 | 2 = 1): void {
  const client = broker.connect("p");
  client.sendPublish(topicName, payload, { qos });
  broker.settle();
  client.leave();
}

const will = { topicName: "w", payload: utf8("gone"), qos: 0, retain: true } as const;

const payloadsOf = (client: WireClient): string[] =>
  client.takePublishes().map(({ payload }) => new TextDecoder().decode(payload));

const retained = (broker: TestBroker, topicName: string): string | undefined => {
  const message = broker.engine.retained.get(topicName);
  return message === undefined ? undefined : new TextDecoder().decode(message.payload());
};

/** For each kind of record what a restart would get wrong without it. */
const READERS: { readonly [T in StoreRecord["type"]]: Reader } = {
  "session-begin": {
    what: "a session is there again",
    before: (broker) => broker.connect("s", 5, lasting()).leave(),
    after: (broker) =>
      assert.equal(broker.connect("s", 5, lasting()).connack?.sessionPresent, true),
  },
  "session-attach": {
    what: "a session that its client took up again has the new expiry",
    before: (broker) => {
      broker.connect("s", 5, lasting(100)).leave();
      broker.connect("s", 5, lasting(1000));
    },
    outage: { lasts: 500_000 },
    after: (broker) => assert.notEqual(broker.engine.sessions.get("s"), undefined),
  },
  "session-detach": {
    what: "the time without a connection counts from when it ended",
    before: (broker) => {
      broker.connect("s", 5, lasting(100)).leave();
      broker.advance(90_000);
    },
    outage: { lasts: 15_000 },
    after: (broker) => assert.equal(broker.engine.sessions.get("s"), undefined),
  },
  "session-leave": {
    what: "[MQTT5-4.8.2-4] what an ended session leaves to others is passed on, and its name is free",
    before: (broker) => {
      for (const clientId of ["s", "t"]) {
        const member = broker.connect(clientId, 5, lasting());
        member.subscribe("$share/g/a", 1);
        member.leave();
      }
      for (const payload of ["1", "2", "3", "4"]) publish(broker, "a", payload);
      // Too slow for anything to be passed on before the end.
      broker.store.faults = { delay: 1, delayMaximumMs: 1000 };
      broker.engine.enter();
      endSession(broker.engine, broker.engine.sessions.get("s")!, "a test");
      broker.settle();
    },
    outage: { tail: 1 },
    after: (broker) => {
      assert.equal(broker.engine.sessions.get("s"), undefined);
      const member = broker.connect("t", 5, lasting());
      assert.deepEqual(payloadsOf(member).toSorted(), ["1", "2", "3", "4"]);
    },
  },
  "session-end": {
    what: "a session that ended does not come back",
    before: (broker) => {
      broker.connect("s", 5, lasting()).leave();
      broker.connect("s").leave();
    },
    after: (broker) =>
      assert.equal(broker.connect("s", 5, lasting()).connack?.sessionPresent, false),
  },
  subscribe: {
    what: "a subscription goes on, with all its options",
    before: (broker) => {
      const client = broker.connect("s", 5, lasting());
      client.subscribe("a/#", 1, { noLocal: true, retainAsPublished: true, identifier: 77 });
    },
    after: (broker) => {
      const client = broker.connect("s", 5, lasting());
      client.sendPublish("a/own", "x", { qos: 1, id: 9 });
      assert.deepEqual(client.told(), ["PUBACK 9 0x10"]);
      broker.connect("p").sendPublish("a/b", "x", { retain: true });
      assert.deepEqual(client.told(), [
        `PUBLISH a/b 'x' qos0 retain {"subscriptionIdentifiers":[77]}`,
      ]);
    },
  },
  "retained-sent": {
    what: "[X-63] retained messages that a subscription got are not sent again",
    before: (broker) => {
      broker.connect("p").sendPublish("a", "kept", { retain: true });
      const client = broker.connect("s", 5, lasting());
      client.sendSubscribe([["a", 1]]);
      assert.equal(client.take().length, 2);
    },
    after: (broker) => assert.deepEqual(broker.connect("s", 5, lasting()).takePublishes(), []),
  },
  unsubscribe: {
    what: "a subscription that was ended does not come back",
    before: (broker) => {
      subscriber(broker).sendUnsubscribe(["a"]);
      broker.settle();
    },
    after: (broker) => {
      publish(broker, "a", "x");
      assert.deepEqual(broker.connect("s", 5, lasting()).takePublishes(), []);
    },
  },
  message: {
    what: "[MQTT5-4.5.0-1] a message that waits is delivered, with its properties",
    before: (broker) => {
      subscriber(broker).leave();
      const properties = { contentType: "text" };
      broker.connect("p").sendPublish("a", "x", { qos: 1, properties });
      broker.settle();
    },
    after: (broker) =>
      assert.match(
        broker.connect("s", 5, lasting()).told()[0] ?? "nothing",
        /^PUBLISH a 'x' qos1 #\d+ \{"contentType":"text"\}$/,
      ),
  },
  enqueue: {
    what: "a message waits for whom it waited for",
    before: (broker) => {
      subscriber(broker).leave();
      publish(broker, "a", "x");
    },
    after: (broker) => assert.deepEqual(payloadsOf(broker.connect("s", 5, lasting())), ["x"]),
  },
  trim: {
    what: "what was given up in a full queue stays given up",
    options: { settings: { session: { queueMaximumMessages: 2 } } },
    before: (broker) => {
      subscriber(broker).leave();
      for (const payload of ["1", "2", "3"]) publish(broker, "a", payload);
    },
    after: (broker) => assert.deepEqual(payloadsOf(broker.connect("s", 5, lasting())), ["2", "3"]),
  },
  settled: {
    what: "what was acknowledged is not sent again",
    before: (broker) => {
      const client = subscriber(broker);
      publish(broker, "a", "x");
      client.sendAcknowledgement("puback", client.takePublishes()[0]!.packetIdentifier!);
      broker.settle();
    },
    after: (broker) => assert.deepEqual(broker.connect("s", 5, lasting()).takePublishes(), []),
  },
  received: {
    what: "[MQTT5-4.3.3-6] behind PUBREC comes PUBREL, and the message no more",
    before: (broker) => {
      const client = subscriber(broker, 2);
      publish(broker, "a", "x", 2);
      client.sendAcknowledgement("pubrec", client.takePublishes()[0]!.packetIdentifier!);
      assert.match(client.told()[0]!, /^PUBREL/);
    },
    after: (broker) =>
      assert.match(broker.connect("s", 5, lasting()).told().join(), /^PUBREL \d+$/),
  },
  "inbound-begin": {
    what: "[MQTT5-4.3.3-10] a QoS 2 message that is repeated behind a crash is no second one",
    before: (broker) => {
      broker.connect("p", 5, lasting()).sendPublish("a", "x", { qos: 2, id: 7 });
      broker.settle();
    },
    after: (broker) => {
      const watcher = broker.connect("watcher");
      watcher.subscribe("a");
      const client = broker.connect("p", 5, lasting());
      client.sendPublish("a", "x", { qos: 2, id: 7, dup: true });
      assert.deepEqual(client.told(), ["PUBREC 7"]);
      client.sendAcknowledgement("pubrel", 7);
      assert.deepEqual(client.told(), ["PUBCOMP 7"]);
      assert.deepEqual(watcher.takePublishes(), []);
    },
  },
  "inbound-end": {
    what: "[MQTT5-4.3.3-12] a Packet Identifier that was released is a new message's",
    before: (broker) => {
      const client = broker.connect("p", 5, lasting());
      client.sendPublish("a", "x", { qos: 2, id: 7 });
      broker.settle();
      client.sendAcknowledgement("pubrel", 7);
      broker.settle();
    },
    after: (broker) => {
      const watcher = broker.connect("watcher");
      watcher.subscribe("a");
      broker.connect("p", 5, lasting()).sendPublish("a", "y", { qos: 2, id: 7 });
      assert.deepEqual(payloadsOf(watcher), ["y"]);
    },
  },
  retained: {
    what: "[MQTT5-3.3.1-5] retained messages are there again",
    before: (broker) => {
      broker.connect("p").sendPublish("a", "kept", { retain: true });
      broker.settle();
    },
    after: (broker) => assert.equal(retained(broker, "a"), "kept"),
  },
  "retained-clear": {
    what: "[MQTT5-3.3.1-6] a retained message that was removed does not come back",
    before: (broker) => {
      const client = broker.connect("p");
      client.sendPublish("a", "kept", { retain: true });
      client.sendPublish("a", "", { retain: true });
      broker.settle();
    },
    after: (broker) => assert.equal(retained(broker, "a"), undefined),
  },
  "will-set": {
    what: "[MQTT5-3.1.2-8] the Will of a connection that the crash ended is published",
    before: (broker) => {
      broker.connect("c", 5, { will });
    },
    after: (broker) => assert.equal(retained(broker, "w"), "gone"),
  },
  "will-clear": {
    what: "[MQTT5-3.14.4-3] a Will that was discarded stays discarded",
    before: (broker) => broker.connect("c", 5, { will }).leave(),
    after: (broker) => assert.equal(retained(broker, "w"), undefined),
  },
  delayed: {
    what: "a delayed message is published when its time has come",
    before: (broker) => {
      broker.connect("c").sendPublish("$delayed/60/a", "late", { retain: true });
      broker.advance(20_000);
    },
    after: (broker) => {
      broker.advance(38_000);
      assert.equal(retained(broker, "a"), undefined);
      broker.advance(2000);
      assert.equal(retained(broker, "a"), "late");
    },
  },
  "delayed-end": {
    what: "a delayed message that was cancelled stays cancelled",
    before: (broker) => {
      const client = broker.connect("c");
      client.sendPublish("$delayed/60/a", "late", { retain: true });
      client.sendPublish("$delayed/cancel/a", "");
      broker.settle();
    },
    outage: { lasts: 100_000 },
    after: (broker) => assert.equal(retained(broker, "a"), undefined),
  },
  ban: {
    what: "a ban is kept",
    before: (broker) => {
      broker.engine.bans.add("clientId", "s", Infinity, "a test");
      broker.settle();
    },
    after: (broker) => {
      const client = broker.dial();
      client.sendConnect("s");
      assert.deepEqual(client.told(), ["CONNACK 0x8a", "CLOSED"]);
    },
  },
  "ban-end": {
    what: "a ban that was lifted stays lifted",
    before: (broker) => {
      broker.engine.bans.add("clientId", "s", Infinity, "a test");
      broker.engine.bans.lift("clientId", "s");
      broker.settle();
    },
    after: (broker) => broker.connect("s"),
  },
  "time-mark": {
    what: "[X-23] intervals go on while no process runs",
    before: (broker) => broker.connect("s", 5, lasting(100)).leave(),
    outage: { lasts: 150_000 },
    after: (broker) => assert.equal(broker.engine.sessions.get("s"), undefined),
  },
};

for (const [type, reader] of Object.entries(READERS) as [StoreRecord["type"], Reader][]) {
  test(`${type}: ${reader.what}`, () => {
    const options = { ...reader.options, durable: true };
    const crash = (loses?: StoreRecord["type"]): TestBroker => {
      const broker = new TestBroker(options);
      reader.before(broker);
      assert.ok(
        broker.store.records.some(({ record }) => record.type === type),
        "no such record was made",
      );
      return broker.restart(loses === undefined ? reader.outage : { ...reader.outage, loses });
    };
    reader.after(crash());
    assert.throws(() => reader.after(crash(type)), "all was well without the record too");
  });
}

test("the table in docs/ARCHITECTURE.md has every kind of record", () => {
  const page = readFileSync(new URL("../../../../docs/ARCHITECTURE.md", import.meta.url), "utf8");
  const table = page.slice(page.indexOf("## What each acknowledgement waits for"));
  const rows = table.split("\n").filter((line) => line.startsWith("| `"));
  const named = rows.flatMap((row) =>
    [...row.split("|")[1]!.matchAll(/`([^`]+)`/g)].map(([, type]) => type),
  );
  assert.equal(named.length, new Set(named).size);
  assert.deepEqual(new Set(named), new Set(Object.keys(READERS)));
});
