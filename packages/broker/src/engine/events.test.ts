import assert from "node:assert/strict";
import { test } from "node:test";
import { EventHub } from "./events.ts";

const started = { clientId: "c" };

test("all listeners of an event are told, in the order in which they came", () => {
  const hub = new EventHub(() => assert.fail("nobody threw"));
  const seen: string[] = [];
  hub.on("sessionStarted", ({ clientId }) => seen.push(`first ${clientId}`));
  hub.on("sessionStarted", () => seen.push("second"));
  hub.on("sessionEnded", () => seen.push("other"));
  hub.emit("sessionStarted", started);
  assert.deepEqual(seen, ["first c", "second"]);
});

test("a listener that throws is told of; the others are called all the same", () => {
  const errors: unknown[] = [];
  const hub = new EventHub((name, error) => errors.push([name, (error as Error).message]));
  const seen: string[] = [];
  hub.on("sessionStarted", () => {
    throw new Error("no");
  });
  hub.on("sessionStarted", () => seen.push("called"));
  hub.emit("sessionStarted", started);
  assert.deepEqual(seen, ["called"]);
  assert.deepEqual(errors, [["sessionStarted", "no"]]);
});

test("a listener that was removed is told nothing more, and one that is removed while it is told harms nobody", () => {
  const hub = new EventHub(() => assert.fail("nobody threw"));
  const seen: string[] = [];
  const removeFirst = hub.on("sessionStarted", () => {
    seen.push("first");
    removeFirst();
  });
  hub.on("sessionStarted", () => seen.push("second"));
  hub.emit("sessionStarted", started);
  hub.emit("sessionStarted", started);
  assert.deepEqual(seen, ["first", "second", "second"]);
  removeFirst();
});

test("the same listener may listen twice, and is removed once at a time", () => {
  const hub = new EventHub(() => assert.fail("nobody threw"));
  let count = 0;
  const listener = (): void => {
    count++;
  };
  const remove = hub.on("sessionStarted", listener);
  hub.on("sessionStarted", listener);
  hub.emit("sessionStarted", started);
  assert.equal(count, 2);
  remove();
  hub.emit("sessionStarted", started);
  assert.equal(count, 3);
});

test("has tells whether anybody listens", () => {
  const hub = new EventHub(() => {});
  assert.equal(hub.has("sessionEnded"), false);
  const remove = hub.on("sessionEnded", () => {});
  assert.equal(hub.has("sessionEnded"), true);
  assert.equal(hub.has("sessionStarted"), false);
  remove();
  assert.equal(hub.has("sessionEnded"), false);
});
