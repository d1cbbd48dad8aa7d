/**
 * What all runs of all brokers come to: for each scenario and broker the least, middle and
 * greatest of each figure, and how many of its runs count.
 */
import { figureOf, spreadOf, whyNot } from "./run-line.ts";
import type { RunLine, Spread } from "./run-line.ts";

/** Figures that are kept: throughput, per CPU second, latency, memory, and those of `extra`. */
const METRICS = [
  "msgs_s",
  "pub_s",
  "msgs_per_cpu_s",
  "pubs_per_cpu_s",
  "p50_us",
  "p99_us",
  "late_p99_us",
  "broker_cores",
  "gen_cores",
  "other_cores",
  "rss_per_item_bytes",
  "rss_peak_mib",
] as const;

/** The runs of one broker in one scenario. */
export interface Entry {
  readonly group: string;
  readonly label: string;
  readonly broker: string;
  /** Runs that count. */
  readonly counted: number;
  readonly runs: number;
  /** Why others do not. */
  readonly notes: readonly string[];
  /** By the name of the figure, of the runs that count. Empty if fewer than half of them do. */
  readonly spreads: Readonly<Record<string, Spread>>;
}

/** Looks up the figures of one group; made of runs, or read again from a file. */
export class Figures {
  readonly entries: readonly Entry[];
  readonly #byKey: ReadonlyMap<string, Entry>;
  readonly #runs: readonly RunLine[];

  /** @param runs Only where figures are paired by round; a file of figures has none. */
  constructor(entries: readonly Entry[], runs: readonly RunLine[] = []) {
    this.entries = entries;
    this.#byKey = new Map(entries.map((entry) => [key(entry.label, entry.broker), entry]));
    this.#runs = runs;
  }

  /** The figures of each group. */
  static byGroup(runs: readonly RunLine[]): Map<string, Figures> {
    const groups = gathered(runs, (run) => run.group ?? "");
    return new Map(
      [...groups].map(([group, those]) => {
        const entries = gathered(those, (run) => key(run.label, run.broker));
        return [group, new Figures([...entries.values()].map(summarize), those)];
      }),
    );
  }

  entry(label: string, broker: string): Entry | undefined {
    return this.#byKey.get(key(label, broker));
  }

  spread(label: string, broker: string, metric: string): Spread | undefined {
    return this.entry(label, broker)?.spreads[metric];
  }

  median(label: string, broker: string, metric: string): number | undefined {
    return this.spread(label, broker, metric)?.median;
  }

  /** Brokers that were measured in a scenario, in the order of their first run. */
  brokers(label: string): string[] {
    return this.entries.filter((entry) => entry.label === label).map(({ broker }) => broker);
  }

  /**
   * The peer with the greatest median of a figure.
   *
   * @param except Brokers that are not asked, ours included.
   */
  best(label: string, metric: string, except: readonly string[]): [string, number] | undefined {
    let best: [string, number] | undefined;
    for (const broker of this.brokers(label)) {
      if (except.includes(broker)) continue;
      const median = this.median(label, broker, metric);
      if (median !== undefined && median > (best?.[1] ?? 0)) best = [broker, median];
    }
    return best;
  }

  /** Ratios of a figure of two scenarios of one broker, round by round, of runs that count. */
  pairedRatios(broker: string, above: string, below: string, metric: string): number[] {
    const inRound = (label: string): Map<number, number> => {
      const values = new Map<number, number>();
      for (const run of this.#runs) {
        if (run.label !== label || run.broker !== broker || whyNot(run) !== undefined) continue;
        const value = figureOf(run, metric);
        if (value !== undefined && run.round !== undefined) values.set(run.round, value);
      }
      return values;
    };
    const divisors = inRound(below);
    const ratios: number[] = [];
    for (const [round, value] of inRound(above)) {
      const divisor = divisors.get(round);
      if (divisor !== undefined && divisor > 0) ratios.push(value / divisor);
    }
    return ratios;
  }
}

function gathered(runs: readonly RunLine[], by: (run: RunLine) => string): Map<string, RunLine[]> {
  const groups = new Map<string, RunLine[]>();
  for (const run of runs) {
    const name = by(run);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [run]);
    else group.push(run);
  }
  return groups;
}

function key(label: string, broker: string): string {
  return `${label} ${broker}`;
}

function summarize(runs: readonly RunLine[]): Entry {
  const first = runs[0];
  if (first === undefined) throw new RangeError("no runs to summarize");
  const good = runs.filter((run) => whyNot(run) === undefined);
  const notes = runs.map(whyNot).filter((note) => note !== undefined);
  const spreads: Record<string, Spread> = {};
  if (good.length * 2 > runs.length) {
    const extras = Object.keys((good[0]?.["extra"] ?? {}) as object).map((name) => `extra.${name}`);
    for (const metric of [...METRICS, ...extras]) {
      const values = good
        .map((run) => figureOf(run, metric))
        .filter((value) => value !== undefined);
      const spread = spreadOf(values);
      if (spread !== undefined) spreads[metric] = spread;
    }
  }
  const { label, broker, group = "" } = first;
  return { group, label, broker, counted: good.length, runs: runs.length, notes, spreads };
}
