import type { Publish } from "../wire/packet.ts";
import { Fault } from "../wire/wire-client.ts";
import type { Moment, World } from "../world.ts";
import type { Receiver } from "./subscriber.ts";

/** A message that the broker is to publish by itself: a Will, or a delayed message. */
export interface Expected {
  readonly id: string;
  readonly qos: 1 | 2;
  /** Whether it must come, may come, or must not, as far as is known at present. */
  readonly owed: () => "must" | "may" | "never";
  /** Before that it is too early. Milliseconds of the world's clock. */
  readonly earliest: () => number;
  /** Times that it may come without DUP. */
  readonly copies: () => number;
}

interface Entry {
  readonly expected: Expected;
  /** When it came, without DUP. */
  readonly fresh: Moment[];
  hasCome: boolean;
}

/** What clocks may differ by. Milliseconds. */
const TOLERANCE_MS = 100;

/** Messages that the broker publishes by itself: each comes in time, and not twice. */
export class EventBook implements Receiver {
  readonly #world: World;
  readonly #figure: "wills" | "delayed";
  #entries = new Map<string, Entry>();
  #forgotten = new Set<string>();

  /** @param figure  Counts those that came. */
  constructor(world: World, figure: "wills" | "delayed") {
    this.#world = world;
    this.#figure = figure;
  }

  expect(expected: Expected): void {
    this.#entries.set(expected.id, { expected, fresh: [], hasCome: false });
  }

  hasCome(id: string): boolean {
    return this.#entries.get(id)?.hasCome === true || this.#forgotten.has(id);
  }

  receive({ payload, qos, dup }: Publish): void {
    const id = payload.toString();
    const now = this.#world.now();
    const entry = this.#entries.get(id);
    if (entry === undefined) {
      if (!this.#forgotten.has(id)) throw new Fault(`"${id}" came, which nobody sent`);
      // At QoS 1 it comes before its records are safe, and again where a crash took those.
      if (qos === 2) throw new Fault(`"${id}" came again, long after`);
      return;
    }
    const { expected, fresh } = entry;
    if (qos !== expected.qos) throw new Fault(`"${id}" came with QoS ${qos}`);
    if (expected.owed() === "never") throw new Fault(`"${id}" came, and must not`);
    const early = expected.earliest() - now.at;
    if (early > TOLERANCE_MS) throw new Fault(`"${id}" came ${Math.round(early)} ms too early`);
    if (entry.hasCome && qos === 2) throw new Fault(`"${id}" came again at QoS 2`);
    if (!entry.hasCome) this.#world.figures[this.#figure] += 1;
    entry.hasCome = true;
    if (dup) return;
    // At QoS 1 a delivery may precede its flush: after a crash it is the first one again.
    const kept = fresh.filter((moment) => this.#world.isKept(moment)).length;
    if (kept >= expected.copies()) throw new Fault(`"${id}" came ${kept + 1} times without DUP`);
    fresh.push(now);
  }

  owed(): string[] {
    const owed: string[] = [];
    for (const { expected, hasCome } of this.#entries.values())
      if (!hasCome && expected.owed() === "must") owed.push(`"${expected.id}" has not come`);
    return owed;
  }

  forget(): void {
    // One that only may come can still do so: it stays.
    const rest = [...this.#entries].filter(
      ([, { hasCome, expected }]) => !hasCome && expected.owed() === "may",
    );
    this.#forgotten = new Set([...this.#entries.keys()]);
    this.#entries = new Map(rest);
    for (const [id] of rest) this.#forgotten.delete(id);
  }
}
