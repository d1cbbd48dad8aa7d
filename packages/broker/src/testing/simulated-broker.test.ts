import assert from "node:assert/strict";
import { test } from "node:test";
import { EventScheduler } from "./event-scheduler.ts";
import { FaultMedium, FaultStore } from "./fault-store.ts";
import { Chance } from "./random.ts";
import { RawClient } from "./raw-client.ts";
import { simulatedBroker } from "./simulated-broker.ts";

const WEEK_S = 7 * 24 * 3600;

function world(): {
  events: EventScheduler;
  open(client: RawClient, options: { cleanStart: boolean; sessionExpiryInterval?: number }): void;
} {
  const chance = Chance.ofSeed(1);
  const events = new EventScheduler(chance.random);
  const broker = simulatedBroker(events, chance);
  const clients = events.process("clients");
  return {
    events,
    open: (client, options) => {
      client.connect(broker.link(clients), { keepAlive: 0, ...options });
      events.settle();
    },
  };
}

for (const [what, seconds, isPresent] of [
  ["a second before", WEEK_S - 1, true],
  ["a second after", WEEK_S + 1, false],
] as const) {
  test(`a Session Expiry Interval of a week is one advance: ${what} its end the session is ${isPresent ? "there" : "gone"}`, () => {
    const { events, open } = world();
    const client = new RawClient("lamp", 5);
    open(client, { cleanStart: true, sessionExpiryInterval: WEEK_S });
    client.subscribe([{ topicFilter: "a/#", qos: 1 }], undefined);
    events.settle();
    client.disconnect(false);
    events.advance(seconds * 1000);
    open(client, { cleanStart: false, sessionExpiryInterval: WEEK_S });
    const publisher = new RawClient("switch", 4);
    open(publisher, { cleanStart: true });
    publisher.publish({ topicName: "a/b", payload: "on", qos: 1, retain: false });
    events.settle();
    assert.deepEqual(client.received, isPresent ? ["1 a/b on"] : []);
  });
}

test("a raw client hands a repeated QoS 2 message on once", () => {
  const { events, open } = world();
  const client = new RawClient("lamp", 4);
  open(client, { cleanStart: false });
  client.subscribe([{ topicFilter: "a", qos: 2 }], undefined);
  events.settle();
  client.isWithholding = true;
  const publisher = new RawClient("switch", 4);
  open(publisher, { cleanStart: true });
  publisher.publish({ topicName: "a", payload: "on", qos: 2, retain: false });
  events.settle();
  // Its PUBREC never left: the broker sends the message again.
  client.link?.cut(true);
  events.settle();
  client.isWithholding = false;
  open(client, { cleanStart: false });
  assert.deepEqual(client.received, ["2 a on"]);
});

test("a broker that crashed goes on where it was, on what its store kept", () => {
  const chance = Chance.ofSeed(1);
  const events = new EventScheduler(chance.random);
  const clients = events.process("clients");
  const medium = new FaultMedium();
  const start = (): { broker: ReturnType<typeof simulatedBroker>; store: FaultStore } => {
    const process = events.process("broker");
    const store = new FaultStore(process, chance, medium);
    const broker = simulatedBroker(events, chance, { process, store });
    events.settle();
    return { broker, store };
  };
  const open = (client: RawClient, broker: ReturnType<typeof simulatedBroker>): void => {
    client.connect(broker.link(clients), { cleanStart: false, keepAlive: 0 });
    events.settle();
  };
  const lamp = new RawClient("lamp", 4);
  const life = start();
  open(lamp, life.broker);
  lamp.subscribe([{ topicFilter: "a", qos: 1 }], undefined);
  events.settle();
  lamp.disconnect(false);
  const button = new RawClient("button", 4);
  open(button, life.broker);
  button.publish({ topicName: "a", payload: "on", qos: 1, retain: false });
  events.settle();
  assert.equal(button.outgoing.size, 0);

  life.broker.crash();
  life.store.crash();
  events.settle();
  assert.equal(button.isConnected, false);
  // Nobody listens until the next one is up.
  open(lamp, life.broker);
  assert.equal(lamp.isConnected, false);

  const next = start();
  assert.ok(next.broker.isListening);
  open(lamp, next.broker);
  assert.deepEqual(lamp.received, ["1 a on"]);
});
