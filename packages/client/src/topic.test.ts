import assert from "node:assert/strict";
import { test } from "node:test";
import type { PayloadCodec } from "./codec.ts";
import { textCodec } from "./codec.ts";
import type { StandardSchema } from "./standard-schema.ts";
import { FakeServer } from "./testing/fake-server.ts";
import type { TopicParameterNames } from "./topic.ts";
import { topic } from "./topic.ts";

/** A schema as a library makes it: a number, which comes out rounded and as text. */
const reading: StandardSchema<number, string> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof value === "number"
        ? { value: value.toFixed(0) }
        : { issues: [{ message: "expected a number", path: ["reading", { key: 0 }] }] },
  },
};

/** The same, that answers with a promise. */
const slowReading: StandardSchema<number, string> = {
  "~standard": {
    ...reading["~standard"],
    validate: (value) => Promise.resolve(reading["~standard"].validate(value)),
  },
};

const temperature = topic("sensors/:site/:id/temperature", reading);

test("a typed topic knows its Topic Filter, makes Topic Names and reads them", () => {
  assert.equal(temperature.topicFilter, "sensors/+/+/temperature");
  const topicName = temperature.topicName({ site: "north", id: 7 });
  assert.equal(topicName, "sensors/north/7/temperature");
  assert.deepEqual(temperature.params(topicName), { site: "north", id: "7" });
  assert.equal(temperature.params("sensors/north/7/humidity"), undefined);
});

for (const [what, site] of [
  ["is empty", ""],
  ["is two levels", "a/b"],
  ["is a wildcard", "+"],
] as const) {
  test(`a parameter that ${what} is a mistake`, () => {
    assert.throws(() => temperature.topicName({ site, id: 1 }), {
      name: "UsageError",
      code: "ERR_TOPIC_NAME",
    });
  });
}

for (const pattern of ["a/:x/:x", "a/:", "a/+", ""]) {
  test(`${JSON.stringify(pattern)} is no pattern`, () => {
    assert.throws(() => topic(pattern, reading), { name: "UsageError", code: "ERR_TOPIC_NAME" });
  });
}

for (const [what, schema] of [
  ["at once", reading],
  ["with a promise", slowReading],
] as const) {
  test(`what a schema validates ${what} goes from publisher to handler; what it refuses is not sent, and not handed out`, async () => {
    const server = new FakeServer();
    const errors: unknown[] = [];
    const client = await server.connect({ onError: (error) => errors.push(error) });
    const typed = topic("sensors/:site/:id/temperature", schema);
    const seen: unknown[] = [];
    const subscribed = client.subscribe(
      typed,
      ({ params, value, message }) => void seen.push([params.site, value, message.qos]),
      { qos: 1 },
    );
    await server.world.settle();
    await subscribed;
    assert.equal(
      server.connection.of("subscribe")[0]?.subscriptions[0]?.topicFilter,
      "sensors/+/+/temperature",
    );
    const published = client.publish(typed, { site: "north", id: 7 }, 20.6, { qos: 1 });
    await server.world.settle();
    await published;
    const [sent] = server.connection.of("publish");
    assert.equal(sent?.topicName, "sensors/north/7/temperature");
    assert.equal(new TextDecoder().decode(sent?.payload), "20.6");
    assert.equal(sent?.properties?.contentType, "application/json");
    await assert.rejects(client.publish(typed, { site: "a", id: 1 }, "warm" as never), {
      code: "ERR_PAYLOAD_INVALID",
      message: /reading\.0: expected a number/,
    });
    assert.equal(server.connection.of("publish").length, 1);
    for (const [index, payload] of ["20.6", '"warm"', "{"].entries()) {
      server.connection.publish("sensors/north/7/temperature", payload, {
        qos: 1,
        packetIdentifier: index + 1,
      });
    }
    await server.world.settle();
    assert.deepEqual(seen, [["north", "21", 1]]);
    assert.deepEqual(
      server.connection.of("puback").map((packet) => packet.reasonCode ?? 0),
      [0, 0x99, 0x99],
    );
    assert.equal(errors.length, 2);
  });
}

test("a loop over a typed topic gets what is valid; what is not is refused and told, and each is acknowledged when it is done", async () => {
  const server = new FakeServer();
  const errors: unknown[] = [];
  const client = await server.connect({ onError: (error) => errors.push(error) });
  const subscribed = client.subscribe(temperature, { qos: 1 });
  await server.world.settle();
  const subscription = await subscribed;
  const seen: unknown[] = [];
  const loop = (async () => {
    for await (const { params, value } of subscription) {
      seen.push([params.id, value, server.connection.of("puback").length]);
      if (seen.length === 2) break;
    }
  })();
  for (const [index, payload] of ["1", "x", "2"].entries())
    server.connection.publish("sensors/a/7/temperature", payload, {
      qos: 1,
      packetIdentifier: index + 1,
    });
  server.connection.publish("sensors/a/8/temperature", "x");
  await server.world.settle();
  await loop;
  await server.world.settle();
  assert.deepEqual(seen, [
    ["7", "1", 0],
    ["7", "2", 0],
  ]);
  assert.deepEqual(
    server.connection.of("puback").map((packet) => packet.reasonCode ?? 0),
    [0, 0x99, 0],
  );
  assert.equal(errors.length, 1);
  assert.equal(subscription.isEnded, false);
});

test("a topic takes another codec", async () => {
  const anything: StandardSchema<string> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => ({ value: value as string }),
    },
  };
  const plain = topic("t", anything, { codec: textCodec as PayloadCodec });
  assert.equal(await plain.encode("on"), "on");
  assert.equal(plain.decode(Uint8Array.of(0x6f, 0x66, 0x66)), "off");
});

test("the compiler knows parameters and values", () => {
  const names: TopicParameterNames<"a/:b/c/:d">[] = ["b", "d"];
  assert.equal(names.length, 2);
  // Never run: what is wrong here the compiler has to find.
  const never = async (server: FakeServer): Promise<void> => {
    const client = await server.connect();
    await client.publish(temperature, { site: "a", id: 1 }, 1);
    // @ts-expect-error a parameter is missing
    await client.publish(temperature, { site: "a" }, 1);
    // @ts-expect-error no such parameter
    await client.publish(temperature, { site: "a", id: 1, room: "b" }, 1);
    // @ts-expect-error the value is no number
    await client.publish(temperature, { site: "a", id: 1 }, "warm");
    // @ts-expect-error a plain publish takes no object
    await client.publish("t", { a: 1 });
    await client.subscribe(temperature, ({ params, value }) => {
      const site: string = params.site;
      const text: string = value;
      // @ts-expect-error no such parameter
      const room: string = params.room;
      // @ts-expect-error the value comes out as text
      const number: number = value;
      return [site, text, room, number];
    });
  };
  assert.equal(typeof never, "function");
});
