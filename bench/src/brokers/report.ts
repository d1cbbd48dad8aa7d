/**
 * The file that a run leaves: the machine, every run's figures, what they come to, and which
 * bars were reached. A shorter one without the single runs goes into `docs`.
 */
import { readFileSync } from "node:fs";
import { Figures } from "./figures.ts";
import { judge } from "./bars.ts";
import type { Entry } from "./figures.ts";
import type { LeftOut } from "./programs.ts";
import type { Machine } from "./machine.ts";
import type { RunLine } from "./run-line.ts";
import type { Verdict } from "./bars.ts";

/** See above; written as JSON. */
export interface Report {
  readonly format: 1;
  /** When it was begun, ISO 8601. */
  readonly begun: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly leftOut: readonly LeftOut[];
  readonly bars: readonly Verdict[];
  readonly figures: readonly Entry[];
  /** Groups that are of earlier reports. */
  readonly earlier?: readonly EarlierGroups[];
  /** Every run; absent in the shorter form. */
  readonly runs?: readonly RunLine[];
}

/** Groups of a report that was joined, and what was measured in it. */
export interface EarlierGroups {
  readonly groups: readonly string[];
  /** ISO 8601. */
  readonly begun: string;
  readonly commit: string;
  /** Version of Node. */
  readonly node: string;
}

/** Makes the report of runs. */
export function makeReport(
  about: Omit<Report, "format" | "bars" | "figures" | "runs">,
  runs: readonly RunLine[],
): Report {
  const groups = Figures.byGroup(runs);
  const figures = [...groups.values()].flatMap(({ entries }) => entries);
  return { format: 1, ...about, bars: judge(groups), figures, runs };
}

/**
 * A report with the groups of earlier ones where it has none. Of one without single runs it takes the
 * figures, and the verdicts that cannot be made from figures alone.
 */
export function joinReports(report: Report, earlier: readonly Report[]): Report {
  const versions = Object.assign({}, ...earlier.map((one) => one.versions), report.versions);
  const entries = [...report.figures];
  const runs = [...(report.runs ?? [])];
  const measured = new Set(entries.map(({ group }) => group));
  const verdicts = new Map<string, Verdict>();
  const taken = [...(report.earlier ?? [])];
  for (const one of earlier) {
    entries.unshift(...one.figures.filter(({ group }) => !measured.has(group)));
    runs.unshift(...(one.runs ?? []).filter(({ group = "" }) => !measured.has(group)));
    const own = new Set(one.figures.map(({ group }) => group));
    const isMissing = (group: string): boolean => !measured.has(group);
    for (const before of one.earlier ?? []) {
      for (const group of before.groups) own.delete(group);
      taken.push({ ...before, groups: before.groups.filter(isMissing) });
    }
    const { begun, machine } = one;
    const groups = [...own].filter(isMissing);
    taken.push({ groups, begun, commit: machine.commit, node: machine.node });
    for (const { group } of one.figures) measured.add(group);
    for (const bar of one.bars) if (bar.reached !== "not measured") verdicts.set(bar.name, bar);
  }
  const groups = new Map([...figuresByGroup(entries), ...Figures.byGroup(runs)]);
  const bars = judge(groups).map((bar) =>
    bar.reached === "not measured" ? (verdicts.get(bar.name) ?? bar) : bar,
  );
  const nonEmpty = taken.filter(({ groups: names }) => names.length > 0);
  return { ...report, versions, bars, figures: entries, earlier: nonEmpty, runs };
}

/** @throws RangeError if the file is of another format. */
export function readReport(path: string): Report {
  const report = JSON.parse(readFileSync(path, "utf8")) as Report;
  if ((report.format as number) !== 1) {
    throw new RangeError(`${path}: expected a report of format 1, found ${String(report.format)}`);
  }
  return report;
}

/** The figures of a report by group. */
export function figuresOf(report: Report): Map<string, Figures> {
  return figuresByGroup(report.figures);
}

function figuresByGroup(all: readonly Entry[]): Map<string, Figures> {
  const groups = new Map<string, Entry[]>();
  for (const entry of all) {
    const entries = groups.get(entry.group);
    if (entries === undefined) groups.set(entry.group, [entry]);
    else entries.push(entry);
  }
  return new Map([...groups].map(([group, entries]) => [group, new Figures(entries)]));
}

/** The same without the single runs. */
export function shortened(report: Report): Report {
  const { runs: _, ...rest } = report;
  return rest;
}

/** The figures that two reports are compared in. */
const COMPARED = ["msgs_s", "msgs_per_cpu_s", "p99_us", "rss_per_item_bytes"] as const;

/** Lines that say how many times as much each figure is as in an older report. */
export function compareReports(old: Report, now: Report): string[] {
  const before = figuresOf(old);
  const lines: string[] = [
    `against ${old.machine.commit} of ${old.begun.slice(0, 10)}: new / old, of the medians`,
  ];
  for (const entry of now.figures) {
    const cells: string[] = [];
    for (const metric of COMPARED) {
      const was = before.get(entry.group)?.median(entry.label, entry.broker, metric);
      const is = entry.spreads[metric]?.median;
      if (was !== undefined && is !== undefined && was > 0 && is > 0) {
        cells.push(`${metric} ${(is / was).toFixed(2)}`);
      }
    }
    if (cells.length === 0) continue;
    lines.push(`${entry.label.padEnd(18)} ${entry.broker.padEnd(14)} ${cells.join("   ")}`);
  }
  return lines;
}
