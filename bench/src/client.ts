/**
 * The client beside MQTT.js: messages per second published at QoS 0, published at QoS 1 with 100 in
 * flight, and received at QoS 0. The server is a thread that only counts, acknowledges or floods,
 * so that the client is the limit.
 *
 *     node bench/dist/client.js [--messages N] [--rounds N]
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { parseArgs } from "node:util";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import mqttJs from "mqtt";
import { connect } from "@sericite/client";
import {
  PacketType,
  Parser,
  TopicNameTable,
  Writer,
  encodePacket,
  fromClient,
} from "@sericite/protocol";

const topicName = "plant/line7/temperature";
const payload = "x".repeat(40);
const inFlight = 100;

interface Ways {
  /** Publishes `count` messages and settles when the last one has left. */
  publishQos0(count: number): Promise<void>;
  /** Publishes `count` messages, `inFlight` at a time. */
  publishQos1(count: number): Promise<void>;
  /** Subscribes, and settles when `count` messages have come. */
  receive(count: number): Promise<void>;
  end(): Promise<void>;
}

async function sericite(port: number): Promise<Ways> {
  const client = await connect(`mqtt://127.0.0.1:${port}`);
  return {
    async publishQos0(count) {
      for (let sent = 1; sent < count; sent++) {
        const published = client.publish(topicName, payload);
        if (sent % 1000 === 0) await published;
      }
      await client.publish(topicName, payload);
    },
    async publishQos1(count) {
      await keepInFlight(count, async (done) => {
        await client.publish(topicName, payload, { qos: 1 });
        done();
      });
    },
    async receive(count) {
      let left = count;
      await new Promise<void>((resolve) => {
        void client.subscribe(`flood/${count}`, () => {
          if (--left === 0) resolve();
        });
      });
      await client.unsubscribe(`flood/${count}`);
    },
    end: () => client.close(),
  };
}

async function mqttDotJs(port: number): Promise<Ways> {
  const client = await mqttJs.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 });
  return {
    async publishQos0(count) {
      for (let sent = 1; sent < count; sent++) {
        const isLast = sent % 1000 === 0;
        if (isLast) await client.publishAsync(topicName, payload);
        else client.publish(topicName, payload);
      }
      await client.publishAsync(topicName, payload);
    },
    async publishQos1(count) {
      await keepInFlight(count, (done) => client.publish(topicName, payload, { qos: 1 }, done));
    },
    async receive(count) {
      let left = count;
      await new Promise<void>((resolve) => {
        const listener = (): void => {
          if (--left > 0) return;
          client.off("message", listener);
          resolve();
        };
        client.on("message", listener);
        client.subscribe(`flood/${count}`);
      });
      await client.unsubscribeAsync(`flood/${count}`);
    },
    end: () => client.endAsync(true),
  };
}

function keepInFlight(count: number, publish: (done: () => void) => unknown): Promise<void> {
  return new Promise((resolve) => {
    let started = 0;
    let ended = 0;
    const next = (): void => {
      started++;
      publish(() => {
        if (++ended === count) resolve();
        else if (started < count) next();
      });
    };
    while (started < inFlight) next();
  });
}

/** Accepts everything, acknowledges QoS 1, and floods who subscribes to `flood/COUNT`. */
async function serve(): Promise<void> {
  const topicNames = new TopicNameTable({ maximumEntries: 100 });
  const server = createServer({ noDelay: true }, (socket) => {
    const parser = new Parser({ from: fromClient, maximumPacketSize: 1_000_000, topicNames });
    const writer = new Writer(65_536);
    const flood = (count: number): void => {
      const one = encodePacket(
        {
          type: "publish",
          topicName: `flood/${count}`,
          payload: new Uint8Array(payload.length),
          qos: 0,
          dup: false,
          retain: false,
        },
        parser.protocolVersion,
      );
      const many = Buffer.concat(Array.from({ length: 1000 }, () => one));
      let left = count;
      const more = (): void => {
        while (left > 0 && socket.write(many)) left -= 1000;
        left -= 1000;
        if (left > 0) socket.once("drain", more);
      };
      more();
    };
    const handle = (type: number): void => {
      const version = parser.protocolVersion;
      const { packetIdentifier } = parser;
      if (type === PacketType.publish) {
        if (packetIdentifier > 0)
          encodePacket({ type: "puback", packetIdentifier }, version, writer);
        return;
      }
      const packet = parser.packet();
      if (packet.type === "connect") {
        encodePacket({ type: "connack", sessionPresent: false, reasonCode: 0 }, version, writer);
      } else if (packet.type === "subscribe") {
        encodePacket({ type: "suback", packetIdentifier, reasonCodes: [0] }, version, writer);
        const count = Number(packet.subscriptions[0]?.topicFilter.slice("flood/".length));
        setImmediate(flood, count);
      } else if (packet.type === "unsubscribe") {
        encodePacket({ type: "unsuback", packetIdentifier, reasonCodes: [0] }, version, writer);
      }
    };
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes: Uint8Array) => {
      parser.push(new Uint8Array(bytes), 0, bytes.length);
      for (let type = parser.next(); type !== 0; type = parser.next()) handle(type);
      if (writer.position > 0) socket.write(writer.bytes.slice(0, writer.position));
      writer.reset();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  parentPort?.postMessage((server.address() as AddressInfo).port);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      messages: { type: "string", default: "100000" },
      rounds: { type: "string", default: "5" },
    },
  });
  const messages = Math.ceil(Number(values.messages) / 1000) * 1000;
  const worker = new Worker(new URL(import.meta.url), { workerData: "server" });
  const [port] = (await once(worker, "message")) as [number];
  const clients = { sericite: await sericite(port), "MQTT.js": await mqttDotJs(port) };
  for (const way of ["publishQos0", "publishQos1", "receive"] as const) {
    const rates = { sericite: [] as number[], "MQTT.js": [] as number[] };
    for (let round = 0; round <= Number(values.rounds); round++) {
      for (const name of ["sericite", "MQTT.js"] as const) {
        const start = performance.now();
        await clients[name][way](messages);
        // The first round warms up.
        if (round > 0) rates[name].push((messages / (performance.now() - start)) * 1000);
      }
    }
    const [own, other] = [median(rates.sericite), median(rates["MQTT.js"])];
    console.log(
      `${way.padEnd(12)} ${Math.round(own).toLocaleString("en")}/s, MQTT.js ${Math.round(other).toLocaleString("en")}/s, ${(own / other).toFixed(1)} times`,
    );
  }
  for (const client of Object.values(clients)) await client.end();
  await worker.terminate();
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;
}

await (isMainThread || workerData !== "server" ? main() : serve());
