import assert from "node:assert/strict";
import { test } from "node:test";
import { Figures } from "./figures.ts";
import { judge } from "./bars.ts";
import { parseRunLines, spreadOf, whyNot } from "./run-line.ts";
import type { Bar } from "./bars.ts";
import type { RunLine } from "./run-line.ts";

const run = (broker: string, msgs_s: number, more: object = {}): RunLine => ({
  label: "pairs-q0",
  group: "pairs",
  broker,
  msgs_s,
  qos: 0,
  ...more,
});

for (const [what, more, counts] of [
  ["that lost nothing", { lost: 0 }, true],
  ["that lost a message", { lost: 1 }, false],
  ["out of order", { misordered: 1 }, false],
  ["with errors", { errors: 2 }, false],
  ["that stood still", { stalls: 1 }, false],
  ["that could not keep its rate", { blocked: 3 }, false],
  ["that failed", { failed: "did not start" }, false],
  ["that repeated a message of QoS 0", { duplicates: 1 }, false],
  ["that repeated a message of QoS 1", { duplicates: 1, qos: 1 }, true],
] as const) {
  test(`a run ${what} ${counts ? "counts" : "does not count"}`, () => {
    assert.equal(whyNot(run("a", 1, more)) === undefined, counts);
  });
}

test("lines that are no results are left out of a file of results", () => {
  const text = '{"label":"x","broker":"a","msgs_s":1}\nnoise\n{"other":1}\n\n';
  assert.deepEqual(parseRunLines(text, "g"), [{ label: "x", broker: "a", msgs_s: 1, group: "g" }]);
});

test("the median of an even number of values is the mean of the middle two", () => {
  assert.deepEqual(spreadOf([4, 1, 2, 3]), { min: 1, median: 2.5, max: 4 });
  assert.equal(spreadOf([]), undefined);
});

test("figures are of the runs that count, and of none if half of them do not", () => {
  const runs = [run("a", 10), run("a", 30), run("a", 99, { lost: 1 }), run("b", 1, { lost: 1 })];
  const figures = Figures.byGroup([...runs, run("b", 5)]).get("pairs");
  assert.deepEqual(figures?.spread("pairs-q0", "a", "msgs_s"), { min: 10, median: 20, max: 30 });
  assert.equal(figures?.entry("pairs-q0", "a")?.counted, 2);
  assert.equal(figures?.spread("pairs-q0", "b", "msgs_s"), undefined);
  assert.deepEqual(figures?.entry("pairs-q0", "b")?.notes, ["1 lost"]);
});

test("a bar is read against the best peer whose runs count, and our own variants are no peers", () => {
  const groups = Figures.byGroup([
    run("mosquitto", 100),
    run("rumqttd", 900, { lost: 1 }),
    run("mochi", 200),
    run("sericite-acl", 1000),
    run("sericite", 540),
  ]);
  const verdict = judge(groups).find(({ name }) => name === "pairs-q0, per second");
  assert.deepEqual(verdict, {
    name: "pairs-q0, per second",
    unit: "x best peer",
    bar: "at least 2.7",
    value: 2.7,
    beside: "mochi",
    reached: "yes",
  });
});

test("a bar of another group is not measured", () => {
  const groups = Figures.byGroup([run("mosquitto", 1), run("sericite", 9)]);
  const verdict = judge(groups).find(({ name }) => name === "fanout-q0, per second");
  assert.equal(verdict?.reached, "not measured");
});

test("versions are compared round by round, with runs that count in both", () => {
  const figures = Figures.byGroup([
    run("sericite", 100, { round: 1 }),
    run("sericite", 200, { round: 2 }),
    run("sericite", 300, { round: 3 }),
    run("sericite", 90, { round: 1, label: "v5-pairs-q0" }),
    run("sericite", 100, { round: 2, label: "v5-pairs-q0" }),
    run("sericite", 300, { round: 3, label: "v5-pairs-q0", lost: 1 }),
  ]).get("pairs");
  assert.deepEqual(
    figures?.pairedRatios("sericite", "v5-pairs-q0", "pairs-q0", "msgs_s"),
    [0.9, 0.5],
  );
});

test("a bar with an upper end is missed above it", () => {
  const bar: Bar = { group: "pairs", name: "n", unit: "ms", atMost: 5, read: () => ({ value: 6 }) };
  const groups = Figures.byGroup([run("sericite", 1)]);
  assert.equal(judge(groups, [bar])[0]?.reached, "no");
});
