import { Duplex } from "node:stream";
import { connect } from "node:tls";
import type { Attack, Siege } from "../attack.ts";
import type { HostileConnection } from "../hostile-connection.ts";

/** Handshakes that go on at the same time, of each kind. */
const AT_ONCE = 150;
/** Beyond the time that the broker gives for handshakes. Milliseconds. */
const PATIENCE_MS = 10_000;

/** TLS handshakes that stop, crawl, or are none; and whole ones after which nothing comes. */
export const slowTls: Attack = {
  name: "slow-tls",
  text: "Handshakes of TLS that stop midway, that come byte by byte, that are nonsense, and a hundred a second that are made for nothing.",
  transport: "tls",
  weight: 2,
  async run(siege) {
    const hello = await clientHello();
    await Promise.all([
      unfinished(siege, hello),
      nonsense(siege, hello),
      handshakesForNothing(siege),
    ]);
  },
};

/** Half of a ClientHello, and the whole one byte by byte: all must end in the time for handshakes. */
async function unfinished(siege: Siege, hello: Buffer): Promise<void> {
  const stopped = await openSome(siege);
  for (const connection of stopped) connection.send(hello.subarray(0, hello.length / 2));
  const crawling = await openSome(siege);
  for (let at = 0; !siege.isOver && at < hello.length; at += 1) {
    for (const connection of crawling) connection.send(hello.subarray(at, at + 1));
    await siege.pause(20);
  }
  await siege.untilOver();
  const { entryTimeoutMs } = siege.target;
  if (entryTimeoutMs === 0) return;
  const endsAt = performance.now() + entryTimeoutMs + PATIENCE_MS;
  let left = 0;
  for (const connection of [...stopped, ...crawling])
    if (!(await connection.closesWithin(Math.max(0, endsAt - performance.now())))) left += 1;
  if (left > 0) siege.fault(`${left} handshakes that were not finished were not ended`);
}

async function nonsense(siege: Siege, hello: Buffer): Promise<void> {
  await siege.cases({ perSecond: 100, atOnce: 50 }, async (_index, chance) => {
    const bytes = Buffer.from(hello);
    // The record's header says what it is: most of the others go deeper.
    for (let left = chance.integer(1, 5); left > 0; left -= 1)
      bytes[chance.integer(chance.happens(0.2) ? 0 : 5, bytes.length - 1)] = chance.integer(0, 255);
    const connection = await siege.open();
    connection.send(bytes);
    if (await connection.closesWithin(100)) siege.count("ended by the broker");
    connection.reset();
  });
}

async function handshakesForNothing(siege: Siege): Promise<void> {
  await siege.cases({ perSecond: 100, atOnce: 50 }, async () => {
    const connection = await siege.open();
    const secure = connect({ socket: connection.socket, rejectUnauthorized: false });
    // Its end is no error here, whoever makes it.
    secure.on("error", () => secure.destroy());
    await new Promise<void>((resolve) => {
      secure.once("secureConnect", () => {
        siege.count("handshakes");
        resolve();
      });
      secure.once("close", resolve);
    });
    secure.destroy();
    connection.reset();
  });
}

function openSome(siege: Siege): Promise<HostileConnection[]> {
  return Promise.all(Array.from({ length: AT_ONCE }, () => siege.open()));
}

/** The first message of a client of TLS, as Node sends it. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        resolve(chunk);
        done();
      },
    });
    connect({ socket: wire, servername: "localhost" });
  });
}
