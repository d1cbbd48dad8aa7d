import assert from "node:assert/strict";
import { test } from "node:test";
import { Answer } from "./answer.ts";
import { EventScheduler } from "./event-scheduler.ts";
import { seededRandom } from "./random.ts";

function world(): { events: EventScheduler; process: ReturnType<EventScheduler["process"]> } {
  const events = new EventScheduler(seededRandom(1));
  return { events, process: events.process("broker") };
}

test("reactions run in the event that settles it, without a microtask", () => {
  const { events, process } = world();
  const seen: unknown[] = [];
  const answer = Answer.after(process, 5, () => 42);
  void answer.then((value) => value + 1).then((value) => seen.push(value));
  events.advance(4);
  assert.deepEqual(seen, []);
  events.advance(1);
  assert.deepEqual(seen, [43]);
});

test("a reaction never runs from inside then", () => {
  const { events, process } = world();
  const answer = new Answer<number>(process);
  answer.resolve(1);
  let ran = false;
  void answer.then(() => {
    ran = true;
  });
  assert.equal(ran, false);
  events.settle();
  assert.equal(ran, true);
});

test("errors go to the reaction that asks for them, along the chain", () => {
  const { events, process } = world();
  const seen: string[] = [];
  void Answer.after(process, 0, () => {
    throw new Error("broken");
  })
    .then(() => seen.push("no"))
    .catch((error: unknown) => seen.push((error as Error).message))
    .finally(() => seen.push("done"))
    .then(() => seen.push("after"));
  events.settle();
  assert.deepEqual(seen, ["broken", "done", "after"]);
});

test("an error that nobody asks for fails the simulation", () => {
  const { events, process } = world();
  void Answer.after(process, 0, () => {
    throw new Error("unseen");
  }).then(() => undefined);
  assert.throws(() => events.settle(), /unseen/);
});

test("a promise that a reaction gives is waited for, and it can be awaited itself", async () => {
  const { events, process } = world();
  const answer = Answer.after(process, 1, () => 1).then((value) =>
    Answer.after(process, 1, () => value + 1),
  );
  await events.advanceAsync(2);
  assert.equal(await answerAwaited(answer, events), 2);
});

async function answerAwaited<T>(answer: Promise<T>, events: EventScheduler): Promise<T> {
  const waited = (async () => answer)();
  await events.settleAsync();
  return waited;
}
