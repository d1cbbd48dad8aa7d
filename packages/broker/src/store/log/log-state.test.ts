import assert from "node:assert/strict";
import { test } from "node:test";
import { LogState } from "./log-state.ts";
import { begin, publish } from "./log-world.test-support.ts";

test("what a state has seen already changes nothing when it is applied again", () => {
  const state = new LogState();
  const waiting = (): number[] => {
    const sequences: number[] = [];
    state.sessions.get(1)?.queue.forEachFrom(0, ({ sequence }) => sequences.push(sequence) > 0);
    return sequences;
  };
  const apply = (record: Parameters<LogState["kept"]>[0]): (() => void) => {
    const kept = state.kept(record);
    state.apply(kept);
    return () => state.apply(kept);
  };
  apply(begin(1));
  const again = [1, 2, 3, 4, 5]
    .flatMap((number) => publish(number, 10, { 1: number }))
    .map((record) => apply(record));
  again.push(apply({ type: "received", session: 1, sequence: 2, packetIdentifier: 7 }));
  again.push(apply({ type: "settled", session: 1, sequence: 1 }));
  again.push(apply({ type: "trim", session: 1, from: 2, count: 2 }));
  assert.deepEqual(waiting(), [4, 5]);
  for (const repeat of again) repeat();
  assert.deepEqual(waiting(), [4, 5]);
  assert.deepEqual([...(state.sessions.get(1)?.received ?? [])], []);
});
