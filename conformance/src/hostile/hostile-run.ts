import type { Attack } from "./attack.ts";
import { attack } from "./attacker.ts";
import type { BrokerUnderAttack } from "./broker-under-attack.ts";
import { GoodPair } from "./good-pair.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { quietMemory, residentMemory } from "./resident-memory.ts";
import type { QuietMemory } from "./resident-memory.ts";

/** How a run goes. */
export interface RunOptions {
  readonly broker: BrokerUnderAttack;
  /** Those to be made, in order. */
  readonly attacks: readonly Attack[];
  readonly seed: number;
  /** Of these the first is the warm-up. */
  readonly passes: number;
  /** Seconds of an attack whose weight is 1. */
  readonly secondsPerWeight: number;
  /** Told what goes on. */
  readonly progress: (line: string) => void;
}

/** What one attack came to, all passes together. */
export interface AttackReport {
  readonly name: string;
  readonly faults: string[];
  readonly figures: Record<string, number>;
  /** Of the well-behaved pair, while it was attacked. */
  readonly latency: LatencyHistogram;
  /** The most resident memory that was seen meanwhile. Bytes. */
  mostMemory: number;
}

/** What a run came to. */
export interface RunReport {
  readonly attacks: readonly AttackReport[];
  /** Of the well-behaved pair, before the first pass. */
  readonly quiet: LatencyHistogram;
  /** Of the well-behaved pair, while it was attacked by any. */
  readonly attacked: LatencyHistogram;
  /** Messages that the pair sent. */
  readonly sent: number;
  /** Resident memory after each pass; empty where it is not known. */
  readonly memory: readonly QuietMemory[];
  /** What went wrong and is not of one attack. */
  readonly faults: readonly string[];
}

/** The pair's time alone, before the first pass. Milliseconds. */
const ALONE_MS = 2000;
/** Phases without an attack: the pair alone, and those in which garbage is collected. */
const ALONE = -1;
const NOT_COUNTED = -2;
/** How often memory is read during attacks. Milliseconds. */
const WATCHING_MS = 100;

/** Attacks a broker, pass by pass, while a well-behaved pair goes on. Does not stop the broker. */
export async function hostileRun(options: RunOptions): Promise<RunReport> {
  const { broker, seed, passes, progress } = options;
  const reports = options.attacks.map(({ name }): AttackReport => {
    return { name, faults: [], figures: {}, latency: new LatencyHistogram(), mostMemory: 0 };
  });
  const faults: string[] = [];
  const memory: QuietMemory[] = [];
  let underWay: AttackReport | undefined;
  /** Whose phase it is, by number. */
  const phases: number[] = [NOT_COUNTED];
  const pair = await GoodPair.start(broker.target.places.tcp!);
  const watching = setInterval(() => {
    if (underWay === undefined) return;
    underWay.mostMemory = Math.max(underWay.mostMemory, residentMemory(broker.pid) ?? 0);
  }, WATCHING_MS);
  const beginPhase = (of: number): void => void (phases[pair.beginPhase()] = of);

  const allAttacks = async (number: number, share: number): Promise<void> => {
    for (const [at, one] of options.attacks.entries()) {
      if (howItEnded(broker) !== undefined) return;
      progress(`pass ${number + 1} of ${passes}: ${one.name}`);
      beginPhase(at);
      const report = reports[at]!;
      underWay = report;
      let newestCase = 0;
      const seconds = one.weight * options.secondsPerWeight * share;
      const order = { name: one.name, target: broker.target, seed, pass: number, seconds };
      const result = await attack(order, (index) => (newestCase = index));
      for (const [name, count] of Object.entries(result.figures))
        report.figures[name] = (report.figures[name] ?? 0) + count;
      for (const fault of result.faults) report.faults.push(`pass ${number + 1}: ${fault}`);
      const ended = howItEnded(broker);
      if (ended !== undefined)
        report.faults.push(`pass ${number + 1}, about case ${newestCase}: ${ended}`);
    }
    underWay = undefined;
  };

  const pass = async (number: number): Promise<void> => {
    // Warm is a broker that was attacked by the first after it was attacked by the last.
    const rounds = number === 0 && passes > 1 ? 2 : 1;
    for (let round = 0; round < rounds; round += 1) await allAttacks(number, 1 / rounds);
    if (howItEnded(broker) !== undefined) return;
    progress(`pass ${number + 1} of ${passes}: quiet`);
    beginPhase(NOT_COUNTED);
    const quiet = await quietMemory(broker.pid, broker.collectGarbage);
    if (quiet !== undefined) memory.push(quiet);
  };

  try {
    progress("the pair alone");
    // What it takes to be asked for that is there from the beginning.
    await broker.collectGarbage?.();
    beginPhase(ALONE);
    await new Promise((resolve) => void setTimeout(resolve, ALONE_MS));
    for (let number = 0; number < passes && howItEnded(broker) === undefined; number += 1)
      await pass(number);
    const result = await pair.finish();
    const quiet = new LatencyHistogram();
    const attacked = new LatencyHistogram();
    for (const [phase, histogram] of result.latencies.entries()) {
      const number = phases[phase] ?? NOT_COUNTED;
      if (number === ALONE) quiet.merge(histogram);
      reports[number]?.latency.merge(histogram);
      if (number >= 0) attacked.merge(histogram);
    }
    for (const { text, phase } of pair.faults)
      (reports[phases[phase] ?? -1]?.faults ?? faults).push(`the well-behaved pair: ${text}`);
    return { attacks: reports, quiet, attacked, sent: result.sent, memory, faults };
  } finally {
    clearInterval(watching);
    pair.kill();
  }
}

/** Asked anew each time: it changes while an attack is awaited. */
function howItEnded(broker: BrokerUnderAttack): string | undefined {
  return broker.ended;
}
