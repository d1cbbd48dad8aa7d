import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import type { Packet } from "@sericite/protocol";
import { AuthenticatorChain } from "./auth/chain.ts";
import { HashQueue } from "./auth/hash-queue.ts";
import { parsePasswordFile } from "./auth/password-file.ts";
import { hashPassword } from "./auth/password-hash.ts";
import { PasswordAuthenticator } from "./auth/passwords.ts";
import { makeScramVerifier } from "./auth/scram-verifier.ts";
import { createBroker } from "./broker.ts";
import { passwordFile, temporaryFolder } from "./entry.test-support.ts";
import { RawSocket } from "./raw-socket.test-support.ts";
import { lineOf } from "./spelling.test-support.ts";
import { TestBroker } from "./test-broker.test-support.ts";
import type { WireClient } from "./wire-client.test-support.ts";

const DIGEST = { "SCRAM-SHA-256": ["sha256", 32], "SCRAM-SHA-1": ["sha1", 20] } as const;
type Method = keyof typeof DIGEST;
const METHODS = Object.keys(DIGEST) as Method[];

/** The client's side of RFC 5802, written apart from the server's. */
class ScramClient {
  readonly #method: Method;
  readonly #password: string;
  readonly #bare: string;
  readonly #header: string;
  readonly nonce = randomBytes(12).toString("base64");
  #expected = "";

  constructor(method: Method, name: string, password: string, header = "n,,") {
    this.#method = method;
    this.#password = password;
    this.#header = header;
    this.#bare = `n=${name.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${this.nonce}`;
  }

  first(): Buffer {
    return Buffer.from(this.#header + this.#bare);
  }

  final(serverFirst: string): Buffer {
    const [digest, length] = DIGEST[this.#method];
    const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst)!;
    assert.ok(nonce!.startsWith(this.nonce) && nonce!.length > this.nonce.length + 10);
    const hmac = (key: Buffer, text: string): Buffer =>
      createHmac(digest, key).update(text).digest();
    const salted = pbkdf2Sync(
      this.#password,
      Buffer.from(salt!, "base64"),
      Number(iterations),
      length,
      digest,
    );
    const clientKey = hmac(salted, "Client Key");
    const storedKey = createHash(digest).update(clientKey).digest();
    const withoutProof = `c=${Buffer.from(this.#header).toString("base64")},r=${nonce}`;
    const message = `${this.#bare},${serverFirst},${withoutProof}`;
    const signature = hmac(storedKey, message);
    const proof = clientKey.map((byte, i) => byte ^ signature[i]!);
    this.#expected = `v=${hmac(hmac(salted, "Server Key"), message).toString("base64")}`;
    return Buffer.from(`${withoutProof},p=${Buffer.from(proof).toString("base64")}`);
  }

  /** Whether the server knows the password's keys too. */
  trusts(serverFinal: string): boolean {
    return serverFinal === this.#expected;
  }
}

async function usersText(): Promise<string> {
  const lines: string[] = [];
  for (const [name, password] of [
    ["alice", "pencil"],
    ["a=b,c", "päss"],
  ] as const) {
    const bytes = Buffer.from(password);
    lines.push(`${name}:${await hashPassword(bytes, { ln: 4, r: 8, p: 1 })}`);
    for (const digest of ["sha256", "sha1"] as const)
      lines.push(`${name}:${String(await makeScramVerifier(bytes, digest, 4096))}`);
  }
  lines.push(`plain:${await hashPassword(Buffer.from("x"), { ln: 4, r: 8, p: 1 })}`);
  return lines.join("\n");
}
const text = await usersText();

function broker(): TestBroker {
  const counters = { passwordsHashed: 0, passwordsRemembered: 0, passwordsLate: 0 };
  const queue = new HashQueue({ deadlineMs: 1000, waiting: 10 });
  const log = { enabled: () => false, write: () => {} };
  const passwords = new PasswordAuthenticator(parsePasswordFile(text, "users"), {
    queue,
    thread: { verify: async (hash, password) => hash.verify(password) },
    counters,
    log,
  });
  return new TestBroker({ authenticator: new AuthenticatorChain([passwords], false) });
}

function dataOf(packet: Packet | undefined): string {
  assert.ok(packet?.type === "auth" || packet?.type === "connack", packet?.type);
  return Buffer.from(packet.properties?.authenticationData ?? []).toString();
}

const auth = (client: WireClient, method: string, data: Uint8Array, reasonCode = 0x18): void =>
  client.send({
    type: "auth",
    reasonCode,
    properties: { authenticationMethod: method, authenticationData: data },
  });

/** CONNECT with the first message, AUTH with the last; gives CONNACK. */
function connect(
  client: WireClient,
  method: Method,
  scram: ScramClient,
  username?: string,
): Packet {
  client.sendConnect("c", {
    username,
    properties: { authenticationMethod: method, authenticationData: scram.first() },
  });
  auth(client, method, scram.final(dataOf(client.takeFirst())));
  return client.takeFirst()!;
}

for (const method of METHODS) {
  test(`${method}: who knows the password enters under the name that was proven, and learns that the broker knows it too`, () => {
    for (const [name, password] of [
      ["alice", "pencil"],
      ["a=b,c", "päss"],
    ] as const) {
      const self = broker();
      const connected = self.listen("clientConnected");
      const scram = new ScramClient(method, name, password);
      const connack = connect(self.dial(), method, scram);
      assert.ok(connack.type === "connack" && connack.reasonCode === 0);
      assert.ok(scram.trusts(dataOf(connack)));
      assert.equal(connected[0]!.username, name);
    }
  });

  test(`${method}: a wrong password, an unknown user and one without keys end alike, with CONNACK 0x87`, () => {
    for (const [name, password] of [
      ["alice", "pen"],
      ["alice", ""],
      ["nobody", "pencil"],
      ["plain", "x"],
    ] as const) {
      const client = broker().dial();
      const connack = connect(client, method, new ScramClient(method, name, password));
      assert.ok(connack.type === "connack" && connack.reasonCode === 0x87, name);
      assert.equal(connack.properties?.authenticationData, undefined);
      assert.deepEqual(client.told(), ["CLOSED"]);
    }
  });

  test(`${method}: an unknown user is asked as a known one is: same length of salt, same rounds, always the same salt`, () => {
    const self = broker();
    const ask = (name: string): string[] => {
      const client = self.dial();
      client.sendConnect("c", {
        properties: {
          authenticationMethod: method,
          authenticationData: new ScramClient(method, name, "").first(),
        },
      });
      return /s=([^,]+),i=(\d+)$/.exec(dataOf(client.takeFirst()))!.slice(1);
    };
    assert.deepEqual(ask("nobody"), ask("nobody"));
    assert.notDeepEqual(ask("nobody"), ask("somebody"));
    assert.deepEqual(
      ask("nobody").map((one) => one.length),
      ask("alice").map((one) => one.length),
    );
    assert.equal(ask("nobody")[1], ask("alice")[1]);
  });

  test(`[MQTT5-4.12.1-1] ${method}: a client authenticates again; as another user, or with a wrong password, its connection ends`, () => {
    for (const [name, password, expected] of [
      ["alice", "pencil", "AUTH"],
      ["alice", "wrong", "DISCONNECT 0x87"],
      ["a=b,c", "päss", "DISCONNECT 0x87"],
    ] as const) {
      const client = broker().dial();
      connect(client, method, new ScramClient(method, "alice", "pencil"));
      const again = new ScramClient(method, name, password);
      auth(client, method, again.first(), 0x19);
      const answer = client.take();
      let told = lineOf(answer[0]!);
      if (answer[0]!.type === "auth") {
        auth(client, method, again.final(dataOf(answer[0])));
        told = client.told()[0]!;
      }
      assert.equal(told, expected);
    }
  });
}

test("a username in CONNECT must be the one that is proven", () => {
  for (const [username, reasonCode] of [
    ["alice", 0],
    ["root", 0x87],
  ] as const) {
    const client = broker().dial();
    const scram = new ScramClient("SCRAM-SHA-256", "alice", "pencil");
    client.sendConnect("c", {
      username,
      properties: { authenticationMethod: "SCRAM-SHA-256", authenticationData: scram.first() },
    });
    const first = client.takeFirst();
    if (reasonCode === 0) assert.equal(first?.type, "auth");
    else assert.ok(first?.type === "connack" && first.reasonCode === reasonCode);
  }
});

const good = new ScramClient("SCRAM-SHA-256", "alice", "pencil");
for (const [what, first] of [
  ["channel binding", `p=tls-unique,,n=alice,r=${good.nonce}`],
  ["an extension that must be understood", `n,,m=x,n=alice,r=${good.nonce}`],
  ["a name that is not escaped", `n,,n=al=ice,r=${good.nonce}`],
  ["no nonce", "n,,n=alice,r="],
  ["another authorization name", `n,a=root,n=alice,r=${good.nonce}`],
  ["no SCRAM", "hello"],
] as const) {
  test(`a first message with ${what} is refused with 0x87`, () => {
    const client = broker().dial();
    client.sendConnect("c", {
      properties: { authenticationMethod: "SCRAM-SHA-256", authenticationData: Buffer.from(first) },
    });
    assert.deepEqual(client.told(), ["CONNACK 0x87", "CLOSED"]);
  });
}

for (const [what, change] of [
  ["another nonce", (final: string) => final.replace("r=", "r=x")],
  ["another channel binding", (final: string) => final.replace("c=biws", "c=eSws")],
  ["a proof of another length", (final: string) => final.replace(/p=.*/, "p=AAAA")],
  ["no proof", (final: string) => final.replace(/,p=.*/, "")],
] as const) {
  test(`a final message with ${what} is refused with 0x87`, () => {
    const client = broker().dial();
    const scram = new ScramClient("SCRAM-SHA-256", "alice", "pencil");
    client.sendConnect("c", {
      properties: { authenticationMethod: "SCRAM-SHA-256", authenticationData: scram.first() },
    });
    const final = scram.final(dataOf(client.takeFirst())).toString();
    auth(client, "SCRAM-SHA-256", Buffer.from(change(final)));
    assert.deepEqual(client.told(), ["CONNACK 0x87", "CLOSED"]);
  });
}

test("a client may begin with nothing and send its first message when it is asked", () => {
  const client = broker().dial();
  const scram = new ScramClient("SCRAM-SHA-256", "alice", "pencil");
  client.sendConnect("c", { properties: { authenticationMethod: "SCRAM-SHA-256" } });
  assert.equal(dataOf(client.takeFirst()), "");
  auth(client, "SCRAM-SHA-256", scram.first());
  auth(client, "SCRAM-SHA-256", scram.final(dataOf(client.takeFirst())));
  const connack = client.takeFirst();
  assert.ok(connack?.type === "connack" && connack.reasonCode === 0);
});

test("SCRAM is refused with 0x8C where no user has keys for it, and the password works beside it where they do", async () => {
  const folder = temporaryFolder();
  for (const [isScram, expected] of [
    [false, "CONNACK 0x8c"],
    [true, "AUTH"],
  ] as const) {
    const file = await passwordFile(join(folder, `users-${isScram}`), { alice: "pencil" }, isScram);
    await using self = await createBroker({ settings: { auth: { passwordFile: file } } });
    const { port } = await self.listen({ port: 0 });
    const raw = await RawSocket.open(port);
    raw.sendConnect("c", {
      properties: { authenticationMethod: "SCRAM-SHA-256", authenticationData: good.first() },
    });
    await raw.until(() => raw.told.length > 0);
    assert.equal(raw.told[0], expected);
    raw.destroy();
    const other = await RawSocket.connect(port, "d", 5, {
      username: "alice",
      password: Buffer.from("pencil"),
    });
    other.destroy();
  }
});
