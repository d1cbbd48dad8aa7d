import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Message } from "../message.ts";
import { connect } from "../node.ts";
import type { ConnectOptions } from "../options.ts";
import type { MosquittoListeners } from "../testing/mosquitto.ts";
import { Mosquitto, authorityFile, withoutMosquitto } from "../testing/mosquitto.ts";

const skip = withoutMosquitto;
const options: ConnectOptions = { tls: { ca: readFileSync(authorityFile) }, reconnect: false };
let mosquitto: Mosquitto;

before(async () => {
  if (skip === false) mosquitto = await Mosquitto.start({ listensEverywhere: true });
});
after(async () => {
  if (skip === false) await mosquitto[Symbol.asyncDispose]();
});

function urlOf(transport: "mqtt" | keyof MosquittoListeners): string {
  return transport === "mqtt" ? mosquitto.url : mosquitto.urls![transport];
}

/** Its WebSockets, in release 2.0.11, pass on nothing much above 64 KiB, whoever sends it. */
function sizesOver(transport: "mqtt" | keyof MosquittoListeners): number[] {
  const sizes = [0, 20_000];
  return transport.startsWith("ws") ? sizes : [...sizes, 70_000, 1024 * 1024];
}

for (const transport of ["mqtt", "mqtts", "ws", "wss", "unix"] as const) {
  for (const protocolVersion of [3, 4, 5] as const) {
    test(
      `mosquitto over ${transport}, version ${protocolVersion}: all QoS both ways, from nothing to ${sizesOver(transport).at(-1)} bytes`,
      { skip, timeout: 30_000 },
      async () => {
        await using client = await connect(urlOf(transport), { ...options, protocolVersion });
        await using subscription = await client.subscribe(`${transport}/${protocolVersion}/#`, {
          qos: 2,
        });
        const sent = ([0, 1, 2] as const).flatMap((qos) =>
          sizesOver(transport).map((size) => ({
            qos,
            topicName: `${transport}/${protocolVersion}/${qos}/${size}`,
            payload: new Uint8Array(size).map((_, at) => at * 7 + (at >> 8)),
          })),
        );
        await Promise.all(
          sent.map(({ topicName, payload, qos }) => client.publish(topicName, payload, { qos })),
        );
        const got = new Map<string, Message>();
        for await (const message of subscription) {
          got.set(message.topicName, message);
          if (got.size === sent.length) break;
        }
        for (const { topicName, payload, qos } of sent) {
          const message = got.get(topicName);
          assert.equal(message?.qos, qos);
          assert.ok(Buffer.from(payload).equals(message.payload), topicName);
        }
      },
    );
  }

  test(
    `[MQTT5-4.2.0-1] [MQTT3-7.1.2-1] mosquitto over ${transport}: 2000 messages with many on their way come in order`,
    { skip, timeout: 30_000 },
    async () => {
      await using client = await connect(urlOf(transport), options);
      const got: number[] = [];
      let done: () => void;
      const all = new Promise<void>((resolve) => (done = resolve));
      await client.subscribe(
        `many/${transport}`,
        (message) => {
          got.push(Number(message.text()));
          if (got.length === 2000) done();
        },
        { qos: 1 },
      );
      const numbers = Array.from({ length: 2000 }, (_, at) => at);
      await Promise.all(
        numbers.map((number) => client.publish(`many/${transport}`, String(number), { qos: 1 })),
      );
      await all;
      assert.deepEqual(got, numbers);
    },
  );
}
