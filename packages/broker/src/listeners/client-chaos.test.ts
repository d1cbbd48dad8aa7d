import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "@sericite/client";
import type { Client, ClientOptions } from "@sericite/client";
import { createBroker } from "../broker.ts";
import { seededRandom } from "../testing/random.ts";
import type { Fault } from "./chaos-proxy.test-support.ts";
import { ChaosProxy } from "./chaos-proxy.test-support.ts";

const faults: readonly Fault[] = ["cut", "cut", "cut", "half-close", "stall", "cut", "swallow"];
const rounds = 100;
const perRound = 100;

const options: ClientOptions = {
  reconnect: { minDelayMs: 1, maxDelayMs: 20 },
  connectTimeoutMs: 500,
  ackTimeoutMs: 150,
  keepAlive: 1,
  cleanStart: false,
};

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

async function until(condition: () => boolean, what: () => string): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    if (waited > 30_000) throw new Error(what());
    await pause(10);
  }
}

for (const [protocolVersion, qos] of [
  [5, 1],
  [5, 2],
  [4, 1],
  [4, 2],
] as const) {
  test(`version ${protocolVersion}, QoS ${qos}: ${rounds * perRound} messages over ${rounds} faults of the network arrive, ${qos === 2 ? "once each and in order" : "all of them, for the first time in order"}`, async () => {
    const seed = protocolVersion * 10 + qos;
    const random = seededRandom(seed);
    await using broker = await createBroker({
      settings: { session: { queueMaximumMessages: 20_000 } },
    });
    const { port } = await broker.listen({ port: 0 });
    await using proxy = await ChaosProxy.to(port, random);
    const open = (clientId: string): Promise<Client> =>
      connect(`mqtt://127.0.0.1:${proxy.port}`, { ...options, protocolVersion, clientId });
    const received: number[] = [];
    await using receiver = await open("receiver");
    await receiver.subscribe("t", (message) => void received.push(Number(message.text())), { qos });
    await using sender = await open("sender");
    const published: Promise<unknown>[] = [];
    for (let round = 0; round < rounds; round++) {
      for (let index = 0; index < perRound; index++)
        published.push(sender.publish("t", String(round * perRound + index), { qos }));
      await pause(random() * 20);
      await until(
        () => proxy.connections > 0,
        () => "nobody connects",
      );
      proxy.break(faults[Math.floor(random() * faults.length)]!);
    }
    for (; proxy.cuts < 100; await pause(10)) proxy.break("cut");
    await Promise.all(published);
    const total = rounds * perRound;
    const seen = new Set<number>();
    await until(
      () => {
        for (const number of received) seen.add(number);
        return seen.size === total;
      },
      () => `${seen.size} of ${total} arrived (seed ${seed})`,
    );
    // At QoS 1 some come again; what comes for the first time keeps its order.
    assert.deepEqual(
      qos === 2 ? received : [...seen],
      Array.from({ length: total }, (_, index) => index),
    );
    assert.ok(proxy.cuts >= 100, `${proxy.cuts} cuts`);
  });
}
