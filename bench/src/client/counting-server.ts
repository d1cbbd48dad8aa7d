/**
 * A server that only counts and acknowledges, and floods who subscribes, so that the client is the
 * limit. Prints READY.
 *
 *     node bench/dist/client/counting-server.js PORT
 */
import { createServer } from "node:net";
import {
  PacketType,
  Parser,
  TopicNameTable,
  Writer,
  encodePacket,
  fromClient,
} from "@sericite/protocol";

const topicNames = new TopicNameTable({ maximumEntries: 100 });
const server = createServer({ noDelay: true }, (socket) => {
  const parser = new Parser({ from: fromClient, maximumPacketSize: 1_000_000, topicNames });
  const writer = new Writer(65_536);
  const flood = (topicName: string): void => {
    const payload = new Uint8Array(40);
    const one = encodePacket(
      { type: "publish", topicName, payload, qos: 0, dup: false, retain: false },
      parser.protocolVersion,
    );
    const many = Buffer.concat(Array.from({ length: 1000 }, () => one));
    const more = (): void => {
      let room = true;
      while (room && socket.writable) room = socket.write(many);
      if (socket.writable) socket.once("drain", more);
    };
    more();
  };
  const handle = (type: number): void => {
    const version = parser.protocolVersion;
    const { packetIdentifier } = parser;
    if (type === PacketType.publish) {
      if (packetIdentifier > 0) encodePacket({ type: "puback", packetIdentifier }, version, writer);
      return;
    }
    const packet = parser.packet();
    if (packet.type === "connect") {
      encodePacket({ type: "connack", sessionPresent: false, reasonCode: 0 }, version, writer);
    } else if (packet.type === "subscribe") {
      encodePacket({ type: "suback", packetIdentifier, reasonCodes: [0] }, version, writer);
      setImmediate(flood, packet.subscriptions[0]?.topicFilter ?? "");
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
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("READY"));
