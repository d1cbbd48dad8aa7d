/**
 * How fast the broker has to be: each bar with how it is read from the figures, and whether a
 * run has reached it. Bars against peers are against the best peer of the same run.
 */
import { spreadOf } from "./run-line.ts";
import type { Figures } from "./figures.ts";

/** What is asked of the broker. */
export interface Bar {
  /** The group whose figures it is read from. */
  readonly group: string;
  readonly name: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** What the figure is: a ratio to something, microseconds, bytes, … */
  readonly unit: string;
  /** Reads it; `undefined` if the run did not measure what it takes. */
  readonly read: (figures: Figures) => Reading | undefined;
}

/** A figure beside its bar. */
export interface Reading {
  readonly value: number;
  /** What it is a ratio to. */
  readonly beside?: string;
}

/** What a run says of a bar. */
export interface Verdict extends Partial<Reading> {
  readonly name: string;
  readonly bar: string;
  readonly unit: string;
  readonly reached: "yes" | "no" | "not measured";
}

/** The broker that is judged. */
export const OURS = "sericite";

/** Variants of our own broker: none of them is a peer. */
export const OWN = [OURS, "sericite-acl", "sericite-strict", "sericite-v5"] as const;

const SHORT: Readonly<Record<string, string>> = {
  msgs_s: "per second",
  msgs_per_cpu_s: "per CPU second",
  p50_us: "latency p50",
  p99_us: "latency p99",
};

/** Ours against the best peer. */
function best(
  group: string,
  label: string,
  metric: string,
  atLeast: number,
  except: readonly string[] = [],
): Bar {
  const others = except.length > 0 ? `, ${except.join(", ")} aside` : "";
  return {
    group,
    name: `${label}, ${SHORT[metric] ?? metric}${others}`,
    unit: "x best peer",
    atLeast,
    read: (figures) => {
      const ours = figures.median(label, OURS, metric);
      const peer = figures.best(label, metric, [...OWN, ...except]);
      if (ours === undefined || peer === undefined) return undefined;
      return { value: ours / peer[1], beside: peer[0] };
    },
  };
}

/** Ours against mosquitto. */
function mosquitto(group: string, label: string, metric: string, limit: Partial<Bar>): Bar {
  return {
    group,
    name: `${label}, ${SHORT[metric] ?? metric}`,
    unit: "x mosquitto",
    ...limit,
    read: (figures) => {
      const ours = figures.median(label, OURS, metric);
      const peer = figures.median(label, "mosquitto", metric);
      if (ours === undefined || peer === undefined || peer === 0) return undefined;
      return { value: ours / peer, beside: "mosquitto" };
    },
  };
}

/** Ours in one scenario against ours in another, the median of the rounds' ratios. */
function paired(group: string, label: string, beside: string, atLeast: number): Bar {
  return {
    group,
    name: `${label}, per second`,
    unit: `x ${beside}`,
    atLeast,
    read: (figures) => {
      const ratios = figures.pairedRatios(OURS, label, beside, "msgs_s");
      const spread = spreadOf(ratios);
      if (spread === undefined) return undefined;
      return { value: spread.median, beside: `${ratios.length} pairs` };
    },
  };
}

/** With the ACL file against without. */
function guarded(label: string): Bar {
  return {
    group: "guard",
    name: `${label} with an ACL file of 100 rules, per second`,
    unit: "x without",
    atLeast: 0.85,
    read: (figures) => {
      const acl = figures.median(label, "sericite-acl", "msgs_s");
      const plain = figures.median(label, OURS, "msgs_s");
      return acl === undefined || plain === undefined ? undefined : { value: acl / plain };
    },
  };
}

/** A figure of ours as it is. */
function plain(
  group: string,
  label: string,
  metric: string,
  what: string,
  unit: string,
  atMost: number,
): Bar {
  return {
    group,
    name: `${label}, ${what}`,
    unit,
    atMost,
    read: (figures) => {
      const value = figures.median(label, OURS, metric);
      return value === undefined ? undefined : { value: unit === "ms" ? value / 1000 : value };
    },
  };
}

/** How many times as much a figure is in its best scenario as in its worst. */
function growth(
  group: string,
  labels: readonly string[],
  metric: string,
  name: string,
  atMost: number,
): Bar {
  return {
    group,
    name,
    unit: "x",
    atMost,
    read: (figures) => {
      const values = labels.map((label) => figures.median(label, OURS, metric));
      const known = values.filter((value) => value !== undefined);
      if (known.length < labels.length) return undefined;
      return { value: Math.max(...known) / Math.min(...known) };
    },
  };
}

/** What may not be more than so many times the same of another scenario. */
function atMost(
  group: string,
  label: string,
  beside: string,
  metric: string,
  name: string,
  unit: string,
  bound: number,
): Bar {
  return {
    group,
    name,
    unit,
    atMost: bound,
    read: (figures) => {
      const above = figures.median(label, OURS, metric);
      const below = figures.median(beside, OURS, metric);
      return above === undefined || below === undefined ? undefined : { value: above / below };
    },
  };
}

/** TLS/TCP of ours against TLS/TCP of mosquitto. */
const tls: Bar = {
  group: "links",
  name: "tls-pairs-q0 as share of pairs-q0, per second",
  unit: "x mosquitto's share",
  atLeast: 1,
  read: (figures) => {
    const share = (broker: string): number | undefined => {
      const over = figures.median("tls-pairs-q0", broker, "msgs_s");
      const without = figures.median("pairs-q0", broker, "msgs_s");
      return over === undefined || without === undefined ? undefined : over / without;
    };
    const [ours, theirs] = [share(OURS), share("mosquitto")];
    if (ours === undefined || theirs === undefined) return undefined;
    return {
      value: ours / theirs,
      beside: `${ours.toFixed(2)} against ${theirs.toFixed(2)}`,
    };
  },
};

const both = (group: string, label: string, second: number, cpu: number): Bar[] => [
  best(group, label, "msgs_s", second),
  best(group, label, "msgs_per_cpu_s", cpu),
];

/** All bars, in the order in which they are shown. */
export const BARS: readonly Bar[] = [
  ...both("pairs", "pairs-q0", 2.7, 4.0),
  ...both("pairs", "pairs-q1", 1.8, 2.5),
  ...both("pairs", "pairs-q2", 1.5, 2.0),
  ...both("fanout", "fanout-q0", 1.4, 1.5),
  ...both("fanout", "fanout-q1", 1.4, 1.9),
  ...both("fanout", "fanout-w1", 0.6, 0.65),
  mosquitto("fanout", "fanout-w1", "msgs_s", { atLeast: 1 }),
  ...both("fanin", "fanin-q0", 3.5, 5.5),
  ...both("fanin", "fanin-q1", 2.0, 3.0),
  mosquitto("rate", "rate-q0", "p50_us", { atMost: 1.3 }),
  mosquitto("rate", "rate-q0", "p99_us", { atMost: 2 }),
  mosquitto("rate", "rate-q0", "msgs_per_cpu_s", { atLeast: 0.75 }),
  mosquitto("rate", "rate-q1", "p50_us", { atMost: 1.3 }),
  mosquitto("rate", "rate-q1", "p99_us", { atMost: 1.5 }),
  mosquitto("rate", "rate-q1", "msgs_per_cpu_s", { atLeast: 0.75 }),
  ...both("connections", "churn", 0.5, 0.43),
  best("connections", "churn", "msgs_s", 1, ["mosquitto"]),
  ...both("connections", "connect", 0.5, 0.33),
  best("connections", "connect", "msgs_per_cpu_s", 1, ["mosquitto"]),
  ...both("kept", "retained-500k", 1.3, 1.3),
  ...both("kept", "durable", 1.5, 1.05),
  best("growth", "wild-10k", "msgs_s", 1.1),
  best("growth", "wild-100k", "msgs_s", 1.1),
  best("growth", "wild-1m", "msgs_s", 1.1),
  paired("versions", "v5-pairs-q0", "pairs-q0", 0.85),
  paired("versions", "v5-pairs-q1", "pairs-q1", 0.85),
  paired("versions", "v5-fanout-q0", "fanout-q0", 0.85),
  paired("links", "ws-pairs-q0", "pairs-q0", 0.5),
  tls,
  ...["pairs-q0", "pairs-q1", "fanout-q0", "fanin-q0", "churn"].map(guarded),
  growth(
    "growth",
    ["wild-10k", "wild-100k", "wild-1m"],
    "pub_s",
    "publishes per second, 10k to 1M filters, greatest against least",
    1.5,
  ),
  growth(
    "fresh",
    ["wild-fresh-10k", "wild-fresh-100k", "wild-fresh-1m"],
    "pub_s",
    "the same, no topic twice",
    5,
  ),
  plain("growth", "wild-1m", "rss_per_item_bytes", "memory for a subscription", "bytes", 200),
  plain("stalls", "retained-1m", "extra.few_max_us", "answer to a filter that matches 10", "ms", 5),
  plain(
    "stalls",
    "retained-1m",
    "extra.stream_max_us",
    "longest wait of others while # streams",
    "ms",
    20,
  ),
  plain(
    "stalls",
    "leave",
    "extra.disconnect_max_us",
    "longest wait of others after DISCONNECT",
    "ms",
    20,
  ),
  plain("stalls", "leave", "extra.close_max_us", "longest wait of others after a close", "ms", 20),
  plain(
    "stalls",
    "leave",
    "extra.unsubscribe_max_us",
    "longest wait of others while unsubscribing",
    "ms",
    20,
  ),
  plain(
    "memory",
    "connect-15k",
    "rss_per_item_bytes",
    "memory for a connection",
    "bytes",
    7 * 1024,
  ),
  atMost(
    "memory",
    "connect-18k",
    "connect-5k",
    "rss_per_item_bytes",
    "memory for a connection of 18 000",
    "x that of one of 5000",
    1.1,
  ),
  ...["half-pairs", "half-fanout", "half-fanin", "wild-half"].map((label) =>
    mosquitto("half", label, "p99_us", { atMost: 1.5 }),
  ),
];

/** Which bars a run has reached. */
export function judge(
  groups: ReadonlyMap<string, Figures>,
  bars: readonly Bar[] = BARS,
): Verdict[] {
  return bars.map((bar) => {
    const { name, unit } = bar;
    const text = bar.atLeast === undefined ? `at most ${bar.atMost}` : `at least ${bar.atLeast}`;
    const figures = groups.get(bar.group);
    const reading = figures === undefined ? undefined : bar.read(figures);
    if (reading === undefined) return { name, unit, bar: text, reached: "not measured" };
    const { value } = reading;
    const reached = value >= (bar.atLeast ?? -Infinity) && value <= (bar.atMost ?? Infinity);
    return { name, unit, bar: text, ...reading, reached: reached ? "yes" : "no" };
  });
}
