import assert from "node:assert/strict";
import { createSecretKey, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { SignJWT } from "jose";
import { WebSocket } from "ws";
import type { EntryMethod } from "./auth/index.ts";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";
import { checkConfiguration } from "./check-configuration.ts";
import { answer, passwordFile, temporaryFolder } from "./entry.test-support.ts";
import { RawSocket } from "./raw-socket.test-support.ts";
import { createSettings } from "./settings.ts";

const folder = temporaryFolder();
const secret = randomBytes(32).toString("base64");
const keyFile = join(folder, "secret");
writeFileSync(keyFile, secret);
const token = await new SignJWT({ sub: "t", exp: Math.floor(Date.now() / 1000) + 600 })
  .setProtectedHeader({ alg: "HS256" })
  .sign(createSecretKey(Buffer.from(secret)));
const users = await passwordFile(join(folder, "users"), { alice: "pencil" }, true);

/** A web service that knows one user. */
const service = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { username } = JSON.parse(Buffer.concat(chunks).toString()) as { username?: string };
    response.end(JSON.stringify({ allow: username === "web" ? true : "next" }));
  });
});
await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
const callbackUrl = `http://127.0.0.1:${(service.address() as AddressInfo).port}/`;
after(() => (service.closeAllConnections(), service.close()));

const all = {
  listen: { port: -1 },
  auth: { username: "one", password: "p", passwordFile: users, callbackUrl, allowAnonymous: true },
  jwt: { keyFile },
};

function brokerOfAll(): Promise<Broker> {
  return createBroker({
    settings: all,
    authenticators: [({ username }) => (username === "own" ? true : "next")],
  });
}

async function scram(port: number): Promise<string> {
  const raw = await RawSocket.open(port);
  raw.sendConnect("c", {
    properties: {
      authenticationMethod: "SCRAM-SHA-256",
      authenticationData: Buffer.from("n,,n=alice,r=abcdefgh"),
    },
  });
  await raw.until(() => raw.told.length > 0);
  raw.destroy();
  return raw.told[0]!;
}

/** What comes of a client that tries each way, in the order of `ways`. */
const ways: Readonly<Record<string, (port: number) => Promise<string>>> = {
  one: (port) => answer(port, 5, "one", "p"),
  file: (port) => answer(port, 5, "alice", "pencil"),
  scram,
  token: (port) => answer(port, 5, "x", token),
  service: (port) => answer(port, 5, "web", "x"),
  program: (port) => answer(port, 5, "own", "x"),
  anonymous: (port) => answer(port, 5),
};

const IN = ["CONNACK 0x00", "AUTH"];

async function entering(port: number): Promise<string[]> {
  const names: string[] = [];
  for (const [name, enter] of Object.entries(ways))
    if (IN.includes(await enter(port))) names.push(name);
  return names;
}

for (const [methods, enter] of [
  [["password"], ["one", "file"]],
  [["scram"], ["scram"]],
  [["jwt"], ["token"]],
  [["http"], ["service"]],
  [["custom"], ["program"]],
  [
    ["jwt", "password"],
    ["one", "file", "token"],
  ],
] as const satisfies readonly (readonly [readonly EntryMethod[], readonly string[]])[]) {
  test(`by a listener where ${methods.join(" and ")} counts nobody else enters, anonymous clients neither; the others are as before`, async () => {
    await using broker = await brokerOfAll();
    const { port } = await broker.listen({ port: 0, auth: { methods } });
    assert.deepEqual(await entering(port), enter);
    const open = await broker.listen({ port: 0, auth: { methods, allowAnonymous: true } });
    assert.deepEqual(await entering(open.port), [...enter, "anonymous"]);
    const plain = await broker.listen({ port: 0 });
    assert.deepEqual(await entering(plain.port), Object.keys(ways));
  });
}

test("who is refused is told what others are told, in every version, and costs no hash where passwords do not count", async () => {
  await using broker = await brokerOfAll();
  const { port } = await broker.listen({ port: 0, auth: { methods: ["jwt"] } });
  assert.equal(await answer(port, 5, "alice", "pencil"), "CONNACK 0x86");
  assert.equal(await answer(port, 5, "nobody", "pencil"), "CONNACK 0x86");
  assert.equal(await answer(port, 4, "alice", "pencil"), "CONNACK 0x04");
  assert.equal(await answer(port, 5), "CONNACK 0x87");
  assert.equal(await answer(port, 4), "CONNACK 0x05");
  assert.equal(await scram(port), "CONNACK 0x8c");
  assert.equal(broker.counters.passwordsHashed, 0);
});

test("an unknown user is refused by the password file where it counts, also behind an authenticator that refuses slowly and does not count", async () => {
  let asked = 0;
  await using broker = await createBroker({
    settings: { auth: { passwordFile: users } },
    authenticators: [
      { authenticate: () => "next", refuseUnknown: () => (asked++, { accepted: false }) },
    ],
  });
  const { port } = await broker.listen({ port: 0, auth: { methods: ["password"] } });
  assert.equal(await answer(port, 5, "nobody", "x"), "CONNACK 0x86");
  assert.deepEqual([asked, broker.counters.passwordsHashed], [0, 1]);
});

test("where tokens alone count, a WebSocket brings its own or stays outside", async () => {
  await using broker = await brokerOfAll();
  const auth = { methods: ["jwt"] } as const;
  const { port } = await broker.listen({ transport: "websocket", port: 0, auth });
  // CONNECT of MQTT 5.0 with Clean Start, no Client Identifier; then with Username `one` and Password `p`.
  const plain = "100d00044d51545405020000000000";
  const withPassword = "101500044d51545405c2000000000000036f6e65000170";
  for (const [authorization, bytes, reasonCode] of [
    [`Bearer ${token}`, plain, 0],
    ["Basic b25lOnA=", plain, 0x87],
    ["Basic b25lOnA=", withPassword, 0x86],
  ] as const) {
    const url = `ws://127.0.0.1:${port}/mqtt`;
    const socket = new WebSocket(url, "mqtt", { headers: { authorization } });
    await once(socket, "open");
    socket.send(Buffer.from(bytes, "hex"));
    const [connack] = (await once(socket, "message")) as [Buffer];
    assert.equal(connack[3], reasonCode);
    socket.terminate();
  }
});

for (const [what, auth, methods, message] of [
  [
    "is not configured",
    {},
    ["jwt"],
    /auth\.methods names jwt, which is not configured: set jwt\.k/,
  ],
  ["asks for a file", { username: "u", password: "p" }, ["scram"], /set auth\.passwordFile/],
  ["asks for users", { passwordFile: users }, ["password", "http"], /set auth\.callbackUrl/],
  ["is the program's", { passwordFile: users }, ["custom"], /has given no authenticators/],
  ["is none", { passwordFile: users }, ["pasword"], /names "pasword"; there are password, scram/],
  ["is inherited", { passwordFile: users }, ["constructor"], /names "constructor"/],
  ["is missing", { passwordFile: users }, [], /names none/],
  [
    "takes TLS",
    { certificate: "commonName", passwordFile: users },
    ["certificate"],
    /the listener asks for none/,
  ],
] as const) {
  test(`a listener with a way to enter that ${what} is refused, wherever it is`, async () => {
    const own = { methods: methods as readonly string[] as readonly EntryMethod[] };
    await using broker = await createBroker({ settings: { auth, listen: { port: -1 } } });
    for (const host of ["127.0.0.1", "0.0.0.0"]) {
      const listener = { host, port: 0, auth: own };
      await assert.rejects(broker.listen(listener), { code: "ERR_SETTING", message });
      await assert.rejects(broker.listenAsConfigured([listener]), {
        message: /^listeners\[0\]: auth\.methods names/,
      });
      if (methods[0] === "custom") continue;
      assert.throws(() => checkConfiguration(createSettings({ auth }), [listener]), { message });
    }
    assert.deepEqual(broker.listeners, []);
  });
}

test("a listener cannot name ways to enter where the program's authenticator decides alone", async () => {
  await using broker = await createBroker({
    authenticator: () => true,
    settings: { auth: { passwordFile: users } },
  });
  await assert.rejects(broker.listen({ port: 0, auth: { methods: ["password"] } }), {
    code: "ERR_USAGE",
  });
});

test("a reconfiguration changes the ways of a listener, for a client whose connection stood before too; one that takes away its only way is refused whole", async () => {
  await using broker = await brokerOfAll();
  const reload = (methods?: readonly EntryMethod[], settings = {}) =>
    broker.reconfigure(settings, {
      listeners: [{ port: 0, ...(methods === undefined ? {} : { auth: { methods } }) }],
    });
  const [listener] = await broker.listenAsConfigured([{ port: 0, auth: { methods: ["jwt"] } }]);
  const { port } = listener!;
  const waiting = await RawSocket.open(port);
  // It is accepted once another one is answered.
  assert.deepEqual(await entering(port), ["token"]);
  assert.deepEqual((await reload(["password"])).changed, ["listeners"]);
  assert.deepEqual(await entering(port), ["one", "file"]);
  waiting.sendConnect("waiting", { username: "x", password: Buffer.from(token) });
  assert.deepEqual(await waiting.untilClosed(), ["CONNACK 0x86", "CLOSED"]);

  await assert.rejects(reload(["jwt"], { jwt: { keyFile: "" } }), { code: "ERR_SETTING" });
  await assert.rejects(
    broker.reconfigure({ auth: { username: "", password: "", passwordFile: "" } }),
    { message: /^listeners\[0\]: auth\.methods names password, which is not configured/ },
  );
  assert.deepEqual(await entering(port), ["one", "file"]);
  assert.deepEqual((await reload()).changed, ["listeners"]);
  assert.deepEqual(await entering(port), Object.keys(ways));
});
