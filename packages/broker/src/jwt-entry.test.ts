import assert from "node:assert/strict";
import { createHmac, createSecretKey, generateKeyPairSync, randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SignJWT } from "jose";
import type { JWTPayload } from "jose";
import { WebSocket } from "ws";
import { encodePacket } from "@sericite/protocol";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";
import { answer, passwordFile, temporaryFolder } from "./entry.test-support.ts";
import { RawSocket } from "./raw-socket.test-support.ts";
import type { PartialSettings } from "./settings.ts";

const folder = temporaryFolder();
const file = (name: string, content: string | Buffer): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

const secret = randomBytes(32).toString("base64");
const secretKey = createSecretKey(Buffer.from(secret));
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();
const jwks = {
  keys: [
    { ...rsa.publicKey.export({ format: "jwk" }), kid: "r", alg: "RS256" },
    { ...ec.publicKey.export({ format: "jwk" }), kid: "e", use: "sig" },
  ],
};
const FILES = {
  HS256: file("secret", `${secret}\n`),
  RS256: file("rsa.pem", pem(rsa.publicKey)),
  ES256: file("ec.pem", pem(ec.publicKey)),
  JWKS: file("jwks.json", JSON.stringify(jwks)),
};
const SIGNERS = { HS256: secretKey, RS256: rsa.privateKey, ES256: ec.privateKey } as const;
type Algorithm = keyof typeof SIGNERS;

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

function sign(
  claims: JWTPayload,
  algorithm: Algorithm = "HS256",
  key: KeyObject = SIGNERS[algorithm],
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT({ exp: inSeconds(60), ...claims })
    .setProtectedHeader({ alg: algorithm, ...header })
    .sign(key);
}

async function withBroker(
  jwt: PartialSettings["jwt"],
  body: (port: number, broker: Broker) => Promise<void>,
  auth: PartialSettings["auth"] = {},
): Promise<void> {
  await using broker = await createBroker({
    settings: { jwt: { keyFile: FILES.HS256, ...jwt }, auth },
  });
  const { port } = await broker.listen({ port: 0 });
  await body(port, broker);
}

/** Connects with a token; what it is in as, or the answer. */
async function enter(
  port: number,
  broker: Broker,
  token: string,
  username?: string,
  clientId = "c",
): Promise<string> {
  const raw = await RawSocket.open(port);
  raw.sendConnect(clientId, { username, password: Buffer.from(token) });
  await raw.until(() => raw.told.length > 0);
  const [session] = (await broker.clients()).clients;
  const isIn = raw.told[0] === "CONNACK 0x00";
  raw.destroy();
  return isIn ? `${session!.clientId} as ${session!.username}` : raw.told[0]!;
}

for (const [name, keyFile, algorithm, header] of [
  ["a secret", FILES.HS256, "HS256", {}],
  ["an RSA key", FILES.RS256, "RS256", {}],
  ["an EC key", FILES.ES256, "ES256", {}],
  ["a set of keys, RSA", FILES.JWKS, "RS256", { kid: "r" }],
  ["a set of keys, EC", FILES.JWKS, "ES256", { kid: "e" }],
] as const) {
  test(`by ${name}: a token of its key enters under its subject, one of another key does not`, () =>
    withBroker({ keyFile }, async (port, broker) => {
      const token = await sign({ sub: "alice" }, algorithm, undefined, header);
      for (let i = 0; i < 2; i++) {
        assert.equal(await enter(port, broker, token), "c as alice");
        assert.equal(await enter(port, broker, token, "root"), "c as alice");
      }
      const other = {
        HS256: createSecretKey(randomBytes(32)),
        RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
        ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
      };
      const forged = await sign({ sub: "alice" }, algorithm, other[algorithm], header);
      assert.equal(await enter(port, broker, forged), "CONNACK 0x86");
      const [head, body, signature] = token.split(".");
      const changed = Buffer.from(body!, "base64url").toString().replace("alice", "admin");
      const tampered = `${head}.${Buffer.from(changed).toString("base64url")}.${signature}`;
      assert.equal(await enter(port, broker, tampered), "CONNACK 0x86");
    }));
}

const unsigned = (header: object, claims: object): string =>
  `${[header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")}.`;

test("a token without a signature, or one that takes the public key for a secret, does not enter", async () => {
  const claims = { sub: "alice", exp: inSeconds(60) };
  await withBroker({ keyFile: FILES.RS256 }, async (port, broker) => {
    assert.equal(await enter(port, broker, unsigned({ alg: "none" }, claims)), "CONNACK 0x86");
    const body = unsigned({ alg: "HS256" }, claims).slice(0, -1);
    for (const key of [pem(rsa.publicKey), pem(rsa.publicKey).trim()]) {
      const signature = createHmac("sha256", key).update(body).digest("base64url");
      assert.equal(await enter(port, broker, `${body}.${signature}`), "CONNACK 0x86");
    }
  });
});

for (const [what, claims, jwt, expected] of [
  ["expired", { sub: "a", exp: inSeconds(-60) }, {}, "CONNACK 0x86"],
  [
    "expired within what clocks may differ by",
    { sub: "a", exp: inSeconds(-20) },
    { clockTolerance: 60 },
    "c as a",
  ],
  ["not valid yet", { sub: "a", nbf: inSeconds(60) }, {}, "CONNACK 0x86"],
  ["without an expiry", { sub: "a", exp: undefined as unknown as number }, {}, "CONNACK 0x86"],
  [
    "without an expiry, where that may be",
    { sub: "a", exp: undefined as unknown as number },
    { requireExpiry: false },
    "c as a",
  ],
  ["of another issuer", { sub: "a", iss: "x" }, { issuer: "y" }, "CONNACK 0x86"],
  ["of the issuer", { sub: "a", iss: "y" }, { issuer: "y" }, "c as a"],
  ["for another audience", { sub: "a", aud: ["x"] }, { audience: "mqtt" }, "CONNACK 0x86"],
  [
    "for the audience among others",
    { sub: "a", aud: ["x", "mqtt"] },
    { audience: "mqtt" },
    "c as a",
  ],
  ["without a subject", {}, {}, "CONNACK 0x86"],
  ["with a subject that is no text", { sub: 5 as unknown as string }, {}, "CONNACK 0x86"],
  ["with a subject that could forge a log line", { sub: "a\nb" }, {}, "CONNACK 0x86"],
  ["with another claim for the name", { sub: "a", name: "b" }, { usernameClaim: "name" }, "c as b"],
  ["whose name does not count", { sub: "a" }, { usernameClaim: "" }, "c as sent"],
  ["for this Client Identifier", { sub: "a", device: "c" }, { clientIdClaim: "device" }, "c as a"],
  [
    "for another Client Identifier",
    { sub: "a", device: "d" },
    { clientIdClaim: "device" },
    "CONNACK 0x85",
  ],
  [
    "without the claim for the Client Identifier",
    { sub: "a" },
    { clientIdClaim: "device" },
    "c as a",
  ],
  ["with rights that are none", { sub: "a", acl: { publsh: ["x"] } }, {}, "CONNACK 0x86"],
  [
    "with a right that is no Topic Filter",
    { sub: "a", acl: { publish: ["x/#/y"] } },
    {},
    "CONNACK 0x86",
  ],
] as const) {
  test(`a token ${what}: ${expected}`, () =>
    withBroker(jwt, async (port, broker) =>
      assert.equal(await enter(port, broker, await sign(claims as JWTPayload), "sent"), expected),
    ));
}

test("a client without a Client Identifier gets that of its token", () =>
  withBroker({ clientIdClaim: "device" }, async (port, broker) =>
    assert.equal(
      await enter(port, broker, await sign({ sub: "a", device: "d" }), "a", ""),
      "d as a",
    ),
  ));

test("the connection ends when the token expires, also for a token that was seen before", () =>
  withBroker({ clockTolerance: 0 }, async (port) => {
    const token = await sign({ sub: "a", exp: inSeconds(2) });
    const both = await Promise.all(
      ["one", "two"].map((clientId) =>
        RawSocket.connect(port, clientId, 5, { password: Buffer.from(token) }),
      ),
    );
    for (const raw of both)
      assert.deepEqual(await raw.untilClosed(), ["DISCONNECT 0x87", "CLOSED"]);
    assert.equal(await answer(port, 5, undefined, token), "CONNACK 0x86");
  }));

test("rights in the token hold for what is published, subscribed to and received", () =>
  withBroker({}, async (port) => {
    const acl = { publish: ["in/%u/#"], subscribe: ["out/#", "%c"], deny: ["out/secret"] };
    const client = await RawSocket.connect(port, "c", 5, {
      password: Buffer.from(await sign({ sub: "a", acl })),
    });
    const other = await RawSocket.connect(port, "o", 5, {
      password: Buffer.from(await sign({ sub: "o" })),
    });
    const publish = (raw: RawSocket, topicName: string, packetIdentifier: number): void =>
      void raw.send({
        type: "publish",
        topicName,
        payload: Buffer.from("x"),
        qos: 1,
        dup: false,
        retain: false,
        packetIdentifier,
      });
    publish(client, "in/a/x", 1);
    publish(client, "in/b/x", 2);
    publish(client, "out/x", 3);
    assert.deepEqual(await client.take(3), ["PUBACK 1 0x10", "PUBACK 2 0x87", "PUBACK 3 0x87"]);
    const subscriptions = ["out/#", "c", "d", "#"].map((topicFilter) => ({
      topicFilter,
      qos: 0 as const,
    }));
    client.send({ type: "subscribe", packetIdentifier: 1, subscriptions });
    assert.deepEqual(await client.take(1), ["SUBACK 1 [0 0 0x87 0x87]"]);
    publish(other, "out/secret", 1);
    publish(other, "out/open", 2);
    assert.deepEqual(await client.take(1), ["PUBLISH out/open 'x' qos0"]);
    client.destroy();
    other.destroy();
  }));

test("what is no token is the password file's; a token that is wrong is not", async () => {
  const passwords = await passwordFile(join(folder, "users"), { alice: "a.b.c" });
  await withBroker(
    {},
    async (port) => {
      assert.equal(await answer(port, 5, "alice", "a.b.c"), "CONNACK 0x00");
      assert.equal(await answer(port, 5, "alice", "a.b.d"), "CONNACK 0x86");
      assert.equal(await answer(port, 5, "alice", await sign({ sub: "x" })), "CONNACK 0x00");
      const wrong = await sign({ sub: "x" }, "HS256", createSecretKey(randomBytes(32)));
      assert.equal(await answer(port, 5, "alice", wrong), "CONNACK 0x86");
    },
    { passwordFile: passwords },
  );
});

test("a WebSocket may bring its token in the request's header", () =>
  withBroker({}, async (_port, broker) => {
    const { port } = await broker.listen({ transport: "websocket", port: 0 });
    const socket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, "mqtt", {
      headers: { authorization: `Bearer ${await sign({ sub: "web" })}` },
    });
    await new Promise((resolve) => socket.once("open", resolve));
    const came = new Promise<Buffer>((resolve) => socket.once("message", resolve));
    socket.send(
      encodePacket(
        { type: "connect", protocolVersion: 5, clientId: "w", cleanStart: true, keepAlive: 0 },
        5,
      ),
    );
    assert.equal((await came)[3], 0);
    assert.equal((await broker.client("w"))?.username, "web");
    socket.terminate();
  }));

for (const [what, content, says] of [
  ["a short secret", "short\n", /5 bytes, expected 32/],
  ["a private key", rsa.privateKey.export({ type: "pkcs8", format: "pem" }), /holds a private key/],
  [
    "a small RSA key",
    pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey),
    /2048 bits/,
  ],
  ["another curve", pem(generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey), /P-256/],
  ["no JSON", "{", /is not JSON/],
  ["no set", "{}", /no list "keys"/],
  ["a set without a key that fits", '{"keys":[{"kty":"oct","k":"AAAA"}]}', /has no key for/],
] as const) {
  test(`a key file with ${what} is refused, by name`, () =>
    assert.rejects(
      createBroker({ settings: { jwt: { keyFile: file("bad", content) } } }),
      (error: Error & { code?: string }) =>
        error.code === "ERR_JWT_KEY" && says.test(error.message) && /bad/.test(error.message),
    ));
}
