import assert from "node:assert/strict";
import { test } from "node:test";
import { Siege } from "./attack.ts";
import { attacks } from "./attacks/index.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { unexpectedLines } from "./log-lines.ts";
import { mutate } from "./mutation.ts";
import { validPackets } from "./packets.ts";
import { memoryFaults } from "./report.ts";

test("a seed gives the same mutations for ever, and leaves what it mutates as it is", () => {
  const [attack] = attacks;
  const target = { places: {}, entryTimeoutMs: 0, patienceMs: 0 };
  const siege = (seed: number, pass: number): Siege => new Siege(attack!, target, seed, pass, 1);
  const packets = validPackets(5, "c");
  const before = Buffer.concat(packets);
  const mutations = (one: Siege): string =>
    Array.from({ length: 50 }, (_, index) =>
      Buffer.from(mutate(packets[index % packets.length]!, one.chance(index))).toString("hex"),
    ).join(" ");
  assert.equal(mutations(siege(1, 0)), mutations(siege(1, 3)));
  assert.notEqual(mutations(siege(1, 0)), mutations(siege(2, 0)));
  assert.deepEqual(Buffer.concat(packets), before);
});

test("attacks have names of their own", () => {
  assert.equal(new Set(attacks.map(({ name }) => name)).size, attacks.length);
});

test("a histogram of several knows the quantiles of all to two per cent", () => {
  const whole = new LatencyHistogram();
  for (const from of [1, 501]) {
    const part = new LatencyHistogram();
    for (let ms = from; ms < from + 500; ms += 1) part.add(ms);
    whole.merge(LatencyHistogram.of(JSON.parse(JSON.stringify(part))));
  }
  assert.equal(whole.count, 1000);
  for (const [share, expected] of [
    [0.5, 500],
    [0.99, 990],
    [1, 1000],
  ] as const)
    assert.ok(Math.abs(whole.quantile(share) / expected - 1) < 0.02, `${whole.quantile(share)}`);
});

for (const [line, isExpected] of [
  ['{"level":"info","event":"listening"}', true],
  ['{"level":"warn","event":"slow-consumer"}', true],
  ['{"level":"warn","event":"store-state"}', false],
  ['{"level":"error","event":"internal-error"}', false],
  ["(node:1) Warning: something", false],
] as const)
  test(`a log with ${line} is ${isExpected ? "as expected" : "a fault"}`, () => {
    assert.equal(unexpectedLines(`${line}\n`).length, isExpected ? 0 : 1);
  });

for (const [memory, isFault] of [
  [[100, 119, 120, 90], false],
  [[100, 90, 121, 90], true],
  [[100, 90], true],
  [[], false],
] as const)
  test(`memory of ${memory.join(", ") || "nobody knows what"} ${isFault ? "is a fault" : "is right"}`, () => {
    assert.equal(memoryFaults(memory, 4).length, isFault ? 1 : 0);
  });
