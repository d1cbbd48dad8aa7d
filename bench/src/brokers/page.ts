/**
 * The tables and plots of `docs/PERFORMANCE.md`: made of a report, put between markers.
 */
import { figuresOf } from "./report.ts";
import { OURS, OWN } from "./bars.ts";
import { plot, short } from "./plot.ts";
import type { Figures } from "./figures.ts";
import type { PlotRow } from "./plot.ts";
import type { Machine } from "./machine.ts";
import type { EarlierGroups, Report } from "./report.ts";
import type { Spread } from "./run-line.ts";

/** A table beside other brokers, or of ours alone. */
interface Section {
  readonly title: string;
  readonly metric: string;
  readonly unit: string;
  /** Group and scenario of each row. */
  readonly rows: readonly (readonly [group: string, label: string])[];
}

const THROUGHPUT = [
  ["pairs", "pairs-q0"],
  ["pairs", "pairs-q1"],
  ["pairs", "pairs-q2"],
  ["fanout", "fanout-q0"],
  ["fanout", "fanout-q1"],
  ["fanout", "fanout-w1"],
  ["fanin", "fanin-q0"],
  ["fanin", "fanin-q1"],
  ["connections", "churn"],
  ["connections", "connect"],
  ["kept", "retained-500k"],
  ["kept", "durable"],
  ["queues", "durable-500k"],
  ["growth", "wild-10k"],
  ["growth", "wild-100k"],
  ["growth", "wild-1m"],
] as const;

/** What is shown, by the name of its marker. */
const SECTIONS: Readonly<Record<string, Section>> = {
  throughput: {
    title: "Through the broker",
    metric: "msgs_s",
    unit: "messages per second",
    rows: THROUGHPUT,
  },
  "per-cpu": {
    title: "For each second of the broker's CPU time",
    metric: "msgs_per_cpu_s",
    unit: "messages per CPU second",
    rows: [...THROUGHPUT, ["rate", "rate-q0"], ["rate", "rate-q1"]],
  },
  latency: {
    title: "Latency, 99th percentile",
    metric: "p99_us",
    unit: "microseconds",
    rows: [
      ["rate", "rate-q0"],
      ["rate", "rate-q1"],
      ["half", "half-pairs"],
      ["half", "half-fanout"],
      ["half", "half-fanin"],
      ["half", "wild-half"],
    ],
  },
  links: {
    title: "Transports",
    metric: "msgs_s",
    unit: "messages per second",
    rows: [
      ["links", "pairs-q0"],
      ["links", "ws-pairs-q0"],
      ["links", "wsj-pairs-q0"],
      ["links", "tls-pairs-q0"],
    ],
  },
  v5: {
    title: "MQTT 5",
    metric: "msgs_s",
    unit: "messages per second",
    rows: [
      ["v5", "v5-pairs-q0"],
      ["v5", "v5-pairs-q1"],
      ["v5", "v5-fanout-q0"],
    ],
  },
  memory: {
    title: "Memory for a connection, a subscription",
    metric: "rss_per_item_bytes",
    unit: "bytes",
    rows: [
      ["memory", "connect-5k"],
      ["memory", "connect-15k"],
      ["memory", "connect-18k"],
      ["growth", "wild-10k"],
      ["growth", "wild-100k"],
      ["growth", "wild-1m"],
    ],
  },
  fresh: {
    title: "Topics that never repeat",
    metric: "pub_s",
    unit: "messages published per second",
    rows: [
      ["fresh", "wild-fresh-10k"],
      ["fresh", "wild-fresh-100k"],
      ["fresh", "wild-fresh-1m"],
    ],
  },
  nodes: {
    title: "Versions of Node",
    metric: "msgs_per_cpu_s",
    unit: "messages per CPU second",
    rows: ["pairs-q0", "pairs-q1", "fanout-q0", "fanout-w1", "fanin-q0", "churn"].map(
      (label) => ["nodes", label] as const,
    ),
  },
};

/** Sections that have a plot. */
export const PLOTTED = ["throughput", "per-cpu", "latency", "links", "v5"] as const;

/** The plot of a section. */
export function plotOf(report: Report, name: (typeof PLOTTED)[number]): string {
  const section = SECTIONS[name];
  if (section === undefined) throw new RangeError(`no section ${name}`);
  const groups = figuresOf(report);
  const rows: PlotRow[] = [];
  for (const [group, label] of section.rows) {
    const figures = groups.get(group);
    const bars = (figures?.brokers(label) ?? []).flatMap((broker) => {
      const spread = figures?.spread(label, broker, section.metric);
      return spread === undefined ? [] : [{ name: broker, spread }];
    });
    if (bars.length > 0) rows.push({ name: label, bars });
  }
  return plot(section.title, section.unit, rows);
}

/** All tables, by the name of their marker; without those of which nothing was measured. */
export function tablesOf(report: Report): Map<string, string> {
  const groups = figuresOf(report);
  const tables = new Map<string, string>();
  for (const [name, section] of Object.entries(SECTIONS)) {
    const table = sectionTable(groups, section);
    if (table === undefined) continue;
    const plotted = (PLOTTED as readonly string[]).includes(name);
    tables.set(name, plotted ? `${table}\n\n![${section.title}](performance/${name}.svg)` : table);
  }
  tables.set("bars", barsTable(report));
  tables.set("machine", machineText(report));
  return tables;
}

/** Puts tables between the markers `<!-- bench:NAME -->` and `<!-- bench end -->` of a page. */
export function fillPage(page: string, tables: ReadonlyMap<string, string>): string {
  return page.replaceAll(
    /(<!-- bench:([\w-]+) -->\n)([^]*?)(<!-- bench end -->)/g,
    (whole, begin: string, name: string, _, end: string) => {
      const table = tables.get(name);
      return table === undefined ? whole : `${begin}\n${table}\n\n${end}`;
    },
  );
}

function sectionTable(groups: ReadonlyMap<string, Figures>, section: Section): string | undefined {
  const rows = section.rows.filter(([group, label]) => {
    const figures = groups.get(group);
    return figures?.brokers(label).some((broker) => figures.spread(label, broker, section.metric));
  });
  if (rows.length === 0) return undefined;
  const brokers = [
    ...new Set(rows.flatMap(([group, label]) => groups.get(group)?.brokers(label) ?? [])),
  ];
  const reference = brokers.includes("mosquitto") ? "mosquitto" : (brokers[0] ?? OURS);
  const others = brokers.filter((broker) => broker !== reference && broker !== OURS);
  const head = ["scenario", reference, ...others, ...(reference === OURS ? [] : [OURS])];
  const lines = [`| ${head.join(" | ")} |`, `|${" --- |".repeat(head.length)}`];
  for (const [group, label] of rows) {
    const figures = groups.get(group);
    const base = figures?.spread(label, reference, section.metric);
    const cells = others.map((broker) => {
      const entry = figures?.entry(label, broker);
      if (entry === undefined) return "-";
      const spread = entry.spreads[section.metric];
      if (spread === undefined || base === undefined) return "does not count";
      return ratio(spread.median / base.median);
    });
    const ours = figures?.spread(label, OURS, section.metric);
    const own = reference === OURS ? [] : [`${range(ours)}${against(ours, base)}`];
    lines.push(`| ${[label, range(base), ...cells, ...own].join(" | ")} |`);
  }
  const note = others.length > 0 ? `, the others as ratio of the medians to ${reference}` : "";
  return `${lines.join("\n")}\n\n${capital(section.unit)}: minimum / median / maximum${note}.`;
}

function against(ours: Spread | undefined, base: Spread | undefined): string {
  if (ours === undefined || base === undefined || base.median === 0) return "";
  return `, **${ratio(ours.median / base.median)}**`;
}

function range(spread: Spread | undefined): string {
  if (spread === undefined) return "-";
  return `${short(spread.min)} / ${short(spread.median)} / ${short(spread.max)}`;
}

function ratio(value: number): string {
  return value < 0.1 ? value.toFixed(3) : value < 10 ? value.toFixed(2) : value.toFixed(1);
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function barsTable(report: Report): string {
  const lines = ["| what | measured | asked for | reached |", "| --- | --- | --- | --- |"];
  for (const { name, bar, unit, value, beside, reached } of report.bars) {
    if (reached === "not measured" || value === undefined) continue;
    const near = beside === undefined ? "" : ` (${beside})`;
    lines.push(`| ${name} | ${short(value)} ${unit}${near} | ${bar} | ${reached} |`);
  }
  return lines.join("\n");
}

function machineText(report: Report): string {
  const { machine, versions, begun, settings, leftOut, earlier = [] } = report;
  const peers = Object.entries(versions)
    .filter(([broker]) => !(OWN as readonly string[]).includes(broker) && !/node\d/.test(broker))
    .map(([broker, version]) => `${broker} ${version}`);
  const left =
    leftOut.length === 0 ? "" : ` Left out: ${leftOut.map(({ broker }) => broker).join(", ")}.`;
  const before = earlierText(earlier, machine);
  return `${machine.cores} x ${machine.processor}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}; Node ${machine.node}, Go ${machine.go}, Java ${machine.java}; ${peers.join(", ")}; Sericite ${machine.commit}. ${begun.slice(0, 10)}, ${settings["rounds"]} rounds of ${settings["duration"]} each after ${settings["warmup"]} of warm-up.${before}${left}`;
}

/** Which groups are of another state of the source, or ran on another version of Node. */
function earlierText(earlier: readonly EarlierGroups[], { commit, node }: Machine): string {
  const others = new Map<string, string[]>();
  for (const one of earlier) {
    if (one.commit === commit && one.node === node) continue;
    const other = one.node === node ? "" : `, Node ${one.node}`;
    const what = `${one.commit} (${one.begun.slice(0, 10)}${other})`;
    others.set(what, [...(others.get(what) ?? []), ...one.groups]);
  }
  return [...others].map(([what, groups]) => ` Of ${what}: ${groups.join(", ")}.`).join("");
}
