import assert from "node:assert/strict";
import { test } from "node:test";
import { HashQueue } from "./hash-queue.ts";

/** Work that ends when it is told to. */
class Work {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();

  of(name: string): () => Promise<boolean> {
    return () => {
      this.begun.push(name);
      return new Promise((resolve) => this.#ends.set(name, () => resolve(true)));
    };
  }

  /** Has it done by a queue, under its own name. */
  by(queue: HashQueue, name: string, origin = "a"): Promise<boolean | undefined> {
    return queue.run(name, origin, this.of(name));
  }

  end(name: string): void {
    this.#ends.get(name)!();
  }
}

/** Ends what is under way until all of `results` are there. */
async function runAll<V>(work: Work, results: readonly Promise<V>[]): Promise<V[]> {
  const all = Promise.all(results);
  let ended = 0;
  const isOver = all.then(() => true);
  while (!(await Promise.race([isOver, new Promise((resolve) => setImmediate(resolve, false))]))) {
    for (; ended < work.begun.length; ended++) work.end(work.begun[ended]!);
  }
  return all;
}

const patient = { deadlineMs: 60_000, waiting: 100 };

test("one at a time is done, in order", async () => {
  const work = new Work();
  const queue = new HashQueue(patient);
  const results = ["1", "2", "3"].map((name) => work.by(queue, name));
  assert.deepEqual(work.begun, ["1"]);
  assert.equal(queue.length, 2);
  assert.deepEqual(await runAll(work, results), [true, true, true]);
  assert.deepEqual(work.begun, ["1", "2", "3"]);
});

test("origins take turns: one that asks for much keeps the others waiting by one", async () => {
  const work = new Work();
  const queue = new HashQueue(patient);
  const results = [
    ...["a1", "a2", "a3", "a4"].map((name) => work.by(queue, name)),
    work.by(queue, "b1", "b"),
    work.by(queue, "c1", "c"),
    work.by(queue, "b2", "b"),
  ];
  await runAll(work, results);
  assert.deepEqual(work.begun, ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]);
});

test("what waits past the deadline is given up undone, and the next one is served", async () => {
  const work = new Work();
  const queue = new HashQueue({ deadlineMs: 20, waiting: 100 });
  const first = work.by(queue, "first");
  const late = ["late 1", "late 2"].map((name) => work.by(queue, name));
  assert.deepEqual(await Promise.all(late), [undefined, undefined]);
  assert.equal(queue.length, 0);
  const next = work.by(queue, "next");
  work.end("first");
  await first;
  assert.deepEqual(await runAll(work, [next]), [true]);
  assert.deepEqual(work.begun, ["first", "next"]);
});

test("no more may wait than the bound says; the next is given up at once", async () => {
  const work = new Work();
  const queue = new HashQueue({ deadlineMs: 60_000, waiting: 1 });
  const results = [work.by(queue, "1"), work.by(queue, "2")];
  assert.equal(await work.by(queue, "3"), undefined);
  assert.deepEqual(await runAll(work, results), [true, true]);
});

test("work that fails fails for its own caller, and the next one has its turn", async () => {
  const work = new Work();
  const queue = new HashQueue(patient);
  const failing = queue.run("fails", "a", () => Promise.reject(new Error("no memory")));
  const next = work.by(queue, "next");
  await assert.rejects(failing, /no memory/);
  assert.deepEqual(await runAll(work, [next]), [true]);
});

test("calls with one key share the work, each with a deadline of its own; who is late takes nobody along", async () => {
  const work = new Work();
  const queue = new HashQueue({ deadlineMs: 60, waiting: 100 });
  const first = work.by(queue, "first");
  const early = work.by(queue, "shared");
  await new Promise((resolve) => setTimeout(resolve, 40));
  const late = work.by(queue, "shared");
  assert.equal(queue.length, 1);
  assert.equal(await early, undefined);
  work.end("first");
  assert.equal(await first, true);
  assert.deepEqual(await runAll(work, [late]), [true]);
  assert.deepEqual(work.begun, ["first", "shared"]);
});
