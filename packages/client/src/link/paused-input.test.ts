import assert from "node:assert/strict";
import { test } from "node:test";
import { PausedInput } from "./paused-input.ts";

/** An input whose source and handler write down what they are told. */
function input() {
  const told: string[] = [];
  const soon: (() => void)[] = [];
  let whenData = (): void => {};
  const handler = {
    onData: (bytes: Uint8Array, start: number, end: number) => {
      told.push(`data ${[...bytes.subarray(start, end)].slice(0, 3).join(" ")}`);
      whenData();
    },
    onWritable: () => {},
    onEnd: () => void told.push("end"),
    onClose: (cause?: Error) => void told.push(cause === undefined ? "close" : cause.message),
  };
  const source = {
    stop: () => void told.push("stop"),
    start: () => void told.push("start"),
    soon: (callback: () => void) => void soon.push(callback),
  };
  const paused = new PausedInput(handler, source);
  return {
    paused,
    told,
    receive: (...bytes: number[]) => paused.receive(Uint8Array.from(bytes), 0, bytes.length),
    run: () => soon.splice(0).forEach((callback) => callback()),
    whenData: (work: () => void) => (whenData = work),
  };
}

test("what arrives in a pause waits for its end, which calls nobody from inside", () => {
  const { paused, told, receive, run } = input();
  receive(1);
  paused.pause();
  receive(2);
  receive(3);
  paused.resume();
  receive(4);
  assert.deepEqual(told, ["data 1"]);
  run();
  receive(5);
  assert.deepEqual(told, ["data 1", "data 2", "data 3", "data 4", "data 5"]);
});

test("what arrives in a pause is copied", () => {
  const { paused, told, run } = input();
  paused.pause();
  const bytes = Buffer.from([1]);
  paused.receive(bytes, 0, 1);
  bytes.fill(9);
  paused.resume();
  run();
  assert.deepEqual(told, ["data 1"]);
});

test("no more than a little is read ahead, and reading goes on when that is handed on", () => {
  const { paused, told, run } = input();
  paused.pause();
  for (let i = 0; i < 4; i++) paused.receive(new Uint8Array(16 * 1024), 0, 16 * 1024);
  assert.deepEqual(told, ["stop"]);
  paused.resume();
  run();
  assert.deepEqual(told.slice(-2), ["data 0 0 0", "start"]);
});

test("a pause from inside onData holds what comes behind", () => {
  const { paused, told, receive, run, whenData } = input();
  paused.pause();
  receive(1);
  receive(2);
  whenData(() => paused.pause());
  paused.resume();
  run();
  assert.deepEqual(told, ["data 1"]);
  paused.resume();
  run();
  assert.deepEqual(told, ["data 1", "data 2"]);
});

test("an end in a pause is told at once, and the close behind what was held", () => {
  const { paused, told, receive, run } = input();
  paused.pause();
  receive(1);
  paused.ended();
  paused.closed(new Error("cut"));
  assert.deepEqual(told, ["end"]);
  paused.resume();
  run();
  assert.deepEqual(told, ["end", "data 1", "cut"]);
});

test("a close in a pause with nothing held is told at once", () => {
  const { paused, told } = input();
  paused.pause();
  paused.closed(undefined);
  assert.deepEqual(told, ["close"]);
});

test("after drop nothing comes but the close, once", () => {
  const { paused, told, receive, run, whenData } = input();
  paused.pause();
  receive(1);
  receive(2);
  whenData(() => paused.drop());
  paused.resume();
  run();
  receive(3);
  paused.closed(undefined);
  paused.closed(undefined);
  run();
  assert.deepEqual(told, ["data 1", "close"]);
});

test("a drop after a close that waits in a pause lets it through", () => {
  const { paused, told, receive, run } = input();
  paused.pause();
  receive(1);
  paused.closed(undefined);
  paused.drop();
  run();
  assert.deepEqual(told, ["end", "close"]);
});
