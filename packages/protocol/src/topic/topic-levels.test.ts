import assert from "node:assert/strict";
import test from "node:test";
import { hashLevel, plusLevel, TopicLevels } from "./topic-levels.ts";

test("a level is known by its text, wherever it stands", () => {
  const levels = new TopicLevels(1);
  const b = levels.use("a/bc/d", 2);
  assert.equal(levels.end, 4);
  assert.equal(levels.find("bc", 0), b);
  assert.equal(levels.find("x/y/bc/", 4), b);
  assert.equal(levels.end, 6);
  assert.equal(levels.find("b", 0), -1);
  assert.equal(levels.find("bcd", 0), -1);
  assert.equal(levels.text(b), "bc");
});

test("an empty level is a level", () => {
  const levels = new TopicLevels(1);
  const empty = levels.use("/", 0);
  assert.equal(levels.find("a/", 2), empty);
  assert.equal(levels.text(empty), "");
});

test("the wildcards are always known", () => {
  const levels = new TopicLevels(1);
  assert.equal(levels.find("a/+/b", 2), plusLevel);
  assert.equal(levels.find("#", 0), hashLevel);
  assert.equal(levels.size, 0);
});

test("a level is forgotten when it was released as often as it was used, and its number given again", () => {
  const levels = new TopicLevels(1);
  const first = levels.use("first", 0);
  const second = levels.use("second", 0);
  assert.equal(levels.use("first", 0), first);
  levels.release(first);
  assert.equal(levels.find("first", 0), first);
  levels.release(first);
  assert.equal(levels.find("first", 0), -1);
  assert.equal(levels.find("second", 0), second);
  assert.equal(levels.size, 1);
  assert.equal(levels.use("third", 0), first);
});

test("a hundred thousand levels that come and go leave none", () => {
  const levels = new TopicLevels(1);
  const numbers = Array.from({ length: 100_000 }, (_, index) => levels.use(`level ${index}`, 0));
  assert.equal(new Set(numbers).size, 100_000);
  for (const [index, level] of numbers.entries()) {
    assert.equal(levels.text(level), `level ${index}`);
    levels.release(level);
  }
  assert.equal(levels.size, 0);
});

test("a long level is kept whole", () => {
  const levels = new TopicLevels(1);
  const text = "é1234567".repeat(1000);
  const level = levels.use(`a/${text}/b`, 2);
  assert.equal(levels.text(level), text);
  assert.equal(levels.find(text, 0), level);
});
