import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bus, Envelope, Position } from "../engine/ports.ts";

/** A bus of one kind, for one test. */
export interface BusHarness {
  readonly bus: Bus;
  /** Lets events happen until `condition` holds. @throws where it never does. */
  readonly until: (condition: () => boolean) => Promise<void>;
}

function envelope(number: number): Envelope {
  return {
    message: {
      number,
      topicName: "a/b",
      payload: Uint8Array.of(number),
      qos: 1,
      retain: false,
      properties: new Uint8Array(),
      publisher: "sensor",
      expiresAt: Infinity,
    },
    node: undefined,
  };
}

/** The contract of `Bus` towards its sender, as tests. */
export function busContract(kind: string, harness: () => BusHarness | Promise<BusHarness>): void {
  test(`${kind} bus: positions never fall, and durable reaches each that was given`, async () => {
    const { bus, until } = await harness();
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
    const { bus, until } = await harness();
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
    const { bus, until } = await harness();
    let heard = 0;
    bus.onEnvelope = () => {
      heard += 1;
    };
    const position = bus.send(envelope(1));
    await until(() => bus.durable >= position);
    assert.equal(heard, 0);
  });

  test(`${kind} bus: close settles`, async () => {
    const { bus, until } = await harness();
    let isClosed = false;
    void bus.close().then(() => {
      isClosed = true;
    });
    await until(() => isClosed);
  });
}
