import type { Attack, Siege } from "../attack.ts";
import {
  connectPacket,
  PINGREQ,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
} from "../packets.ts";

/** Connections for each kind of question. */
const CONNECTIONS = 5;
/** About this much goes in one piece. Bytes. */
const PIECE = 16 * 1024;
/** Between two pieces of a connection: every broker is to have the same traffic, however fast it is. Milliseconds. */
const BETWEEN_MS = 20;
/** What a broker may take of a connection that never reads, at most: what the system's buffers hold, and a margin. Bytes. */
const TAKEN_MAXIMUM = 128 * 1024 * 1024;

/** Clients that ask and ask, and never read the answers. */
export const unreadAnswers: Attack = {
  name: "unread-answers",
  text: "Clients that send PINGREQ, PUBLISH, SUBSCRIBE and UNSUBSCRIBE, 16 MB a second in all, and never read an answer.",
  transport: "tcp",
  weight: 2,
  async run(siege) {
    const questions: readonly Uint8Array[] = [
      PINGREQ,
      // Below every Receive Maximum: it is the same one again.
      publishPacket(4, "unanswered/a", 1, Buffer.alloc(0), 1),
      subscribePacket(5, ["unanswered/+", "unanswered/b"], 1),
      unsubscribePacket(5, ["unanswered/+", "nothing"]),
    ];
    await Promise.all(
      questions.flatMap((question, at) =>
        Array.from({ length: CONNECTIONS }, (_, one) => ask(siege, question, at, one)),
      ),
    );
  },
};

async function ask(siege: Siege, question: Uint8Array, at: number, one: number): Promise<void> {
  const version = at === 1 || at === 0 ? 4 : 5;
  const piece = Buffer.concat(
    Array.from({ length: Math.ceil(PIECE / question.length) }, () => question),
  );
  const connection = await siege.open();
  connection.send(connectPacket(version, `unanswered-${at}-${one}`));
  await connection.receives(4, 5000);
  connection.stopReading();
  while (!siege.isOver && connection.isOpen) {
    if (!connection.send(piece)) await connection.drained(100);
    await siege.pause(BETWEEN_MS);
  }
  const taken = connection.socket.bytesWritten - connection.socket.writableLength;
  siege.count("KB taken", Math.round(taken / 1e3));
  if (taken > TAKEN_MAXIMUM) siege.fault(`${taken} bytes of questions taken, answers unread`, at);
  connection.reset();
}
