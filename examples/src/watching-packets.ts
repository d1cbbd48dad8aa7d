import { createBroker } from "@sericite/broker";
import type { Broker } from "@sericite/broker";

/** What was measured of one type of packet. */
export interface Figures {
  received: number;
  sent: number;
  /** Milliseconds. */
  slowest: number;
}

/** Counts packets on their way through the broker, and notes how long each type takes. */
export async function start(figures: Map<string, Figures>): Promise<Broker> {
  const of = (type: string): Figures => {
    const known = figures.get(type) ?? { received: 0, sent: 0, slowest: 0 };
    figures.set(type, known);
    return known;
  };
  const broker = await createBroker();
  broker.on("connectionOpened", () => of("connection").received++);
  broker.on("bytesReceived", ({ byteCount }) => (of("bytes").received += byteCount));
  broker.on("packetReceived", ({ packet }) => of(packet.type).received++);
  broker.on("packetHandled", ({ packetType, durationMs }) => {
    const known = of(packetType);
    known.slowest = Math.max(known.slowest, durationMs);
  });
  broker.on("packetSent", ({ packet }) => of(packet.type).sent++);
  return broker;
}
