import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../spelling.test-support.ts";
import { TestBroker } from "../test-broker.test-support.ts";
import { Answer } from "../testing/index.ts";
import type { Hooks } from "./hooks.ts";

/** How a hook fails, with what is counted and logged of it. */
const failures = {
  throws: {
    answer: (): never => {
      throw new Error("broken");
    },
    counter: "hookErrors",
    event: "hook-failed",
    told: { error: "broken" },
  },
  rejects: {
    answer: ({ process }: TestBroker) =>
      Answer.after(process, 500, (): never => {
        throw new Error("broken");
      }),
    counter: "hookErrors",
    event: "hook-failed",
    told: { error: "broken" },
  },
  "never answers": {
    answer: ({ process }: TestBroker) => new Answer<never>(process),
    counter: "hookTimeouts",
    event: "hook-timed-out",
    told: { timeoutMs: 2000 },
  },
} as const;

/** What makes the broker ask each hook about the client `c`, which comes from 192.0.2.1. */
const occasions: Readonly<
  Record<Exclude<keyof Hooks, "confirmWill" | "answers">, (broker: TestBroker) => void>
> = {
  authorizeConnection: (broker) => broker.dial().sendConnect("c"),
  authorizeConnect: (broker) => broker.dial().sendConnect("c"),
  authorizePublish: (broker) => broker.connect("c").sendPublish("a", "x"),
  publish: (broker) => broker.connect("c").sendPublish("a", "x"),
  authorizeSubscribe: (broker) => broker.connect("c").sendSubscribe([["a", 0]]),
  authorizeDelivery: (broker) => {
    broker.connect("c").subscribe("a");
    broker.connect("other").sendPublish("a", "x");
  },
};

for (const [hook, ask] of Object.entries(occasions)) {
  for (const [how, { answer, counter, event, told }] of Object.entries(failures)) {
    test(`${hook} that ${how} is counted once, and one line names it and the client`, () => {
      const broker = new TestBroker({
        settings: { limits: { hookTimeout: 2000 } },
        hooks: (self) => ({ [hook]: () => answer(self) }),
      });
      ask(broker);
      broker.advance(3000);
      const { hookErrors, hookTimeouts } = broker.engine.counters;
      assert.deepEqual(
        { hookErrors, hookTimeouts },
        { hookErrors: 0, hookTimeouts: 0, [counter]: 1 },
      );
      // Before CONNECT there is no Client Identifier, and of a session no address.
      const isKnown = hook !== "authorizeConnection";
      const hasAddress = hook !== "authorizeDelivery" || how === "throws";
      assert.deepEqual(broker.logged(event), [
        {
          level: "error",
          event,
          fields: {
            hook,
            ...(isKnown && { clientId: "c" }),
            ...(hasAddress && { address: "192.0.2.1" }),
            ...told,
          },
        },
      ]);
    });
  }
}

test("confirmWill that throws is counted, and its line names the client that is gone", () => {
  const broker = new TestBroker({ hooks: { confirmWill: failures.throws.answer } });
  const will = { topicName: "w", payload: utf8("x"), qos: 0, retain: false } as const;
  broker.connect("c", 4, { will }).drop();
  assert.equal(broker.engine.counters.hookErrors, 1);
  assert.deepEqual(
    broker.logged("hook-failed").map(({ fields }) => fields),
    [{ hook: "confirmWill", clientId: "c", error: "broken" }],
  );
});

test("a promise that rejects when its time has passed is not counted a second time", () => {
  const broker = new TestBroker({
    settings: { limits: { hookTimeout: 2000 } },
    hooks: ({ process }) => ({
      authorizeDelivery: () =>
        Answer.after(process, 5000, (): never => {
          throw new Error("broken");
        }),
    }),
  });
  broker.connect("c").subscribe("a");
  broker.connect("other").sendPublish("a", "x");
  broker.advance(10_000);
  const { hookErrors, hookTimeouts } = broker.engine.counters;
  assert.deepEqual({ hookErrors, hookTimeouts }, { hookErrors: 0, hookTimeouts: 1 });
});

test("a hook that fails at every PUBLISH of a flood is counted each time, and logged once in ten seconds with the number of the others", () => {
  const broker = new TestBroker({ hooks: { authorizePublish: failures.throws.answer } });
  const client = broker.connect("c");
  for (let i = 0; i < 50; i++) client.sendPublish("a", "x");
  broker.settle();
  assert.equal(broker.engine.counters.hookErrors, 50);
  assert.equal(broker.logged("hook-failed").length, 1);
  broker.advance(10_000);
  client.sendPublish("a", "x");
  broker.settle();
  assert.equal(broker.logged("hook-failed")[1]?.fields["unsaid"], 49);
});
