import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { UsageError } from "../errors.ts";
import { topicFilters, topicNames } from "./arbitrary-topics.test.ts";
import { matchExamples } from "./match-examples.test.ts";
import { topicFilterMatches } from "./topic-filter.ts";
import { TopicTree, type SubscriptionId } from "./topic-tree.ts";

function matches(tree: TopicTree, topicName: string): SubscriptionId[] {
  const found: SubscriptionId[] = [];
  tree.match(topicName, (id) => found.push(id));
  return found.sort((a, b) => a - b);
}

function subscriptionsOf(tree: TopicTree, subscriber: number): SubscriptionId[] {
  const found: SubscriptionId[] = [];
  for (let id = tree.firstOf(subscriber); id >= 0; id = tree.nextOf(id)) found.push(id);
  return found;
}

for (const [topicFilter, topicName, expected] of matchExamples)
  test(`in the tree, ${topicFilter} ${expected ? "matches" : "does not match"} ${topicName}`, () => {
    const tree = new TopicTree();
    const id = tree.add(topicFilter, 0, 0, 0);
    assert.deepEqual(matches(tree, topicName), expected ? [id] : []);
  });

test("a subscription gives back what it was added with", () => {
  const tree = new TopicTree();
  const id = tree.add("a/+/#", 7, 255, 268_435_455);
  assert.equal(tree.subscriberOf(id), 7);
  assert.equal(tree.optionsOf(id), 255);
  assert.equal(tree.identifierOf(id), 268_435_455);
  assert.equal(tree.topicFilterOf(id), "a/+/#");
  tree.update(id, 1, 0);
  assert.equal(tree.optionsOf(id), 1);
  assert.equal(tree.identifierOf(id), 0);
});

test("an equal Topic Filter of the same subscriber is replaced and keeps its number", () => {
  const tree = new TopicTree();
  const id = tree.add("a/b", 1, 1, 10);
  assert.equal(tree.find("a/b", 1), id);
  assert.equal(tree.find("a/b", 2), -1);
  assert.equal(tree.find("a", 1), -1);
  assert.equal(tree.find("a/+", 1), -1);
  assert.equal(tree.add("a/b", 1, 2, 20), id);
  assert.equal(tree.size, 1);
  assert.equal(tree.optionsOf(id), 2);
  assert.equal(tree.identifierOf(id), 20);
});

test("subscriptions that overlap are visited once each", () => {
  const tree = new TopicTree();
  const ids = ["a/b", "a/+", "a/#", "#", "+/b", "a/b/#"].map((topicFilter) =>
    tree.add(topicFilter, 3, 0, 0),
  );
  assert.deepEqual(matches(tree, "a/b"), ids);
});

test("a subscriber's subscriptions are listed oldest first", () => {
  const tree = new TopicTree();
  const [a, b, c] = ["a", "b", "c"].map((topicFilter) => tree.add(topicFilter, 5, 0, 0)) as [
    number,
    number,
    number,
  ];
  tree.add("a", 6, 0, 0);
  assert.deepEqual(subscriptionsOf(tree, 5), [a, b, c]);
  assert.equal(tree.countOf(5), 3);
  tree.remove(a);
  assert.deepEqual(subscriptionsOf(tree, 5), [b, c]);
  assert.equal(tree.countOf(5), 2);
  assert.equal(tree.firstOf(99), -1);
  assert.equal(tree.countOf(99), 0);
});

test("a Topic Filter with many subscribers finds each of them, while they come and go", () => {
  const tree = new TopicTree();
  const ids = new Map<number, SubscriptionId>();
  for (let subscriber = 0; subscriber < 1000; subscriber++)
    ids.set(subscriber, tree.add("news/#", subscriber, 0, 0));
  for (let step = 0; step < 1000; step++) {
    const subscriber = (step * 387) % 1000;
    assert.equal(tree.find("news/#", subscriber), ids.get(subscriber));
    tree.remove(ids.get(subscriber) as SubscriptionId);
    ids.delete(subscriber);
    assert.equal(tree.find("news/#", subscriber), -1);
    if (ids.size < 12)
      assert.deepEqual(
        matches(tree, "news/x"),
        [...ids.values()].sort((a, b) => a - b),
      );
  }
  assert.equal(tree.nodeCount, 0);
});

test("a Topic Name may lead to many nodes at once", () => {
  const tree = new TopicTree();
  const ids: SubscriptionId[] = [];
  for (let index = 0; index < 128; index++) {
    const levels = Array.from({ length: 7 }, (_, level) => ((index >> level) & 1 ? "+" : "a"));
    ids.push(tree.add(levels.join("/"), index, 0, 0));
  }
  assert.deepEqual(matches(tree, "a/a/a/a/a/a/a"), ids);
});

test("whatever is subscribed and unsubscribed, exactly what matches is visited", () => {
  const step = fc.record({ topicFilter: topicFilters, subscriber: fc.nat(11), action: fc.nat(9) });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 120 }),
      fc.array(topicNames, { maxLength: 20 }),
      fc.integer(),
      (steps, names, seed) => {
        const tree = new TopicTree({ seed });
        const model = new Map<
          string,
          { id: SubscriptionId; topicFilter: string; subscriber: number }
        >();
        for (const { topicFilter, subscriber, action } of steps) {
          const key = `${subscriber} ${topicFilter}`;
          const known = model.get(key);
          assert.equal(tree.find(topicFilter, subscriber), known?.id ?? -1);
          if (action === 0) {
            tree.removeSubscriber(subscriber);
            for (const [each, subscription] of model)
              if (subscription.subscriber === subscriber) model.delete(each);
          } else if (action < 4 && known !== undefined) {
            tree.remove(known.id);
            model.delete(key);
          } else {
            const id = tree.add(topicFilter, subscriber, action, 0);
            if (known !== undefined) assert.equal(id, known.id);
            model.set(key, { id, topicFilter, subscriber });
          }
        }
        const left = [...model.values()];
        for (const topicName of names) {
          const expected = left.filter(({ topicFilter }) =>
            topicFilterMatches(topicFilter, topicName),
          );
          assert.deepEqual(
            matches(tree, topicName),
            expected.map(({ id }) => id).sort((a, b) => a - b),
          );
        }
        for (const { id, topicFilter, subscriber } of left) {
          assert.equal(tree.topicFilterOf(id), topicFilter);
          assert.equal(tree.subscriberOf(id), subscriber);
        }
        assert.equal(tree.size, model.size);
        for (let subscriber = 0; subscriber < 12; subscriber++) {
          const own = left.filter((each) => each.subscriber === subscriber).map(({ id }) => id);
          assert.deepEqual(
            subscriptionsOf(tree, subscriber).sort((a, b) => a - b),
            own.sort((a, b) => a - b),
          );
          assert.equal(tree.countOf(subscriber), own.length);
        }
        for (const { id } of left) tree.remove(id);
        assert.equal(tree.size, 0);
        assert.equal(tree.nodeCount, 0);
      },
    ),
    { numRuns: 300 },
  );
});

test("fifty thousand Topic Filters that come and go leave no node", () => {
  const tree = new TopicTree();
  const ids: SubscriptionId[] = [];
  for (let index = 0; index < 50_000; index++)
    ids.push(tree.add(`site/${index % 100}/device ${index}/+/#`, index % 1000, 0, 0));
  for (let index = 0; index < 50_000; index += 999) {
    assert.deepEqual(matches(tree, `site/${index % 100}/device ${index}/x`), [ids[index]]);
  }
  for (let index = 0; index < 50_000; index++)
    tree.remove(ids[(index * 7_919) % 50_000] as SubscriptionId);
  assert.equal(tree.size, 0);
  assert.equal(tree.nodeCount, 0);
});

test("a removed subscriber matches no more at once, and is cleared out in slices", () => {
  const tree = new TopicTree();
  for (let index = 0; index < 1000; index++) tree.add(`a/${index}`, 1, 0, 0);
  const other = tree.add("a/5", 2, 0, 0);
  tree.removeSubscriber(1);
  assert.deepEqual(matches(tree, "a/5"), [other]);
  assert.equal(tree.size, 1);
  assert.equal(tree.countOf(1), 0);
  assert.equal(tree.firstOf(1), -1);
  assert.equal(tree.find("a/5", 1), -1);
  assert.ok(!tree.isSwept(1));
  assert.throws(() => tree.add("b", 1, 0, 0), UsageError);
  tree.removeSubscriber(1); // once more is no harm
  let slices = 1;
  while (tree.sweep(100)) slices += 1;
  assert.equal(slices, 10);
  assert.ok(tree.isSwept(1));
  assert.equal(tree.nodeCount, 2);
  assert.deepEqual(matches(tree, "a/5"), [other]);
  assert.deepEqual(matches(tree, "b"), []);
  const again = tree.add("b", 1, 0, 0);
  assert.deepEqual(matches(tree, "b"), [again]);
});

test("the visitor may neither change the tree nor match; a visitor that throws does no harm", () => {
  const tree = new TopicTree();
  const id = tree.add("a", 0, 0, 0);
  for (const use of [
    () => tree.add("b", 0, 0, 0),
    () => tree.remove(id),
    () => tree.removeSubscriber(0),
    () => tree.match("a", () => undefined),
    () => tree.sweep(1),
  ])
    assert.throws(() => tree.match("a", use), UsageError);
  assert.deepEqual(matches(tree, "a"), [id]);
});

test("a subscriber that is not a number from 0 on is refused", () => {
  const tree = new TopicTree();
  for (const subscriber of [-1, 1.5, Number.NaN])
    assert.throws(() => tree.add("a", subscriber, 0, 0), UsageError);
  assert.equal(tree.nodeCount, 0);
});
