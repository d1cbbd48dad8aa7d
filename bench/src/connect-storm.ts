/**
 * A storm of clients with passwords: connects per second for some seconds, with the passwords of so
 * many users, none of them checked before. Meanwhile one client publishes at QoS 1 for a durable
 * session; each PUBACK waits for the disk. The storm comes from a process of its own. Shown are its
 * answers, second by second, and the publisher's PUBACK before and in the storm; on Linux also what
 * the threads of the broker had of the cores, and how long they waited for one.
 *
 *     node bench/dist/connect-storm.js [--rate N] [--users N] [--seconds N] [--quiet-seconds N] [--anonymous]
 *
 * With --anonymous nobody shows a password: what the connections alone cost.
 *
 * Exit code 1 where a connect was not answered, or the publisher's p99 is above three times the
 * quiet one and above 25 ms.
 */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { hashPassword } from "@sericite/broker/passwords";
import { encodePacket, Parser, TopicNameTable, fromServer } from "@sericite/protocol";
import type { Packet } from "@sericite/protocol";

const program = fileURLToPath(new URL("../../packages/sericite/bin/sericite.js", import.meta.url));
/** PUBLISH per second of the client that is watched. */
const PUBLISH_RATE = 200;
/** First argument of the process that makes the storm. */
const STORM = "storm";

interface Storm {
  readonly port: number;
  readonly rate: number;
  readonly users: number;
  readonly seconds: number;
  readonly isAnonymous: boolean;
}

/** What became of the connects of one second; times in milliseconds. */
interface Second {
  sent: number;
  accepted: number;
  later: number;
  other: number;
  failed: number;
  times: number[];
}

const passwordOf = (user: number): string => `password of ${user}`;

class Wire {
  readonly socket: Socket;
  readonly #parser = new Parser({
    from: fromServer,
    protocolVersion: 5,
    maximumPacketSize: 268_435_460,
    topicNames: new TopicNameTable({ maximumEntries: 16 }),
  });

  constructor(port: number, onPacket: (packet: Packet) => void) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("data", (bytes: Buffer) => {
      this.#parser.push(bytes, 0, bytes.length);
      for (let type = this.#parser.next(); type !== 0; type = this.#parser.next())
        onPacket(this.#parser.packet());
    });
  }

  send(packet: Packet): void {
    this.socket.write(encodePacket(packet, 5));
  }

  /** @param user  `undefined` shows no password. */
  connect(clientId: string, user: number | undefined, sessionExpiryInterval = 0): void {
    this.send({
      type: "connect",
      protocolVersion: 5,
      clientId,
      cleanStart: true,
      keepAlive: 0,
      username: user === undefined ? undefined : `user-${user}`,
      password: user === undefined ? undefined : Buffer.from(passwordOf(user)),
      properties: { sessionExpiryInterval },
    });
  }
}

async function storm({ port, rate, users, seconds, isAnonymous }: Storm): Promise<Second[]> {
  const all: Second[] = [];
  let open = 0;
  const begun = performance.now();
  const end = rate * seconds;
  for (let number = 0; number < end;) {
    const due = Math.min(end, Math.floor(((performance.now() - begun) * rate) / 1000));
    for (; number < due; number++) {
      const second = (all[Math.floor(number / rate)] ??= {
        sent: 0,
        accepted: 0,
        later: 0,
        other: 0,
        failed: 0,
        times: [],
      });
      second.sent++;
      open++;
      const at = performance.now();
      let isAnswered = false;
      const wire = new Wire(port, (packet) => {
        if (packet.type !== "connack") return;
        isAnswered = true;
        second.times.push(performance.now() - at);
        if (packet.reasonCode === 0) second.accepted++;
        else if (packet.reasonCode === 0x89) second.later++;
        else second.other++;
        wire.socket.end();
      });
      wire.socket.on("error", () => {
        // "close" follows.
      });
      wire.socket.on("close", () => {
        open--;
        if (!isAnswered) second.failed++;
      });
      wire.connect(`storm-${number}`, isAnonymous ? undefined : number % users);
    }
    await sleep(2);
  }
  for (let waited = 0; open > 0 && waited < 20_000; waited += 10) await sleep(10);
  return all;
}

/** Publishes until told to stop; gives the times until PUBACK. */
class Publisher {
  readonly #wire: Wire;
  readonly #sentAt = new Map<number, number>();
  #identifier = 0;
  /** Time until PUBACK, by the second in which it was sent. */
  times: number[][] = [];
  #begun = 0;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  take(packet: Packet): void {
    if (packet.type !== "puback") return;
    const at = this.#sentAt.get(packet.packetIdentifier)!;
    const second = Math.floor((at - this.#begun) / 1000);
    (this.times[second] ??= []).push(performance.now() - at);
    this.#sentAt.delete(packet.packetIdentifier);
  }

  async run(isOver: () => boolean): Promise<number[][]> {
    this.times = [];
    const begun = (this.#begun = performance.now());
    for (let sent = 0; !isOver();) {
      const due = Math.floor(((performance.now() - begun) * PUBLISH_RATE) / 1000);
      for (; sent < due; sent++) {
        this.#identifier = (this.#identifier % 65_535) + 1;
        this.#sentAt.set(this.#identifier, performance.now());
        this.#wire.send({
          type: "publish",
          topicName: "kept",
          payload: Buffer.alloc(100),
          qos: 1,
          dup: false,
          retain: false,
          packetIdentifier: this.#identifier,
        });
      }
      await sleep(1);
    }
    while (this.#sentAt.size > 0) await sleep(1);
    return this.times;
  }
}

/** What a thread had of the cores, and how long it was ready and had none. Milliseconds. */
interface Share {
  readonly worked: number;
  readonly waited: number;
}

/** Of each thread of a process, by its number; empty where the system does not tell. */
function sharesOf(pid: number): Map<string, Share> {
  const shares = new Map<string, Share>();
  if (process.platform !== "linux") return shares;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
    const [worked, waited] = text.split(" ").map((ns) => Number(ns) / 1e6) as [number, number];
    shares.set(thread, { worked, waited });
  }
  return shares;
}

function showShares(pid: number, before: ReadonlyMap<string, Share>): void {
  const rows = [...sharesOf(pid)].map(([thread, { worked, waited }]) => {
    const first = before.get(thread) ?? { worked: 0, waited: 0 };
    return { thread, worked: worked - first.worked, waited: waited - first.waited };
  });
  for (const { thread, worked, waited } of rows.filter((row) => row.worked > 100)) {
    const name = thread === String(pid) ? "main thread" : `thread ${thread}`;
    console.log(
      `broker's ${name}: worked ${worked.toFixed(0)} ms, waited for a core ${waited.toFixed(0)} ms`,
    );
  }
}

function percentile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rate: { type: "string", default: "1000" },
      users: { type: "string", default: "100" },
      seconds: { type: "string", default: "15" },
      "quiet-seconds": { type: "string", default: "5" },
      anonymous: { type: "boolean", default: false },
    },
  });
  const [rate, users, seconds] = [values.rate, values.users, values.seconds].map(Number) as [
    number,
    number,
    number,
  ];
  const isAnonymous = values.anonymous;
  const folder = mkdtempSync(join(tmpdir(), "sericite-storm-"));
  const file = join(folder, "users");
  const lines: string[] = [];
  // The last one is the publisher.
  for (let user = 0; user <= users; user++)
    lines.push(`user-${user}:${await hashPassword(Buffer.from(passwordOf(user)))}\n`);
  writeFileSync(file, lines.join(""), { mode: 0o600 });
  const broker = spawn(
    process.execPath,
    [program, "broker", "--port", "0", "--log-level", "warn"].concat(
      isAnonymous ? ["--allow-anonymous"] : ["--password-file", file],
      ["--durability", "strict", "--data-dir", join(folder, "data")],
    ),
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  try {
    let output = "";
    let port = 0;
    broker.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    while (port === 0) {
      await once(broker.stdout, "data");
      port = Number(/mqtt:\/\/[^\s"]*:(\d+)/.exec(output)?.[1] ?? 0);
    }
    const publisher: { one: Publisher | undefined } = { one: undefined };
    let answers = 0;
    const wire = new Wire(port, (packet) => {
      answers++;
      if (packet.type === "publish")
        wire.send({ type: "puback", packetIdentifier: packet.packetIdentifier! });
      publisher.one?.take(packet);
    });
    publisher.one = new Publisher(wire);
    wire.connect("publisher", isAnonymous ? undefined : users, 3600);
    wire.send({
      type: "subscribe",
      packetIdentifier: 1,
      subscriptions: [{ topicFilter: "kept", qos: 1 }],
    });
    while (answers < 2) await once(wire.socket, "data");

    const quietEnd = performance.now() + Number(values["quiet-seconds"]) * 1000;
    const quiet = await publisher.one.run(() => performance.now() > quietEnd);
    const before = sharesOf(broker.pid!);
    const order: Storm = { port, rate, users, seconds, isAnonymous };
    const generator = fork(fileURLToPath(import.meta.url), [STORM, JSON.stringify(order)]);
    let result: Second[] | undefined;
    generator.once("message", (message: Second[]) => (result = message));
    const stormy = await publisher.one.run(() => result !== undefined);
    showShares(broker.pid!, before);
    if (output.includes("passwords-late"))
      console.log("(the broker told of passwords that waited too long)");

    console.log(
      `${rate} connects per second, ${isAnonymous ? "without passwords" : `${users} users`}`,
    );
    console.log(
      "second   sent  let in  come again  other  unanswered  CONNACK p50 / p99 ms   PUBACK p50 / p99 ms",
    );
    for (const [number, one] of result!.entries()) {
      const shown = (times: readonly number[] = []): string =>
        `${percentile(times, 0.5).toFixed(1)} / ${percentile(times, 0.99).toFixed(1)}`;
      const columns = [number + 1, one.sent, one.accepted, one.later, one.other, one.failed];
      const widths = [6, 7, 8, 12, 7, 12];
      console.log(
        `${columns.map((value, i) => String(value).padStart(widths[i]!)).join("")}  ${shown(one.times).padEnd(22)} ${shown(stormy[number])}`,
      );
    }
    const [calm, during] = [percentile(quiet.flat(), 0.99), percentile(stormy.flat(), 0.99)];
    for (const [name, times] of [
      ["quiet", quiet],
      ["in the storm", stormy],
    ] as const) {
      const [p50, p99, most] = [0.5, 0.99, 1].map((share) =>
        percentile(times.flat(), share).toFixed(1),
      );
      console.log(
        `PUBACK ${name}: p50 ${p50}, p99 ${p99}, longest ${most} ms (${times.flat().length})`,
      );
    }
    const bar = Math.max(3 * calm, 25);
    const unanswered = result!.reduce((sum, one) => sum + one.failed + one.other, 0);
    console.log(`bar of p99: ${bar.toFixed(1)} ms: ${during <= bar ? "held" : "MISSED"}`);
    console.log(`refused otherwise, or unanswered: ${unanswered}`);
    if (during > bar || unanswered > 0) process.exitCode = 1;
    wire.socket.destroy();
  } finally {
    const ended = once(broker, "exit");
    broker.kill();
    await ended;
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[2] === STORM)
  process.send!(await storm(JSON.parse(process.argv[3]!) as Storm), () => process.disconnect());
else await main();
