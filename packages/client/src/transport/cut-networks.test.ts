import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createBroker } from "@sericite/broker";
import type { Message } from "../message.ts";
import { connect } from "../node.ts";
import { CuttableNetwork, authorityFile, certificates } from "../testing/mosquitto.ts";

const certificate = {
  certificate: readFileSync(join(certificates, "localhost.pem")),
  key: readFileSync(join(certificates, "localhost.key")),
};
const total = 600;
const cutsMinimum = 30;

for (const [scheme, listener] of [
  ["mqtts", "tls"],
  ["ws", "websocket"],
  ["wss", "websocket"],
] as const) {
  test(
    `over ${scheme} that is cut again and again, QoS 1 arrives and QoS 2 once, in order`,
    { timeout: 60_000 },
    async () => {
      await using broker = await createBroker();
      const isSecure = scheme !== "ws";
      const { port } = await broker.listen({
        transport: listener,
        port: 0,
        ...(isSecure ? { tls: { certificates: [certificate] } } : {}),
      });
      await using network = await CuttableNetwork.to(port);
      const url = `${scheme}://localhost:${network.port}${listener === "tls" ? "" : "/mqtt"}`;
      const options = {
        tls: { ca: readFileSync(authorityFile) },
        reconnect: { minDelayMs: 1, maxDelayMs: 20, fromStart: true },
        cleanStart: false,
      };
      const client = (clientId: string) => connect(url, { ...options, clientId });
      await using subscriber = await client("subscriber");
      await using publisher = await client("publisher");
      const got: number[] = [];
      const seen = new Set<number>();
      let finished!: () => void;
      const all = new Promise<void>((resolve) => (finished = resolve));
      const take = (message: Message): void => {
        const number = Number(message.text());
        seen.add(number);
        got.push(number);
        if (seen.size === total) finished();
      };
      await subscriber.subscribe("cut/+", take, { qos: 2 });
      const cutter = setInterval(() => network.cut(), 25);
      try {
        let number = 0;
        while (number < total || network.cuts < cutsMinimum) {
          const batch = Array.from({ length: number < total ? 20 : 0 }, () => {
            const qos = number % 2 === 0 ? 1 : 2;
            return publisher.publish(`cut/${qos}`, String(number++), { qos });
          });
          await Promise.all(batch);
          await new Promise((resolve) => setTimeout(resolve, 30));
        }
      } finally {
        clearInterval(cutter);
      }
      await all;
      const twice = got.filter((number) => number % 2 === 1);
      assert.deepEqual(
        twice,
        Array.from({ length: total / 2 }, (_, at) => 2 * at + 1),
      );
      assert.ok(network.cuts >= cutsMinimum, `${network.cuts} cuts`);
    },
  );
}
