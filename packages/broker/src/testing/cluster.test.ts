import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "@sericite/protocol";
import { ClusterWorld, publish } from "./cluster-world.test-support.ts";
import { RawClient } from "./raw-client.ts";

test("a message reaches subscribers at every node, at each QoS, once and in order", () => {
  const world = new ClusterWorld(1, 3, false);
  const subscribers = [0, 1, 2].map((node) => world.client(`sub-${node}`, node));
  for (const subscriber of subscribers) world.subscribe(subscriber, "a/#");
  const publisher = world.client("pub", 0);
  world.rest();
  for (let i = 0; i < 30; i += 1) publish(publisher, "a/b", `m${i}`, (i % 3) as QoS);
  world.rest();
  const expected = Array.from({ length: 30 }, (_, i) => `${i % 3} a/b m${i}`);
  for (const subscriber of subscribers) assert.deepEqual(subscriber.received, expected);
  assert.equal(publisher.outgoing.size, 0);
});

test("a node gets one envelope for a message, and none that nobody there wants", () => {
  const world = new ClusterWorld(2, 3, false);
  const sent: string[] = [];
  const { bus } = world.nodes[0]!.engine;
  const send = bus.send.bind(bus);
  bus.send = (envelope) => {
    if (envelope.event.type === "message") sent.push(envelope.to);
    return send(envelope);
  };
  for (const name of ["one", "two"]) world.subscribe(world.client(name, 1), "a/#");
  world.subscribe(world.client("member", 1), "$share/g/a/#");
  world.rest();
  publish(world.client("pub", 0), "a/b", "m", 1);
  world.rest();
  assert.deepEqual(sent, ["node-1"]);
});

test("an acknowledgement leaves when the other node has the message", () => {
  const world = new ClusterWorld(3, 2, false);
  const subscriber = world.client("sub", 1);
  world.subscribe(subscriber, "a/#");
  const publisher = world.client("pub", 0);
  world.rest();
  world.network.split(["node-1"]);
  publish(publisher, "a/b", "cut off", 1);
  publish(publisher, "other", "to nobody", 1);
  world.rest();
  assert.equal(publisher.outgoing.size, 2, "nothing is acknowledged out of its order");
  assert.deepEqual(subscriber.received, []);
  world.network.heal();
  world.rest();
  assert.equal(publisher.outgoing.size, 0);
  assert.deepEqual(subscriber.received, ["1 a/b cut off"]);
});

for (const isStored of [false, true]) {
  const kind = isStored ? "from its store" : "from memory";
  test(`a session goes with all that it has to the node where its client connects: ${kind}`, () => {
    const world = new ClusterWorld(4, 2, isStored);
    const subscriber = world.client("sub", 0);
    world.subscribe(subscriber, "a/#");
    world.subscribe(subscriber, "$share/g/s/#");
    const publisher = world.client("pub", 1);
    world.rest();
    subscriber.isWithholding = true;
    const expected: string[] = [];
    for (let i = 0; i < 40; i += 1) {
      const [topicName, qos] = [i % 4 === 0 ? "s/t" : "a/b", (1 + (i % 2)) as QoS];
      publish(publisher, topicName, `m${i}`, qos);
      if (i % 10 === 0) world.events.advance(100);
      expected.push(`${qos} ${topicName} m${i}`);
    }
    world.rest();
    assert.equal(subscriber.received.length, 5, "Receive Maximum are in flight");
    subscriber.isWithholding = false;
    world.connect(subscriber, 1);
    for (let i = 40; i < 60; i += 1) {
      publish(publisher, "a/b", `m${i}`, 2);
      expected.push(`2 a/b m${i}`);
      world.events.advance(5);
    }
    world.rest();
    assert.deepEqual(world.ends, ["sub 0x8e"]);
    assert.deepEqual(world.owners("sub"), [1]);
    assert.deepEqual([...new Set(subscriber.received)], expected);
    const twice = subscriber.received.filter((text, i, all) => all.indexOf(text) !== i);
    assert.ok(twice.length <= 3 && twice.every((text) => text.startsWith("1 ")), String(twice));
    assert.equal(publisher.outgoing.size, 0);
  });
}

test("a session that is taken to and fro ends at the last node", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const world = new ClusterWorld(seed, 3, seed % 2 === 0);
    const subscriber = world.client("sub", 0);
    world.subscribe(subscriber, "a/#");
    const publisher = world.client("pub", 1);
    world.rest();
    for (let i = 0; i < 30; i += 1) {
      publish(publisher, "a/b", `m${i}`, 2);
      if (i % 3 === 0) world.connect(subscriber, i % 2 === 0 ? 1 : 2);
      world.events.advance(world.chance.integer(0, 60));
    }
    world.rest();
    assert.deepEqual(world.owners("sub"), [2], `seed ${seed}`);
    assert.ok(subscriber.isConnected);
    const expected = Array.from({ length: 30 }, (_, i) => `2 a/b m${i}`);
    assert.deepEqual(subscriber.received, expected, `seed ${seed}`);
  }
});

test("a QoS 2 message is no new one at the node where its publisher comes back", () => {
  const world = new ClusterWorld(5, 2, false);
  const subscriber = world.client("sub", 1);
  world.subscribe(subscriber, "a/#");
  const publisher = world.client("pub", 0);
  world.rest();
  publish(publisher, "a/b", "once", 2);
  world.events.settle(); // It is routed, and its PUBREC waits for the other node.
  assert.equal(publisher.outgoing.size, 1);
  world.connect(publisher, 1);
  world.rest();
  assert.equal(publisher.outgoing.size, 0);
  assert.deepEqual(subscriber.received, ["2 a/b once"]);
});

test("the answer to a repeated QoS 2 message waits for the other node as the first would have", () => {
  const world = new ClusterWorld(9, 2, false);
  world.subscribe(world.client("sub", 1), "a/#");
  const publisher = world.client("pub", 0);
  world.rest();
  world.network.split(["node-1"]);
  publish(publisher, "a/b", "cut off", 2);
  world.rest();
  world.connect(publisher, 0);
  world.rest();
  assert.ok(publisher.isConnected);
  assert.equal([...publisher.outgoing.values()][0]?.state, "publish", "there was a PUBREC");
  world.network.heal();
  world.rest();
  assert.equal(publisher.outgoing.size, 0);
});

test("a Will Message goes out once, and not where its client came back at another node", () => {
  const world = new ClusterWorld(6, 2, false);
  const watcher = world.client("watcher", 0);
  world.subscribe(watcher, "will/#");
  const will = (clientId: string) => ({
    topicName: `will/${clientId}`,
    payload: new TextEncoder().encode("gone"),
    qos: 1 as const,
    retain: false,
    properties: { willDelayInterval: 5 },
  });
  for (const clientId of ["back", "away"]) {
    const client = new RawClient(clientId, 5);
    const link = world.nodes[0]!.link(world.events.process(clientId));
    client.connect(link, {
      cleanStart: true,
      keepAlive: 0,
      sessionExpiryInterval: 60,
      will: will(clientId),
    });
    world.events.advance(200);
    link.cut(true);
    world.events.advance(200);
    if (clientId === "back") world.connect(client, 1);
  }
  world.rest();
  assert.deepEqual(watcher.received, ["1 will/away gone"]);
});

test("one member of a Shared Subscription gets a message, connected ones first, whatever their nodes", () => {
  const world = new ClusterWorld(7, 2, false);
  const members = ["a", "b", "c"].map((name, node) => world.client(name, node % 2));
  for (const member of members) world.subscribe(member, "$share/g/t/#");
  const publisher = world.client("pub", 1);
  world.rest();
  members[0]!.disconnect(false);
  world.rest();
  for (let i = 0; i < 20; i += 1) publish(publisher, "t/x", `m${i}`, 1);
  world.rest();
  assert.deepEqual(members[0]!.received, []);
  assert.deepEqual(
    members.map(({ received }) => received.length),
    [0, 10, 10],
  );
});

test("what waits for a member whose session ends goes to a member at another node", () => {
  const world = new ClusterWorld(10, 2, false);
  const leaving = world.client("leaving", 1);
  world.subscribe(leaving, "$share/g/t/#");
  const publisher = world.client("pub", 1);
  world.rest();
  leaving.isWithholding = true;
  for (let i = 0; i < 10; i += 1) publish(publisher, "t/x", `m${i}`, 1);
  world.rest();
  const staying = world.client("staying", 0);
  world.subscribe(staying, "$share/g/t/#");
  world.rest();
  world.connect(leaving, 1, true);
  world.rest();
  assert.deepEqual(
    new Set(staying.received),
    new Set(Array.from({ length: 10 }, (_, i) => `1 t/x m${i}`)),
  );
});

test("nodes keep the same retained message, in whatever order they heard of two", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const world = new ClusterWorld(seed, 3, false);
    const publishers = [0, 1, 2].map((node) => world.client(`pub-${node}`, node));
    if (seed % 2 === 0) world.network.split(["node-2"]);
    for (let i = 0; i < 12; i += 1) {
      const publisher = world.chance.pick(publishers);
      const payload = world.chance.happens(0.2) ? "" : `m${i}`;
      publisher.publish({ topicName: "r", payload, qos: 1, retain: true });
      world.events.advance(world.chance.integer(0, 3) * 10);
    }
    world.network.heal();
    world.rest();
    const kept = world.nodes.map(({ engine }) => {
      const message = engine.retained.get("r");
      return message === undefined ? "" : new TextDecoder().decode(message.payload());
    });
    assert.deepEqual(new Set(kept).size, 1, `seed ${seed}: ${kept.join(" ")}`);
  }
});

test("after a partition the higher epoch has the session, and what waited on the other side too", () => {
  const world = new ClusterWorld(8, 2, false);
  const subscriber = world.client("sub", 0);
  world.subscribe(subscriber, "a/#");
  const publisher = world.client("pub", 0);
  world.rest();
  subscriber.isWithholding = true;
  publish(publisher, "a/b", "before", 1);
  world.rest();
  subscriber.disconnect(false);
  world.network.split(["node-1"]);
  publish(publisher, "a/b", "behind", 1);
  world.rest();
  assert.equal(publisher.outgoing.size, 0, "its session is here: nothing is to be waited for");
  world.connect(subscriber, 1);
  world.rest();
  assert.deepEqual(world.owners("sub"), [0, 1], "each part has one");
  assert.deepEqual(subscriber.received, ["1 a/b before"]);
  // The client's own copy on the old side is connected again, by somebody else.
  world.connect(new RawClient("sub", 5), 0);
  world.rest();
  world.network.heal();
  world.rest();
  assert.equal(world.owners("sub").length, 1);
  assert.equal(world.ends.at(-1), "sub 0x8e");
});
