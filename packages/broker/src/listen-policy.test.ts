import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";
import { RawSocket } from "./raw-socket.test-support.ts";

async function answer(port: number, username?: string, password?: string): Promise<string> {
  const socket = await RawSocket.open(port, 5);
  const given = password === undefined ? {} : { password: Buffer.from(password) };
  socket.sendConnect("c", { ...(username === undefined ? {} : { username }), ...given });
  await socket.until(() => socket.told.length > 0);
  socket.socket.destroy();
  return socket.told[0]!;
}

async function ports(
  broker: Broker,
  ...allowed: readonly (boolean | undefined)[]
): Promise<number[]> {
  const listeners = allowed.map((allowAnonymous) =>
    broker.listen({
      port: 0,
      ...(allowAnonymous === undefined ? {} : { auth: { allowAnonymous } }),
    }),
  );
  return (await Promise.all(listeners)).map(({ port }) => port);
}

for (const [name, auth, username, password] of [
  ["users", { username: "u", password: "p" }, "u", "p"],
  [
    "users, and lets others in as well",
    { username: "u", password: "p", allowAnonymous: true },
    "u",
    "p",
  ],
  ["no users", {}, "any", "x"],
] as const) {
  test(`a listener says on its own whether clients without a username enter, of a broker that has ${name}`, async () => {
    await using broker = await createBroker({ settings: { auth } });
    const [plain, open, closed] = await ports(broker, undefined, true, false);
    const isOpen = !("username" in auth) || "allowAnonymous" in auth;
    assert.equal(await answer(plain!), isOpen ? "CONNACK 0x00" : "CONNACK 0x87");
    assert.equal(await answer(open!), "CONNACK 0x00");
    assert.equal(await answer(closed!), "CONNACK 0x87");
    assert.equal(await answer(plain!, username, password), "CONNACK 0x00");
    assert.equal(
      await answer(closed!, username, password),
      "username" in auth ? "CONNACK 0x00" : "CONNACK 0x86",
    );
  });
}

test("what a listener says outlives a reconfiguration", async () => {
  await using broker = await createBroker({ settings: { auth: { username: "u", password: "p" } } });
  const [open, closed] = await ports(broker, true, false);
  await broker.reconfigure({ auth: { username: "", password: "" } });
  assert.equal(await answer(open!), "CONNACK 0x00");
  assert.equal(await answer(closed!), "CONNACK 0x87");
  assert.equal(await answer(closed!, "u", "p"), "CONNACK 0x86");
});

test("a listener that says who may enter may be reached from other machines", async () => {
  await using broker = await createBroker();
  await assert.rejects(broker.listen({ host: "0.0.0.0", port: 0 }), {
    code: "ERR_ANONYMOUS_BEYOND_LOOPBACK",
  });
  const auth = { allowAnonymous: false };
  const { port } = await broker.listen({ host: "0.0.0.0", port: 0, auth });
  assert.equal(await answer(port), "CONNACK 0x87");
  await broker.reconfigure({});
});

test("a listener cannot say who may enter where the program's authenticator decides alone", async () => {
  await using broker = await createBroker({ authenticator: () => true });
  await assert.rejects(broker.listen({ port: 0, auth: { allowAnonymous: true } }), {
    code: "ERR_USAGE",
  });
});

test("a listener refuses what comes above its connections, and takes others when there is room; other listeners do not count", async () => {
  await using broker = await createBroker();
  const { port } = await broker.listen({ port: 0, limits: { connections: 1 } });
  const other = await broker.listen({ port: 0 });
  const first = await RawSocket.connect(port, "first");
  const second = await RawSocket.open(port, 5);
  second.sendConnect("second");
  assert.deepEqual(await second.untilClosed(), ["CONNACK 0x97", "CLOSED"]);
  (await RawSocket.connect(other.port, "third")).destroy();
  first.destroy();
  while (broker.gauges.connections > 0) await new Promise(setImmediate);
  (await RawSocket.connect(port, "fourth")).destroy();
});

/** The Maximum Packet Size that CONNACK tells, in hexadecimal (§3.2.2.3.6). */
async function announcedSize(port: number): Promise<string | undefined> {
  const socket = connect(port, "127.0.0.1");
  // CONNECT of MQTT 5.0, Clean Start, no Client Identifier.
  socket.write(Buffer.from("100d00044d51545405020000000000", "hex"));
  const [connack] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return /27(.{8})/.exec(connack.subarray(5).toString("hex"))?.[1];
}

test("a listener has a largest packet of its own, and tells it", async () => {
  await using broker = await createBroker({ settings: { mqtt: { maximumPacketSize: 4096 } } });
  const own = await broker.listen({ port: 0, mqtt: { maximumPacketSize: 1024 } });
  const other = await broker.listen({ port: 0 });
  assert.equal(await announcedSize(own.port), "00000400");
  assert.equal(await announcedSize(other.port), "00001000");
  const payload = Buffer.alloc(2000);
  for (const [port, lines] of [
    [own.port, ["DISCONNECT 0x95", "CLOSED"]],
    [other.port, ["PUBACK 1 0x10"]],
  ] as const) {
    const socket = await RawSocket.connect(port, "c");
    socket.send({
      type: "publish",
      topicName: "a",
      payload,
      qos: 1,
      dup: false,
      retain: false,
      packetIdentifier: 1,
    });
    await socket.until(() => socket.told.length >= lines.length);
    assert.deepEqual(socket.told, lines);
    socket.destroy();
  }
  assert.equal(broker.limitsReached["mqtt.maximumPacketSize"], 1);
  await assert.rejects(broker.listen({ port: 0, mqtt: { maximumPacketSize: 1 } }), {
    code: "ERR_SETTING",
  });
});

/** What becomes of a client that publishes so many messages of 100 bytes at once. */
async function publishing(socket: RawSocket, count: number): Promise<readonly string[]> {
  for (let packetIdentifier = 1; packetIdentifier <= count; packetIdentifier++)
    socket.send({
      type: "publish",
      topicName: "a",
      payload: Buffer.alloc(100),
      qos: 1,
      dup: false,
      retain: false,
      packetIdentifier,
    });
  await socket.until(() => socket.isClosed || socket.told.length >= count);
  return socket.told;
}

for (const own of [{ messageRate: 2 }, { byteRate: 300 }] as const)
  test(`a listener has ${Object.keys(own)[0]} of its own, in place of the setting, and a reload changes it for clients that are there`, async () => {
    const limits = { messageRate: 3, rateExceeded: "disconnect" } as const;
    const settings = { limits, listen: { port: -1 } };
    await using broker = await createBroker({ settings });
    await broker.listenAsConfigured([
      { port: 0, limits: own },
      { port: 0, limits: { messageRate: 0 } },
      { port: 0 },
    ]);
    const [tight, open, usual] = broker.listeners.map(({ port }) => port);
    const told = async (port: number | undefined, count: number): Promise<string | undefined> => {
      const socket = await RawSocket.connect(port!, "c");
      const lines = await publishing(socket, count);
      socket.destroy();
      return lines.find((line) => line !== "CLOSED" && !line.startsWith("PUBACK"));
    };
    assert.equal(await told(tight, 2), undefined);
    assert.equal(await told(tight, 3), "DISCONNECT 0x96");
    assert.equal(await told(open, 20), undefined);
    assert.equal(await told(usual, 3), undefined);
    assert.equal(await told(usual, 4), "DISCONNECT 0x96");
    const there = await RawSocket.connect(open!, "there");
    await broker.reconfigure(
      {},
      { listeners: [{ port: 0, limits: own }, { port: 0, limits: own }, { port: 0 }] },
    );
    assert.ok((await publishing(there, 5)).includes("DISCONNECT 0x96"));
    await assert.rejects(broker.listen({ port: 0, limits: { messageRate: -1 } }), {
      code: "ERR_SETTING",
    });
  });
