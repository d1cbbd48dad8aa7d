import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { WebSocket } from "ws";
import { encodePacket } from "@sericite/protocol";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";
import { answer } from "./entry.test-support.ts";
import { RawSocket } from "./raw-socket.test-support.ts";
import type { PartialSettings } from "./settings.ts";

type Reply = (question: Record<string, unknown>, response: ServerResponse) => unknown;

/** A web service on a free port, with what it was asked. */
class Service implements AsyncDisposable {
  readonly asked: Record<string, unknown>[] = [];
  reply: Reply;
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const question = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
      this.asked.push(question);
      const answered = this.reply(question, response);
      if (answered !== undefined) response.end(JSON.stringify(answered));
    });
  });

  constructor(reply: Reply) {
    this.reply = reply;
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/entry`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function withService(
  reply: Reply,
  body: (port: number, service: Service, broker: Broker) => Promise<void>,
  auth: PartialSettings["auth"] = {},
): Promise<void> {
  await using service = new Service(reply);
  const callbackUrl = await service.listen();
  await using broker = await createBroker({ settings: { auth: { callbackUrl, ...auth } } });
  const { port } = await broker.listen({ port: 0 });
  await body(port, service, broker);
}

const byPassword: Reply = ({ password }) => ({ allow: password === "right" });

test("the service says who enters, and answers count for the same credentials until a reconfiguration", () =>
  withService(byPassword, async (port, service, broker) => {
    for (let i = 0; i < 3; i++) {
      assert.equal(await answer(port, 5, "a", "right"), "CONNACK 0x00");
      assert.equal(await answer(port, 5, "a", "wrong"), "CONNACK 0x86");
      assert.equal(await answer(port, 4, "a", "wrong"), "CONNACK 0x04");
    }
    assert.equal(service.asked.length, 3);
    assert.equal(broker.counters.callbackAnswersRemembered, 6);
    await broker.reconfigure({});
    assert.equal(await answer(port, 5, "a", "right"), "CONNACK 0x00");
    assert.equal(service.asked.length, 4);
  }));

test("it is told what is known of the client", () =>
  withService(
    () => ({ allow: true }),
    async (port, service, broker) => {
      await answer(port, 5, "a", "secret", "c1");
      const raw = await RawSocket.connect(port, "c2", 5, { password: Uint8Array.of(0xff, 1) });
      raw.destroy();
      const { port: webPort } = await broker.listen({ transport: "websocket", port: 0 });
      const socket = new WebSocket(`ws://127.0.0.1:${webPort}/mqtt?tenant=x%20y&a=1`, "mqtt", {
        headers: { cookie: 'session=abc; theme="dark"', "x-device": "7" },
      });
      await new Promise((resolve) => socket.once("open", resolve));
      const came = new Promise((resolve) => socket.once("message", resolve));
      socket.send(
        encodePacket(
          { type: "connect", protocolVersion: 5, clientId: "w", cleanStart: true, keepAlive: 0 },
          5,
        ),
      );
      await came;
      socket.terminate();
      const [first, second, web] = service.asked;
      const { port: from, ...rest } = first!;
      assert.equal(typeof from, "number");
      assert.deepEqual(rest, {
        clientId: "c1",
        username: "a",
        password: "secret",
        protocolVersion: 5,
        cleanStart: true,
        address: "127.0.0.1",
        listener: `tcp:${port}`,
        transport: "tcp",
      });
      assert.equal(second!["passwordBase64"], "/wE=");
      assert.equal(second!["password"], undefined);
      assert.deepEqual(web!["cookies"], { session: "abc", theme: "dark" });
      assert.deepEqual(web!["query"], { tenant: "x y", a: "1" });
      assert.equal(web!["path"], "/mqtt");
      const headers = web!["headers"] as Record<string, string>;
      assert.equal(headers["x-device"], "7");
      assert.equal(headers["cookie"] ?? headers["sec-websocket-key"], undefined);
    },
  ));

test("its answer may set Client Identifier, username, rights and an end", () =>
  withService(
    () => ({
      allow: true,
      clientId: "device-7",
      username: "plant",
      acl: { publish: ["in/%c/#"], subscribe: [] },
      expiresIn: 1,
    }),
    async (port, _service, broker) => {
      const raw = await RawSocket.connect(port, "x", 5, { username: "u" });
      assert.equal((await broker.client("device-7"))?.username, "plant");
      for (const [packetIdentifier, topicName] of [
        [1, "in/device-7/a"],
        [2, "in/other/a"],
      ] as const)
        raw.send({
          type: "publish",
          topicName,
          payload: Buffer.of(),
          qos: 1,
          dup: false,
          retain: false,
          packetIdentifier,
        });
      assert.deepEqual(await raw.untilClosed(), [
        "PUBACK 1 0x10",
        "PUBACK 2 0x87",
        "DISCONNECT 0x87",
        "CLOSED",
      ]);
    },
  ));

test("its refusal may have a code of its own, and what it does not know ends the chain", () =>
  withService(
    ({ username }) =>
      username === "banned" ? { allow: false, reasonCode: 0x8a, reason: "no" } : { allow: "next" },
    async (port) => {
      assert.equal(await answer(port, 5, "banned", "x"), "CONNACK 0x8a");
      assert.equal(await answer(port, 5, "nobody", "x"), "CONNACK 0x86");
      assert.equal(await answer(port, 5), "CONNACK 0x87");
    },
  ));

test("the same question is asked once, however many wait for the answer", () => {
  let waiting: (() => void)[] = [];
  return withService(
    (_question, response) => void waiting.push(() => response.end('{"allow":true}')),
    async (port, service) => {
      const answers = Array.from({ length: 20 }, () => answer(port, 5, "a", "x"));
      while (waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      for (const tell of waiting) tell();
      assert.deepEqual(new Set(await Promise.all(answers)), new Set(["CONNACK 0x00"]));
      assert.equal(service.asked.length, 1);
      waiting = [];
    },
  );
});

const fails: Readonly<Record<string, Reply>> = {
  "does not answer": () => undefined,
  "answers with an error": (_question, response) => {
    response.statusCode = 500;
    return { allow: true };
  },
  "breaks off": (_question, response) => void response.destroy(),
  "answers without allow": () => ({ result: "ok" }),
  "answers with a right that is no Topic Filter": () => ({
    allow: true,
    acl: { publish: ["a/#/b"] },
  }),
  "answers no JSON": (_question, response) => void response.end("yes"),
};
for (const [what, reply] of Object.entries(fails)) {
  test(`where the service ${what}, the client is refused with 0x88, in 3.x with 3, and in time`, () =>
    withService(
      reply,
      async (port, _service, broker) => {
        assert.equal(await answer(port, 5, "a", "right"), "CONNACK 0x88");
        assert.equal(await answer(port, 4, "a", "right"), "CONNACK 0x03");
        assert.equal(broker.counters.callbackFailures, 2);
      },
      { callbackTimeout: 100 },
    ));
}

test("with `cached`, who came in before still does while the service is down, and nobody else", () =>
  withService(
    byPassword,
    async (port, service) => {
      assert.equal(await answer(port, 5, "a", "right"), "CONNACK 0x00");
      assert.equal(await answer(port, 5, "a", "wrong"), "CONNACK 0x86");
      service.reply = fails["breaks off"]!;
      await new Promise((resolve) => setTimeout(resolve, 5));
      for (let i = 0; i < 8; i++) assert.equal(await answer(port, 5, "a", "right"), "CONNACK 0x00");
      assert.equal(await answer(port, 5, "a", "wrong"), "CONNACK 0x86");
      assert.equal(await answer(port, 5, "b", "right"), "CONNACK 0x88");
    },
    { callbackCacheTtl: 1, callbackWhenDown: "cached" },
  ));

test("a service that is down is not asked for every client", () =>
  withService(
    (_question, response) => void response.destroy(),
    async (port, service) => {
      for (let i = 0; i < 12; i++)
        assert.equal(await answer(port, 5, `u${i}`, "x"), "CONNACK 0x88");
      assert.ok(service.asked.length < 9, `asked ${service.asked.length} times`);
    },
  ));
