import assert from "node:assert/strict";
import { test } from "node:test";
import { BUILD_TIME, StoreTime } from "./store-time.ts";

const NOON = BUILD_TIME + 43_200_000;
const WEEK = 604_800_000;

test("a new store's time begins at 0 and goes by the monotonic clock", () => {
  const time = new StoreTime(undefined, 5000, NOON);
  assert.equal(time.at(5000), 0);
  assert.equal(time.at(6500), 1500);
  assert.equal(time.at(4000), 0, "it never goes back");
});

for (const [name, before, now, passed] of [
  ["goes on by the wall clock", NOON, NOON + WEEK, WEEK],
  ["stands where the wall clock went back", NOON, NOON - 1, 0],
  ["stands where the wall clock starts in 1970", NOON, 60_000, 0],
  ["stands where the mark is of a clock that started in 1970", 60_000, NOON, 0],
  ["stands where both are", 60_000, 120_000, 0],
  ["stands where the clock shows nothing", NOON, NaN, 0],
] as const)
  test(`over a restart it ${name}`, () => {
    const time = new StoreTime({ storeTime: 777, wallTime: before }, 100, now);
    assert.equal(time.at(100), 777 + passed);
    assert.equal(time.at(150), 777 + passed + 50);
  });
