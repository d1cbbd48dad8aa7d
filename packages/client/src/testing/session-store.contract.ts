import assert from "node:assert/strict";
import { test } from "node:test";
import type { SessionStore } from "../session-store.ts";

/** What the contract needs of a store: `open` gives one on the same ground each time. */
export interface StoreUnderTest {
  open(): SessionStore;
  remove(): Promise<void> | void;
}

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

function content(records: ReadonlyMap<string, Uint8Array>): [string, number[]][] {
  return [...records]
    .map(([key, value]): [string, number[]] => [key, [...value]])
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

/** Runs the tests that every `SessionStore` has to pass. */
export function sessionStoreContract(name: string, make: () => StoreUnderTest): void {
  test(`${name}: a new store keeps nothing`, async () => {
    const ground = make();
    const store = ground.open();
    assert.equal((await store.open()).size, 0);
    await store.close();
    await ground.remove();
  });

  test(`${name}: what was written is there after the next open, in its last state`, async () => {
    const ground = make();
    const first = ground.open();
    await first.open();
    await first.write([
      { key: "a", value: bytes(1) },
      { key: "b", value: bytes(2, 3) },
      { key: "empty", value: bytes() },
      { key: "gone", value: bytes(4) },
      { key: "gone", value: undefined },
    ]);
    await first.write([
      { key: "a", value: bytes(9) },
      { key: "b", value: undefined },
      { key: "never there", value: undefined },
      { key: "back", value: undefined },
      { key: "back", value: bytes(5) },
    ]);
    await first.close();
    const second = ground.open();
    assert.deepEqual(content(await second.open()), [
      ["a", [9]],
      ["back", [5]],
      ["empty", []],
    ]);
    await second.close();
    await ground.remove();
  });

  test(`${name}: values are whole, of any size, and not those of the caller`, async () => {
    const ground = make();
    const first = ground.open();
    await first.open();
    const large = Uint8Array.from({ length: 300_000 }, (_, index) => index & 0xff);
    // A view of a part of a buffer is that part alone.
    await first.write([{ key: "large", value: large.subarray(1, 299_999) }]);
    await first.close();
    const second = ground.open();
    const kept = (await second.open()).get("large");
    assert.deepEqual(kept, large.slice(1, 299_999));
    await second.close();
    await ground.remove();
  });

  test(`${name}: thousands of changes later it keeps what counts`, async () => {
    const ground = make();
    const first = ground.open();
    await first.open();
    for (let round = 0; round < 60; round++) {
      const changes = Array.from({ length: 50 }, (_, index) => ({
        key: `k${index}`,
        value: new Uint8Array(1000).fill(round),
      }));
      await first.write([...changes, { key: `k${round % 50}`, value: undefined }]);
    }
    await first.close();
    const second = ground.open();
    const records = await second.open();
    assert.equal(records.size, 49);
    for (const value of records.values()) assert.equal(value[999], 59);
    await second.close();
    await ground.remove();
  });

  test(`${name}: close can be called again`, async () => {
    const ground = make();
    const store = ground.open();
    await store.open();
    await store.close();
    await store.close();
    await ground.remove();
  });
}
