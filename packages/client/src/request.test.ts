import type { PublishPacket } from "@sericite/protocol";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "./message.ts";
import type { ClientOptions } from "./options.ts";
import { FakeServer } from "./testing/fake-server.ts";

async function connected(options: ClientOptions = {}) {
  const server = new FakeServer();
  const client = await server.connect(options);
  /** The newest PUBLISH that came, answered on its Response Topic. */
  const respond = (payload: string, more: Partial<PublishPacket["properties"]> = {}): void => {
    const { responseTopic, correlationData } = server.connection.of("publish").at(-1)!.properties!;
    server.connection.publish(responseTopic!, payload, {
      qos: 1,
      packetIdentifier: 100,
      properties: { correlationData, ...more },
    });
  };
  return { server, client, world: server.world, respond };
}

test("a request goes with Response Topic, Correlation Data and its deadline, and settles with its response", async () => {
  const { server, client, world, respond } = await connected();
  const asked = client.request("clock/now", "?", { timeoutMs: 1500 });
  await world.settle();
  const [subscribe] = server.connection.of("subscribe");
  assert.equal(subscribe?.subscriptions[0]?.topicFilter, "responses/c");
  const [request] = server.connection.of("publish");
  assert.equal(request?.topicName, "clock/now");
  assert.equal(request?.properties?.responseTopic, "responses/c");
  assert.equal(request?.properties?.messageExpiryInterval, 2);
  respond("another", { correlationData: Uint8Array.of(1, 2, 3) });
  respond("noon");
  await world.settle();
  assert.equal((await asked).text(), "noon");
});

test("requests share one subscription and get each its own response", async () => {
  const { server, client, world } = await connected();
  const asked = ["a", "b"].map((payload) => client.request("q", payload));
  await world.settle();
  assert.equal(server.connection.of("subscribe").length, 1);
  const requests = server.connection.of("publish");
  for (const request of requests.toReversed()) {
    server.connection.publish("responses/c", `to ${new TextDecoder().decode(request.payload)}`, {
      properties: { correlationData: request.properties!.correlationData },
    });
  }
  await world.settle();
  const texts = (await Promise.all(asked)).map((message) => message.text());
  assert.deepEqual(texts, ["to a", "to b"]);
});

test("the server's Response Information comes before the Response Topic", async () => {
  const server = new FakeServer();
  server.connack = { properties: { responseInformation: "tenant-7/replies" } };
  const client = await server.connect({ clientId: "a/b+#c" });
  client.request("q", "").catch(() => {});
  await server.world.settle();
  const [subscribe] = server.connection.of("subscribe");
  assert.equal(subscribe?.subscriptions[0]?.topicFilter, "tenant-7/replies/a_b__c");
});

test("a request without a response ends in time, and a late response is let pass", async () => {
  const { client, world, respond } = await connected();
  const late = assert.rejects(client.request("q", "", { timeoutMs: 1000 }), {
    code: "ERR_REQUEST_TIMEOUT",
  });
  await world.advance(1100);
  await late;
  respond("late");
  await world.settle();
  assert.equal(client.state, "connected");
});

test("a request that nobody subscribes to ends at once", async () => {
  const { server, client, world } = await connected();
  server.answers.delete("publish");
  const refused = assert.rejects(client.request("q", ""), { code: "ERR_NO_RESPONDER" });
  await world.settle();
  const { packetIdentifier } = server.connection.of("publish")[0]!;
  server.connection.send({
    type: "puback",
    packetIdentifier: packetIdentifier!,
    reasonCode: 0x10,
  });
  await world.settle();
  await refused;
});

test("a request ends with its signal, and with the client", async () => {
  const { client, world } = await connected();
  const controller = new AbortController();
  const aborted = assert.rejects(client.request("q", "", { signal: controller.signal }), {
    code: "ERR_ABORTED",
  });
  await world.settle();
  controller.abort();
  await aborted;
  const closed = assert.rejects(client.request("q", ""), { code: "ERR_CLIENT_CLOSED" });
  await world.settle();
  await client.close();
  await closed;
});

test("a Response Topic that is refused fails the request, and the next one asks again", async () => {
  const { server, client, world, respond } = await connected();
  server.answers.delete("subscribe");
  const refused = assert.rejects(client.request("q", ""), { code: "ERR_SUBSCRIBE_REFUSED" });
  await world.settle();
  const { packetIdentifier } = server.connection.of("subscribe")[0]!;
  server.connection.send({ type: "suback", packetIdentifier, reasonCodes: [0x87] });
  await world.settle();
  await refused;
  server.answers.add("subscribe");
  const asked = client.request("q", "");
  await world.settle();
  respond("yes");
  await world.settle();
  assert.equal((await asked).text(), "yes");
});

for (const [what, ask] of [
  ["request", (client) => client.request("q", "")],
  ["respond", (client) => client.respond("q", () => "")],
] as [string, (client: Awaited<ReturnType<typeof connected>>["client"]) => Promise<unknown>][]) {
  test(`${what} needs 5.0`, async () => {
    const { client } = await connected({ protocolVersion: 4 });
    await assert.rejects(ask(client), { name: "UsageError", code: "ERR_USAGE" });
  });
}

async function responding(
  responder: (request: Message) => Promise<string | undefined> | string | undefined,
  concurrency?: number,
) {
  const { server, client, world } = await connected({ onError: () => {} });
  server.answers.delete("publish");
  const subscribed = client.respond("q", responder, { concurrency });
  await world.settle();
  await subscribed;
  const ask = (packetIdentifier: number, properties: PublishPacket["properties"] = {}): void =>
    server.connection.publish("q", `${packetIdentifier}`, { qos: 1, packetIdentifier, properties });
  return { server, world, ask };
}

test("a response goes to the Response Topic with the Correlation Data and the time that is left, and the request is acknowledged after it", async () => {
  const { server, world, ask } = await responding((request) => `answer to ${request.text()}`);
  const correlationData = Uint8Array.of(7);
  ask(1, { responseTopic: "r", correlationData, messageExpiryInterval: 9 });
  await world.settle();
  const [response] = server.connection.of("publish");
  assert.equal(response?.topicName, "r");
  assert.equal(new TextDecoder().decode(response?.payload), "answer to 1");
  assert.deepEqual(response?.properties?.correlationData, correlationData);
  assert.equal(response?.properties?.messageExpiryInterval, 9);
  assert.equal(server.connection.of("puback").length, 0);
  server.connection.send({ type: "puback", packetIdentifier: response!.packetIdentifier! });
  await world.settle();
  assert.equal(server.connection.of("puback")[0]?.packetIdentifier, 1);
});

test("a responder that fails answers nothing, and the request is acknowledged as failed", async () => {
  const { server, world, ask } = await responding(() => {
    throw new Error("no");
  });
  ask(1, { responseTopic: "r" });
  await world.settle();
  assert.equal(server.connection.of("publish").length, 0);
  assert.equal(server.connection.of("puback")[0]?.reasonCode, 0x83);
});

test("no more requests are at work than concurrency allows", async () => {
  const open: (() => void)[] = [];
  const { world, ask } = await responding(
    () =>
      new Promise((resolve) => {
        open.push(() => resolve(undefined));
      }),
    2,
  );
  for (const packetIdentifier of [1, 2, 3, 4]) ask(packetIdentifier);
  await world.settle();
  assert.equal(open.length, 2);
  open[0]!();
  await world.settle();
  assert.equal(open.length, 3);
});
