import assert from "node:assert/strict";
import { test } from "node:test";
import type { Claim, Ownership } from "../engine/ports.ts";

/** Ownership of one kind, for one test. */
export interface OwnershipHarness {
  readonly ownership: Ownership;
  /** Lets what is under way happen. */
  readonly quiet: () => Promise<void>;
}

/** The contract of `Ownership` for its only claimant, as tests. */
export function ownershipContract(
  kind: string,
  harness: () => OwnershipHarness | Promise<OwnershipHarness>,
): void {
  /** Claims and waits, with a promise of the platform's: another may settle through events only. */
  const claim = async (
    { ownership, quiet }: OwnershipHarness,
    clientId: string,
  ): Promise<Claim> => {
    const answer = Promise.resolve(ownership.claim(clientId));
    await quiet();
    return answer;
  };

  test(`${kind} ownership: the epoch rises with each claim of a Client Identifier`, async () => {
    const under = await harness();
    let last = 0;
    for (let i = 0; i < 20; i += 1) {
      const { epoch } = await claim(under, "sensor");
      assert.ok(epoch > last, `epoch ${epoch} after ${last}`);
      last = epoch;
    }
  });

  test(`${kind} ownership: the epoch goes on rising after a release`, async () => {
    const under = await harness();
    const first = await claim(under, "sensor");
    under.ownership.release("sensor", first);
    const second = await claim(under, "sensor");
    assert.ok(second.epoch > first.epoch);
  });

  test(`${kind} ownership: names are claimed independently`, async () => {
    const under = await harness();
    const one = await claim(under, "one");
    const other = await claim(under, "other");
    under.ownership.release("one", one);
    assert.ok((await claim(under, "other")).epoch > other.epoch);
  });

  test(`${kind} ownership: what a store gave back is owned, and claimed above its epoch`, async () => {
    const under = await harness();
    assert.deepEqual(under.ownership.restore("sensor", 500), { epoch: 500 });
    assert.deepEqual(under.ownership.restore("other", 20), { epoch: 20 });
    assert.ok((await claim(under, "sensor")).epoch > 500);
    assert.ok((await claim(under, "other")).epoch > 20);
  });

  test(`${kind} ownership: a release with an old claim changes nothing`, async () => {
    const under = await harness();
    const old = await claim(under, "sensor");
    const present = await claim(under, "sensor");
    under.ownership.release("sensor", old);
    assert.ok((await claim(under, "sensor")).epoch > present.epoch);
  });
}
