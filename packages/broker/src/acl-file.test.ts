import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "@sericite/client";
import type { Client } from "@sericite/client";
import { UsageError } from "@sericite/protocol";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";

async function withFile(
  text: string,
  body: (file: string, write: (text: string) => void) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "sericite-acl-"));
  const file = join(directory, "acl.conf");
  writeFileSync(file, text);
  try {
    await body(file, (changed) => writeFileSync(file, changed));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function withBroker(
  aclFile: string,
  body: (broker: Broker, dial: (username?: string) => Promise<Client>) => Promise<void>,
): Promise<void> {
  await using broker = await createBroker({
    settings: { auth: { aclFile, allowAnonymous: true } },
    // Anybody by any name: who is who is not what is tested.
    authenticator: () => true,
  });
  const { port } = await broker.listen({ port: 0 });
  await body(broker, (username) =>
    connect(`mqtt://127.0.0.1:${port}`, {
      reconnect: false,
      ...(username === undefined ? {} : { username, password: "x" }),
    }),
  );
}

test("a client that loses a right gets nothing more from that moment, and stays connected and subscribed", () =>
  withFile("user u\ntopic read news/#\nuser p\ntopic write news/#\n", (file, write) =>
    withBroker(file, async (broker, dial) => {
      await using reader = await dial("u");
      await using publisher = await dial("p");
      const seen: string[] = [];
      let heard: (() => void) | undefined;
      await reader.subscribe("news/#", ({ topicName }) => {
        seen.push(topicName);
        heard?.();
      });
      const next = (): Promise<void> => new Promise((resolve) => (heard = resolve));
      let waiting = next();
      await publisher.publish("news/a", "1", { qos: 1 });
      await waiting;
      write("user u\ntopic read news/b\nuser p\ntopic write news/#\n");
      assert.deepEqual((await broker.reconfigure({})).changed, ["auth.aclFile"]);
      waiting = next();
      await publisher.publish("news/a", "2", { qos: 1 });
      await publisher.publish("news/b", "3", { qos: 1 });
      await waiting;
      assert.deepEqual(seen, ["news/a", "news/b"]);
      assert.equal(broker.drops["delivery-denied"], 1);
      assert.equal(broker.gauges.connections, 2);
      assert.equal(broker.gauges.subscriptions, 1);
      await assert.rejects(reader.subscribe("news/#"), { code: "ERR_SUBSCRIBE_REFUSED" });
      assert.deepEqual((await broker.reconfigure({})).changed, []);
    }),
  ));

test("a file that cannot be read changes nothing, neither rules nor other settings, and says why", () =>
  withFile("anonymous\ntopic a\n", (file, write) =>
    withBroker(file, async (broker, dial) => {
      await using client = await dial();
      await client.publish("a", "", { qos: 1 });
      await assert.rejects(client.publish("b", "", { qos: 1 }), { reasonCode: 0x87 });
      write("anonymous\ntopic a\ntopic read\n");
      await assert.rejects(
        () => broker.reconfigure({ limits: { topicLevels: 5 } }),
        (error) => error instanceof UsageError && error.message.startsWith(`${file}:3: `),
      );
      await assert.rejects(
        () => broker.reconfigure({ auth: { aclFile: `${file}.gone` } }),
        /auth\.aclFile: there is no file .*gone/,
      );
      assert.equal(broker.settings.limits.topicLevels, 128);
      await client.publish("a", "", { qos: 1 });
      write("anonymous\ntopic b\n");
      await broker.reconfigure({});
      await client.publish("b", "", { qos: 1 });
      await assert.rejects(client.publish("a", "", { qos: 1 }), { reasonCode: 0x87 });
      // And without a file there are no rules.
      await broker.reconfigure({ auth: { aclFile: "" } });
      await client.publish("a", "", { qos: 1 });
      await broker.reconfigure({ auth: { aclFile: file } });
      await assert.rejects(client.publish("a", "", { qos: 1 }), { reasonCode: 0x87 });
    }),
  ));

test("a broker does not start with rules that it cannot read", () =>
  withFile("topik a\n", async (file) => {
    await assert.rejects(createBroker({ settings: { auth: { aclFile: file } } }), {
      code: "ERR_ACL",
    });
  }));

test("the hooks of the program are asked about what the rules allow only", () =>
  withFile("anonymous\ntopic a/#\n", async (file) => {
    const asked: string[] = [];
    await using broker = await createBroker({
      settings: { auth: { aclFile: file } },
      hooks: {
        authorizePublish: (_client, { topicName }) => {
          asked.push(topicName);
          return topicName !== "a/no";
        },
      },
    });
    const { port } = await broker.listen({ port: 0 });
    await using client = await connect(`mqtt://127.0.0.1:${port}`, { reconnect: false });
    await client.publish("a/yes", "", { qos: 1 });
    await assert.rejects(client.publish("a/no", "", { qos: 1 }), { reasonCode: 0x87 });
    await assert.rejects(client.publish("b", "", { qos: 1 }), { reasonCode: 0x87 });
    assert.deepEqual(asked, ["a/yes", "a/no"]);
  }));

test("what the embedding program publishes and subscribes to is not asked about", () =>
  withFile("", async (file) => {
    await using broker = await createBroker({ settings: { auth: { aclFile: file } } });
    const got = new Promise((resolve) => void broker.subscribe("a", resolve));
    while (broker.gauges.subscriptions === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await broker.publish("a", "x"), { sessions: 1 });
    await got;
  }));
