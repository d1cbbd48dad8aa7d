import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { topicFilters, topicNames } from "./arbitrary-topics.test.ts";
import { MatchCache } from "./match-cache.ts";
import { TopicNameTable } from "./topic-name-table.ts";
import { TopicTree } from "./topic-tree.ts";

/** A cache of who is subscribed with which options, that counts how often it had to look. */
function cached(maximumEntries = 1000) {
  const tree = new TopicTree();
  const names = new TopicNameTable({ maximumEntries });
  const built: string[] = [];
  const plan = (topicName: string): string[] => {
    const found: string[] = [];
    tree.match(topicName, (id) =>
      found.push(`${tree.subscriberOf(id)}:${tree.optionsOf(id)}:${tree.topicFilterOf(id)}`),
    );
    return found.sort();
  };
  const cache = new MatchCache(tree, (topicName) => {
    built.push(topicName);
    return plan(topicName);
  });
  return { tree, names, cache, built, plan };
}

test("whatever comes, goes and changes, the cache gives what a match would give", () => {
  const step = fc.record({
    topicFilter: topicFilters,
    subscriber: fc.nat(5),
    action: fc.nat(9),
    topicName: topicNames,
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 100 }),
      fc.integer({ min: 1, max: 20 }),
      (steps, maximumEntries) => {
        const { tree, names, cache, plan } = cached(maximumEntries);
        const held = steps.slice(0, 5).map(({ topicName }) => names.intern(topicName));
        for (const { topicFilter, subscriber, action, topicName } of steps) {
          const id = tree.find(topicFilter, subscriber);
          if (action === 0) tree.removeSubscriber(subscriber);
          else if (id < 0) tree.add(topicFilter, subscriber, action, 0);
          else if (action < 5) tree.remove(id);
          else tree.update(id, action, 0);
          assert.deepEqual(cache.get(names.intern(topicName)), plan(topicName));
          // Names that the table let go of are no less right.
          for (const topic of held) assert.deepEqual(cache.get(topic), plan(topic.name));
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("subscribers that come and go with other Topic Filters cost next to no match", () => {
  const { tree, names, cache, built } = cached();
  tree.add("devices/+/temperature", 0, 0, 0);
  const topics = Array.from({ length: 100 }, (_, index) =>
    names.intern(`devices/${index}/temperature`),
  );
  for (const topic of topics) cache.get(topic);
  assert.equal(built.length, 100);
  for (let client = 1; client < 50; client++) {
    tree.add(`clients/${client}`, client, 0, 0);
    tree.add(`clients/${client}/#`, client, 0, 0);
    tree.removeSubscriber(client);
    for (const topic of topics) cache.get(topic);
  }
  // 147 changes and 100 names: a few have hashes that fall together.
  assert.ok(built.length <= 110, `${built.length - 100} matches`);
  built.length = 0;
  tree.add("devices/8/#", 1, 0, 0);
  for (const topic of topics) cache.get(topic);
  assert.deepEqual(built, ["devices/8/temperature"]);
});

test("an exact Topic Filter that comes costs a match of its own Topic Name only", () => {
  const { tree, names, cache, built } = cached();
  for (const name of ["a", "a/b", "a/b/c"]) cache.get(names.intern(name));
  tree.add("a/b", 1, 0, 0);
  for (const name of ["a", "a/b", "a/b/c"]) cache.get(names.intern(name));
  assert.deepEqual(built.slice(3), ["a/b"]);
});

test("a subscriber with many subscriptions that is removed is in no match from then on", () => {
  const { tree, names, cache } = cached();
  for (let index = 0; index < 200; index++) tree.add(`a/${index}`, 1, 0, 0);
  assert.deepEqual(cache.get(names.intern("a/7")), ["1:0:a/7"]);
  tree.removeSubscriber(1);
  assert.deepEqual(cache.get(names.intern("a/7")), []);
});

test("two caches on one table are both right", () => {
  const { tree, names, cache } = cached();
  const other = new MatchCache(new TopicTree(), () => "nothing");
  tree.add("a", 1, 2, 0);
  const topic = names.intern("a");
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(cache.get(topic), ["1:2:a"]);
    assert.equal(other.get(topic), "nothing");
  }
});

test("what build throws is not remembered", () => {
  const names = new TopicNameTable({ maximumEntries: 10 });
  let builds = 0;
  const cache = new MatchCache(new TopicTree(), () => {
    builds += 1;
    if (builds === 1) throw new Error("the first time");
    return builds;
  });
  assert.throws(() => cache.get(names.intern("a")), /the first time/);
  assert.equal(cache.get(names.intern("a")), 2);
});
