import type { Attack } from "../attack.ts";
import { connectPacket, publishPacket, subscribePacket } from "../packets.ts";

/** Connections at the same time. */
const CONNECTIONS = 40;
/** Between two bytes of one connection. Milliseconds. */
const BETWEEN_MS = 2;
/** CONNACK, SUBACK and PUBACK of 5.0, at least. Bytes. */
const ANSWERS = 5 + 6 + 4;

/** Sessions of one byte for each segment, which are valid and have to work. */
export const oneByteAtATime: Attack = {
  name: "one-byte-at-a-time",
  text: "Forty sessions at once that send each byte by itself.",
  transport: "tcp",
  weight: 1,
  async run(siege) {
    for (let round = 0; !siege.isOver; round += 1) {
      const connections = await Promise.all(
        Array.from({ length: CONNECTIONS }, () => siege.open()),
      );
      const sessions = connections.map((connection, at) => {
        const bytes = Buffer.concat([
          connectPacket(5, `bytes-${at}`),
          subscribePacket(5, ["bytes/#"], 1),
          publishPacket(5, `bytes/${at}`, 1, Buffer.from("one by one"), 2),
        ]);
        return { connection, bytes };
      });
      const longest = Math.max(...sessions.map(({ bytes }) => bytes.length));
      for (let at = 0; at < longest; at += 1) {
        for (const { connection, bytes } of sessions)
          if (at < bytes.length) connection.send(bytes.subarray(at, at + 1));
        await new Promise((resolve) => void setTimeout(resolve, BETWEEN_MS));
      }
      const answered = await Promise.all(
        sessions.map(({ connection }) => connection.receives(ANSWERS, 5000)),
      );
      siege.newestCase = round;
      for (const isAnswered of answered)
        if (isAnswered) siege.count("sessions that worked");
        else siege.fault("a session of single bytes was not answered", round);
      for (const { connection } of sessions) connection.reset();
    }
  },
};
