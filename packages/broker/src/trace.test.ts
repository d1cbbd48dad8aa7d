import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "@sericite/client";
import { createBroker } from "./broker.ts";
import type { TraceOptions } from "./engine/packet-trace.ts";
import { packetText } from "./engine/packet-text.ts";

test("a trace of one client tells each of its packets, both ways, from CONNECT on, and of nobody else; no secret and no payload is in it", async () => {
  await using broker = await createBroker();
  const { url } = await broker.listen({ port: 0 });
  const told: string[] = [];
  const trace = broker.trace({ clientId: "pump" }, ({ direction, packet }) =>
    told.push(`${direction} ${packet}`),
  );
  const options = { reconnect: false as const, username: "u", password: "hunter2", keepAlive: 60 };
  const pump = await connect(url, { ...options, clientId: "pump" });
  const other = await connect(url, { ...options, clientId: "other" });
  await pump.publish("a/b", "payload-1", {
    qos: 1,
    properties: {
      userProperties: [
        ["token", "t-1"],
        ["unit", "bar"],
      ],
    },
  });
  await other.publish("a/b", "payload-1", { qos: 1 });
  await pump.disconnect();
  await other.disconnect();
  assert.deepEqual(
    told.map((line) => line.split(" ").slice(0, 2).join(" ")),
    ["received CONNECT", "sent CONNACK", "received PUBLISH", "sent PUBACK", "received DISCONNECT"],
  );
  assert.match(told[0]!, /clientId="pump" .*keepAlive=60 username="u" password=\(hidden\)/);
  assert.match(
    told[2]!,
    /topicName="a\/b" payload=\(9 bytes\) qos=1 .*"token": \(hidden\), "unit": "bar"/,
  );
  assert.doesNotMatch(told.join("\n"), /hunter2|payload-1|t-1/);

  trace.remove();
  assert.equal(broker.engine.trace, undefined);
  await (await connect(url, { ...options, clientId: "pump" })).disconnect();
  assert.equal(told.length, 5);
});

test("a trace of one topic tells its PUBLISH packets of every client, under Topic Aliases too; begun while they are connected", async () => {
  await using broker = await createBroker();
  const { url } = await broker.listen({ port: 0 });
  const subscriber = await connect(url, { clientId: "s", reconnect: false, topicAliasMaximum: 10 });
  const publisher = await connect(url, { clientId: "p", reconnect: false });
  const taken: string[] = [];
  await subscriber.subscribe("#", ({ topicName }) => void taken.push(topicName), { qos: 1 });
  await publisher.publish("long/enough/1", "x", { qos: 1 });
  const told: string[] = [];
  using _trace = broker.trace({ topicFilter: "long/#" }, ({ direction, clientId }) =>
    told.push(`${direction} ${clientId}`),
  );
  await publisher.publish("long/enough/1", "x", { qos: 1 });
  await publisher.publish("other/enough", "x", { qos: 1 });
  await publisher.publish("long/enough/1", "x", { qos: 1 });
  while (taken.length < 4) await new Promise(setImmediate);
  assert.deepEqual(told, ["received p", "sent s", "received p", "sent s"]);
  for (const client of [subscriber, publisher]) await client.disconnect();
});

test("a listener of a trace that throws hurts nobody, and is counted", async () => {
  await using broker = await createBroker();
  const { url } = await broker.listen({ port: 0 });
  using _trace = broker.trace({ clientId: "c" }, () => {
    throw new Error("of the listener");
  });
  await (await connect(url, { clientId: "c", reconnect: false })).disconnect();
  assert.ok(broker.counters.listenerErrors >= 2);
});

for (const [options, code] of [
  [{}, "ERR_USAGE"],
  [{ topic: "a" }, "ERR_USAGE"],
  [{ topicFilter: "a/#/b" }, "ERR_TOPIC_FILTER"],
  [{ topicFilter: "$share/g/a" }, "ERR_TOPIC_FILTER"],
] as const) {
  test(`a trace of ${JSON.stringify(options)} is refused`, async () => {
    await using broker = await createBroker();
    assert.throws(() => broker.trace(options as TraceOptions), { code });
  });
}

test("the text of a packet shows nested fields, codes in hex, and binary values by their length", () => {
  const willed = packetText({
    type: "connect",
    protocolVersion: 5,
    clientId: "c\n",
    cleanStart: true,
    keepAlive: 0,
    will: { topicName: "w", payload: new Uint8Array(3), qos: 1, retain: false },
    properties: { authenticationMethod: "M", authenticationData: new Uint8Array([1]) },
  });
  assert.equal(
    willed,
    'CONNECT protocolVersion=5 clientId="c\\n" cleanStart keepAlive=0 will={topicName="w" payload=(3 bytes) qos=1} authenticationMethod="M" authenticationData=(hidden)',
  );
  assert.equal(
    packetText({ type: "suback", packetIdentifier: 1, reasonCodes: [0, 0x87] }),
    "SUBACK packetIdentifier=1 reasonCodes=[0x00, 0x87]",
  );
});
