import type { Packet } from "@sericite/protocol";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionError } from "@sericite/protocol";
import type { ClientOptions } from "./options.ts";
import type { Publication } from "./publication.ts";
import { Suspicion } from "./suspicion.ts";
import { FakeServer } from "./testing/fake-server.ts";

/** A server that answers each packet, and hangs up at a PUBLISH with this payload or a SUBSCRIBE to it. */
class TouchyServer extends FakeServer {
  readonly #payload: string;
  /** Payloads that came, connection by connection. */
  readonly published: string[][] = [];
  /** Number of the connection and Topic Filters of each SUBSCRIBE and UNSUBSCRIBE. */
  readonly subscribed: string[] = [];

  constructor(payload: string) {
    super();
    this.#payload = payload;
  }

  override onPacket(packet: Packet, connection: FakeServer["connection"]): void {
    if (packet.type === "connect") this.published.push([]);
    if (packet.type === "publish") {
      const payload = new TextDecoder().decode(packet.payload);
      this.published.at(-1)!.push(payload);
      if (payload === this.#payload) {
        connection.link.destroy();
        return;
      }
      if (connection.isClosed) return;
    }
    if (packet.type === "subscribe" || packet.type === "unsubscribe") {
      const filters =
        packet.type === "subscribe"
          ? packet.subscriptions.map((one) => one.topicFilter)
          : packet.topicFilters;
      this.subscribed.push(`${this.connections.length}: ${filters.join(" ")}`);
      if (filters.includes(this.#payload)) {
        connection.link.destroy();
        return;
      }
      if (connection.isClosed) return;
    }
    super.onPacket(packet, connection);
  }
}

for (const [protocolVersion, cleanStart] of [
  [3, true],
  [4, true],
  [4, false],
  [5, true],
] as const) {
  test(`version ${protocolVersion}, cleanStart ${cleanStart}: a SUBSCRIBE that makes the server close again and again is rejected, and the client goes on`, async () => {
    const server = new TouchyServer("poison");
    const client = await server.connect({ protocolVersion, cleanStart });
    const messages: string[] = [];
    const subscribe = (filter: string) =>
      client.subscribe(filter, (message) => void messages.push(message.topicName));
    const before = subscribe("a");
    const rejected = assert.rejects(subscribe("poison"), {
      name: "RequestError",
      code: "ERR_SUBSCRIBE_ABANDONED",
    });
    const after = subscribe("b");
    const published = client.publish("t", "good", { qos: 1 });
    await server.world.settle();
    await server.world.advance(60_000);
    await rejected;
    await before;
    await after;
    await published;
    // After 0, 0.5, 1.5, 3.5, 7.5 and 15.5 seconds; from the third on each that was among them alone.
    assert.equal(server.connections.length, 7);
    assert.equal(server.subscribed[1], "2: a poison b");
    assert.ok(server.subscribed.includes("6: poison"));
    assert.ok(server.subscribed.every((line) => !line.startsWith("7") || !line.includes("poison")));
    assert.equal(client.state, "connected");
    server.connection.publish("a", "");
    server.connection.publish("b", "");
    await server.world.settle();
    assert.deepEqual(messages, ["a", "b"]);
  });
}

test("an UNSUBSCRIBE that makes the server close again and again is rejected, and the client goes on", async () => {
  const server = new TouchyServer("poison");
  const client = await server.connect({ protocolVersion: 4, cleanStart: false });
  server.connack = { sessionPresent: true };
  const rejected = assert.rejects(client.unsubscribe("poison"), {
    code: "ERR_SUBSCRIBE_ABANDONED",
  });
  await server.world.advance(60_000);
  await rejected;
  assert.equal(client.state, "connected");
  assert.equal(server.subscribed.length, 6);
});

for (const [protocolVersion, qos, cleanStart] of [
  [3, 1, true],
  [4, 1, true],
  [4, 1, false],
  [4, 2, false],
  [5, 1, true],
  [5, 2, true],
] as const) {
  test(`version ${protocolVersion}, QoS ${qos}, cleanStart ${cleanStart}: a message that makes the server close again and again is rejected, and the client goes on`, async () => {
    const server = new TouchyServer("poison");
    const options: ClientOptions = { protocolVersion, cleanStart };
    const client = await server.connect(options);
    const rejected = assert.rejects(client.publish("t", "poison", { qos }), {
      name: "RequestError",
      code: "ERR_PUBLISH_ABANDONED",
    });
    await server.world.settle();
    if (!cleanStart || protocolVersion === 5) server.connack = { sessionPresent: true };
    await server.world.advance(60_000);
    await rejected;
    // After 0, 0.5, 1.5, 3.5, 7.5 and 15.5 seconds.
    assert.deepEqual(server.published, [...Array(6).fill(["poison"]), []]);
    assert.equal(client.state, "connected");
    assert.equal(client.inFlight, 0);
    const published = client.publish("t", "good", { qos });
    await server.world.settle();
    assert.equal((await published).reasonCode, 0);
  });
}

test("messages around it are not blamed: the last try is with one message alone", async () => {
  const server = new TouchyServer("poison");
  server.answers.delete("publish");
  const client = await server.connect({ protocolVersion: 4 });
  const first = client.publish("t", "slow", { qos: 1 });
  const poison = assert.rejects(client.publish("t", "poison", { qos: 1 }), {
    code: "ERR_PUBLISH_ABANDONED",
  });
  const last = client.publish("t", "last", { qos: 1 });
  await server.world.settle();
  // The acknowledgement of the first would come too late for the second to wait for it.
  while (server.published.length < 3) await server.world.advance(1000);
  await server.world.advance(1000);
  assert.deepEqual(server.published[2], ["slow"]);
  server.answers.add("publish");
  server.connection.send({
    type: "puback",
    packetIdentifier: server.connection.of("publish")[0]!.packetIdentifier!,
  });
  await server.world.advance(120_000);
  await Promise.all([first, poison, last]);
  assert.equal(client.state, "connected");
});

for (const [name, end] of [
  [
    "a shutdown",
    (server: FakeServer) => server.connection.send({ type: "disconnect", reasonCode: 0x8b }),
  ],
  [
    "an administrator",
    (server: FakeServer) => server.connection.send({ type: "disconnect", reasonCode: 0x98 }),
  ],
] as const) {
  test(`${name} that ends connections blames no message`, async () => {
    const server = new FakeServer();
    server.answers.delete("publish");
    const client = await server.connect();
    const published = client.publish("t", "x", { qos: 1 });
    await server.world.settle();
    for (let i = 0; i < 5; i++) {
      end(server);
      await server.world.advance(60_000);
    }
    server.answers.add("publish");
    end(server);
    await server.world.advance(60_000);
    assert.equal((await published).reasonCode, 0);
  });
}

test("a network that breaks often and for a short time blames no message", async () => {
  const server = new FakeServer();
  server.answers.delete("publish");
  const client = await server.connect({ reconnect: { minDelayMs: 100, maxDelayMs: 100 } });
  const published = client.publish("t", "x", { qos: 1 });
  await server.world.settle();
  for (let i = 0; i < 20; i++) {
    server.connection.link.destroy();
    await server.world.advance(100);
  }
  server.answers.add("publish");
  server.connection.link.destroy();
  await server.world.advance(100);
  assert.equal((await published).reasonCode, 0);
});

test("a message that is acknowledged between other ends keeps its chance", async () => {
  const server = new FakeServer();
  server.answers.delete("publish");
  const client = await server.connect();
  for (let i = 0; i < 6; i++) {
    const published = client.publish("t", "x", { qos: 1 });
    await server.world.settle();
    server.connection.link.destroy();
    await server.world.advance(120_000);
    const [again] = server.connection.of("publish");
    server.connection.send({ type: "puback", packetIdentifier: again!.packetIdentifier! });
    await server.world.settle();
    assert.equal((await published).reasonCode, 0);
  }
});

test("connections that break have to do so for ten minutes until a message is blamed", () => {
  const broken = new ConnectionError("ERR_CONNECTION_LOST", "", { cause: new Error("reset") });
  const closed = new ConnectionError("ERR_CONNECTION_LOST", "");
  for (const [ends, seconds, isBlamed] of [
    [[closed, closed, closed], 10, true],
    [[closed, closed, closed], 9, false],
    [[closed, broken, closed], 599, false],
    [[broken, broken, broken], 600, true],
  ] as const) {
    const suspicion = new Suspicion();
    const message = {} as Publication;
    const blamed = ends.map((error, index) =>
      suspicion.connectionEnded(error, message, (index * seconds * 1000) / 2),
    );
    assert.deepEqual(blamed, [false, false, isBlamed], `${seconds} s`);
  }
});
