import type { Packet, QoS } from "@sericite/protocol";
import { Inbound, Outbound, OutboundState } from "@sericite/protocol";
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { FakeConnection } from "./testing/fake-server.ts";
import { FakeServer } from "./testing/fake-server.ts";

interface Outgoing {
  readonly text: string;
  readonly qos: 1 | 2;
}

/** A server with one session that outlives connections, which end after so many packets. */
class SessionServer extends FakeServer {
  /** What reached the server, in order; a repeat of QoS 2 does not count. */
  readonly arrived: string[] = [];
  readonly #inbound = new Inbound();
  readonly outbound = new Outbound<Outgoing>();
  readonly #lives: number[];
  #life = Infinity;
  #nextIdentifier = 1;
  #hasSession = false;

  /** @param lives  Packets after which each connection is cut; then they last. */
  constructor(lives: readonly number[]) {
    super();
    this.#lives = [...lives];
  }

  /** Sends a message, or keeps it for the next connection. */
  deliver(message: Outgoing): void {
    const packetIdentifier = this.outbound.nextFree(this.#nextIdentifier);
    this.#nextIdentifier = packetIdentifier + 1;
    // What still has to be sent again goes first: at once, since there is no quota here.
    this.outbound.begin(packetIdentifier, message.qos, message, 0, 0);
    if (this.connection !== undefined && !this.connection.isClosed)
      this.#send(message, packetIdentifier, false);
  }

  #send({ text, qos }: Outgoing, packetIdentifier: number, dup: boolean): void {
    this.connection.publish("in", text, { qos, packetIdentifier, dup });
  }

  override onPacket(packet: Packet, connection: FakeConnection): void {
    if (connection.isClosed || connection !== this.connection) return;
    if (packet.type === "connect") {
      this.#life = this.#lives.shift() ?? Infinity;
      connection.send({ type: "connack", sessionPresent: this.#hasSession, reasonCode: 0 });
      this.#hasSession = true;
      this.outbound.forEach((packetIdentifier, state, message) => {
        if (state === OutboundState.awaitingPubcomp)
          connection.send({ type: "pubrel", packetIdentifier });
        else this.#send(message, packetIdentifier, true);
      });
      return;
    }
    if (--this.#life < 0) {
      connection.isClosed = true;
      connection.link.destroy();
      return;
    }
    if (!("packetIdentifier" in packet)) return;
    const packetIdentifier = packet.packetIdentifier ?? 0;
    switch (packet.type) {
      case "publish": {
        const text = new TextDecoder().decode(packet.payload);
        if (packet.qos < 2 || !this.#inbound.has(packetIdentifier)) this.arrived.push(text);
        if (packet.qos === 2) this.#inbound.begin(packetIdentifier, false);
        if (packet.qos > 0)
          connection.send({ type: packet.qos === 1 ? "puback" : "pubrec", packetIdentifier });
        return;
      }
      case "pubrel":
        this.#inbound.end(packetIdentifier);
        connection.send({ type: "pubcomp", packetIdentifier });
        return;
      case "puback":
        this.outbound.puback(packetIdentifier);
        return;
      case "pubrec":
        this.outbound.pubrec(packetIdentifier);
        connection.send({ type: "pubrel", packetIdentifier });
        return;
      case "pubcomp":
        this.outbound.pubcomp(packetIdentifier);
        return;
      default:
        super.onPacket(packet, connection);
    }
  }
}

/** First occurrences, in order. */
function firsts(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

const step = fc.record({
  act: fc.constantFrom("publish" as const, "deliver" as const, "wait" as const),
  qos: fc.constantFrom(1 as const, 2 as const),
});

for (const protocolVersion of [4, 5] as const) {
  test(`whenever connections end, QoS 2 goes through once and QoS 1 at least once, both ways and in order, version ${protocolVersion}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 8 }),
        fc.array(step, { maxLength: 30 }),
        async (lives, steps) => {
          const server = new SessionServer([Infinity, ...lives]);
          const client = await server.connect({
            protocolVersion,
            cleanStart: false,
            sessionExpiryInterval: 60,
          });
          const received: string[] = [];
          const subscribed = client.subscribe("in", async (message) => {
            // Some handlers take longer than their connection.
            if (received.length % 3 === 0)
              await new Promise((resolve) => server.world.nextTurn(() => resolve(undefined)));
            received.push(message.text());
          });
          await server.world.settle();
          await subscribed;
          if (lives.length > 0) server.connection.link.destroy();
          const published: Promise<unknown>[] = [];
          /** What three ends of a connection in a row were blamed on; it may have arrived. */
          const abandoned = new Set<string>();
          const sent: Record<QoS, string[]> = { 0: [], 1: [], 2: [] };
          const delivered: Record<QoS, string[]> = { 0: [], 1: [], 2: [] };
          for (const [index, { act, qos }] of steps.entries()) {
            const text = `${index}`;
            if (act === "wait") await server.world.advance(700);
            else if (act === "publish") {
              sent[qos].push(text);
              const publishing = client.publish("out", text, { qos });
              published.push(
                publishing.catch((error: { code?: string }) => {
                  assert.equal(error.code, "ERR_PUBLISH_ABANDONED");
                  assert.ok(lives.length >= 3);
                  abandoned.add(text);
                }),
              );
            } else {
              delivered[qos].push(text);
              server.deliver({ text, qos });
            }
          }
          await server.world.advance(600_000);
          await Promise.all(published);
          assert.equal(client.state, "connected");
          assert.equal(server.outbound.size, 0);
          for (const [given, got] of [
            [sent, server.arrived],
            [delivered, received],
          ] as const) {
            const expected = (qos: QoS): string[] =>
              given[qos].filter((text) => given !== sent || !abandoned.has(text));
            assert.deepEqual(
              got.filter((text) => expected(2).includes(text)),
              expected(2),
            );
            assert.deepEqual(firsts(got.filter((text) => expected(1).includes(text))), expected(1));
          }
          await client.close();
        },
      ),
      { numRuns: 60 },
    );
  });
}
