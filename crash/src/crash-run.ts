import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BrokerProcess } from "./broker-process.ts";
import type { Durability } from "./broker-process.ts";

import { freePort } from "./free-port.ts";
import { Bans } from "./scenarios/bans.ts";
import { Delivery } from "./scenarios/delivery.ts";
import { DelayedMessages } from "./scenarios/delayed.ts";
import { Retained } from "./scenarios/retained.ts";
import { Sessions } from "./scenarios/sessions.ts";
import { Subscriptions } from "./scenarios/subscriptions.ts";
import { Wills } from "./scenarios/wills.ts";
import { cutLastBatches } from "./segment-file.ts";
import { World } from "./world.ts";
import type { Figures, Scenario } from "./world.ts";

/** What a run is to be like. */
export interface CrashRunOptions {
  /** How often the broker is killed. */
  readonly kills: number;
  readonly seed: number;
  readonly durability: Durability;
  /** After so many kills, and at the end, everything must be settled before the load goes on. 0: never. */
  readonly settleEvery: number;
  /** Shortest and longest time under load between a start and the kill. Milliseconds. */
  readonly lifeMs: readonly [number, number];
  /** Longest Will Delay Interval, and longest delay of a message. Seconds, at least 1. */
  readonly longestDelay: number;
  /** A lie of the disk, to see that the ledger finds it: the last batches are lost at each kill. */
  readonly losesLastBatches: boolean;
  /** Do all but kill: whatever is found then is no crash's fault. */
  readonly spares: boolean;
  /** Leave the data directory there though nothing is wrong. */
  readonly keep: boolean;
  /** Called after each kill and each settling, with a line for people. */
  readonly progress: (line: string) => void;
}

/** What a run came to. */
export interface CrashReport {
  /** What the broker did wrong, in words; none: it kept its promises. */
  readonly faults: readonly string[];
  readonly kills: number;
  /** Kills while the broker was starting. */
  readonly killsInStart: number;
  readonly figures: Readonly<Figures>;
  /** From spawn to listening, after kills. Milliseconds. */
  readonly startMs: { readonly median: number; readonly longest: number };
  readonly seconds: number;
  /** Where the data directory is, if it was kept. */
  readonly dataDirectory: string | undefined;
}

/** Time in which everything must be settled once nothing new is begun. Milliseconds. */
const SETTLE_MS = 30_000;
/** Of all kills, those that hit a broker which is only starting. */
const KILLS_IN_START = 0.1;

/**
 * Kills the broker again and again under load, and checks what its clients were promised.
 *
 * @throws Error where the broker cannot be started at all.
 */
export function crashRun(options: CrashRunOptions): Promise<CrashReport> {
  return new CrashRun(options).run();
}

class CrashRun {
  readonly #options: CrashRunOptions;
  readonly #world: World;
  readonly #scenarios: readonly Scenario[];
  readonly #dataDirectory = mkdtempSync(join(tmpdir(), "sericite-crash-"));
  readonly #begun = performance.now();
  readonly #starts: number[] = [];
  #broker!: BrokerProcess;
  #port = 0;
  #kills = 0;
  #killsInStart = 0;

  constructor(options: CrashRunOptions) {
    this.#options = options;
    const world = new World(options.seed, options.longestDelay);
    this.#world = world;
    this.#scenarios = [
      new Delivery(world),
      new Retained(world),
      new Subscriptions(world, "subscriptions-a"),
      new Subscriptions(world, "subscriptions-b"),
      ...["a", "b", "c", "d"].map((name) => new Sessions(world, `session-${name}`)),
      new Wills(world),
      new DelayedMessages(world),
      ...["a", "b", "c"].map((name) => new Bans(world, `ban-${name}`)),
    ];
  }

  async run(): Promise<CrashReport> {
    const world = this.#world;
    const { settleEvery } = this.#options;
    this.#port = await freePort();
    await this.#start();
    let running: Promise<unknown> = Promise.resolve();
    try {
      await Promise.all(this.#scenarios.map((scenario) => scenario.prepare()));
      running = Promise.all(this.#scenarios.map((scenario) => scenario.run()));
      while (this.#kills < this.#options.kills && !this.#isFaulty) {
        await world.pause(world.chance.integer(...this.#options.lifeMs));
        if (this.#isFaulty) break;
        if (this.#options.spares) this.#spare();
        else {
          await this.#kill();
          await this.#restart();
        }
        if (this.#kills % settleEvery === 0) await this.#settle();
      }
      if (settleEvery > 0 && this.#kills % settleEvery !== 0) await this.#settle();
    } catch (error) {
      world.fault("broker", error);
    }
    world.finish();
    world.end();
    await this.#stop();
    await running;
    return this.#report();
  }

  get #isFaulty(): boolean {
    // A broker that ends by itself is as bad as one that lies.
    if (this.#broker.hasEnded) this.#world.fault("broker", `it ended:\n${this.#broker.printed}`);
    return this.#world.faults.length > 0;
  }

  async #start(): Promise<void> {
    const spawned = performance.now();
    this.#spawn();
    await this.#broker.listening();
    this.#starts.push(performance.now() - spawned);
    this.#world.begin(this.#port, this.#broker);
  }

  #spawn(): void {
    const { durability } = this.#options;
    this.#broker = new BrokerProcess({
      durability,
      dataDirectory: this.#dataDirectory,
      port: this.#port,
      hasBanDoor: true,
      // Small ones, so that segments are sealed, copied forward and deleted while it runs.
      flags: durability === "memory" ? [] : ["--store.segmentBytes", "1MiB"],
    });
  }

  async #kill(): Promise<void> {
    const world = this.#world;
    world.end();
    await this.#broker.kill();
    this.#kills += 1;
    if (this.#options.losesLastBatches) cutLastBatches(this.#dataDirectory);
    this.#progress();
  }

  #spare(): void {
    this.#kills += 1;
    this.#progress();
  }

  async #restart(): Promise<void> {
    const { chance } = this.#world;
    while (this.#kills < this.#options.kills && chance.happens(KILLS_IN_START)) {
      this.#spawn();
      const usual = this.#starts.at(-1) ?? 300;
      await this.#world.pause(chance.integer(0, Math.ceil(usual)));
      if (this.#broker.hasEnded) throw new Error(`it ended:\n${this.#broker.printed}`);
      await this.#broker.kill();
      this.#kills += 1;
      this.#killsInStart += 1;
    }
    await this.#start();
  }

  /** Nothing new is begun until nothing is owed. */
  async #settle(): Promise<void> {
    const world = this.#world;
    const begun = performance.now();
    world.isSettling = true;
    // Who is about to begin something has begun it.
    await world.pause(50);
    let owed = this.#owed();
    while (owed.length > 0 && !this.#isFaulty && performance.now() - begun < SETTLE_MS) {
      await world.pause(20);
      owed = this.#owed();
    }
    if (this.#isFaulty) return;
    for (const one of owed) world.fault("settling", one);
    if (owed.length > 0) return;
    for (const scenario of this.#scenarios) scenario.forget();
    world.isSettling = false;
    this.#progress(`settled in ${Math.round(performance.now() - begun)} ms`);
  }

  #owed(): string[] {
    return this.#scenarios.flatMap((scenario) => scenario.owed());
  }

  async #stop(): Promise<void> {
    if (this.#broker.hasEnded) return;
    const code = await this.#broker.stop();
    if (code !== 0 && !this.#isFaulty)
      this.#world.fault("broker", `exit code ${code} after SIGTERM:\n${this.#broker.printed}`);
  }

  #progress(what?: string): void {
    const { published, acknowledged, received } = this.#world.figures;
    const start = Math.round(this.#starts.at(-1) ?? 0);
    this.#options.progress(
      `kill ${this.#kills}/${this.#options.kills}  start ${start} ms  published ${published}  ` +
        `acknowledged ${acknowledged}  received ${received}${what === undefined ? "" : `  ${what}`}`,
    );
  }

  #report(): CrashReport {
    const { faults, figures } = this.#world;
    const isKept = this.#options.keep || faults.length > 0;
    if (!isKept) rmSync(this.#dataDirectory, { recursive: true, force: true });
    const starts = this.#starts.slice(1).toSorted((a, b) => a - b);
    return {
      faults,
      figures,
      kills: this.#kills,
      killsInStart: this.#killsInStart,
      startMs: { median: starts[starts.length >> 1] ?? 0, longest: starts.at(-1) ?? 0 },
      seconds: (performance.now() - this.#begun) / 1000,
      dataDirectory: isKept ? this.#dataDirectory : undefined,
    };
  }
}
