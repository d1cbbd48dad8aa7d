/**
 * The well-behaved pair: a publisher and a subscriber in a process of their own, so that they are
 * late when the broker is, and not when the attacker is. It sends numbered messages of each QoS at a
 * steady pace, checks what comes and measures how long it took. Started by `GoodPair`.
 */
import { connect } from "node:net";
import type { Socket } from "node:net";
import { encodePacket, Parser, TopicNameTable, fromServer } from "@sericite/protocol";
import type { Packet, QoS } from "@sericite/protocol";
import type { Place } from "./attack.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { MessageStreams } from "./message-streams.ts";

/** A message of each QoS is sent this often. Milliseconds. */
const INTERVAL_MS = 10;
/** Bytes of a payload: its number, when it was sent, its phase, and filling. */
const PAYLOAD_BYTES = 64;
/** Messages that are unacknowledged at the same time, at most: below what any broker allows. */
const IN_FLIGHT_MAXIMUM = 1000;
/** Time for what is under way to arrive, at the end; where something is wrong already, it need not be long. Milliseconds. */
const LAST_WAIT_MS = 20_000;
const LAST_WAIT_AFTER_FAULTS_MS = 1000;
/** Faults that are told; there may be very many. */
const FAULTS_TOLD = 10;

const [host = "", port = ""] = process.argv.slice(2);
const place: Place = { host, port: Number(port) };
const prefix = `well-behaved/${process.pid}`;
const streams = new MessageStreams();
/** Latencies by phase. */
const latencies: LatencyHistogram[] = [];
let phase = 0;
let faults = 0;
let isEnding = false;

function fault(text: string): void {
  faults += 1;
  if (faults <= FAULTS_TOLD) process.send?.({ type: "fault", text, phase });
}

/** One connection of the pair. */
class Connection {
  readonly #socket: Socket;
  readonly #parser = new Parser({
    from: fromServer,
    protocolVersion: 5,
    maximumPacketSize: 1_000_000,
    topicNames: new TopicNameTable({ maximumEntries: 100 }),
  });

  constructor(name: string, onPacket: (packet: Packet) => void) {
    this.#socket = connect({ ...place, noDelay: true });
    this.#socket.on("data", (bytes: Buffer) => {
      this.#parser.push(bytes, 0, bytes.length);
      while (this.#parser.next() !== 0) {
        const packet = this.#parser.packet();
        if (packet.type === "disconnect") fault(`DISCONNECT ${packet.reasonCode} for ${name}`);
        onPacket(packet);
      }
      this.#parser.hold();
    });
    this.#socket.on("error", (error) => fault(`${name}: ${error.message}`));
    this.#socket.on("close", () => {
      if (!isEnding) fault(`the connection of ${name} ended`);
    });
    this.send({
      type: "connect",
      protocolVersion: 5,
      clientId: `${name}-${process.pid}`,
      cleanStart: true,
      keepAlive: 0,
    });
  }

  send(packet: Packet): void {
    this.#socket.write(encodePacket(packet, 5));
  }

  end(): void {
    this.send({ type: "disconnect" });
    this.#socket.end();
  }
}

const subscriber = new Connection("subscriber", (packet) => {
  switch (packet.type) {
    case "connack":
      return subscriber.send({
        type: "subscribe",
        packetIdentifier: 1,
        subscriptions: [{ topicFilter: `${prefix}/+`, qos: 2 }],
      });
    case "suback":
      if (packet.reasonCodes[0] !== 2) fault(`SUBACK ${packet.reasonCodes[0]}`);
      setInterval(sendAll, INTERVAL_MS);
      return process.send?.({ type: "ready" });
    case "publish": {
      receive(packet.qos, packet.payload);
      const { packetIdentifier = 0 } = packet;
      if (packet.qos === 1) subscriber.send({ type: "puback", packetIdentifier });
      if (packet.qos === 2) subscriber.send({ type: "pubrec", packetIdentifier });
      return;
    }
    case "pubrel": {
      const { packetIdentifier } = packet;
      return subscriber.send({ type: "pubcomp", packetIdentifier });
    }
    default:
      return;
  }
});

/** Packet Identifiers of what is not acknowledged yet. */
const unacknowledged = new Set<number>();
let packetIdentifier = 0;

const publisher = new Connection("publisher", (packet) => {
  switch (packet.type) {
    case "puback":
    case "pubcomp":
      if (!unacknowledged.delete(packet.packetIdentifier))
        fault(`${packet.type} for ${packet.packetIdentifier}, which is not under way`);
      return;
    case "pubrec": {
      const { reasonCode = 0, packetIdentifier: identifier } = packet;
      if (reasonCode >= 0x80) return fault(`PUBREC with ${reasonCode}`);
      return publisher.send({ type: "pubrel", packetIdentifier: identifier });
    }
    default:
      return;
  }
});

function sendAll(): void {
  if (isEnding) return;
  for (const qos of [0, 1, 2] as const) send(qos);
}

function send(qos: QoS): void {
  // The broker has stood still for seconds: the latency of what is under way says so.
  if (unacknowledged.size >= IN_FLIGHT_MAXIMUM) return;
  const payload = Buffer.alloc(PAYLOAD_BYTES);
  payload.writeUInt32BE(streams.next(qos), 0);
  payload.writeUInt32BE(phase, 4);
  payload.writeDoubleBE(performance.now(), 8);
  const message = { type: "publish", topicName: `${prefix}/${qos}`, payload, qos } as const;
  const flags = { dup: false, retain: false };
  if (qos === 0) return publisher.send({ ...message, ...flags });
  do packetIdentifier = (packetIdentifier % 65_535) + 1;
  while (unacknowledged.has(packetIdentifier));
  unacknowledged.add(packetIdentifier);
  publisher.send({ ...message, ...flags, packetIdentifier });
}

function receive(qos: QoS, payload: Uint8Array): void {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const wrong = streams.receive(qos, bytes.readUInt32BE(0));
  if (wrong !== undefined) fault(wrong);
  const histogram = (latencies[bytes.readUInt32BE(4)] ??= new LatencyHistogram());
  histogram.add(performance.now() - bytes.readDoubleBE(8));
}

async function finish(): Promise<void> {
  isEnding = true;
  const endsAt = performance.now() + (faults === 0 ? LAST_WAIT_MS : LAST_WAIT_AFTER_FAULTS_MS);
  while ((streams.owed > 0 || unacknowledged.size > 0) && performance.now() < endsAt)
    await new Promise((resolve) => void setTimeout(resolve, 10));
  if (streams.owed > 0) fault(`${streams.owed} messages never came`);
  if (unacknowledged.size > 0) fault(`${unacknowledged.size} messages were never acknowledged`);
  publisher.end();
  subscriber.end();
  const ofPhases = Array.from(latencies, (histogram) => histogram?.toJSON());
  process.send?.({ type: "finished", faults, sent: streams.sent, latencies: ofPhases }, () =>
    process.exit(0),
  );
}

process.on("message", (message: { type: "phase"; phase: number } | { type: "finish" }) => {
  if (message.type === "phase") ({ phase } = message);
  else void finish();
});
process.on("disconnect", () => process.exit(1));
