import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "@sericite/protocol";
import { utf8 } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";

const client = { clientId: "c", username: "u" };

/** Fields of an event without the port of its peer, which is any. */
function told(events: readonly { readonly peer: { readonly address?: unknown } | undefined }[]) {
  return events.map(({ peer, ...rest }) => ({ ...rest, from: peer?.address }));
}

for (const version of VERSIONS) {
  test(`${NAME_OF_VERSION[version]}: a PUBLISH that is refused is told of with who, what and why, whatever the client is told`, () => {
    const broker = new TestBroker({
      hooks: {
        authorizePublish: (_, { topicName }) => topicName !== "denied",
        publish: (_, { topicName }) => topicName !== "unwanted",
      },
    });
    const refused = broker.listen("publishRefused");
    const wire = broker.connect("c", version, { username: "u" });
    for (const qos of [0, 1, 2] as QoS[])
      wire.sendPublish("denied", "x", { qos, id: qos, retain: qos === 1 });
    wire.sendPublish("unwanted", "x", { qos: 1, id: 9 });
    wire.sendPublish("allowed", "x");
    broker.settle();
    const from = "192.0.2.1";
    const denied = {
      ...client,
      topicName: "denied",
      isWill: false,
      reason: "publish-denied",
      from,
    };
    assert.deepEqual(told(refused), [
      { ...denied, qos: 0, retain: false },
      { ...denied, qos: 1, retain: true },
      { ...denied, qos: 2, retain: false },
      { ...denied, topicName: "unwanted", qos: 1, retain: false, reason: "hook-refused" },
    ]);
  });

  test(`${NAME_OF_VERSION[version]}: a message that its receiver may not have is told of with both`, () => {
    const broker = new TestBroker({
      hooks: { authorizeDelivery: (_, { topicName }) => topicName !== "a/secret" },
    });
    const refused = broker.listen("deliveryRefused");
    const wire = broker.connect("c", version, { username: "u" });
    wire.subscribe("a/#", 1);
    const publisher = broker.connect("p");
    publisher.sendPublish("a/open", "x", { qos: 2, id: 1 });
    publisher.sendPublish("a/secret", "x", { qos: 2, id: 2 });
    broker.settle();
    assert.deepEqual(told(refused), [
      { ...client, topicName: "a/secret", qos: 1, publisher: "p", from: "192.0.2.1" },
    ]);
  });

  test(`${NAME_OF_VERSION[version]}: a Topic Filter that is refused is told of with who asked`, () => {
    const broker = new TestBroker({ hooks: { authorizeSubscribe: () => false } });
    const refused = broker.listen("subscriptionRefused");
    broker.connect("c", version, { username: "u" }).sendSubscribe([["a/#", 1]]);
    broker.settle();
    assert.deepEqual(told(refused), [
      { ...client, topicFilter: "a/#", reasonCode: 0x87, isUnasked: false, from: "192.0.2.1" },
    ]);
  });
}

test("a Will that may not be published when it is due is told of; its client is gone", () => {
  const broker = new TestBroker({ hooks: { confirmWill: () => false } });
  const refused = broker.listen("publishRefused");
  const will = { topicName: "w", payload: utf8("x"), qos: 1, retain: true } as const;
  broker.connect("c", 5, { username: "u", will }).drop();
  assert.deepEqual(told(refused), [
    {
      ...client,
      topicName: "w",
      qos: 1,
      retain: true,
      isWill: true,
      reason: "publish-denied",
      from: undefined,
    },
  ]);
});

test("a connection that a hook refuses is told of with its address", () => {
  const broker = new TestBroker({ hooks: { authorizeConnection: () => false } });
  const refused = broker.listen("connectionRefused");
  broker.dial();
  broker.settle();
  assert.deepEqual(
    refused.map(({ listener, reason, address }) => [listener, reason, address]),
    [["tcp:1883", "hook", "192.0.2.1"]],
  );
});
