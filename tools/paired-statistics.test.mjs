import assert from "node:assert/strict";
import { test } from "node:test";
import { rankInterval, median, verdict } from "./paired-statistics.mjs";

/** Numbers of a normal distribution, the same in every run. */
function normal(seed) {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
}

/** Verdicts of many comparisons whose true ratio and noise are known. */
function verdicts(ratio, noise, launches) {
  const random = normal(launches * 7919 + Math.round(ratio * 1000));
  const count = { SLOWER: 0, faster: 0, same: 0, unsure: 0 };
  for (let i = 0; i < 2000; i++) {
    const logs = Array.from({ length: launches }, () => Math.log(ratio) + noise * random());
    count[verdict(rankInterval(logs, 0.99), 0.05)]++;
  }
  return count;
}

test("the median of an even number of values is the mean of the middle two", () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([3, 1, 2]), 2);
});

test("the bounds are those of the tables of signed ranks", () => {
  const values = Array.from({ length: 12 }, (_, i) => i);
  // 12 values, 99 %: the tables give 7, so the 8th smallest and the 8th greatest mean of a pair.
  assert.deepEqual(rankInterval(values, 0.99), { low: 2, middle: 5.5, high: 9 });
  assert.equal(rankInterval(values.slice(0, 8), 0.99).low, 0);
  assert.equal(rankInterval(values.slice(0, 7), 0.99).low, -Infinity);
});

test("one launch that went astray does not move the interval", () => {
  const logs = [...Array.from({ length: 14 }, (_, i) => (i - 7) / 1000), 3];
  const { low, high } = rankInterval(logs, 0.99);
  assert.ok(low > -0.01 && high < 0.01, `${low} ${high}`);
});

test("the interval holds the true mean in 99 of 100 cases", () => {
  const random = normal(1);
  let held = 0;
  for (let i = 0; i < 5000; i++) {
    const { low, high } = rankInterval(
      Array.from({ length: 9 }, () => 1 + random()),
      0.99,
    );
    if (low < 1 && high > 1) held++;
  }
  assert.ok(held / 5000 > 0.983 && held / 5000 < 0.997, String(held));
});

for (const [ratio, expected, others] of [
  [1, "same", ["SLOWER", "faster"]],
  [1.07, "SLOWER", ["same", "faster"]],
  [0.93, "faster", ["same", "SLOWER"]],
]) {
  test(`a true ratio of ${ratio} with 1 % of noise is told to be ${expected}`, () => {
    const count = verdicts(ratio, 0.01, 10);
    assert.ok(count[expected] > 1900, JSON.stringify(count));
    for (const other of others) assert.ok(count[other] <= 2, JSON.stringify(count));
  });
}

test("a true regression of 5 % with 1 % of noise is told, and hardly ever called the same", () => {
  const count = verdicts(1.05, 0.01, 10);
  assert.ok(count.SLOWER > 1850, JSON.stringify(count));
  assert.ok(count.same < 20, JSON.stringify(count));
});

test("noise of 10 % is told to be noise, not a regression", () => {
  const count = verdicts(1, 0.1, 10);
  assert.ok(count.unsure > 1850, JSON.stringify(count));
  assert.ok(count.SLOWER < 20, JSON.stringify(count));
});
