import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { connect } from "@sericite/client";
import type { Client } from "@sericite/client";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";
import type { PartialSettings } from "./settings.ts";

type Question = Readonly<Record<string, unknown>>;

interface World {
  readonly broker: Broker;
  /** What was asked, in order. */
  readonly asked: Question[];
  dial(options?: { readonly clientId?: string; readonly username?: string }): Promise<Client>;
  /** Takes the service away. */
  stop(): Promise<void>;
}

/** A broker that asks a web service, which answers by `answer`. */
async function withService(
  answer: (question: Question, response: ServerResponse) => boolean | undefined,
  settings: PartialSettings["auth"],
  body: (world: World) => Promise<void>,
): Promise<void> {
  const asked: Question[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const question = JSON.parse(Buffer.concat(chunks).toString()) as Question;
      asked.push(question);
      const allow = answer(question, response);
      if (allow !== undefined) response.end(JSON.stringify({ allow }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const aclUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/acl`;
  const broker = await createBroker({
    settings: { auth: { aclUrl, allowAnonymous: true, aclDelivery: false, ...settings } },
    authenticator: () => true,
  });
  const clients: Client[] = [];
  try {
    const { port } = await broker.listen({ port: 0 });
    await body({
      broker,
      asked,
      dial: async (options = {}) => {
        const client = await connect(`mqtt://127.0.0.1:${port}`, { reconnect: false, ...options });
        clients.push(client);
        return client;
      },
      stop: async () => {
        server.closeAllConnections();
        server.close();
        await once(server, "close");
      },
    });
  } finally {
    await Promise.all(clients.map((client) => client.disconnect()));
    await broker.close();
    server.closeAllConnections();
    server.close();
  }
}

const publish = (client: Client, topicName: string): Promise<unknown> =>
  client.publish(topicName, "x", { qos: 1 });
const denied = { reasonCode: 0x87 };

test("the service is told who wants to do what, and its yes and no count until they are old", () =>
  withService(
    ({ topic }) => topic !== "no",
    { aclDelivery: true },
    async ({ broker, asked, dial }) => {
      const client = await dial({ clientId: "c", username: "u" });
      const got: string[] = [];
      const heard = new Promise<void>((resolve) => {
        void client.subscribe("$share/g/yes/#", ({ topicName }) => {
          got.push(topicName);
          resolve();
        });
      });
      await assert.rejects(publish(client, "no"), denied);
      await assert.rejects(publish(client, "no"), denied);
      await publish(client, "yes/1");
      await heard;
      assert.deepEqual(got, ["yes/1"]);
      const who = { clientId: "c", username: "u" };
      assert.deepEqual(asked, [
        { ...who, action: "subscribe", topic: "yes/#", qos: 0 },
        { ...who, action: "publish", topic: "no", qos: 1, retain: false },
        { ...who, action: "publish", topic: "yes/1", qos: 1, retain: false },
        { ...who, action: "receive", topic: "yes/1" },
      ]);
      assert.equal(broker.counters.accessQuestions, 4);
      assert.equal(broker.counters.accessAnswersRemembered, 1);
      assert.equal(broker.counters.accessFailures, 0);
      // A reconfiguration forgets.
      await broker.reconfigure({});
      await assert.rejects(publish(client, "no"), denied);
      assert.equal(asked.length, 5);
    },
  ));

test("without a time to live the service is asked about each message", () =>
  withService(
    () => true,
    { aclCacheTtl: 0 },
    async ({ asked, dial }) => {
      const client = await dial();
      await publish(client, "a");
      await publish(client, "a");
      assert.equal(asked.length, 2);
    },
  ));

for (const [what, respond, settings] of [
  ["that is not JSON", (response) => response.end("yes"), {}],
  ["without allow", (response) => response.end('{"allow":"true"}'), {}],
  ["that is null", (response) => response.end("null"), {}],
  ["of another status", (response) => response.writeHead(500).end('{"allow":true}'), {}],
  ["that redirects", (response) => response.writeHead(302, { location: "/" }).end(), {}],
  ["without end", (response) => void response.write("x".repeat(70_000)), {}],
  ["that breaks off", (response) => response.socket?.destroy(), {}],
  ["that does not come in time", () => undefined, { aclTimeout: 50 }],
] satisfies [string, (response: ServerResponse) => unknown, PartialSettings["auth"]][]) {
  test(`an answer ${what} is none: the client is refused, others go on, and it is counted and logged`, () =>
    withService(
      ({ topic }, response) => {
        if (topic !== "bad") return true;
        respond(response);
        return undefined;
      },
      settings,
      async ({ broker, dial }) => {
        const [client, other] = [await dial(), await dial()];
        const refused = assert.rejects(publish(client, "bad"), denied);
        await publish(other, "good");
        await refused;
        await publish(client, "good");
        assert.equal(broker.counters.accessFailures, 1);
        assert.equal(broker.drops["publish-denied"], 1);
      },
    ));
}

for (const [whenDown, known, unknown] of [
  ["deny", "refused", "refused"],
  ["cached", "allowed", "refused"],
] as const) {
  test(`while the service is down, ${whenDown}: what it had allowed is ${known}, what it was never asked is ${unknown}`, () =>
    withService(
      () => true,
      { aclWhenDown: whenDown, aclCacheTtl: 1 },
      async ({ broker, asked, dial, stop }) => {
        const client = await dial();
        await publish(client, "known");
        await stop();
        await new Promise((resolve) => setTimeout(resolve, 5));
        const again = publish(client, "known");
        await (known === "allowed" ? again : assert.rejects(again, denied));
        for (let i = 0; i < 10; i++) await assert.rejects(publish(client, `new/${i}`), denied);
        assert.equal(asked.length, 1);
        assert.equal(broker.counters.accessFailures, 11);
      },
    ));
}

test("another service is asked from a reconfiguration on, and none where none is named", () =>
  withService(
    () => false,
    {},
    async ({ broker, dial }) => {
      const client = await dial();
      await assert.rejects(publish(client, "a"), denied);
      await broker.reconfigure({ auth: { aclUrl: "" } });
      await publish(client, "a");
      await assert.rejects(broker.reconfigure({ auth: { aclUrl: "ftp://x" } }), /auth\.aclUrl/);
    },
  ));
