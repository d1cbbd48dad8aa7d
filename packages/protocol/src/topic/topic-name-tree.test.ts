import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { topicFilters, topicNames } from "./arbitrary-topics.test.ts";
import { matchExamples } from "./match-examples.test.ts";
import { topicFilterMatches } from "./topic-filter.ts";
import { TopicNameTree, type TopicNameCursor } from "./topic-name-tree.ts";

function rest(cursor: TopicNameCursor, maximumSteps?: number): number[] {
  const values: number[] = [];
  while (!cursor.done) {
    const value = cursor.next(maximumSteps);
    if (value >= 0) values.push(value);
  }
  return values;
}

/** Numbers for names. */
class Numbers {
  readonly names: string[] = [];
  readonly #numbers = new Map<string, number>();

  of(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.names.push(name) - 1;
      this.#numbers.set(name, number);
    }
    return number;
  }
}

for (const [topicFilter, topicName, expected] of matchExamples)
  test(`a cursor for ${topicFilter} ${expected ? "gives" : "does not give"} ${topicName}`, () => {
    const tree = new TopicNameTree();
    tree.set(topicName, 7);
    assert.deepEqual(rest(tree.cursor(topicFilter)), expected ? [7] : []);
  });

test("set and delete give the value before", () => {
  const tree = new TopicNameTree();
  assert.equal(tree.set("a/b", 1), -1);
  assert.equal(tree.set("a/b", 2), 1);
  assert.equal(tree.set("a", 3), -1);
  assert.equal(tree.size, 2);
  assert.equal(tree.get("a/b"), 2);
  assert.equal(tree.get("a/c"), -1);
  assert.equal(tree.get("a/b/c"), -1);
  assert.equal(tree.delete("a/b/c"), -1);
  assert.equal(tree.delete("a"), 3);
  assert.equal(tree.delete("a"), -1);
  assert.equal(tree.get("a/b"), 2);
  assert.equal(tree.delete("a/b"), 2);
  assert.equal(tree.size, 0);
});

test("a cursor gives exactly what a Topic Filter matches", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(topicNames, { maxLength: 60 }),
      topicFilters,
      fc.integer({ min: 1, max: 9 }),
      (names, topicFilter, steps) => {
        const tree = new TopicNameTree();
        names.forEach((name, index) => tree.set(name, index));
        const expected = names.filter((name) => topicFilterMatches(topicFilter, name));
        const given = rest(tree.cursor(topicFilter), steps).map((index) => names[index]!);
        assert.deepEqual(new Set(given), new Set(expected));
        assert.equal(given.length, expected.length);
      },
    ),
    { numRuns: 300 },
  );
});

test("while the tree changes, what stays is given once, and what is deleted before it is reached is not given", () => {
  const change = fc.record({
    name: topicNames,
    isDeletion: fc.boolean(),
    steps: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(topicNames, { maxLength: 60 }),
      topicFilters,
      fc.array(change, { maxLength: 60 }),
      (names, topicFilter, changes) => {
        const tree = new TopicNameTree();
        const numbers = new Numbers();
        const present = new Set(names);
        for (const name of names) tree.set(name, numbers.of(name));
        const stayed = new Set(names.filter((name) => topicFilterMatches(topicFilter, name)));
        const given: string[] = [];
        const cursor = tree.cursor(topicFilter);
        for (const { name, isDeletion, steps } of changes) {
          if (isDeletion) {
            tree.delete(name);
            present.delete(name);
            stayed.delete(name);
          } else {
            tree.set(name, numbers.of(name));
            present.add(name);
          }
          const number = cursor.next(steps);
          if (number < 0) continue;
          const value = numbers.names[number]!;
          assert.ok(present.has(value), "it was deleted before");
          assert.ok(topicFilterMatches(topicFilter, value));
          given.push(value);
        }
        given.push(...rest(cursor).map((number) => numbers.names[number]!));
        for (const name of stayed)
          assert.equal(given.filter((value) => value === name).length, 1, name);
        assert.equal(tree.size, present.size);
        for (const name of present) tree.delete(name);
        assert.equal(tree.nodeCount, 0, "nothing is left behind");
      },
    ),
    { numRuns: 500 },
  );
});

test("a cursor gives the value that a name has when it is reached", () => {
  const tree = new TopicNameTree();
  tree.set("a", 1);
  const cursor = tree.cursor("#");
  tree.set("a", 2);
  assert.deepEqual(rest(cursor), [2]);
});

test("a cursor keeps what it stands at, and lets it go when it goes on or is closed", () => {
  for (const isClosed of [true, false]) {
    const tree = new TopicNameTree();
    for (let index = 0; index < 10; index++) tree.set(`a/${index}/b`, index);
    const cursor = tree.cursor("a/+/b");
    assert.equal(cursor.next(), 0);
    for (let index = 0; index < 10; index++) tree.delete(`a/${index}/b`);
    assert.equal(tree.size, 0);
    assert.ok(tree.nodeCount > 0 && tree.nodeCount < 5, `${tree.nodeCount} nodes`);
    if (isClosed) cursor.close();
    else assert.deepEqual(rest(cursor), []);
    assert.equal(tree.nodeCount, 0);
    assert.ok(cursor.done);
    assert.equal(cursor.next(), -1);
  }
});

test("a call costs no more steps than it may, however little matches", () => {
  const tree = new TopicNameTree();
  for (let index = 0; index < 1000; index++) tree.set(`a/${index}/b`, index);
  tree.set("a/1000/c", 1000);
  const cursor = tree.cursor("a/+/c");
  let calls = 0;
  let value = -1;
  for (; value < 0 && !cursor.done; calls++) value = cursor.next(10);
  assert.equal(value, 1000);
  assert.ok(calls > 100, `${calls} calls of 10 steps for 1000 levels`);
  assert.equal(cursor.next(10), -1);
  assert.ok(cursor.done);
  assert.equal(cursor.next(), -1);
});

test("a level with many names is divided while a cursor is on its way through it", () => {
  const tree = new TopicNameTree();
  for (let index = 0; index < 16_000; index++) tree.set(`a/${index}`, index);
  const given = new Set<number>();
  const cursor = tree.cursor("a/+");
  for (let index = 16_000; index < 20_000; index++) {
    const value = cursor.next();
    assert.ok(!given.has(value));
    given.add(value);
    tree.set(`a/${index}`, index);
  }
  for (let index = 0; index < 16_000; index += 2) if (!given.has(index)) tree.delete(`a/${index}`);
  for (const value of rest(cursor)) {
    assert.ok(!given.has(value));
    assert.ok(value >= 16_000 || value % 2 === 1, `${value} was deleted`);
    given.add(value);
  }
  for (let index = 1; index < 16_000; index += 2) assert.ok(given.has(index));
  for (let index = 0; index < 20_000; index++)
    assert.equal(
      tree.get(`a/${index}`),
      index < 16_000 && index % 2 === 0 && !given.has(index) ? -1 : index,
    );
  for (let index = 0; index < 20_000; index++) tree.delete(`a/${index}`);
  assert.equal(tree.size, 0);
  assert.deepEqual(rest(tree.cursor("#")), []);
});
