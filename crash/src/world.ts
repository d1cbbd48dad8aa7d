import { Chance } from "@sericite/broker/testing";
import type { BrokerProcess } from "./broker-process.ts";
import { Cut, Fault, WireClient } from "./wire/wire-client.ts";
import type { ConnectOptions } from "./wire/encode.ts";

/** When something was seen, and in which of the broker's lives. */
export interface Moment {
  readonly life: number;
  /** Milliseconds of a clock that only moves forward. */
  readonly at: number;
}

/** What a scenario is: some clients, and a book of what they were promised. */
export interface Scenario {
  readonly name: string;
  /** What must be there before anything is published. */
  prepare(): Promise<void>;
  /** Goes on through all lives of the broker, until `world.isOver`. */
  run(): Promise<void>;
  /** What is still owed, in words. Asked while nothing new is begun. */
  owed(): readonly string[];
  /** Nothing is owed: what happened so far need not be remembered. */
  forget(): void;
}

/** What is counted for the summary. */
export interface Figures {
  published: number;
  acknowledged: number;
  repeated: number;
  received: number;
  receivedAgain: number;
  handshakesCut: number;
  sessionsResumed: number;
  sessionsDiscarded: number;
  subscriptionsProbed: number;
  retainedRead: number;
  wills: number;
  delayed: number;
  bansProbed: number;
  bansRefused: number;
}

/** What all scenarios share: the broker's lives, the time, and what went wrong. */
export class World {
  readonly figures: Figures = {
    published: 0,
    acknowledged: 0,
    repeated: 0,
    received: 0,
    receivedAgain: 0,
    handshakesCut: 0,
    sessionsResumed: 0,
    sessionsDiscarded: 0,
    subscriptionsProbed: 0,
    retainedRead: 0,
    wills: 0,
    delayed: 0,
    bansProbed: 0,
    bansRefused: 0,
  };
  readonly chance: Chance;
  /** What the broker did wrong, in words. */
  readonly faults: string[] = [];
  /** Nothing goes on any more. */
  isOver = false;
  /** Begin nothing new, settle what was begun. */
  isSettling = false;
  /** Number of the broker's life, from 1. */
  life = 0;
  /** When the present life began to listen. */
  listensSince = 0;
  #port = 0;
  #broker: BrokerProcess | undefined;
  #isUp = false;
  /** For each life: when the last request was sent that was acknowledged as durable. */
  readonly #horizons: number[] = [];
  #waiting: (() => void)[] = [];
  readonly #timers = new Set<{ timer: NodeJS.Timeout; done: () => void }>();

  /** Longest Will Delay Interval, and longest delay of a message. Seconds, at least 1. */
  readonly longestDelay: number;

  constructor(seed: number, longestDelay: number) {
    this.chance = Chance.ofSeed(seed);
    this.longestDelay = longestDelay;
  }

  /** The broker listens. @param broker  The process that it is, where it can be asked to ban. */
  begin(port: number, broker?: BrokerProcess): void {
    this.#port = port;
    this.#broker = broker;
    this.life += 1;
    this.listensSince = performance.now();
    this.#isUp = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** The broker is about to be killed. */
  end(): void {
    this.#isUp = false;
  }

  /** All is over: nobody waits for anything any more. */
  finish(): void {
    this.isOver = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
    for (const { timer, done } of this.#timers) {
      clearTimeout(timer);
      done();
    }
    this.#timers.clear();
  }

  /** Notes what the broker did wrong; the run ends soon. */
  fault(scenario: string, what: unknown): void {
    const text = what instanceof Fault ? what.message : what instanceof Error ? what.stack : what;
    const fault = `life ${this.life}: ${scenario}: ${String(text)}`;
    // A client that comes back meets the same again.
    if (!this.faults.includes(fault)) this.faults.push(fault);
  }

  now(): Moment {
    return { life: this.life, at: performance.now() };
  }

  /** A request that was sent at `moment` was acknowledged, and the acknowledgement is of something durable. */
  witness(moment: Moment): void {
    const known = this.#horizons[moment.life] ?? 0;
    if (moment.at > known) this.#horizons[moment.life] = moment.at;
  }

  /**
   * Whether what had happened in the broker by `moment` outlives every crash: it lives on, or has
   * acknowledged something that was sent later in the same life. Batches are durable in order.
   */
  isKept(moment: Moment): boolean {
    if (moment.life === this.life && this.#isUp) return true;
    return (this.#horizons[moment.life] ?? 0) > moment.at;
  }

  /** Connects as soon as the broker listens. @throws Cut, also when all is over. */
  async connect(scenario: string, options: ConnectOptions, sent?: () => void): Promise<WireClient> {
    await this.#untilUp();
    return WireClient.open(
      this.#port,
      options,
      (error) => this.fault(`${scenario}: ${options.clientId}`, error),
      sent,
    );
  }

  /**
   * Bans a Client Identifier as soon as the broker listens; resolves when it says that this is kept.
   *
   * @param expiresInMs  `undefined`: until it is lifted; 0: it is lifted.
   * @throws Cut where the broker ends before.
   */
  async ban(clientId: string, expiresInMs: number | undefined): Promise<void> {
    await this.#untilUp();
    await this.#broker!.ban(clientId, expiresInMs);
  }

  async #untilUp(): Promise<void> {
    while (!this.#isUp && !this.isOver)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.isOver) throw new Cut("all is over");
  }

  /** Waits. Milliseconds. Shorter when all is over. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const entry = {
        timer: setTimeout(() => {
          this.#timers.delete(entry);
          resolve();
        }, ms),
        done: resolve,
      };
      this.#timers.add(entry);
    });
  }

  /** Waits until a client's connection ends, or for `ms`, whichever comes first. */
  async stay(client: WireClient, ms: number): Promise<void> {
    await Promise.race([client.closed, this.pause(ms)]);
  }

  /** Runs `turn` again and again until all is over; a connection that ends only ends the turn. */
  async repeat(scenario: string, turn: () => Promise<void>): Promise<void> {
    while (!this.isOver) {
      try {
        await turn();
      } catch (error) {
        if (error instanceof Cut) await this.pause(5);
        else {
          this.fault(scenario, error);
          return;
        }
      }
    }
  }
}
