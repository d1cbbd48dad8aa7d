import assert from "node:assert/strict";
import { test } from "node:test";
import { createBroker } from "./broker.ts";

const text = (payload: Uint8Array): string => Buffer.from(payload).toString();

test("a handler gets what is published within the process, at every QoS, and ends with unsubscribe", async () => {
  await using broker = await createBroker();
  const seen: string[] = [];
  const all = deferred();
  const subscription = await broker.subscribe(
    "a/#",
    (message) => {
      seen.push(`${message.topicName} ${text(message.payload)}`);
      if (seen.length === 3) all.resolve();
    },
    { qos: 2 },
  );
  for (const qos of [0, 1, 2] as const) {
    assert.deepEqual(await broker.publish(`a/${qos}`, "x", { qos }), { sessions: 1 });
  }
  await all.promise;
  assert.deepEqual(seen, ["a/0 x", "a/1 x", "a/2 x"]);
  await subscription.unsubscribe();
  assert.deepEqual(await broker.publish("a/1", "late", { qos: 1 }), { sessions: 0 });
  assert.equal(broker.gauges.sessions, 0, "no session is left behind");
});

test("the handler's promise is the acknowledgement", async () => {
  await using broker = await createBroker();
  const entered = deferred();
  const leave = deferred();
  const subscription = await broker.subscribe(
    "a",
    async () => {
      entered.resolve();
      await leave.promise;
    },
    { qos: 1, clientId: "worker" },
  );
  await broker.publish("a", "x", { qos: 1 });
  await entered.promise;
  assert.equal((await broker.client("worker"))?.inFlight, 1);
  leave.resolve();
  while ((await broker.client("worker"))?.inFlight !== 0) await new Promise(setImmediate);
  await subscription.close();
});

test("a named session keeps what is published while nobody is subscribed, and hands it over in order", async () => {
  await using broker = await createBroker();
  const options = { qos: 1, clientId: "worker", sessionExpiryInterval: 60 } as const;
  const first = await broker.subscribe("jobs/#", () => undefined, options);
  await first.close();
  for (const job of ["1", "2", "3"]) await broker.publish(`jobs/${job}`, job, { qos: 1 });
  assert.equal((await broker.client("worker"))?.queued, 3);
  const seen: string[] = [];
  const done = deferred();
  await using _again = await broker.subscribe(
    "jobs/#",
    (message) => {
      seen.push(text(message.payload));
      if (seen.length === 3) done.resolve();
    },
    options,
  );
  await done.promise;
  assert.deepEqual(seen, ["1", "2", "3"]);
});

test("without a handler `for await` takes the messages; a named session needs a handler", async () => {
  await using broker = await createBroker();
  await broker.publish("kept", "r", { retain: true });
  const subscription = await broker.subscribe("kept");
  for await (const message of subscription) {
    assert.equal(message.retain, true);
    assert.equal(text(message.payload), "r");
    break;
  }
  await subscription.unsubscribe();
  await assert.rejects(broker.subscribe("kept", { clientId: "named" }), { code: "ERR_USAGE" });
});

test("a filter that is refused rejects, and leaves no session behind", async () => {
  await using broker = await createBroker();
  await assert.rejects(broker.subscribe("a/#/b", () => undefined));
  while (broker.gauges.sessions > 0) await new Promise(setImmediate);
});

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
