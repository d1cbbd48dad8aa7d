import assert from "node:assert/strict";
import { test } from "node:test";
import { TestBroker } from "../test-broker.test-support.ts";
import type { Hooks } from "./hooks.ts";

/** A broker with hooks that note what they are asked, and say no to what is in `denied`. */
function asked(answers: object | undefined) {
  const questions: string[] = [];
  const denied = new Set<string>();
  const say = (question: string): boolean => {
    questions.push(question);
    return !denied.has(question);
  };
  const hooks: Hooks = {
    authorizePublish: ({ clientId }, { topicName }) => say(`${clientId} publishes ${topicName}`),
    authorizeDelivery: ({ clientId }, { topicName }) => say(`${clientId} gets ${topicName}`),
    answers,
  };
  const broker = new TestBroker({ hooks: () => hooks });
  const receiver = broker.connect("r");
  receiver.subscribe("#");
  const publisher = broker.connect("p");
  /** What was asked about a publish, and whether it came. */
  const publish = (topicName: string): string[] => {
    publisher.sendPublish(topicName, "x");
    broker.settle();
    const came = receiver.takePublishes().map(() => "came");
    return [...questions.splice(0), ...came];
  };
  return { hooks, denied, publish };
}

test("a yes is asked for each time without `answers`, and with them once for a Topic Name while it is remembered", () => {
  const each = asked(undefined);
  const once = asked({});
  const all = ["p publishes a", "r gets a", "came"];
  assert.deepEqual(each.publish("a"), all);
  assert.deepEqual(each.publish("a"), all);
  assert.deepEqual(once.publish("a"), all);
  assert.deepEqual(once.publish("a"), ["came"]);
  assert.deepEqual(once.publish("b"), ["p publishes b", "r gets b", "came"]);
  // A publisher's last one, and many of a receiver's.
  assert.deepEqual(once.publish("a"), ["p publishes a", "came"]);
  for (let i = 0; i < 200; i++) once.publish(`more/${i}`);
  assert.deepEqual(once.publish("a"), all);
});

test("other `answers` make all be asked anew, for what is published and for what is delivered", () => {
  const { hooks, denied, publish } = asked({});
  publish("a");
  denied.add("r gets a");
  assert.deepEqual(publish("a"), ["came"]);
  hooks.answers = {};
  assert.deepEqual(publish("a"), ["p publishes a", "r gets a"]);
  denied.add("p publishes a");
  hooks.answers = {};
  assert.deepEqual(publish("a"), ["p publishes a"]);
  denied.clear();
  hooks.answers = undefined;
  assert.deepEqual(publish("a"), ["p publishes a", "r gets a", "came"]);
  assert.deepEqual(publish("a"), ["p publishes a", "r gets a", "came"]);
});

test("a no is asked for each time", () => {
  const { denied, publish } = asked({});
  denied.add("p publishes a");
  for (let times = 0; times < 2; times++) assert.deepEqual(publish("a"), ["p publishes a"]);
  denied.clear();
  assert.deepEqual(publish("a"), ["p publishes a", "r gets a", "came"]);
});
