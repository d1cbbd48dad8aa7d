/**
 * Memory for a connected client that does nothing: sessions on links in memory, so that what a
 * socket takes is left out and no limit of the system is in the way. Each has a keep-alive and one
 * subscription. The figures should be the same for five thousand and for a hundred thousand.
 *
 *     node --expose-gc bench/dist/held-sessions.js [SESSIONS]
 *
 * It also tells what a second of the fake clock costs with all of them there:
 * the keep-alives are watched without looking at each client.
 */
import { createBroker } from "@sericite/broker";
import { EventScheduler, seededRandom } from "@sericite/broker/testing";
import { encodePacket } from "@sericite/protocol";
import type { Link, LinkHandler } from "@sericite/protocol";

/** A link that takes everything and never ends. */
class Sink implements Link {
  readonly peer = { listener: "bench", transport: "memory" } as const;
  readonly unsentBytes = 0;
  handler: LinkHandler | undefined;
  write(): boolean {
    return true;
  }
  pause(): void {
    // Never full.
  }
  resume(): void {
    // Never paused.
  }
  end(): void {
    // Never ends.
  }
  destroy(): void {
    // Never ends.
  }
}

const most = Number(process.argv[2] ?? 100_000);
const events = new EventScheduler(seededRandom(1));
const { clock } = events;
const broker = await createBroker({
  clock,
  scheduler: events.process("broker"),
  random: () => 0.5,
});

function open(index: number): void {
  const link = new Sink();
  link.handler = broker.engine.accept(link);
  for (const packet of [
    encodePacket(
      {
        type: "connect",
        protocolVersion: 4,
        clientId: `client-${index}`,
        cleanStart: true,
        keepAlive: 60,
      },
      4,
    ),
    encodePacket(
      {
        type: "subscribe",
        packetIdentifier: 1,
        subscriptions: [{ topicFilter: `held/${index}/in`, qos: 0 }],
      },
      4,
    ),
  ]) {
    link.handler.onData(packet, 0, packet.length);
    events.settle();
  }
}

const collect = (globalThis as { gc?: () => void }).gc;
if (collect === undefined) throw new Error("run it with --expose-gc");

/** Bytes in use after a collection. */
function used(): number {
  collect?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

// What is made once, with the first clients, belongs to none of them.
for (let index = 0; index < 100; index++) open(index);
const before = used();
let opened = 0;
for (const count of [most / 20, most / 5, most]) {
  for (; opened < count; opened++) open(100 + opened);
  console.log(`${opened} sessions: ${Math.round((used() - before) / opened)} bytes each`);
}
const started = process.cpuUsage();
for (let second = 0; second < 10; second++) events.advance(1000);
const { user, system } = process.cpuUsage(started);
console.log(
  `a second with all of them idle: ${((user + system) / 10_000).toFixed(2)} ms of CPU time`,
);
if (broker.engine.counters.clientsConnected < most) throw new Error("not all of them are there");
await broker.close();
