import assert from "node:assert/strict";
import { test } from "node:test";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import { Answer } from "../testing/index.ts";
import type { Events } from "./events.ts";
import { AutoSubscriptions } from "./auto-subscribe.ts";
import type { AutoSubscription } from "./auto-subscribe.ts";

const own: AutoSubscription = { topicFilter: "to/%c/#", qos: 1 };

const what = ({ topicFilter, reasonCode, isUnasked }: Events["subscriptionRefused"]): unknown[] => [
  topicFilter,
  reasonCode,
  isUnasked,
];

for (const version of VERSIONS) {
  test(`${NAME_OF_VERSION[version]}: a client that connects has what it did not ask for, and is told of nothing`, () => {
    const broker = new TestBroker({ autoSubscribe: [own, { topicFilter: "all" }] });
    const subscribed = broker.listen("subscribed");
    const publisher = broker.connect("p");
    publisher.sendPublish("to/c/old", "retained", { retain: true });
    const client = broker.connect("c", version);
    for (const topicName of ["to/c/1", "to/d/1", "all"])
      publisher.sendPublish(topicName, "x", { qos: 1 });
    assert.deepEqual(
      client.takePublishes().map(({ topicName, qos }) => `${topicName} qos${qos}`),
      ["to/c/old qos0", "to/c/1 qos1", "all qos0"],
    );
    assert.deepEqual(
      subscribed.filter(({ clientId }) => clientId === "c"),
      [
        { clientId: "c", topicFilter: "to/c/#", qos: 1 },
        { clientId: "c", topicFilter: "all", qos: 0 },
      ],
    );
  });

  test(`${NAME_OF_VERSION[version]}: it is authorized as what a client asks for, and what is denied is told`, () => {
    const asked: string[] = [];
    const broker = new TestBroker({
      autoSubscribe: [{ topicFilter: "no/%c" }, { topicFilter: "yes/%c" }],
      hooks: {
        authorizeSubscribe: ({ clientId }, { topicFilter }) => {
          asked.push(`${clientId} ${topicFilter}`);
          return topicFilter.startsWith("yes/");
        },
      },
    });
    const refused = broker.listen("subscriptionRefused");
    const client = broker.connect("c", version);
    assert.deepEqual(asked, ["c no/c", "c yes/c"]);
    assert.deepEqual(refused.map(what), [["no/c", 0x87, true]]);
    const publisher = broker.connect("p");
    publisher.sendPublish("no/c", "x");
    publisher.sendPublish("yes/c", "x");
    assert.deepEqual(client.told(), ["PUBLISH yes/c 'x' qos0"]);
  });
}

test("the rights that a client came in with count as well", () => {
  const broker = new TestBroker({
    autoSubscribe: [own],
    authenticator: {
      authenticate: () => ({ accepted: true, rights: { maySubscribe: () => false } }),
    },
  });
  const refused = broker.listen("subscriptionRefused");
  broker.connect("c");
  assert.deepEqual(refused.map(what), [["to/c/#", 0x87, true]]);
});

test("a hook that answers late makes the client's own packets wait, not CONNACK", () => {
  const broker = new TestBroker({
    autoSubscribe: [own],
    hooks: ({ process }) => ({
      authorizeSubscribe: () => Answer.after(process, 500, () => true),
    }),
  });
  const client = broker.dial();
  client.sendConnect("c");
  client.sendPublish("to/c/echo", "x");
  broker.advance(400);
  assert.deepEqual(client.told(), ["CONNACK 0x00"]);
  broker.advance(200);
  assert.deepEqual(client.told(), ["PUBLISH to/c/echo 'x' qos0"]);
});

test("a subscription that a resumed session has stays as the client made it; one that it lacks is made", () => {
  const broker = new TestBroker({ autoSubscribe: [own, { topicFilter: "$share/g/work" }] });
  const session = { cleanStart: false, properties: { sessionExpiryInterval: 3600 } };
  const first = broker.connect("c", 5, session);
  first.subscribe("to/c/#", 2, { identifier: 7 });
  first.sendUnsubscribe(["$share/g/work"], 9);
  assert.deepEqual(first.told(), ["UNSUBACK 9 [0]"]);
  first.leave();
  const subscribed = broker.listen("subscribed");
  const client = broker.connect("c", 5, session);
  assert.deepEqual(subscribed, [{ clientId: "c", topicFilter: "$share/g/work", qos: 0 }]);
  broker.connect("p").sendPublish("to/c/1", "x", { qos: 2 });
  const [publish] = client.takePublishes();
  assert.equal(publish?.qos, 2);
  assert.deepEqual(publish.properties?.subscriptionIdentifiers, [7]);
});

test("it outlives a crash with its session", () => {
  const broker = new TestBroker({ durable: true, autoSubscribe: [own] });
  broker.connect("c", 5, { cleanStart: false, properties: { sessionExpiryInterval: 3600 } });
  broker.settle();
  const after = broker.restart({ tail: 1 });
  const session = after.engine.sessions.get("c")!;
  assert.equal(after.engine.hasSubscription(session, "to/c/#"), true);
});

for (const [clientId, username] of [
  ["a/b", "u"],
  ["+", "u"],
  ["#", "u"],
  ["c", "x/#"],
  ["c", undefined],
] as const) {
  test(`a client ${clientId} with the username ${username} gets nothing by a name that is no part of a level`, () => {
    const broker = new TestBroker({ autoSubscribe: [{ topicFilter: "to/%c/of-%u/#" }] });
    const subscribed = broker.listen("subscribed");
    broker.connect(clientId, 5, { username });
    broker.settle();
    assert.deepEqual(subscribed, []);
    assert.equal(broker.logged("auto-subscribe-skipped").length, 1);
  });
}

test("the embedding program's own sessions get nothing", () => {
  const broker = new TestBroker({ autoSubscribe: [own] });
  const subscribed = broker.listen("subscribed");
  broker.connect("c", 5, { isTrusted: true });
  broker.settle();
  assert.deepEqual(subscribed, []);
});

test("session.subscriptionsMaximum counts them", () => {
  const broker = new TestBroker({
    autoSubscribe: [own, { topicFilter: "all" }],
    settings: { session: { subscriptionsMaximum: 1 } },
  });
  const refused = broker.listen("subscriptionRefused");
  broker.connect("c");
  assert.deepEqual(refused.map(what), [["all", 0x97, true]]);
});

test("a listener that sends a client away when it connects leaves it without subscriptions", () => {
  const broker = new TestBroker({ autoSubscribe: [own] });
  const subscribed = broker.listen("subscribed");
  broker.engine.events.on("clientConnected", ({ clientId }) =>
    broker.engine.sessions.get(clientId)!.connection!.close(0x98, "not now"),
  );
  const client = broker.dial();
  client.sendConnect("c");
  assert.deepEqual(client.told(), ["CONNACK 0x00", "DISCONNECT 0x98", "CLOSED"]);
  assert.deepEqual(subscribed, []);
});

for (const [wrong, says] of [
  [{ topicFilter: "a/#/%c" }, /^autoSubscribe\[1\]\.topicFilter: Topic Filter "a\/#\/c" has a #/],
  [{ topicFilter: 1 }, /^autoSubscribe\[1\]\.topicFilter: is a number/],
  [{ qos: 3 }, /^autoSubscribe\[1\]\.qos: expected 0, 1 or 2, got 3/],
  [{ retainHandling: 3 }, /^autoSubscribe\[1\]\.retainHandling: expected 0, 1 or 2, got 3/],
  [{ topicFilter: "$share/g/a", noLocal: true }, /^autoSubscribe\[1\]\.noLocal: a Shared/],
  [{ filter: "a" }, /^autoSubscribe\[1\]: there is no filter; there are topicFilter, qos, /],
] as const) {
  test(`one with ${JSON.stringify(wrong)} is refused at once`, () => {
    assert.throws(
      () => new AutoSubscriptions([own, { topicFilter: "a", ...wrong } as AutoSubscription]),
      { code: "ERR_AUTO_SUBSCRIBE", message: says },
    );
  });
}
