import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { encodePacket } from "@sericite/protocol";
import type { ProtocolVersion } from "@sericite/protocol";
import { createBroker } from "../broker.ts";
import type { Broker } from "../broker.ts";
import type { PartialSettings } from "../settings.ts";
import { RawSocket } from "../raw-socket.test-support.ts";
import { NAME_OF_VERSION, VERSIONS } from "../test-broker.test-support.ts";
import { listenTcp } from "./tcp.ts";

async function withBroker(
  settings: PartialSettings,
  body: (broker: Broker, port: number) => Promise<void>,
): Promise<void> {
  const broker = await createBroker({ settings });
  try {
    const { port } = await broker.listen({ port: 0 });
    await body(broker, port);
  } finally {
    await broker.close({ timeoutMs: 200 });
  }
}

/** Waits until something that no event tells of has come true. */
async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 2000) throw new Error(`never: ${what}`);
    await sleep(2);
  }
}

const publish = (topicName: string, payload: Uint8Array | string, qos: 0 | 1 | 2, id = 1) =>
  ({
    type: "publish",
    topicName,
    payload: typeof payload === "string" ? Buffer.from(payload) : payload,
    qos,
    dup: false,
    retain: false,
    packetIdentifier: qos === 0 ? undefined : id,
  }) as const;

/** What a client says, whole, and what it is told, in every version. */
function conversation(version: ProtocolVersion): { bytes: Buffer; told: string[] } {
  const bytes = Buffer.concat(
    [
      {
        type: "connect",
        protocolVersion: version,
        clientId: "c",
        cleanStart: true,
        keepAlive: 0,
      } as const,
      {
        type: "subscribe",
        packetIdentifier: 1,
        subscriptions: [{ topicFilter: "a/+", qos: 1 }],
      } as const,
      publish("a/b", "zero", 0),
      publish("a/b", "two", 2, 2),
      { type: "pubrel", packetIdentifier: 2 } as const,
      { type: "unsubscribe", packetIdentifier: 3, topicFilters: ["a/+"] } as const,
      { type: "pingreq" } as const,
    ].map((packet) => encodePacket(packet, version)),
  );
  return {
    bytes,
    told: [
      "CONNACK 0x00",
      "PINGRESP",
      "PUBCOMP 2",
      "PUBLISH a/b 'two' qos1",
      "PUBLISH a/b 'zero' qos0",
      "PUBREC 2",
      "SUBACK 1 [1]",
      version === 5 ? "UNSUBACK 3 [0]" : "UNSUBACK 3",
    ],
  };
}

const withoutIdentifiers = (line: string): string =>
  line.startsWith("PUBLISH") ? line.replace(/ #\d+/, "") : line;

for (const usesDataEvents of [false, true]) {
  describe(`reading ${usesDataEvents ? "with data events" : "into the shared buffer"}`, () => {
    let broker: Broker;
    let close: () => Promise<void>;
    let port: number;
    before(async () => {
      broker = await createBroker();
      const listener = await listenTcp((link) => broker.engine.accept(link), {
        host: "127.0.0.1",
        port: 0,
        usesDataEvents,
      });
      port = listener.port;
      close = () => listener.close();
    });
    after(async () => {
      await close();
      await broker.close();
    });

    for (const version of VERSIONS) {
      test(`${NAME_OF_VERSION[version]}: a conversation in one piece, in two, and byte by byte is the same`, async () => {
        const { bytes, told } = conversation(version);
        for (const size of [bytes.length, 40, 1]) {
          const raw = await RawSocket.open(port, version);
          for (let at = 0; at < bytes.length; at += size) {
            raw.socket.write(bytes.subarray(at, at + size));
            // Each piece is to be a read of its own.
            if (size < bytes.length) await new Promise((resolve) => setImmediate(resolve));
          }
          const lines = await raw.take(told.length);
          raw.send({ type: "disconnect" });
          assert.deepEqual(await raw.untilClosed(), ["CLOSED"]);
          assert.equal(lines[0], "CONNACK 0x00");
          assert.deepEqual(
            lines.map(withoutIdentifiers).toSorted(),
            told.toSorted(),
            `in pieces of ${size}`,
          );
        }
      });
    }

    test("a message of 10 MiB arrives whole at QoS 0, 1 and 2, and across versions", async () => {
      const payload = Buffer.alloc(10 * 1024 * 1024);
      for (let i = 0; i < payload.length; i += 4) payload.writeUInt32LE(i, i);
      const receiver = await RawSocket.connect(port, "receiver", 5);
      const sender = await RawSocket.connect(port, "sender", 4);
      receiver.send({
        type: "subscribe",
        packetIdentifier: 1,
        subscriptions: [{ topicFilter: "large", qos: 2 }],
      });
      await receiver.take(1);
      for (const qos of [0, 1, 2] as const) {
        sender.send(publish("large", payload, qos, 5));
        const [line] = await receiver.take(1);
        assert.match(line!, new RegExp(`^PUBLISH large \\(10485760 bytes\\) qos${qos}`));
        if (qos > 0) assert.match((await sender.take(1))[0]!, /^PUB(ACK|REC) 5$/);
      }
      sender.destroy();
      receiver.destroy();
    });

    test("many sockets that send at once are not mixed up", async () => {
      const clients = await Promise.all(
        Array.from({ length: 40 }, (_, i) => RawSocket.connect(port, `m${i}`, VERSIONS[i % 3]!)),
      );
      await Promise.all(
        clients.map(async (client, i) => {
          client.send({
            type: "subscribe",
            packetIdentifier: 1,
            subscriptions: [{ topicFilter: `own/${i}`, qos: 0 }],
          });
          for (let n = 0; n < 50; n++) client.send(publish(`own/${i}`, `${i}:${n}`.padEnd(30), 0));
          const lines = await client.take(51);
          assert.deepEqual(
            lines.slice(1),
            Array.from(
              { length: 50 },
              (_, n) => `PUBLISH own/${i} '${`${i}:${n}`.padEnd(30)}' qos0`,
            ),
          );
          client.destroy();
        }),
      );
    });

    test("a client that ends its half of the connection is answered what it asked before, and closed", async () => {
      const raw = await RawSocket.connect(port, "half", 4);
      raw.socket.end(encodePacket(publish("a", "x", 1, 9), 4));
      assert.deepEqual(await raw.untilClosed(), ["PUBACK 9", "CLOSED"]);
    });

    test("a connection that is reset is gone, and its Will goes out", async () => {
      const receiver = await RawSocket.connect(port, "receiver", 5);
      receiver.sendHex("82 0a 0001 00 0004'will' 00");
      await receiver.take(1);
      for (const end of ["resetAndDestroy", "destroy", "end"] as const) {
        const raw = await RawSocket.connect(port, "victim", 4, {
          will: { topicName: "will", payload: Buffer.from(end), qos: 0, retain: false },
        });
        raw.socket[end]();
        assert.deepEqual(await receiver.take(1), [`PUBLISH will '${end}' qos0`]);
      }
      receiver.destroy();
      await until(() => broker.gauges.connections === 0, "all connections are gone");
    });
  });
}

// --- clients that are up to no good

test("2000 connections that never send CONNECT are closed in time, and others are served meanwhile", () =>
  withBroker({ mqtt: { connectTimeout: 400 } }, async (broker, port) => {
    const client = await RawSocket.connect(port, "c");
    const silent = await Promise.all(Array.from({ length: 2000 }, () => RawSocket.open(port)));
    client.sendHex("82 07 0001 00 0001'a' 00 30 05 0001'a' 00 'x'");
    assert.deepEqual(await client.take(2), ["SUBACK 1 [0]", "PUBLISH a 'x' qos0"]);
    await Promise.all(silent.map((raw) => raw.untilClosed()));
    await until(() => broker.gauges.connections === 1, "only the client is left");
    assert.equal(broker.counters.connectTimeouts, 2000);
    client.destroy();
  }));

test("half-open connections: a client that says nothing more is closed by its Keep Alive", () =>
  withBroker({}, async (broker, port) => {
    const raw = await RawSocket.connect(port, "c", 5, { keepAlive: 1 });
    raw.sendHex("30 10 0001"); // and never the rest
    assert.deepEqual(await raw.untilClosed(), ["DISCONNECT 0x8d", "CLOSED"]);
    assert.equal(broker.counters.keepAliveTimeouts, 1);
  }));

test("a flood of connections that come and go at once leaves nothing behind", () =>
  withBroker({}, async (broker, port) => {
    for (let round = 0; round < 10; round++) {
      const flood = await Promise.all(Array.from({ length: 100 }, () => RawSocket.open(port)));
      flood.forEach((raw, i) => {
        if (i % 3 === 0) raw.sendHex("10 0d 0004'MQTT' 04 02 0000 0001'f'");
        if (i % 3 === 1) raw.sendHex("10 0d 0004'MQ'");
        raw.destroy();
      });
    }
    const client = await RawSocket.connect(port, "c");
    client.send({ type: "pingreq" });
    assert.deepEqual(await client.take(1), ["PINGRESP"]);
    await until(() => broker.gauges.connections === 1, "the flood is gone");
    assert.equal(broker.gauges.sessions, 1);
    assert.equal(broker.counters.internalErrors, 0);
    client.destroy();
  }));

test("limits.connections holds against a flood", () =>
  withBroker({ limits: { connections: 20, refusalReserve: 30 } }, async (broker, port) => {
    const flood = await Promise.all(Array.from({ length: 200 }, () => RawSocket.open(port)));
    await until(() => flood.filter((raw) => raw.isClosed).length === 150, "150 are refused");
    assert.equal(broker.gauges.connections, 50);
    assert.equal(broker.counters.connectionsRefused, 150);
    for (const raw of flood) if (!raw.isClosed) raw.sendConnect("c");
    const told = () => flood.filter((raw) => raw.told[0]?.startsWith("CONNACK 0x97")).length;
    await until(() => told() === 30, "30 are told why");
    assert.equal(broker.counters.connectTooMany, 30);
    for (const raw of flood) raw.destroy();
  }));

test("a subscriber that never reads costs a bounded amount of memory, and nobody else notices", () =>
  withBroker(
    { session: { queueMaximumBytes: 2 * 1024 * 1024, slowConsumerTimeout: 0 } },
    async (broker, port) => {
      const stuck = await RawSocket.connect(port, "stuck", 4);
      const quick = await RawSocket.connect(port, "quick", 4);
      for (const raw of [stuck, quick]) {
        raw.sendHex("82 06 0001 0001'a' 00");
        await raw.take(1);
      }
      stuck.socket.pause();
      const sender = await RawSocket.connect(port, "sender", 4);
      const { engine } = broker;
      const session = engine.sessions.get("stuck")!;
      const payload = Buffer.alloc(16 * 1024);
      const count = 3000; // 48 MiB
      const before = process.memoryUsage().rss;
      for (let sent = 0; sent < count; sent += 100) {
        sender.send(...Array.from({ length: 100 }, () => publish("a", payload, 0)));
        await quick.until(() => quick.told.length >= sent + 100);
        assert.ok((session.queue?.bytes ?? 0) <= 2 * 1024 * 1024);
        assert.ok(session.connection!.link.unsentBytes <= 2 * 1024 * 1024);
      }
      assert.equal(quick.told.length, count);
      assert.ok(broker.drops["queue-full"] > 1000);
      assert.ok(process.memoryUsage().rss - before < 250 * 1024 * 1024);
      sender.send({ type: "pingreq" });
      assert.deepEqual(await sender.take(1), ["PINGRESP"]);
      for (const raw of [stuck, quick, sender]) raw.destroy();
    },
  ));

test("session.slowConsumerTimeout cuts such a subscriber off", () =>
  withBroker({ session: { slowConsumerTimeout: 300 } }, async (broker, port) => {
    const stuck = await RawSocket.connect(port, "stuck", 4);
    stuck.sendHex("82 06 0001 0001'a' 00");
    await stuck.take(1);
    stuck.socket.pause();
    const sender = await RawSocket.connect(port, "sender", 4);
    const payload = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 20; i++) sender.send(publish("a", payload, 0));
    await until(() => broker.counters.slowConsumers === 1, "it is cut off");
    await until(() => broker.gauges.connections === 1, "it is gone");
    stuck.destroy();
    sender.destroy();
  }));

test("a publisher that never reads its acknowledgements is not read from for ever, and nobody else notices", () =>
  withBroker({ session: { slowConsumerTimeout: 500 } }, async (broker, port) => {
    const rude = await RawSocket.connect(port, "rude", 4);
    rude.socket.pause();
    // Each of these is answered; nothing of the answers is read.
    const block = Buffer.alloc(64 * 1024, Uint8Array.of(0xc0, 0));
    let goesOn = true;
    rude.socket.on("close", () => (goesOn = false));
    const flood = async (): Promise<void> => {
      while (goesOn && broker.counters.slowConsumers === 0) {
        if (rude.socket.writableLength < 4_000_000) rude.socket.write(block);
        else await sleep(5);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const flooding = flood();
    const polite = await RawSocket.connect(port, "polite", 4);
    let largest = 0;
    while (broker.counters.slowConsumers === 0) {
      polite.send({ type: "pingreq" });
      assert.deepEqual(await polite.take(1), ["PINGRESP"]);
      for (const { sender } of broker.engine.connections)
        largest = Math.max(largest, sender.output.size);
      await sleep(5);
    }
    assert.ok(largest < 1024 * 1024, `${largest} bytes of answers were kept`);
    await flooding;
    rude.destroy();
    polite.destroy();
  }));

// --- servers of somebody else's

test("a server that is there already hands its connections over, also one that allows half-open sockets", async () => {
  for (const allowHalfOpen of [false, true]) {
    const server = createServer({ allowHalfOpen });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const broker = await createBroker();
    await broker.listen({ server });
    const raw = await RawSocket.connect(port, "c", 4);
    raw.socket.end(encodePacket({ type: "pingreq" }, 4));
    assert.deepEqual(await raw.untilClosed(), ["PINGRESP", "CLOSED"]);
    await until(() => broker.gauges.connections === 0, "the connection is gone");
    await broker.close();
    assert.equal(server.listening, true);
    await new Promise((resolve) => server.close(resolve));
  }
});
