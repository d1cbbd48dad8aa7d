import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bus, Envelope, Position } from "../engine/ports.ts";

/** A bus of one kind, for one test. */
export interface BusHarness {
  /** Of the node "here". */
  readonly bus: Bus;
  /** Of the node "there", where the bus carries anything. */
  readonly there?: Bus | undefined;
  /** Lets events happen until `condition` holds. @throws where it never does. */
  readonly until: (condition: () => boolean) => Promise<void>;
}

/** What a bus under test sends: from the node "here" to the node "there". */
function envelope(number: number): Envelope {
  return {
    from: "here",
    to: "there",
    number,
    event: { type: "filter", topicFilter: `a/${number}`, isAdded: true },
  };
}

/**
 * The contract of `Bus`, as tests.
 *
 * @param carries  There is a node "there", which hears what the node "here" sends.
 */
export function busContract(
  kind: string,
  harness: () => BusHarness | Promise<BusHarness>,
  carries: boolean = false,
): void {
  /** Takes everything at once. */
  const take = ({ there }: BusHarness): void => {
    if (there !== undefined) there.onEnvelope = (_envelope, taken) => taken();
  };

  test(`${kind} bus: positions never fall, and durable reaches each that was given`, async () => {
    const under = await harness();
    take(under);
    const { bus, until } = under;
    let last: Position = 0;
    for (let i = 1; i <= 10; i += 1) {
      const position = bus.send(envelope(i));
      assert.ok(position === 0 || position >= last);
      last = Math.max(last, position);
    }
    let before = bus.durable;
    await until(() => {
      assert.ok(bus.durable >= before, "durable fell");
      before = bus.durable;
      return bus.durable >= last;
    });
  });

  test(`${kind} bus: onDurable tells after durable rose, never from inside send`, async () => {
    const under = await harness();
    take(under);
    const { bus, until } = under;
    let isSending = false;
    let inside = false;
    const told: Position[] = [];
    bus.onDurable = () => {
      inside ||= isSending;
      told.push(bus.durable);
    };
    isSending = true;
    const position = bus.send(envelope(1));
    isSending = false;
    await until(() => bus.durable >= position && (position === 0 || told.length > 0));
    assert.equal(inside, false);
    assert.ok(position === 0 || told.at(-1) === position);
  });

  test(`${kind} bus: a node does not hear its own envelopes`, async () => {
    const under = await harness();
    take(under);
    const { bus, until } = under;
    let heard = 0;
    bus.onEnvelope = () => {
      heard += 1;
    };
    const position = bus.send(envelope(1));
    await until(() => bus.durable >= position);
    assert.equal(heard, 0);
  });

  if (carries) {
    test(`${kind} bus: what a node sends arrives in its order; only repeats come later than they should`, async () => {
      const { bus, there, until } = await harness();
      const heard: number[] = [];
      const taken: (() => void)[] = [];
      let highest = 0;
      there!.onEnvelope = ({ number }, done) => {
        assert.ok(number <= highest + 1, `${number} after ${highest}`);
        if (number > highest) heard.push((highest = number));
        taken.push(done);
      };
      for (let i = 1; i <= 50; i += 1) bus.send(envelope(i));
      await until(() => heard.length === 50);
      assert.equal(bus.durable, 0, "it was called durable before it was taken");
      for (const done of taken) done();
      await until(() => bus.durable > 0);
    });
  }

  test(`${kind} bus: close settles`, async () => {
    const { bus, until } = await harness();
    let isClosed = false;
    void bus.close().then(() => {
      isClosed = true;
    });
    await until(() => isClosed);
  });
}
