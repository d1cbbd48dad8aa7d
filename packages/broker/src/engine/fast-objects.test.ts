import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { createSettings, liveChanges } from "../settings.ts";
import { TestBroker } from "../test-broker.test-support.ts";

/*
 * What is looked at for every message has to be an object whose properties V8 finds by their place. One that
 * gets more than a dozen properties by computed names, one after the other, becomes a table in which each look
 * is a search: 5 % of a busy broker's time were such searches for counters and limits.
 */

setFlagsFromString("--allow-natives-syntax");
// The only way to ask V8: its syntax is none of the language, so it cannot stand in this file as it is.
// oxlint-disable-next-line typescript/no-implied-eval
const isFast = new Function("object", "return %HasFastProperties(object)") as (
  object: object,
) => boolean;

test("an object that is filled by computed names is a slow one, as far as this can tell", () => {
  const slow: Record<string, number> = {};
  for (let index = 0; index < 60; index++) slow[`key${index}`] = 0;
  assert.equal(isFast(slow), false);
});

test("what a message passes is fast: engine, counters, settings, connection, session, queue", () => {
  const broker = new TestBroker();
  const { engine } = broker;
  const receiver = broker.connect("r");
  receiver.subscribe("#");
  // Those of another version go through the queue.
  const publishers = [broker.connect("p"), broker.connect("p4", 4)];
  for (let index = 0; index < 100; index++)
    for (const publisher of publishers) publisher.sendPublish("a", "x");
  broker.settle();
  assert.equal(receiver.takePublishes().length, 200);
  const session = engine.sessions.get("r")!;
  const connection = session.connection!;
  assert.ok(session.queue !== undefined);
  const objects: Record<string, object> = {
    engine,
    counters: engine.counters,
    drops: engine.drops,
    hooks: engine.hooks,
    connection,
    intake: connection.intake,
    parser: connection.intake.parser,
    sender: connection.sender,
    session,
    queue: session.queue,
    settings: engine.settings,
  };
  for (const [section, values] of Object.entries<object>({ ...engine.settings }))
    objects[`settings.${section}`] = values;
  const slow = Object.keys(objects).filter((name) => !isFast(objects[name]!));
  assert.deepEqual(slow, []);
});

test("settings that a running broker takes are fast too", () => {
  const current = createSettings();
  const { next } = liveChanges(current, createSettings({ limits: { connections: 5 } }));
  const sections = Object.entries<object>({ ...next });
  assert.deepEqual(
    sections.filter(([, section]) => !isFast(section)).map(([name]) => name),
    [],
  );
});
