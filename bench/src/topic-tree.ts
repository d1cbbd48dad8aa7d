/**
 * What a match costs with 10 000, 100 000 and a million Topic Filters, and what they take of memory.
 *
 *     node bench/dist/topic-tree.js
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MatchCache, TopicNameTable, TopicNameTree, TopicTree } from "@sericite/protocol";
import type { TopicName, TopicNameCursor } from "@sericite/protocol";
import { bench } from "./harness.ts";

const counts = { "10k": 10_000, "100k": 100_000, "1M": 1_000_000 };
/** Topic Names of a round, all of them different. A power of two. */
const names = 65_536;
/** Topic Names that come again and again. */
const repeated = 64;
/** Operations of one call of a benchmark. */
const steps = 1024;

/** Half end in `#`, half have `+` before their last level. */
function topicFilter(index: number): string {
  const device = index >> 1;
  return index & 1 ? `site/device${device}/#` : `site/device${device}/+/state`;
}

/** Matches both filters of its device. */
function topicName(device: number): string {
  return `site/device${device}/motor/state`;
}

let visited = 0;
const visit = (): void => {
  visited += 1;
};

/** Bytes of live objects and of the arrays outside the heap. */
function memory(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const figures: string[] = [];

function plant(count: number, label: string): TopicTree {
  const before = memory();
  const tree = new TopicTree({ seed: 1 });
  for (let index = 0; index < count; index++) tree.add(topicFilter(index), index, 1, 0);
  figures.push(
    `${label} filters: ${((memory() - before) / count).toFixed(0)} bytes per subscription`,
  );
  return tree;
}

for (const [label, count] of Object.entries(counts)) {
  let tree: TopicTree | undefined;
  const planted = (): TopicTree => (tree ??= plant(count, label));
  const topics = Array.from({ length: names }, (_, index) =>
    topicName((index * 7_919) % (count / 2)),
  );
  let next = 0;
  const options = { operations: steps, prepare: () => void planted() };
  await bench(
    `topic-tree/match, ${label} filters, names that do not repeat`,
    () => {
      for (let step = 0; step < steps; step++)
        planted().match(topics[next++ & (names - 1)] as string, visit);
    },
    options,
  );
  await bench(
    `topic-tree/match, ${label} filters, names that repeat`,
    () => {
      for (let step = 0; step < steps; step++)
        planted().match(topics[step & (repeated - 1)] as string, visit);
    },
    options,
  );
  await bench(
    `topic-tree/match, ${label} filters, nothing matches`,
    () => {
      for (let step = 0; step < steps; step++) planted().match("site/elsewhere/motor/state", visit);
    },
    options,
  );
  await bench(
    `topic-tree/subscribe and unsubscribe, ${label} filters`,
    () => {
      for (let step = 0; step < steps; step++)
        planted().remove(planted().add(`site/new${next++}/+/state`, count, 1, 0));
    },
    options,
  );
}

{
  let built:
    | { tree: TopicTree; table: TopicNameTable; cache: MatchCache<number>; topics: TopicName[] }
    | undefined;
  const prepared = () => {
    if (built !== undefined) return built;
    const tree = new TopicTree({ seed: 1 });
    for (let index = 0; index < counts["10k"]; index++) tree.add(topicFilter(index), index, 1, 0);
    const table = new TopicNameTable({ maximumEntries: 16_384 });
    const cache = new MatchCache(tree, (name) => {
      visited = 0;
      tree.match(name, visit);
      return visited;
    });
    const topics = Array.from({ length: 4096 }, (_, index) => table.intern(topicName(index)));
    return (built = { tree, table, cache, topics });
  };
  const options = { operations: steps, prepare: () => void prepared() };
  let next = 0;
  await bench(
    "topic-name-table/lookup of 4096 names",
    () => {
      const { table, topics } = prepared();
      let levels = 0;
      for (let step = 0; step < steps; step++) {
        const { bytes } = topics[next++ & 4095] as TopicName;
        levels += table.lookup(bytes, 0, bytes.length).levels;
      }
      return levels;
    },
    options,
  );
  await bench(
    "match-cache/get, names that repeat",
    () => {
      const { cache, topics } = prepared();
      let sum = 0;
      for (let step = 0; step < steps; step++)
        sum += cache.get(topics[step & (repeated - 1)] as TopicName);
      return sum;
    },
    options,
  );
  await bench(
    "match-cache/get, a client comes or goes every 100 messages",
    () => {
      const { tree, cache, topics } = prepared();
      let sum = 0;
      for (let step = 0; step < steps; step++) {
        if (step % 200 === 0) tree.add(`client/${next}/+`, 20_000, 1, 0);
        else if (step % 200 === 100) tree.removeSubscriber(20_000);
        sum += cache.get(topics[next++ & 4095] as TopicName);
      }
      return sum;
    },
    options,
  );
}

{
  const retained = 1_000_000;
  let tree: TopicNameTree | undefined;
  const planted = (): TopicNameTree => {
    if (tree !== undefined) return tree;
    const before = memory();
    tree = new TopicNameTree();
    for (let index = 0; index < retained; index++)
      tree.set(`site/${index % 1000}/device${index}/state`, index);
    for (let index = 0; index < 10; index++) tree.set(`a/${index}/c`, index);
    figures.push(`1M retained names: ${((memory() - before) / retained).toFixed(0)} bytes each`);
    return tree;
  };
  await bench(
    "topic-name-tree/cursor for a/+/c: 10 of 1M names",
    () => {
      const cursor = planted().cursor("a/+/c");
      while (!cursor.done) cursor.next();
    },
    { prepare: () => void planted() },
  );
  let cursor: TopicNameCursor | undefined;
  await bench(
    "topic-name-tree/next of a cursor for #, 1M names",
    () => {
      for (let step = 0; step < steps; step++) {
        if (cursor === undefined || cursor.done) cursor = planted().cursor("#");
        cursor.next();
      }
    },
    { operations: steps, prepare: () => void planted() },
  );
}

if (process.send === undefined && !process.argv.includes("--json"))
  for (const figure of figures) console.log(figure);
