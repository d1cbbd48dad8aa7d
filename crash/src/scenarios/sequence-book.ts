import type { Publish } from "../wire/packet.ts";
import { Fault } from "../wire/wire-client.ts";
import type { World } from "../world.ts";
import { publication } from "./publisher.ts";
import type { Publication } from "./publisher.ts";
import type { Receiver } from "./subscriber.ts";

/** One publisher's messages to one topic, numbered from 0. */
interface Line {
  readonly topicName: string;
  /** Number of the first one in `publications`. */
  base: number;
  publications: Publication[];
}

/** What one subscriber has got of one line. */
interface Progress {
  /** Above all that came; nothing below may come for the first time. */
  next: number;
  /**
   * From here on everything must come. Of what was sent before SUBACK some may have been accepted
   * before there was a subscription.
   */
  promised: number;
  /** Anything has come. */
  hasCome: boolean;
  /** Newest number on the present connection. */
  latest: number;
  connection: number;
  /** How often each came without DUP. */
  fresh: Map<number, number>;
}

/**
 * Who published what in which order, and who got it. Each subscription is to get every message of a
 * line: in order, the first time; at QoS 2 once.
 */
export class SequenceBook {
  readonly #world: World;
  readonly #lines = new Map<string, Line>();
  readonly #readers: SequenceReader[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** The next message of a line. */
  next(topicName: string, qos: 1 | 2): Publication {
    const line = this.line(topicName);
    const number = line.base + line.publications.length;
    const one = publication(topicName, payloadOf(topicName, number, this.#size()), qos);
    line.publications.push(one);
    return one;
  }

  /** A subscriber with a subscription to all lines, granted `qos`. */
  reader(name: string, qos: 1 | 2): SequenceReader {
    const reader = new SequenceReader(this.#world, this, name, qos);
    this.#readers.push(reader);
    return reader;
  }

  line(topicName: string): Line {
    let line = this.#lines.get(topicName);
    if (line === undefined) {
      line = { topicName, base: 0, publications: [] };
      this.#lines.set(topicName, line);
    }
    return line;
  }

  get lines(): Iterable<Line> {
    return this.#lines.values();
  }

  /** What is not acknowledged, or acknowledged and has not come. */
  owed(): string[] {
    return this.#readers.flatMap((reader) => reader.owed());
  }

  /** Nothing is owed: forgets what all have got. */
  forget(): void {
    for (const line of this.#lines.values()) {
      line.base += line.publications.length;
      line.publications = [];
    }
    for (const reader of this.#readers) reader.forget();
  }

  /** Most messages are small, some are large. */
  #size(): number {
    const { chance } = this.#world;
    if (chance.happens(0.02)) return chance.integer(4096, 65_536);
    return chance.integer(0, 300);
  }
}

/** One subscriber's part of the book. */
export class SequenceReader implements Receiver {
  readonly #world: World;
  readonly #book: SequenceBook;
  readonly #name: string;
  readonly #qos: 1 | 2;
  #progress = new Map<string, Progress>();
  /** Before SUBSCRIBE left: the first message of each line that was not acknowledged. */
  #begins: Map<string, number> | undefined;

  constructor(world: World, book: SequenceBook, name: string, qos: 1 | 2) {
    this.#world = world;
    this.#book = book;
    this.#name = name;
    this.#qos = qos;
  }

  subscribing(): void {
    this.#progress = new Map();
    this.#begins ??= new Map(
      Array.from(this.#book.lines, (line) => [line.topicName, firstUnacknowledged(line)]),
    );
    for (const [topicName, next] of this.#begins)
      this.#progress.set(topicName, { ...noProgress(next), promised: Infinity });
  }

  subscribed(): void {
    this.#begins = undefined;
    for (const line of this.#book.lines) {
      const progress = this.#of(line.topicName);
      if (progress.promised === Infinity) progress.promised = line.base + line.publications.length;
    }
  }

  receive(packet: Publish, connection: number): void {
    const { topicName, payload, qos, dup, retain } = packet;
    const number = numberOf(topicName, payload);
    const line = this.#book.line(topicName);
    const one = line.publications[number - line.base];
    const progress = this.#of(topicName);
    const what = `${topicName} ${number}, QoS ${qos}`;
    this.#world.figures.received += 1;
    if (retain) throw new Fault(`${what}: RETAIN 1`);
    if (number >= line.base + line.publications.length)
      throw new Fault(`${what} was never published`);
    // Nothing but a late repeat can be as old as that.
    if (one === undefined) return this.#again(what, qos, 2, true);
    if (qos !== Math.min(one.qos, this.#qos))
      throw new Fault(`${what}, published with ${one.qos}, granted ${this.#qos}`);
    if (progress.connection !== connection) {
      progress.connection = connection;
      progress.latest = -1;
    }
    // A repeat of the publisher may come behind what it had published later.
    if (number < progress.latest && one.sends < 2)
      throw new Fault(`${what} came after ${progress.latest}, though it was sent once`);
    progress.latest = number;
    if (!dup) {
      const times = (progress.fresh.get(number) ?? 0) + 1;
      progress.fresh.set(number, times);
      if (times > one.sends)
        throw new Fault(`${what} came ${times} times without DUP, and was sent ${one.sends} times`);
    }
    if (number < progress.next) {
      if (!progress.hasCome) throw new Fault(`${what} is of a session that was discarded`);
      return this.#again(what, qos, one.sends, dup);
    }
    const must = Math.max(progress.next, progress.promised);
    if (number > must) throw new Fault(`${what} came, and ${describe(line, must)} never did`);
    progress.hasCome = true;
    progress.next = number + 1;
  }

  #again(what: string, qos: number, sends: number, dup: boolean): void {
    this.#world.figures.receivedAgain += 1;
    if (qos === 2) throw new Fault(`${what} came again: sent ${sends} times, DUP ${dup}`);
  }

  owed(): string[] {
    const owed: string[] = [];
    for (const line of this.#book.lines) {
      const { next, promised } = this.#of(line.topicName);
      const end = line.base + line.publications.length;
      const from = Math.max(next, promised);
      if (from < end)
        owed.push(`${this.#name} has not got ${end - from} from ${describe(line, from)}`);
    }
    return owed;
  }

  forget(): void {
    for (const line of this.#book.lines) {
      const progress = this.#of(line.topicName);
      progress.next = line.base;
      progress.promised = line.base;
      progress.hasCome = true;
      progress.fresh.clear();
    }
  }

  #of(topicName: string): Progress {
    let progress = this.#progress.get(topicName);
    if (progress === undefined) {
      progress = noProgress(this.#book.line(topicName).base);
      this.#progress.set(topicName, progress);
    }
    return progress;
  }
}

function noProgress(next: number): Progress {
  return { next, promised: next, hasCome: false, latest: -1, connection: 0, fresh: new Map() };
}

function firstUnacknowledged(line: Line): number {
  const index = line.publications.findIndex(({ acknowledged }) => acknowledged === undefined);
  return line.base + (index < 0 ? line.publications.length : index);
}

function describe(line: Line, number: number): string {
  const one = line.publications[number - line.base];
  const { acknowledged } = one ?? {};
  const how =
    acknowledged === undefined
      ? "not acknowledged"
      : `acknowledged in life ${acknowledged.life} ${Math.round(performance.now() - acknowledged.at)} ms ago`;
  return `${line.topicName} ${number} (QoS ${one?.qos}, sent ${one?.sends} times, ${how})`;
}

/** The number, then bytes that depend on it. */
function payloadOf(topicName: string, number: number, size: number): Buffer {
  const head = Buffer.from(`${topicName} ${number} ${size} `);
  return Buffer.concat([head, Buffer.alloc(size, number & 0xff)]);
}

function numberOf(topicName: string, payload: Buffer): number {
  const words = payload.toString("latin1", 0, 60).split(" ");
  const [number, size] = [Number(words[1]), Number(words[2])];
  if (words[0] !== topicName || !payload.equals(payloadOf(topicName, number, size)))
    throw new Fault(
      `${topicName}: a payload that nobody published: ${payload.toString("latin1", 0, 60)}`,
    );
  return number;
}
