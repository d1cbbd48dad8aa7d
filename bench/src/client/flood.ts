/**
 * Publishes at QoS 0 as fast as the server reads, until it is ended: packets that were made once.
 *
 *     node bench/dist/client/flood.js PORT TOPIC-NAME
 */
import { once } from "node:events";
import { createConnection } from "node:net";
import { encodePacket } from "@sericite/protocol";

const [port, topicName = ""] = process.argv.slice(2);
const socket = createConnection({ port: Number(port), host: "127.0.0.1", noDelay: true });
await once(socket, "connect");
socket.resume();
const connect = {
  type: "connect",
  protocolVersion: 5,
  clientId: "flood",
  cleanStart: true,
  keepAlive: 0,
} as const;
socket.write(encodePacket(connect, 5));
const one = encodePacket(
  {
    type: "publish",
    topicName,
    payload: new Uint8Array(40),
    qos: 0,
    dup: false,
    retain: false,
  },
  5,
);
const many = Buffer.concat(Array.from({ length: 1000 }, () => one));
for (;;) if (!socket.write(many)) await once(socket, "drain");
