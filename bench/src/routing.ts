/**
 * What a message costs inside the broker, without sockets: from bytes in to the one write of each
 * connection and turn. Figures are for one delivered message.
 */
import { Acl, createBroker } from "@sericite/broker";
import type { Hooks } from "@sericite/broker";
import { encodePacket } from "@sericite/protocol";
import type { Clock, ProtocolVersion, QoS } from "@sericite/protocol";
import { bench } from "./harness.ts";
import { SinkLink, Turns } from "./link-world.ts";

const BURST = 20;
const payload = new Uint8Array(64).fill(0x61);

/** Notes under which Packet Identifier the client has to answer. */
class Sink extends SinkLink {
  /** Packet Identifier of the first PUBLISH of the last write; no sense at QoS 0. */
  firstIdentifier = 0;

  override write(bytes: Uint8Array): boolean {
    if (bytes[0]! >> 4 === 3) {
      // Behind the fixed header, which is two bytes long here, stands the Topic Name.
      const position = 4 + (bytes[2]! << 8) + bytes[3]!;
      this.firstIdentifier = (bytes[position]! << 8) + bytes[position + 1]!;
    }
    return super.write(bytes);
  }
}

async function scenario(
  name: string,
  subscribers: number,
  qos: QoS,
  version: ProtocolVersion,
  hooks: Hooks = {},
): Promise<void> {
  const turns = new Turns();
  let now = 0;
  const clock: Clock = { now: () => (now += 0.001), wallTime: () => now };
  const broker = await createBroker({ clock, scheduler: turns, random: () => 0.5, hooks });
  const open = (clientId: string): Sink => {
    const link = new Sink((end) => broker.engine.accept(end));
    link.sendPacket(
      { type: "connect", protocolVersion: version, clientId, cleanStart: true, keepAlive: 0 },
      version,
    );
    turns.end();
    return link;
  };
  const receivers = Array.from({ length: subscribers }, (_, index) => {
    const link = open(`s${index}`);
    link.sendPacket(
      {
        type: "subscribe",
        packetIdentifier: 1,
        subscriptions: [{ topicFilter: "bench/topic", qos }],
      },
      version,
    );
    turns.end();
    return link;
  });
  const publisher = open("p");
  const bursts = Array.from({ length: BURST }, (_, index) =>
    encodePacket(
      {
        type: "publish",
        topicName: "bench/topic",
        payload,
        qos,
        dup: false,
        retain: false,
        packetIdentifier: qos === 0 ? undefined : index + 1,
      },
      version,
    ),
  );
  const burst = Buffer.concat(bursts);
  const acknowledgements = Buffer.alloc(BURST * 4);
  const run = (): number => {
    publisher.send(burst);
    turns.end();
    if (qos === 1) {
      // All receivers of a message get it under the same Packet Identifier.
      const first = receivers[0]!.firstIdentifier;
      for (let i = 0; i < BURST; i++) {
        const identifier = 1 + ((first - 1 + i) % 65535);
        acknowledgements.set([0x40, 2, identifier >> 8, identifier & 0xff], i * 4);
      }
      for (const receiver of receivers) receiver.send(acknowledgements);
      turns.end();
    }
    return receivers[0]!.received;
  };
  const before = run();
  if (run() === before) throw new Error(`${name}: nothing is delivered`);
  await bench(name, run, { operations: BURST * subscribers });
  if (qos === 1 && (await broker.client("s0"))!.inFlight > 0)
    throw new Error(`${name}: the acknowledgements do not fit`);
}

/** A hundred rules, the last of which lets the topic through. */
function accessRules(): string {
  const lines = Array.from({ length: 99 }, (_, index) => `topic read site/${index}/#`);
  return ["everybody", ...lines, "topic readwrite bench/#", ""].join("\n");
}

await scenario("routing/one receiver, QoS 0, 3.1.1", 1, 0, 4);
await scenario(
  "routing/one receiver, QoS 0, 3.1.1, asked an ACL",
  1,
  0,
  4,
  new Acl(accessRules()).hooks,
);
await scenario("routing/one receiver, QoS 1, 3.1.1", 1, 1, 4);
await scenario("routing/one receiver, QoS 0, 5.0", 1, 0, 5);
await scenario("routing/fan-out to 500, QoS 0, 3.1.1", 500, 0, 4);
await scenario("routing/fan-out to 500, QoS 1, 3.1.1", 500, 1, 4);
