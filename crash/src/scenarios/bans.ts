import { Fault, Refused } from "../wire/wire-client.ts";
import type { Scenario, World } from "../world.ts";

/** Time that the broker may take to notice that a ban is over. Milliseconds. */
const SLACK_MS = 1500;
/** What clocks may differ by. Milliseconds. */
const TOLERANCE_MS = 100;
const BANNED = { 4: 5, 5: 0x8a } as const;

/** What may be the case with a Client Identifier: banned from now until between these two times. */
interface Ban {
  readonly earliestEnd: number;
  /** 0: it is not banned. */
  readonly latestEnd: number;
}

const free: Ban = { earliestEnd: 0, latestEnd: 0 };

/**
 * A Client Identifier that is banned and let in again: a ban that was acknowledged refuses it until
 * it is over or lifted, over every crash, and one that was lifted does not come back.
 */
export class Bans implements Scenario {
  readonly name = "bans";
  readonly #world: World;
  readonly #clientId: string;
  #possible: readonly Ban[] = [free];

  constructor(world: World, clientId: string) {
    this.#world = world;
    this.#clientId = clientId;
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  owed(): string[] {
    return [];
  }

  forget(): void {
    // What may be the case is never much.
  }

  run(): Promise<void> {
    const world = this.#world;
    return world.repeat(this.name, async () => {
      if (!world.isSettling && world.chance.happens(0.4)) await this.#change();
      await this.#probe();
      await world.pause(world.chance.integer(5, 60));
    });
  }

  /** Bans it, for good or for a while, or lifts that. */
  async #change(): Promise<void> {
    const world = this.#world;
    const expiresInMs = world.chance.pick([undefined, undefined, 0, 0, 700, 3000] as const);
    const before = this.#possible;
    const asked = performance.now();
    // A crash may be before it or after it.
    const after = (): Ban => endOf(expiresInMs, asked, performance.now());
    try {
      await world.ban(this.#clientId, expiresInMs);
    } catch (error) {
      this.#possible = [...before, after()];
      throw error;
    }
    this.#possible = [after()];
  }

  /** Connects: is it refused? */
  async #probe(): Promise<void> {
    const world = this.#world;
    const version = world.chance.pick([4, 5] as const);
    const asked = performance.now();
    let isRefused = false;
    try {
      const client = await world.connect(this.name, {
        version,
        clientId: this.#clientId,
        cleanStart: true,
      });
      await client.disconnect();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.reasonCode !== BANNED[version]) throw error;
      isRefused = true;
    }
    const now = performance.now();
    const left = this.#possible.filter(({ earliestEnd, latestEnd }) =>
      isRefused ? latestEnd > asked : earliestEnd < now,
    );
    if (left.length === 0)
      throw new Fault(`${this.#clientId} ${describe(isRefused, this.#possible)}`);
    world.figures.bansProbed += 1;
    if (isRefused) world.figures.bansRefused += 1;
    this.#possible = left;
  }
}

function endOf(expiresInMs: number | undefined, asked: number, answered: number): Ban {
  if (expiresInMs === 0) return free;
  if (expiresInMs === undefined) return { earliestEnd: Infinity, latestEnd: Infinity };
  return {
    earliestEnd: asked + expiresInMs - TOLERANCE_MS,
    latestEnd: answered + expiresInMs + SLACK_MS,
  };
}

function describe(isRefused: boolean, possible: readonly Ban[]): string {
  if (isRefused) return "is banned, and must not be";
  const [{ earliestEnd }] = possible as [Ban];
  const left = earliestEnd - performance.now();
  return `was let in, and is banned ${left === Infinity ? "for good" : `for ${Math.round(left)} ms`}`;
}
