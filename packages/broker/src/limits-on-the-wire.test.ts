import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConnectPacket, Packet, ProtocolVersion, QoS } from "@sericite/protocol";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";
import { limitTable } from "./engine/limit-table.ts";
import type { LimitName } from "./engine/limit-table.ts";
import type { ListenOptions } from "./listen-options.ts";
import { RawSocket } from "./raw-socket.test-support.ts";
import type { PartialSettings } from "./settings.ts";
import { NAME_OF_VERSION, VERSIONS } from "./test-broker.test-support.ts";

/** A client in the presence of one limit. */
class Visitor {
  readonly broker: Broker;
  readonly port: number;
  readonly version: ProtocolVersion;
  readonly sockets: RawSocket[] = [];

  constructor(broker: Broker, port: number, version: ProtocolVersion) {
    this.broker = broker;
    this.port = port;
    this.version = version;
  }

  async open(): Promise<RawSocket> {
    const raw = await RawSocket.open(this.port, this.version);
    this.sockets.push(raw);
    return raw;
  }

  async connect(clientId: string, options: Partial<ConnectPacket> = {}): Promise<RawSocket> {
    const raw = await RawSocket.connect(this.port, clientId, this.version, options);
    this.sockets.push(raw);
    return raw;
  }

  /** What CONNECT is answered with. */
  async asks(clientId: string, options: Partial<ConnectPacket> = {}): Promise<string[]> {
    const raw = await this.open();
    raw.sendConnect(clientId, options);
    return raw.untilClosed();
  }

  /** What a connected client is told after it sent these. */
  async sends(count: number, ...packets: Packet[]): Promise<string[]> {
    const raw = await this.connect("c");
    raw.send(...packets);
    return raw.take(count);
  }

  /** Waits for the broker to have met the limit. */
  async until(limit: LimitName): Promise<void> {
    const deadline = Date.now() + 10_000;
    while (this.broker.limitsReached[limit] === 0) {
      if (Date.now() > deadline) throw new Error(`${limit} was never reached`);
      await new Promise(setImmediate);
    }
  }
}

const publish = (
  topicName: string,
  { qos = 0 as QoS, id = 1, payload = "x", retain = false } = {},
): Packet => ({
  type: "publish",
  topicName,
  payload: Buffer.from(payload),
  qos,
  dup: false,
  retain,
  packetIdentifier: qos === 0 ? undefined : id,
});

const subscribe = (...filters: string[]): Packet => ({
  type: "subscribe",
  packetIdentifier: 1,
  subscriptions: filters.map((topicFilter) => ({ topicFilter, qos: 0 })),
});

interface Case {
  readonly settings: PartialSettings;
  /** Default: TCP. */
  readonly listen?: ListenOptions;
  /** Meets the limit. @returns what the client that met it is told. */
  readonly meet: (visitor: Visitor) => Promise<string[]>;
  /** By version: 3.1, 3.1.1, 5.0. */
  readonly told: readonly [v31: string[], v311: string[], v5: string[]];
  /** Only 5.0 can meet it. */
  readonly isOf5?: true;
}

const same = (...told: string[]): Case["told"] => [told, told, told];
const connack = (v3: string, v5: string): Case["told"] => [
  [`CONNACK 0x${v3}`, "CLOSED"],
  [`CONNACK 0x${v3}`, "CLOSED"],
  [`CONNACK 0x${v5}`, "CLOSED"],
];
const disconnect = (v5: string): Case["told"] => [
  ["CLOSED"],
  ["CLOSED"],
  [`DISCONNECT 0x${v5}`, "CLOSED"],
];
/** The second answer of two: what 5.0 is refused, 3.x is acknowledged. */
const puback = (v5: string): Case["told"] => [["PUBACK 2"], ["PUBACK 2"], [`PUBACK 2 0x${v5}`]];

/** A QoS 1 message that is taken, then one that meets the limit. */
const second =
  (first: Packet, next: Packet) =>
  async (visitor: Visitor): Promise<string[]> =>
    (await visitor.sends(2, first, next)).slice(1);

/** What the second of two connections is told. */
const another =
  (options: Partial<ConnectPacket> = {}) =>
  async (visitor: Visitor): Promise<string[]> => {
    await visitor.connect("first", options);
    return visitor.asks("second", options);
  };

/** Fills the queue of a client that is away. */
const fill =
  (limit: LimitName) =>
  async (visitor: Visitor): Promise<string[]> => {
    const properties = visitor.version === 5 ? { sessionExpiryInterval: 60 } : undefined;
    const away = await visitor.connect("away", { cleanStart: false, properties });
    away.send({
      type: "subscribe",
      packetIdentifier: 1,
      subscriptions: [{ topicFilter: "a", qos: 1 }],
    });
    await away.take(1);
    away.send({ type: "disconnect", reasonCode: 0 });
    await away.untilClosed();
    const told = await visitor.sends(
      3,
      ...[1, 2, 3].map((id) => publish("a", { qos: 1, id, payload: "x".repeat(600) })),
    );
    await visitor.until(limit);
    assert.ok(visitor.broker.drops["queue-full"] > 0);
    return told;
  };

const overload =
  (lagMs: number, bytes: number) =>
  async (visitor: Visitor): Promise<string[]> => {
    visitor.broker.engine.overload.look(lagMs, bytes);
    return visitor.asks("c");
  };

const userProperties = (count: number, size: number): Packet => ({
  type: "publish",
  topicName: "a",
  payload: Buffer.from("x"),
  qos: 0,
  dup: false,
  retain: false,
  properties: {
    userProperties: Array.from({ length: count }, () => ["n", "v".repeat(size)] as const),
  },
});

const behindProxy: ListenOptions = { port: 0, proxy: { protocol: true, trusted: ["127.0.0.1"] } };

const cases: Readonly<Record<LimitName, Case>> = {
  "listen.handshakesMaximum": {
    settings: { listen: { handshakesMaximum: 1 } },
    listen: behindProxy,
    meet: async (visitor) => {
      await visitor.open();
      return (await visitor.open()).untilClosed();
    },
    told: same("CLOSED"),
  },
  "listen.handshakeTimeout": {
    settings: { listen: { handshakeTimeout: 100 } },
    listen: behindProxy,
    meet: async (visitor) => (await visitor.open()).untilClosed(),
    told: same("CLOSED"),
  },
  "mqtt.connectTimeout": {
    settings: { mqtt: { connectTimeout: 100 } },
    meet: async (visitor) => (await visitor.open()).untilClosed(),
    told: same("CLOSED"),
  },
  "limits.connections": {
    settings: { limits: { connections: 1 } },
    meet: another(),
    told: connack("03", "97"),
  },
  "limits.connectionsPerAddress": {
    settings: { limits: { connectionsPerAddress: 1 } },
    meet: another(),
    told: connack("03", "97"),
  },
  "limits.connectionsPerUser": {
    settings: { limits: { connectionsPerUser: 1 } },
    meet: another({ username: "u" }),
    told: connack("03", "97"),
  },
  "limits.connectRate": {
    settings: { limits: { connectRate: 1 } },
    meet: another(),
    told: connack("03", "9f"),
  },
  "limits.connectRatePerAddress": {
    settings: { limits: { connectRatePerAddress: 1 } },
    meet: another(),
    told: connack("03", "9f"),
  },
  "limits.flappingConnects": {
    settings: { limits: { flappingConnects: 1 } },
    meet: async (visitor) => {
      await visitor.connect("c");
      return visitor.asks("c");
    },
    told: connack("05", "8a"),
  },
  "limits.messageRate": {
    settings: { limits: { messageRate: 1, rateExceeded: "drop" } },
    meet: second(publish("a", { qos: 1 }), publish("a", { qos: 1, id: 2 })),
    told: puback("97"),
  },
  "limits.byteRate": {
    settings: { limits: { byteRate: 1000, rateExceeded: "disconnect" } },
    meet: async (visitor) => {
      const raw = await visitor.connect("c");
      raw.send(publish("a", { payload: "x".repeat(2000) }));
      return raw.untilClosed();
    },
    told: disconnect("96"),
  },
  "mqtt.maximumPacketSize": {
    settings: { mqtt: { maximumPacketSize: 1024 } },
    meet: async (visitor) => {
      const raw = await visitor.connect("c");
      raw.send(publish("a", { payload: "x".repeat(2000) }));
      return raw.untilClosed();
    },
    told: disconnect("95"),
  },
  "mqtt.receiveMaximum": {
    settings: { mqtt: { receiveMaximum: 1 } },
    isOf5: true,
    meet: async (visitor) => {
      const raw = await visitor.connect("c");
      raw.send(publish("a", { qos: 2 }), publish("a", { qos: 2, id: 2 }));
      return (await raw.untilClosed()).slice(-2);
    },
    told: disconnect("93"),
  },
  "limits.userProperties": {
    settings: { limits: { userProperties: 1 } },
    isOf5: true,
    meet: (visitor) => visitor.sends(2, userProperties(2, 1)),
    told: disconnect("97"),
  },
  "limits.userPropertyBytes": {
    settings: { limits: { userPropertyBytes: 10 } },
    isOf5: true,
    meet: (visitor) => visitor.sends(2, userProperties(1, 100)),
    told: disconnect("97"),
  },
  "limits.topicBytes": {
    settings: { limits: { topicBytes: 10 } },
    meet: async (visitor) => {
      const raw = await visitor.connect("c");
      raw.send(publish("x".repeat(11)));
      return raw.untilClosed();
    },
    told: disconnect("90"),
  },
  "limits.topicLevels": {
    settings: { limits: { topicLevels: 2 } },
    meet: (visitor) => visitor.sends(1, subscribe("a/b/c", "a/b")),
    told: [["SUBACK 1 [0 0]"], ["SUBACK 1 [0x80 0]"], ["SUBACK 1 [0x8f 0]"]],
  },
  "session.subscriptionsMaximum": {
    settings: { session: { subscriptionsMaximum: 1 } },
    meet: (visitor) => visitor.sends(1, subscribe("a", "b")),
    told: [["SUBACK 1 [0 0]"], ["SUBACK 1 [0 0x80]"], ["SUBACK 1 [0 0x97]"]],
  },
  "session.queueMaximumMessages": {
    settings: { session: { queueMaximumMessages: 1 } },
    meet: fill("session.queueMaximumMessages"),
    told: same("PUBACK 1", "PUBACK 2", "PUBACK 3"),
  },
  "session.queueMaximumBytes": {
    settings: { session: { queueMaximumBytes: 1024 } },
    meet: fill("session.queueMaximumBytes"),
    told: same("PUBACK 1", "PUBACK 2", "PUBACK 3"),
  },
  "session.slowConsumerTimeout": {
    settings: { session: { slowConsumerTimeout: 100 } },
    meet: async (visitor) => {
      const slow = await visitor.connect("slow");
      slow.send(subscribe("a"));
      await slow.take(1);
      slow.socket.pause();
      const publisher = await visitor.connect("publisher");
      const payload = "x".repeat(1_000_000);
      for (let i = 0; i < 20; i++) publisher.send(publish("a", { payload }));
      await visitor.until("session.slowConsumerTimeout");
      slow.socket.resume();
      return (await slow.untilClosed()).slice(-1);
    },
    told: same("CLOSED"),
  },
  "limits.retainedMessages": {
    settings: { limits: { retainedMessages: 1 } },
    meet: second(
      publish("a", { qos: 1, retain: true }),
      publish("b", { qos: 1, id: 2, retain: true }),
    ),
    told: puback("97"),
  },
  "limits.retainedBytes": {
    settings: { limits: { retainedBytes: 500 } },
    meet: second(
      publish("a", { qos: 1, retain: true }),
      publish("a", { qos: 1, id: 2, retain: true, payload: "x".repeat(600) }),
    ),
    told: puback("97"),
  },
  "delayed.maximumMessages": {
    settings: { delayed: { maximumMessages: 1 } },
    meet: second(publish("$delayed/60/a", { qos: 1 }), publish("$delayed/60/a", { qos: 1, id: 2 })),
    told: puback("97"),
  },
  "delayed.maximumBytes": {
    settings: { delayed: { maximumBytes: 500 } },
    meet: second(
      publish("$delayed/60/a", { qos: 1 }),
      publish("$delayed/60/a", { qos: 1, id: 2, payload: "x".repeat(600) }),
    ),
    told: puback("97"),
  },
  "delayed.maximumDelay": {
    settings: { delayed: { maximumDelay: 60 } },
    meet: second(publish("$delayed/60/a", { qos: 1 }), publish("$delayed/61/a", { qos: 1, id: 2 })),
    told: puback("97"),
  },
  "limits.holdTimeout": {
    settings: { limits: { holdTimeout: 100 } },
    meet: async (visitor) => {
      const raw = await visitor.connect("c");
      for (let i = 0; i < 2; i++) visitor.broker.engine.overload.look(60_000, Infinity);
      raw.send(publish("a"));
      return raw.untilClosed();
    },
    told: disconnect("97"),
  },
  "limits.queuedBytes": {
    settings: {},
    meet: overload(0, -1),
    told: connack("03", "89"),
  },
  "limits.overloadLag": {
    settings: {},
    meet: overload(6000, Infinity),
    told: connack("03", "89"),
  },
};

for (const [limit, { settings, listen, meet, told, isOf5 }] of Object.entries(cases) as [
  LimitName,
  Case,
][])
  for (const version of VERSIONS) {
    if (isOf5 === true && version !== 5) continue;
    const expected = told[version - 3]!;
    test(`MQTT ${NAME_OF_VERSION[version]}: who meets ${limit} is told ${expected.join(", ")}; it is counted and logged`, async () => {
      const lines: Readonly<Record<string, unknown>>[] = [];
      await using broker = await createBroker({
        settings,
        log: {
          enabled: () => true,
          write: (_level, event, fields) => void lines.push({ event, ...fields }),
        },
      });
      const { port } = await broker.listen(listen ?? { port: 0 });
      const visitor = new Visitor(broker, port, version);
      assert.deepEqual(await meet(visitor), expected);
      await visitor.until(limit);
      assert.deepEqual(
        Object.entries(broker.limitsReached)
          .filter(([, count]) => count > 0)
          .map(([name]) => name),
        [limit],
      );
      const [line] = lines.filter(({ event }) => event === "limit-reached");
      assert.equal(line?.["limit"], limit);
      for (const raw of visitor.sockets) raw.destroy();
    });
  }

test("every limit of the table is a setting", async () => {
  await using broker = await createBroker();
  for (const limit of Object.keys(limitTable)) {
    const [section, key] = limit.split(".") as ["limits", "connections"];
    assert.ok(key in broker.settings[section], limit);
  }
});
