import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";
import { temporaryFolder } from "./entry.test-support.ts";
import { RawSocket } from "./raw-socket.test-support.ts";

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);
const openssl = (...args: string[]): void =>
  void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });

/** Why these tests cannot run, or false. */
function skipReason(): string | false {
  return spawnSync("openssl", ["version"]).error === undefined ? false : "openssl is not installed";
}
const skip = skipReason();

/** An authority with a server and clients, made once. */
function makeCertificates(): void {
  writeFileSync(
    inFolder("ca.cnf"),
    "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ndefault_md=sha256\ncrlnumber=crlnumber\ndefault_crl_days=30\n",
  );
  writeFileSync(inFolder("index.txt"), "");
  writeFileSync(inFolder("crlnumber"), "01\n");
  openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ca.key");
  openssl(
    "req",
    "-x509",
    "-new",
    "-key",
    "ca.key",
    "-subj",
    "/CN=Authority",
    "-days",
    "30",
    "-out",
    "ca.pem",
  );
  for (const [name, subject, extension] of [
    ["server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ["ada", "/C=DE/O=Example, Inc./CN=ada", "extendedKeyUsage=clientAuth"],
    ["lost", "/CN=lost", "extendedKeyUsage=clientAuth"],
    ["nameless", "/O=Example", "extendedKeyUsage=clientAuth"],
    ["twofold", "/CN=one/CN=two", "extendedKeyUsage=clientAuth"],
  ] as const) {
    writeFileSync(inFolder(`${name}.ext`), extension);
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", `${name}.key`);
    openssl("req", "-new", "-key", `${name}.key`, "-subj", subject, "-out", `${name}.csr`);
    openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      "30",
      "-out",
      `${name}.pem`,
      "-extfile",
      `${name}.ext`,
    );
  }
}
if (skip === false) makeCertificates();

function writeRevocations(): void {
  openssl(
    "ca",
    "-config",
    "ca.cnf",
    "-gencrl",
    "-keyfile",
    "ca.key",
    "-cert",
    "ca.pem",
    "-out",
    "crl.pem",
  );
}

async function tlsBroker(
  certificate: "commonName" | "subject",
  more: { readonly crl?: string; readonly allowAnonymous?: boolean } = {},
): Promise<{ broker: Broker; port: number }> {
  const broker = await createBroker({
    settings: {
      auth: {
        certificate,
        allowAnonymous: more.allowAnonymous ?? false,
        username: "u",
        password: "p",
      },
      tls: {
        certificate: inFolder("server.pem"),
        key: inFolder("server.key"),
        ca: inFolder("ca.pem"),
        crl: more.crl ?? "",
        requestCertificate: "ask",
      },
    },
  });
  const { port } = await broker.listen({ transport: "tls", port: 0 });
  return { broker, port };
}

/** Connects with a certificate, and perhaps a session to resume. */
async function dial(
  port: number,
  name: string | undefined,
  session?: Buffer,
): Promise<{ raw: RawSocket; socket: TLSSocket }> {
  const socket = connect({
    port,
    host: "127.0.0.1",
    servername: "localhost",
    ca: readFileSync(inFolder("ca.pem")),
    ...(session === undefined ? {} : { session }),
    ...(name === undefined
      ? {}
      : {
          cert: readFileSync(inFolder(`${name}.pem`)),
          key: readFileSync(inFolder(`${name}.key`)),
        }),
  });
  const raw = new RawSocket(socket, 5);
  await new Promise((resolve) => {
    socket.once("secureConnect", resolve);
    socket.once("close", resolve);
  });
  return { raw, socket };
}

/** The answer to CONNECT, and the username that the client goes by. */
async function entry(
  broker: Broker,
  port: number,
  name: string | undefined,
  username?: string,
  password?: string,
): Promise<string> {
  const { raw } = await dial(port, name);
  raw.sendConnect("c", {
    username,
    password: password === undefined ? undefined : Buffer.from(password),
  });
  await raw.until(() => raw.told.length > 0);
  const known = (await broker.client("c"))?.username;
  const isIn = raw.told[0] === "CONNACK 0x00";
  raw.destroy();
  return isIn ? `in as ${known}` : raw.told[0]!;
}

test(
  "a client with a certificate goes by its common name, whatever username it sends; one without is asked for a password",
  { skip },
  async () => {
    const { broker, port } = await tlsBroker("commonName");
    await using _ = broker;
    assert.equal(await entry(broker, port, "ada"), "in as ada");
    assert.equal(await entry(broker, port, "ada", "root", "x"), "in as ada");
    assert.equal(await entry(broker, port, undefined), "CONNACK 0x87");
    assert.equal(await entry(broker, port, undefined, "u", "p"), "in as u");
    assert.equal(await entry(broker, port, undefined, "ada", ""), "CONNACK 0x86");
  },
);

test(
  "where certificates alone count, a password lets nobody in; where passwords alone count, a certificate does not",
  { skip },
  async () => {
    const { broker } = await tlsBroker("commonName", { allowAnonymous: true });
    await using _ = broker;
    const ways = [
      ["ada", undefined, undefined],
      ["ada", "u", "p"],
      [undefined, "u", "p"],
      [undefined, undefined, undefined],
    ] as const;
    for (const [method, ...expected] of [
      ["certificate", "in as ada", "in as ada", "CONNACK 0x86", "CONNACK 0x87"],
      ["password", "CONNACK 0x87", "in as u", "in as u", "CONNACK 0x87"],
    ] as const) {
      const auth = { methods: [method] } as const;
      const { port } = await broker.listen({ transport: "tls", port: 0, auth });
      for (const [index, [name, username, password]] of ways.entries())
        assert.equal(await entry(broker, port, name, username, password), expected[index]);
    }
  },
);

test("a certificate without a common name, or with two, lets nobody in", { skip }, async () => {
  const { broker, port } = await tlsBroker("commonName", { allowAnonymous: true });
  await using _ = broker;
  assert.equal(await entry(broker, port, "nameless"), "CONNACK 0x86");
  assert.equal(await entry(broker, port, "twofold"), "CONNACK 0x86");
});

test("the whole subject can be the username, as RFC 2253 writes it", { skip }, async () => {
  const { broker, port } = await tlsBroker("subject");
  await using _ = broker;
  assert.equal(await entry(broker, port, "ada"), "in as CN=ada,O=Example\\, Inc.,C=DE");
  assert.equal(await entry(broker, port, "nameless"), "in as O=Example");
});

test(
  "a certificate that is revoked is refused after a reconfiguration, also where its TLS session is resumed; others enter",
  { skip },
  async () => {
    writeRevocations();
    const { broker, port } = await tlsBroker("commonName", { crl: inFolder("crl.pem") });
    await using _ = broker;
    const before = await dial(port, "lost");
    let session: Buffer | undefined;
    before.socket.on("session", (one: Buffer) => (session = one));
    before.raw.sendConnect("before");
    await before.raw.until(() => before.raw.told.length > 0 && session !== undefined);
    assert.deepEqual(before.raw.told, ["CONNACK 0x00"]);

    openssl(
      "ca",
      "-config",
      "ca.cnf",
      "-revoke",
      "lost.pem",
      "-keyfile",
      "ca.key",
      "-cert",
      "ca.pem",
    );
    writeRevocations();
    await broker.reconfigure({});
    const refused: (string | undefined)[] = [];
    broker.on("connectionRefused", ({ reason, error }) => refused.push(reason, error));
    for (const resumed of [undefined, session]) {
      const { raw } = await dial(port, "lost", resumed);
      raw.sendConnect("after");
      await raw.untilClosed();
      assert.equal(await broker.client("after"), undefined);
    }
    assert.deepEqual(refused.slice(0, 2), ["client-certificate", "CERT_REVOKED"]);
    assert.equal(await entry(broker, port, "ada"), "in as ada");
    assert.equal(before.raw.isClosed, false);
    before.raw.destroy();
  },
);

test("a revocation list that is none is refused by name", { skip }, () =>
  assert.rejects(tlsBroker("commonName", { crl: inFolder("ca.pem") }), (error: Error) =>
    /tls\.crl holds no revocation list/.test(error.message),
  ),
);

test("mosquitto_pub enters by its certificate", { skip }, async (t: TestContext) => {
  if (spawnSync("mosquitto_pub", ["--help"]).error !== undefined)
    return t.skip("mosquitto_pub is not installed");
  const { broker, port } = await tlsBroker("commonName");
  await using _ = broker;
  const connected: (string | undefined)[] = [];
  broker.on("clientConnected", ({ username }) => connected.push(username));
  const { execFile } = await import("node:child_process");
  const publish = (...args: string[]): Promise<number> =>
    new Promise((resolve) => {
      const all = [
        "-h",
        "localhost",
        "-p",
        String(port),
        "--cafile",
        inFolder("ca.pem"),
        "-t",
        "a",
        "-m",
        "x",
        "-q",
        "1",
        ...args,
      ];
      execFile("mosquitto_pub", all, (error) => resolve(error === null ? 0 : Number(error.code)));
    });
  assert.equal(await publish("--cert", inFolder("ada.pem"), "--key", inFolder("ada.key")), 0);
  assert.notEqual(await publish(), 0);
  assert.deepEqual(connected, ["ada"]);
});
