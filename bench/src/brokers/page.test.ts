import assert from "node:assert/strict";
import { test } from "node:test";
import { compareReports, joinReports, makeReport, shortened } from "./report.ts";
import { fillPage, plotOf, tablesOf } from "./page.ts";
import { plot, short } from "./plot.ts";
import type { Report } from "./report.ts";
import type { RunLine } from "./run-line.ts";

const run = (broker: string, msgs_s: number, more: object = {}): RunLine => ({
  label: "pairs-q0",
  group: "pairs",
  broker,
  msgs_s,
  ...more,
});

function report(runs: readonly RunLine[]): Report {
  const machine = {
    processor: "P",
    cores: 2,
    memoryGiB: 4,
    kernel: "6",
    node: "20",
    go: "1",
    java: "none",
    commit: "abc",
  };
  const settings = { rounds: 1, duration: "1s", warmup: "1s" };
  const about = { begun: "2026-01-02T03:04:05Z", machine, versions: {}, settings, leftOut: [] };
  return makeReport(about, runs);
}

test("a table has a row for each scenario that was measured, peers as ratios", () => {
  const table = tablesOf(
    report([
      run("mosquitto", 100),
      run("mochi", 250),
      run("rumqttd", 1, { lost: 1 }),
      run("sericite", 1200),
    ]),
  ).get("throughput");
  assert.equal(
    table,
    `| scenario | mosquitto | mochi | rumqttd | sericite |
| --- | --- | --- | --- | --- |
| pairs-q0 | 100 / 100 / 100 | 2.50 | does not count | 1200 / 1200 / 1200, **12.0** |

Messages per second: minimum / median / maximum, the others as ratio of the medians to mosquitto.

![Through the broker](performance/throughput.svg)`,
  );
});

test("only what stands between markers changes, and what was not measured stays", () => {
  const page = `a
<!-- bench:one -->
old
<!-- bench end -->
b
<!-- bench:two -->
kept
<!-- bench end -->
`;
  const filled = fillPage(page, new Map([["one", "new $1"]]));
  assert.equal(
    filled,
    page.replace("old\n", () => "\nnew $1\n\n"),
  );
  assert.equal(fillPage(filled, new Map([["one", "new $1"]])), filled);
});

test("a plot has a bar for each broker, longer for more, and its names are escaped", () => {
  const spread = (median: number) => ({ min: median, median, max: median });
  const svg = plot("a < b", "unit", [
    {
      name: "row",
      bars: [
        { name: "mosquitto", spread: spread(1000) },
        { name: "sericite", spread: spread(100_000) },
      ],
    },
  ]);
  assert.match(svg, /a &lt; b/);
  const widths = [...svg.matchAll(/<rect x[^>]* width="([\d.]+)"/g)].map(([, width]) =>
    Number(width),
  );
  assert.equal(widths.length, 2);
  assert.ok((widths[0] ?? 0) > 0 && (widths[1] ?? 0) > (widths[0] ?? 0));
  assert.match(plotOf(report([]), "latency"), /nothing measured/);
});

test("a report takes the groups that it has not from earlier ones, and says which", () => {
  const now = report([run("mosquitto", 100), run("sericite", 1200)]);
  const links = (label: string, msgs_s: number, round: number) =>
    run("sericite", msgs_s, { label, group: "links", round });
  const old = report([
    run("mosquitto", 1),
    ...[1, 2, 3].flatMap((round) => [
      links("pairs-q0", 100, round),
      links("ws-pairs-q0", 60, round),
    ]),
  ]);
  const before = { ...old, machine: { ...old.machine, commit: "old", node: "18" } };
  const joined = joinReports(now, [shortened(before)]);
  const tables = tablesOf(joined);
  assert.match(tables.get("links") ?? "", /ws-pairs-q0/);
  assert.match(tables.get("throughput") ?? "", /100 \/ 100 \/ 100/);
  assert.match(tables.get("machine") ?? "", /Of old \(2026-01-02, Node 18\): links\./);
  // It needs the single runs, which are gone.
  const paired = joined.bars.find(({ name }) => name === "ws-pairs-q0, per second");
  assert.equal(paired?.reached, "yes");
});

test("two reports are compared by their medians", () => {
  const lines = compareReports(report([run("sericite", 100)]), report([run("sericite", 150)]));
  assert.match(lines.at(-1) ?? "", /^pairs-q0 +sericite +msgs_s 1\.50$/);
});

for (const [value, text] of [
  [12_345_678, "12.3M"],
  [1_234_567, "1.23M"],
  [123_456, "123k"],
  [12_345, "12.3k"],
  [1234, "1234"],
  [12.344, "12.34"],
  [0.5, "0.50"],
] as const) {
  test(`${value} is written ${text}`, () => assert.equal(short(value), text));
}
