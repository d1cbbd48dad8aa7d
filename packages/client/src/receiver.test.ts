import assert from "node:assert/strict";
import { test } from "node:test";
import type { SubscribeOptions } from "./client.ts";
import type { MessageHandler } from "./mailbox.ts";
import type { ClientOptions } from "./options.ts";
import { FakeServer } from "./testing/fake-server.ts";

/** A client with a subscription to `t`, or to `t` by handler. */
async function subscribed(
  options: ClientOptions = {},
  handler?: MessageHandler,
  subscribeOptions: SubscribeOptions = {},
) {
  const server = new FakeServer();
  const client = await server.connect(options);
  const promise =
    handler === undefined
      ? client.subscribe("t", subscribeOptions)
      : client.subscribe("t", handler, subscribeOptions);
  await server.world.settle();
  return { server, client, world: server.world, subscription: await promise };
}

/** `puback 1` and the like. */
function acknowledgements(server: FakeServer): string[] {
  return server.connection.received.flatMap((packet) => {
    switch (packet.type) {
      case "puback":
      case "pubrec":
      case "pubcomp":
        return [
          `${packet.type} ${packet.packetIdentifier}${packet.reasonCode === undefined ? "" : ` 0x${packet.reasonCode.toString(16)}`}`,
        ];
      default:
        return [];
    }
  });
}

/** A promise that the test settles. */
function gate() {
  let open!: () => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

test("[MQTT5-3.3.4-1] [MQTT3-3.3.4-1] a message is answered as its QoS asks", async () => {
  const seen: string[] = [];
  const { server, world } = await subscribed({}, (message) => void seen.push(message.text()));
  server.connection.publish("t", "a");
  server.connection.publish("t", "b", { qos: 1, packetIdentifier: 1 });
  server.connection.publish("t", "c", { qos: 2, packetIdentifier: 2 });
  await world.settle();
  assert.deepEqual(acknowledgements(server), ["puback 1", "pubrec 2"]);
  server.connection.send({ type: "pubrel", packetIdentifier: 2 });
  await world.settle();
  assert.deepEqual(acknowledgements(server), ["puback 1", "pubrec 2", "pubcomp 2"]);
  assert.deepEqual(seen, ["a", "b", "c"]);
});

test("a message has all that came with it, and its bytes are its own", async () => {
  const { server, world, subscription } = await subscribed();
  const correlationData = Uint8Array.of(1, 2, 3);
  server.connection.publish("t", "x", {
    qos: 1,
    packetIdentifier: 1,
    retain: true,
    dup: true,
    properties: { correlationData, userProperties: [["a", "b"]] },
  });
  server.connection.publish("t", "y");
  await world.settle();
  const iterator = subscription[Symbol.asyncIterator]();
  const { value: message } = await iterator.next();
  assert.equal(message?.text(), "x");
  assert.equal(message?.retain, true);
  assert.equal(message?.dup, true);
  assert.deepEqual(message?.properties?.correlationData, correlationData);
  assert.deepEqual(message?.properties?.userProperties, [["a", "b"]]);
});

test("[MQTT5-4.6.0-2] [MQTT5-4.6.0-3] acknowledgements leave in the order of the messages, each after its handler", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const slow = gate();
  const done = Promise.all([
    client.subscribe("slow", () => slow.promise),
    client.subscribe("fast", () => {}),
  ]);
  await server.world.settle();
  await done;
  server.connection.publish("slow", "", { qos: 1, packetIdentifier: 1 });
  server.connection.publish("fast", "", { qos: 1, packetIdentifier: 2 });
  server.connection.publish("fast", "", { qos: 2, packetIdentifier: 3 });
  await server.world.settle();
  assert.deepEqual(acknowledgements(server), []);
  slow.open();
  await server.world.settle();
  assert.deepEqual(acknowledgements(server), ["puback 1", "puback 2", "pubrec 3"]);
});

test("a handler gets one message at a time, in order", async () => {
  const gates = [gate(), gate(), gate()];
  const seen: string[] = [];
  const { server, world } = await subscribed({}, (message) => {
    seen.push(message.text());
    return gates[seen.length - 1]?.promise;
  });
  for (const [index, payload] of ["a", "b", "c"].entries())
    server.connection.publish("t", payload, { qos: 1, packetIdentifier: index + 1 });
  await world.settle();
  assert.deepEqual(seen, ["a"]);
  gates[0]?.open();
  await world.settle();
  assert.deepEqual(seen, ["a", "b"]);
  assert.deepEqual(acknowledgements(server), ["puback 1"]);
  gates[1]?.open();
  gates[2]?.open();
  await world.settle();
  assert.deepEqual(acknowledgements(server), ["puback 1", "puback 2", "puback 3"]);
});

for (const [protocolVersion, code] of [
  [4, ""],
  [5, " 0x83"],
] as const) {
  test(`a handler that fails is reported, and on version ${protocolVersion} the message is acknowledged${code}`, async () => {
    const late = gate();
    let calls = 0;
    const { server, world } = await subscribed({ protocolVersion }, () => {
      calls++;
      if (calls === 1) throw new Error("at once");
      return late.promise;
    });
    server.connection.publish("t", "", { qos: 1, packetIdentifier: 1 });
    server.connection.publish("t", "", { qos: 2, packetIdentifier: 2 });
    await world.settle();
    late.fail(new Error("late"));
    await world.settle();
    assert.deepEqual(acknowledgements(server), [`puback 1${code}`, `pubrec 2${code}`]);
    assert.deepEqual(
      server.errors.map((error) => (error as Error).message),
      ["at once", "late"],
    );
    // [MQTT5-4.3.3-9]: the refused identifier is free, on 3.1.1 it is in use until PUBREL.
    server.connection.publish("t", "", { qos: 2, packetIdentifier: 2 });
    await world.settle();
    assert.equal(calls, protocolVersion === 5 ? 3 : 2);
  });
}

test("[MQTT5-4.3.3-10] [MQTT3-4.3.3-2] a QoS 2 message that comes again is delivered once, across connections", async () => {
  const held = gate();
  let calls = 0;
  const { server, world } = await subscribed({}, () => {
    calls++;
    return held.promise;
  });
  server.connack = { sessionPresent: true };
  const again = (): void =>
    server.connection.publish("t", "x", { qos: 2, packetIdentifier: 5, dup: true });
  server.connection.publish("t", "x", { qos: 2, packetIdentifier: 5 });
  await world.settle();
  server.connection.link.destroy();
  await world.advance(2000);
  again();
  await world.settle();
  assert.deepEqual(acknowledgements(server), [], "the handler has not done with it");
  held.open();
  await world.settle();
  assert.deepEqual(acknowledgements(server), ["pubrec 5"]);
  server.connection.link.destroy();
  await world.advance(2000);
  again();
  await world.settle();
  assert.deepEqual(acknowledgements(server), ["pubrec 5"]);
  server.connection.send({ type: "pubrel", packetIdentifier: 5 });
  await world.settle();
  assert.equal(calls, 1);
  server.connection.publish("t", "new", { qos: 2, packetIdentifier: 5 });
  await world.settle();
  assert.equal(calls, 2, "after PUBCOMP it is a new message"); // [MQTT5-4.3.3-12]
});

test("a message whose handler ends on a later connection is not acknowledged there by itself", async () => {
  const held = gate();
  const { server, world } = await subscribed({}, () => held.promise);
  server.connack = { sessionPresent: true };
  server.connection.publish("t", "x", { qos: 1, packetIdentifier: 5 });
  await world.settle();
  server.connection.link.destroy();
  await world.advance(2000);
  held.open();
  await world.settle();
  assert.deepEqual(acknowledgements(server), []);
});

test("[MQTT5-3.2.2-5] with the session the identifiers of received messages are lost", async () => {
  let calls = 0;
  const { server, world } = await subscribed({}, () => void calls++);
  server.connection.publish("t", "x", { qos: 2, packetIdentifier: 5 });
  await world.settle();
  server.connection.link.destroy();
  await world.advance(2000);
  server.connection.publish("t", "x", { qos: 2, packetIdentifier: 5 });
  await world.settle();
  assert.equal(calls, 2);
});

test("[X-11] PUBREL of an unknown identifier gets PUBCOMP 0x92", async () => {
  const { server, world } = await subscribed();
  server.connection.send({ type: "pubrel", packetIdentifier: 5 });
  await world.settle();
  assert.deepEqual(acknowledgements(server), ["pubcomp 5 0x92"]);
});

test("[X-56] a server that exceeds the Receive Maximum is disconnected with 0x93", async () => {
  const { server, world } = await subscribed({ receiveMaximum: 2, reconnect: false });
  for (let id = 1; id <= 2; id++)
    server.connection.publish("t", "x", { qos: 1, packetIdentifier: id });
  await world.settle();
  assert.equal(server.connection.isClosed, false);
  server.connection.publish("t", "x", { qos: 1, packetIdentifier: 3 });
  await world.settle();
  assert.equal(server.connection.of("disconnect")[0]?.reasonCode, 0x93);
});

test("[X-54] [MQTT5-3.3.2-10] the server's Topic Aliases are taken, and end with the connection [MQTT5-3.3.2-7]", async () => {
  const seen: string[] = [];
  const { server, world } = await subscribed({}, (message) => void seen.push(message.text()));
  server.connack = { sessionPresent: true };
  server.connection.publish("t", "set", { properties: { topicAlias: 64 } });
  server.connection.publish("", "used", { properties: { topicAlias: 64 } });
  await world.settle();
  assert.deepEqual(seen, ["set", "used"]);
  server.connection.link.destroy();
  await world.advance(2000);
  server.connection.publish("", "gone", { properties: { topicAlias: 64 } });
  await world.settle();
  assert.equal(server.connection.of("disconnect")[0]?.reasonCode, 0x82);
});

test("a loop acknowledges a message when it asks for the next, and when it is left", async () => {
  const { server, world, subscription } = await subscribed();
  for (let id = 1; id <= 3; id++)
    server.connection.publish("t", `${id}`, { qos: 1, packetIdentifier: id });
  const steps: string[] = [];
  const loop = async (): Promise<void> => {
    for await (const message of subscription) {
      await world.settle();
      steps.push(`${message.text()}: ${acknowledgements(server).join(", ")}`);
      if (message.text() === "2") break;
    }
  };
  await world.settle();
  await loop();
  await world.settle();
  assert.deepEqual(steps, ["1: ", "2: puback 1"]);
  assert.deepEqual(acknowledgements(server), ["puback 1", "puback 2"]);
  await subscription[Symbol.asyncIterator]().next();
});

test("messages wait for a loop, and a loop for messages", async () => {
  const { server, world, subscription } = await subscribed();
  const iterator = subscription[Symbol.asyncIterator]();
  const early = [iterator.next(), iterator.next()];
  for (const payload of ["a", "b", "c"]) server.connection.publish("t", payload);
  await world.settle();
  const texts = (await Promise.all([...early, iterator.next()])).map(({ value }) => value?.text());
  assert.deepEqual(texts, ["a", "b", "c"]);
  const ended = iterator.next();
  const unsubscribed = subscription.unsubscribe();
  await world.settle();
  await unsubscribed;
  assert.equal((await ended).done, true);
  assert.equal((await iterator.next()).done, true);
});

test("QoS 0 above the bound is dropped, counted and told", async () => {
  const { server, client, world, subscription } = await subscribed({}, undefined, {
    bufferMaximum: 2,
  });
  const dropped: string[] = [];
  client.on("messageDropped", ({ message }) => dropped.push(message.text()));
  for (const payload of ["a", "b", "c", "d"]) server.connection.publish("t", payload);
  await world.settle();
  assert.deepEqual(dropped, ["c", "d"]);
  assert.equal(subscription.dropped, 2);
});

test("QoS 1 above the bound stops reading until half is taken; Keep Alive and the watchdog stand still meanwhile", async () => {
  const { server, client, world, subscription } = await subscribed(
    { protocolVersion: 4, keepAlive: 10 },
    undefined,
    { bufferMaximum: 4 },
  );
  let id = 0;
  const flood = async (): Promise<void> => {
    for (let i = 0; i < 5; i++)
      server.connection.publish("t", "x", { qos: 1, packetIdentifier: ++id });
    await world.settle();
  };
  await flood();
  await flood();
  assert.equal(server.connection.link.unsentBytes, 5 * 8, "the second five are not read");
  client.publish("t", "y", { qos: 1 }).catch(() => {});
  await world.advance(100_000);
  assert.equal(client.state, "connected");
  assert.ok(server.connection.of("pingreq").length > 5);
  const iterator = subscription[Symbol.asyncIterator]();
  for (let i = 0; i < 2; i++) await iterator.next();
  await world.settle();
  assert.equal(server.connection.of("puback").length, 1);
  for (let i = 2; i < 10; i++) {
    await iterator.next();
    await world.settle();
  }
  await world.settle();
  assert.equal(server.connection.link.unsentBytes, 0);
});

test("what waits when a subscription ends is acknowledged", async () => {
  const { server, world, subscription } = await subscribed();
  server.connection.publish("t", "x", { qos: 1, packetIdentifier: 1 });
  await world.settle();
  assert.deepEqual(acknowledgements(server), []);
  const ended = subscription.unsubscribe();
  await world.settle();
  await ended;
  assert.deepEqual(acknowledgements(server), ["puback 1"]);
});

test("a subscription with a handler cannot be iterated", async () => {
  const { subscription } = await subscribed({}, () => {});
  assert.throws(() => subscription[Symbol.asyncIterator](), { code: "ERR_USAGE" });
});

test("a server that does not read is not read from", async () => {
  const { server, world } = await subscribed({ protocolVersion: 4, keepAlive: 0 }, () => {});
  server.connection.link.pause();
  // The client's link takes its capacity, and then the client gathers up to its own bound.
  for (let round = 0; round < 60; round++) {
    for (let i = 1; i <= 5000; i++)
      server.connection.publish("t", "x", { qos: 1, packetIdentifier: i });
    await world.settle();
    if (server.connection.link.unsentBytes > 0) break;
  }
  assert.ok(server.connection.link.unsentBytes > 0);
  server.connection.link.resume();
  await world.settle();
  assert.equal(server.connection.link.unsentBytes, 0);
});

test("[X-18] a message under an identifier that one of the other QoS has in use is refused in its turn", async () => {
  const first = gate();
  const seen: string[] = [];
  const { server, world } = await subscribed({}, (message) => {
    seen.push(message.text());
    return message.text() === "slow" ? first.promise : undefined;
  });
  server.connection.publish("t", "twice", { qos: 2, packetIdentifier: 1 });
  server.connection.publish("t", "in use", { qos: 1, packetIdentifier: 1 });
  server.connection.publish("t", "slow", { qos: 1, packetIdentifier: 2 });
  server.connection.publish("t", "in use", { qos: 2, packetIdentifier: 2 });
  await world.settle();
  assert.deepEqual(acknowledgements(server), ["pubrec 1", "puback 1 0x91"]);
  first.open();
  await world.settle();
  assert.deepEqual(acknowledgements(server).slice(2), ["puback 2", "pubrec 2 0x91"]);
  assert.deepEqual(seen, ["twice", "slow"]);
  // What was refused is over, and the other goes on.
  server.connection.send({ type: "pubrel", packetIdentifier: 1 });
  server.connection.publish("t", "free", { qos: 1, packetIdentifier: 1 });
  server.connection.publish("t", "free", { qos: 2, packetIdentifier: 2 });
  await world.settle();
  assert.deepEqual(acknowledgements(server).slice(4), ["pubcomp 1", "puback 1", "pubrec 2"]);
});

for (const [protocolVersion, tag] of [
  [4, "[X-89]"],
  [5, "[X-1]"],
] as const) {
  test(`${tag} version ${protocolVersion}: control characters and non-characters are taken, and go out only where the user wrote them`, async () => {
    const odd = "a\u0001\u001f\u007f\u009f\ufdd0\uffff";
    const seen: string[] = [];
    const server = new FakeServer();
    const client = await server.connect({ protocolVersion, clientId: undefined });
    const subscribing = client.subscribe("#", ({ topicName }) => void seen.push(topicName));
    await server.world.settle();
    await subscribing;
    server.connection.publish(odd, "");
    const published = client.publish(odd, "");
    await server.world.settle();
    await published;
    assert.deepEqual(seen, [odd]);
    assert.equal(server.connection.of("publish")[0]?.topicName, odd);
    assert.match(server.connection.connect.clientId, /^[0-9a-z]+$/);
  });
}

test("[X-49] a payload that is marked as UTF-8 and is none is taken, unless the user refuses it", async () => {
  const properties = { payloadFormatIndicator: 1 } as const;
  const payload = Uint8Array.of(0xff);
  const { server, world } = await subscribed({}, () => {});
  server.connection.publish("t", "", { qos: 1, packetIdentifier: 1, payload, properties });
  await world.settle();
  assert.deepEqual(acknowledgements(server), ["puback 1"]);
  const strict = await subscribed({}, (message) => message.reject(0x99), { acknowledge: "manual" });
  strict.server.connection.publish("t", "", { qos: 1, packetIdentifier: 1, payload, properties });
  await strict.world.settle();
  assert.deepEqual(acknowledgements(strict.server), ["puback 1 0x99"]);
});
