import { createHash } from "node:crypto";
import { Chance } from "@sericite/broker/testing";
import { HostileConnection } from "./hostile-connection.ts";

/** What a broker may listen for. */
export type TransportName = "tcp" | "ws" | "tls";

/** A place to connect to. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** The broker that is attacked, as an attacker sees it. */
export interface Target {
  readonly places: Readonly<Partial<Record<TransportName, Place>>>;
  /** Time that the broker gives a connection to say CONNECT, or to be through its handshake. Milliseconds; 0: not known. */
  readonly entryTimeoutMs: number;
  /** Time that it has to end a connection that it must end. Milliseconds. */
  readonly patienceMs: number;
}

/** A kind of hostile traffic. */
export interface Attack {
  readonly name: string;
  /** What it does, in one sentence. */
  readonly text: string;
  /** The listener that it needs. */
  readonly transport: TransportName;
  /** Its share of a pass, beside the others. */
  readonly weight: number;
  run(siege: Siege): Promise<void>;
}

/** How the cases of an attack follow each other. */
export interface Pace {
  /** Cases begun in a second. */
  readonly perSecond: number;
  /** Cases under way at the same time, at most. */
  readonly atOnce: number;
}

/** One attack while it goes on: its chance, its time, its connections, and what it found. */
export class Siege {
  readonly target: Target;
  readonly transport: TransportName;
  /** Counted from 0. Names of what is to be new in each pass have it in them. */
  readonly pass: number;
  readonly figures: Record<string, number> = {};
  /** What the broker did that it must not do. */
  readonly faults: string[] = [];
  /** The newest case that was begun. */
  newestCase = 0;
  readonly #seed: string;
  readonly #endsAt: number;
  readonly #open = new Set<HostileConnection>();
  #sources = 0;

  constructor(attack: Attack, target: Target, seed: number, pass: number, seconds: number) {
    this.target = target;
    this.transport = attack.transport;
    this.pass = pass;
    this.#seed = `${seed} ${attack.name}`;
    this.#endsAt = performance.now() + seconds * 1000;
  }

  /** Its time is over: no new case is to begin. */
  get isOver(): boolean {
    return performance.now() >= this.#endsAt;
  }

  /** What decides case `index`: the same in every pass and on every machine. */
  chance(index: number): Chance {
    const hash = createHash("sha256").update(`${this.#seed} ${index}`).digest();
    return Chance.ofSeed(hash.readInt32LE(0));
  }

  count(figure: string, by = 1): void {
    this.figures[figure] = (this.figures[figure] ?? 0) + by;
  }

  /** Notes what the broker must not have done. @param index  The case, if it is one. */
  fault(text: string, index?: number): void {
    this.faults.push(index === undefined ? text : `case ${index}: ${text}`);
  }

  /** Opens a connection, from one of several addresses where the broker is on this machine's loopback. */
  async open(transport: TransportName = this.transport): Promise<HostileConnection> {
    const place = this.target.places[transport]!;
    const source = this.#source(place.host);
    const connection = await HostileConnection.open(place, source);
    this.count(connection.isOpen ? "connections" : "not connected");
    this.#open.add(connection);
    void connection.closed.then(() => this.#open.delete(connection));
    return connection;
  }

  /** Begins cases at a steady pace until its time is over; then waits for those under way. */
  async cases(pace: Pace, each: (index: number, chance: Chance) => Promise<void>): Promise<void> {
    const began = performance.now();
    const underWay = new Set<Promise<void>>();
    for (let index = 0; !this.isOver; index += 1) {
      const dueMs = began + (index * 1000) / pace.perSecond - performance.now();
      if (dueMs > 1) await this.pause(dueMs);
      while (underWay.size >= pace.atOnce) await Promise.race(underWay);
      this.newestCase = index;
      this.count("cases");
      const running = each(index, this.chance(index)).finally(() => underWay.delete(running));
      underWay.add(running);
    }
    await Promise.all(underWay);
  }

  /** Waits, at most until its time is over. */
  pause(ms: number): Promise<void> {
    const longest = Math.min(ms, this.#endsAt - performance.now());
    return new Promise((resolve) => void setTimeout(resolve, Math.max(0, longest)));
  }

  /** Waits for its end. */
  async untilOver(): Promise<void> {
    while (!this.isOver) await this.pause(1000);
  }

  /** The broker has to end this connection. */
  async mustClose(connection: HostileConnection, what: string, index?: number): Promise<void> {
    const { patienceMs } = this.target;
    if (await connection.closesWithin(patienceMs)) this.count("ended by the broker");
    else this.fault(`still open ${patienceMs / 1000} s after ${what}`, index);
    connection.reset();
  }

  /** Cuts whatever is still open. */
  leave(): void {
    for (const connection of this.#open) connection.reset();
  }

  /** Ten addresses of loopback: one alone has too few ports for what comes and goes here. */
  #source(host: string): string | undefined {
    if (process.platform !== "linux" || !host.startsWith("127.")) return undefined;
    this.#sources = (this.#sources + 1) % 10;
    return `127.0.0.${2 + this.#sources}`;
  }
}
