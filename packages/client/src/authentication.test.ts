import assert from "node:assert/strict";
import { test } from "node:test";
import type { Packet } from "@sericite/protocol";
import type { Authentication, AuthenticationExchange } from "./authentication.ts";
import type { Client } from "./client.ts";
import { FakeServer } from "./testing/fake-server.ts";

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Numbers its exchanges, and answers with what it was asked. */
class Echo implements Authentication {
  readonly method = "ECHO";
  begun = 0;
  readonly accepted: string[] = [];
  readonly change: Partial<AuthenticationExchange>;

  constructor(change: Partial<AuthenticationExchange> = {}) {
    this.change = change;
  }

  begin(): AuthenticationExchange {
    const number = ++this.begun;
    return {
      first: () => bytes(`first ${number}`),
      answer: (data) => Promise.resolve(bytes(`re ${text(data)}`)),
      accept: (data) => void this.accepted.push(text(data)),
      ...this.change,
    };
  }
}

function auth(reasonCode: number, data: string, authenticationMethod = "ECHO"): Packet {
  return {
    type: "auth",
    reasonCode,
    properties: { authenticationMethod, authenticationData: bytes(data) },
  };
}

/** What the client said: type, Reason Code, method and data of each packet. */
function said(server: FakeServer): string[] {
  return server.connection.received.map((packet) => {
    const { authenticationMethod, authenticationData } =
      ("properties" in packet ? packet.properties : undefined) ?? {};
    const reasonCode = packet.type === "auth" ? ` ${packet.reasonCode?.toString(16)}` : "";
    return `${packet.type}${reasonCode} ${authenticationMethod} ${text(authenticationData)}`;
  });
}

/** A client in the middle of its exchange. */
async function begun(
  authentication: Authentication,
): Promise<{ server: FakeServer; client: Promise<Client> }> {
  const server = new FakeServer();
  server.answers.delete("connect");
  const client = server.open({ authentication });
  client.catch(() => "looked at by the test");
  await server.world.settle();
  return { server, client };
}

async function connected(
  authentication: Authentication,
): Promise<{ server: FakeServer; client: Client }> {
  const { server, client } = await begun(authentication);
  server.connack = { properties: { authenticationMethod: "ECHO" } };
  server.answers.add("connect");
  server.connection.send({
    type: "connack",
    sessionPresent: false,
    reasonCode: 0,
    ...server.connack,
  });
  await server.world.settle();
  return { server, client: await client };
}

test("[MQTT5-4.12.0-3] [MQTT5-4.12.0-5] [MQTT5-3.1.2-30] CONNECT begins an exchange, each AUTH 0x18 of the server is answered, and CONNACK ends it", async () => {
  const echo = new Echo();
  const { server, client } = await begun(echo);
  server.connection.send(auth(0x18, "one"));
  await server.world.settle();
  server.connection.send(auth(0x18, "two"));
  await server.world.settle();
  assert.deepEqual(said(server), [
    "connect ECHO first 1",
    "auth 18 ECHO re one",
    "auth 18 ECHO re two",
  ]);
  server.connection.send({
    type: "connack",
    sessionPresent: false,
    reasonCode: 0,
    properties: { authenticationMethod: "ECHO", authenticationData: bytes("proof") },
  });
  await server.world.settle();
  assert.equal((await client).state, "connected");
  assert.deepEqual(echo.accepted, ["proof"]);
});

test("each connection has an exchange of its own", async () => {
  const echo = new Echo();
  const { server } = await connected(echo);
  server.connection.link.destroy();
  await server.world.advance(1000);
  assert.deepEqual(said(server), ["connect ECHO first 2"]);
});

for (const [what, sent] of [
  ["another method", auth(0x18, "", "OTHER")],
  ["success before CONNACK", auth(0, "")],
] as const) {
  test(`[MQTT5-4.12.0-5] AUTH with ${what} ends the attempt`, async () => {
    const { server, client } = await begun(new Echo());
    server.connection.send(sent);
    await server.world.settle();
    await assert.rejects(client, { code: "ERR_PROTOCOL" });
    assert.ok(server.connection.isClosed);
  });
}

test("[MQTT5-4.12.0-5] a CONNACK that knows nothing of the method ends the attempt", async () => {
  const { server, client } = await begun(new Echo());
  server.connection.send({ type: "connack", sessionPresent: false, reasonCode: 0 });
  await server.world.settle();
  await assert.rejects(client, { code: "ERR_PROTOCOL" });
});

test("AUTH that comes while the last one is not answered ends the attempt", async () => {
  const { server, client } = await begun(new Echo({ answer: () => new Promise(() => {}) }));
  server.connection.send(auth(0x18, "one"), auth(0x18, "two"));
  await server.world.settle();
  await assert.rejects(client, { code: "ERR_PROTOCOL" });
});

test("[MQTT5-4.12.0-7] AUTH that a client without a method gets is a protocol error", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  server.connection.send(auth(0x18, ""));
  await server.world.settle();
  assert.equal(client.state, "disconnected");
  assert.equal(server.connection.of("disconnect")[0]?.reasonCode, 0x82);
});

const broken = (): never => {
  throw new Error("broken");
};
for (const [step, change] of Object.entries({
  first: { first: broken },
  "first, later": { first: () => Promise.reject(new Error("broken")) },
  answer: { answer: broken },
  accept: { accept: broken },
} satisfies Record<string, Partial<AuthenticationExchange>>)) {
  test(`an exchange that fails at ${step} ends the attempt with ERR_AUTHENTICATION_FAILED`, async () => {
    const { server, client } = await begun(new Echo(change));
    if (server.connections.length > 0) {
      if (step === "answer") server.connection.send(auth(0x18, ""));
      else
        server.connection.send({
          type: "connack",
          sessionPresent: false,
          reasonCode: 0,
          properties: { authenticationMethod: "ECHO" },
        });
      await server.world.settle();
      assert.ok(server.connection.isClosed);
    }
    await assert.rejects(client, { code: "ERR_AUTHENTICATION_FAILED" });
  });
}

test("an exchange that does not begin in time ends the attempt", async () => {
  const { server, client } = await begun(new Echo({ first: () => new Promise(() => {}) }));
  await server.world.advance(10_000);
  await assert.rejects(client, { code: "ERR_REFRESH_FAILED" });
});

test("[MQTT5-4.12.1-1] a client authenticates again on its connection, once at a time", async () => {
  const echo = new Echo();
  const { server, client } = await connected(echo);
  const again = Promise.all([client.reauthenticate(), client.reauthenticate()]);
  await server.world.settle();
  server.connection.send(auth(0x18, "more"));
  await server.world.settle();
  server.connection.send(auth(0, "proof"));
  await server.world.settle();
  await again;
  assert.deepEqual(said(server).slice(1), ["auth 19 ECHO first 2", "auth 18 ECHO re more"]);
  assert.deepEqual(echo.accepted, ["", "proof"]);
  const third = client.reauthenticate();
  await server.world.settle();
  assert.equal(said(server).at(-1), "auth 19 ECHO first 3");
  server.connection.send(auth(0, ""));
  await server.world.settle();
  await third;
});

test("[MQTT5-3.15.2-2] [MQTT5-3.15.2-3] AUTH has neither Reason String nor User Property, and is not sent where the server takes none as large", async () => {
  const server = new FakeServer();
  server.connack = { properties: { authenticationMethod: "ECHO", maximumPacketSize: 30 } };
  const client = await server.connect({ authentication: new Echo() });
  const again = client.reauthenticate();
  await server.world.settle();
  const { properties } = server.connection.of("auth")[0]!;
  assert.deepEqual(Object.keys(properties!), ["authenticationMethod", "authenticationData"]);
  server.connection.send(auth(0x18, "twenty bytes of data"));
  await assert.rejects(Promise.all([again, server.world.settle()]), {
    code: "ERR_AUTHENTICATION_FAILED",
    message: /the server takes 30/,
  });
  assert.equal(server.connection.of("auth").length, 1);
});

test("[MQTT5-4.12.1-2] where the client does not accept the server's proof it disconnects", async () => {
  let isFirst = true;
  const { server, client } = await connected(
    new Echo({
      accept: () => {
        if (!isFirst) broken();
        isFirst = false;
      },
    }),
  );
  const again = client.reauthenticate();
  await server.world.settle();
  server.connection.send(auth(0, "wrong"));
  await assert.rejects(Promise.all([again, server.world.settle()]), {
    code: "ERR_AUTHENTICATION_FAILED",
  });
  await server.world.settle();
  assert.equal(server.connection.of("disconnect")[0]?.reasonCode, 0x80);
});

test("a server that does not answer has the time of a CONNACK", async () => {
  const { server, client } = await connected(new Echo());
  const again = client.reauthenticate();
  await assert.rejects(Promise.all([again, server.world.advance(10_000)]), {
    code: "ERR_AUTHENTICATION_FAILED",
    message: /took too long/,
  });
});

test("where the connection ends, authenticating again has failed too", async () => {
  const { server, client } = await connected(new Echo());
  const again = client.reauthenticate();
  await server.world.settle();
  server.connection.send({ type: "disconnect", reasonCode: 0x87 });
  await assert.rejects(Promise.all([again, server.world.settle()]), {
    code: "ERR_SERVER_DISCONNECTED",
    reasonCode: 0x87,
  });
});

test("a client cannot authenticate again without a method or a connection, and not at all before 5.0", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  await assert.rejects(client.reauthenticate(), { code: "ERR_USAGE" });
  await client.close();
  await assert.rejects(client.reauthenticate(), { code: "ERR_NOT_CONNECTED" });
  await assert.rejects(server.open({ protocolVersion: 4, authentication: new Echo() }), {
    code: "ERR_USAGE",
  });
});
