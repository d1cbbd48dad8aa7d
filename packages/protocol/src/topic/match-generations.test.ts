import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { topicFilters, topicNames } from "./arbitrary-topics.test.ts";
import { MatchGenerations, matchHashes } from "./match-generations.ts";
import { topicFilterMatches } from "./topic-filter.ts";

test("a Topic Filter that matches a Topic Name raises its generation", () => {
  fc.assert(
    fc.property(topicNames, topicFilters, (topicName, topicFilter) => {
      const generations = new MatchGenerations();
      const hashes = matchHashes(topicName);
      const before = generations.current;
      generations.raise(topicFilter);
      if (topicFilterMatches(topicFilter, topicName))
        assert.ok(!generations.isCurrent(hashes, before));
      assert.ok(generations.isCurrent(hashes, generations.current));
    }),
    { numRuns: 1000 },
  );
});

for (const [topicFilter, topicName] of [
  ["a/b", "a/c"],
  ["a/b", "a/b/c"],
  ["a/b", "a"],
  ["devices/1/#", "devices/2/temperature"],
  ["devices/1/+/x", "devices/2/y/x"],
  ["site/1/device/+", "site/2/device/3"],
  ["a/b/c/+", "a/b/d/e"],
  ["a/+", "b/c"],
  ["a/b/#", "a"],
] as const)
  test(`a subscription to ${topicFilter} leaves what is known of ${topicName}`, () => {
    const generations = new MatchGenerations();
    const before = generations.current;
    generations.raise(topicFilter);
    assert.ok(generations.isCurrent(matchHashes(topicName), before));
  });

test("raising all, and growing, leave nothing that was known before", () => {
  const generations = new MatchGenerations();
  const hashes = matchHashes("a/b");
  const first = generations.current;
  generations.raiseAll();
  assert.ok(!generations.isCurrent(hashes, first));
  const second = generations.current;
  generations.reserve(8000);
  assert.ok(generations.isCurrent(hashes, second));
  generations.reserve(9000);
  assert.ok(!generations.isCurrent(hashes, second));
  assert.ok(generations.isCurrent(hashes, generations.current));
});
