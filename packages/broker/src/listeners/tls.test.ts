import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { connect, createServer } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { Gathering } from "./gathering.test-support.ts";
import { certificate, pem, turns, until } from "./links.test-support.ts";
import { listenTls, serveTls } from "./tls.ts";
import type { TlsListenerOptions } from "./tls.ts";
import { TlsContexts } from "./tls-contexts.ts";
import type { Listener } from "./listener.ts";

const ca = pem("ca.pem");
const byClient = { key: pem("client.key"), cert: pem("client.pem") };
const byStranger = { key: pem("stranger.key"), cert: pem("stranger.pem") };

interface World {
  readonly listener: Listener;
  readonly gathering: Gathering;
  /** Resolves once a byte went there and back, or rejects with why not. */
  readonly dial: (options?: ConnectionOptions) => Promise<TLSSocket>;
}

async function withListener(
  options: Partial<TlsListenerOptions>,
  run: (world: World) => Promise<void>,
): Promise<void> {
  const gathering = new Gathering();
  const sockets: Socket[] = [];
  const listener = await listenTls(gathering.accept, {
    host: "127.0.0.1",
    port: 0,
    tls: { certificates: [certificate("localhost")], ca },
    onRefused: gathering.onRefused,
    ...options,
  });
  const dial = (given: ConnectionOptions = {}): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const socket = connect({
        port: listener.port,
        host: "127.0.0.1",
        servername: "localhost",
        ca,
        ...given,
      });
      sockets.push(socket);
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("closed")));
      socket.once("data", () => resolve(socket));
      socket.write("x");
    });
  try {
    await run({ listener, gathering, dial });
  } finally {
    for (const socket of sockets) socket.destroy();
    for (const { link } of gathering.links) link.destroy();
    await listener.close();
  }
}

/** Host names of the certificate that a client was shown. */
const shownTo = (socket: TLSSocket): string | undefined =>
  socket.getPeerCertificate().subjectaltname;
const fingerprint = (socket: TLSSocket): string => socket.getPeerCertificate().fingerprint256;

test("a client's certificate is told where it is asked for and valid", () =>
  withListener({ requestCertificate: "require" }, async ({ gathering, dial, listener }) => {
    await dial(byClient);
    const { peer } = gathering.links[0]!.link;
    assert.equal(peer.transport, "tls");
    assert.equal(peer.listener, `tls:${listener.port}`);
    assert.equal((peer.certificate as { subject: { CN: string } }).subject.CN, "ada");
  }));

for (const { requestCertificate, shown, isLetIn, told } of [
  { requestCertificate: "off", shown: undefined, isLetIn: true, told: undefined },
  { requestCertificate: "off", shown: byClient, isLetIn: true, told: undefined },
  { requestCertificate: "ask", shown: undefined, isLetIn: true, told: undefined },
  { requestCertificate: "ask", shown: byClient, isLetIn: true, told: "ada" },
  { requestCertificate: "ask", shown: byStranger, isLetIn: false, told: undefined },
  { requestCertificate: "require", shown: undefined, isLetIn: false, told: undefined },
  { requestCertificate: "require", shown: byClient, isLetIn: true, told: "ada" },
  { requestCertificate: "require", shown: byStranger, isLetIn: false, told: undefined },
] as const) {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const who = shown === undefined ? "none" : shown === byClient ? "a valid one" : "a stranger's";
    test(`${version}, certificates: ${requestCertificate}. A client with ${who} is ${isLetIn ? "let in" : "refused"}`, () =>
      withListener({ requestCertificate }, async ({ gathering, dial, listener }) => {
        const dialling = dial({ ...shown, minVersion: version, maxVersion: version });
        if (isLetIn) {
          await dialling;
          const { certificate: given } = gathering.links[0]!.link.peer;
          assert.equal((given as { subject: { CN: string } } | undefined)?.subject.CN, told);
          return;
        }
        await assert.rejects(dialling);
        await until(() => gathering.refusals.length === 1);
        assert.equal(gathering.refusals[0]!.reason, "client-certificate");
        assert.equal(gathering.refusals[0]!.address, "127.0.0.1");
        assert.equal(gathering.links.length, 0);
        assert.equal(listener.refused, 1);
      }));
  }
}

test("a resumed session tells the client's certificate again", () =>
  withListener({ requestCertificate: "require" }, async ({ gathering, dial }) => {
    const first = await dial({ ...byClient, maxVersion: "TLSv1.2" });
    const session = first.getSession()!;
    const second = await dial({ ...byClient, maxVersion: "TLSv1.2", session });
    assert.equal(second.isSessionReused(), true);
    const { certificate: given } = gathering.links[1]!.link.peer;
    assert.equal((given as { subject: { CN: string } }).subject.CN, "ada");
  }));

test("certificates cannot be asked for without an authority to judge them by", async () => {
  const tls = { certificates: [certificate("localhost")] };
  await assert.rejects(
    withListener({ tls, requestCertificate: "ask" }, () => Promise.resolve()),
    { code: "ERR_TLS_CERTIFICATE", message: /tls\.ca/ },
  );
});

for (const [servername, expected] of [
  ["broker.example", "broker.example"],
  ["a.devices.example", "broker.example"],
  ["a.b.devices.example", "localhost"], // A wildcard is one label.
  ["localhost", "localhost"],
  ["elsewhere.example", "localhost"],
  ["", "localhost"],
] as const) {
  test(`a client that names ${servername === "" ? "no host" : servername} is shown the certificate of ${expected}`, () =>
    withListener(
      { tls: { certificates: [certificate("localhost"), certificate("example")], ca } },
      async ({ dial }) => {
        const socket = await dial({ servername, checkServerIdentity: () => undefined });
        assert.match(shownTo(socket)!, new RegExp(`DNS:${expected}`));
      },
    ));
}

test("a client's certificate is judged by the same authorities whatever host it names", () =>
  withListener(
    {
      tls: { certificates: [certificate("localhost"), certificate("example")], ca },
      requestCertificate: "require",
    },
    async ({ dial, gathering }) => {
      await dial({ servername: "broker.example", ...byClient });
      await assert.rejects(dial({ servername: "broker.example", ...byStranger }));
      assert.equal(gathering.links.length, 1);
    },
  ));

for (const [offered, answered] of [
  [undefined, false],
  [["mqtt"], "mqtt"],
  [["http/1.1", "mqtt"], "mqtt"],
] as const) {
  test(`a client that offers ${offered?.join(", ") ?? "no protocol"} (ALPN) gets ${answered || "none"}`, () =>
    withListener({}, async ({ dial }) => {
      const socket = await dial(offered === undefined ? {} : { ALPNProtocols: [...offered] });
      assert.equal(socket.alpnProtocol, answered);
    }));
}

test("a client that offers only other protocols (ALPN) is refused", () =>
  withListener({}, async ({ dial, gathering }) => {
    await assert.rejects(dial({ ALPNProtocols: ["http/1.1"] }), /no application protocol/i);
    await until(() => gathering.refusals[0]?.reason === "tls-handshake");
  }));

test("other protocols may be answered", () =>
  withListener({ protocols: ["mqtt", "x-amzn-mqtt-ca"] }, async ({ dial }) => {
    const socket = await dial({ ALPNProtocols: ["x-amzn-mqtt-ca"] });
    assert.equal(socket.alpnProtocol, "x-amzn-mqtt-ca");
  }));

test("versions below the lowest are refused, from 1.2 on all are spoken", async () => {
  const tls = { certificates: [certificate("localhost")] };
  await withListener({ tls: { ...tls, minimumVersion: "TLSv1.3" } }, async ({ dial }) => {
    assert.equal((await dial()).getProtocol(), "TLSv1.3");
    await assert.rejects(dial({ maxVersion: "TLSv1.2" }));
  });
  await withListener({ tls }, async ({ dial }) => {
    assert.equal((await dial({ maxVersion: "TLSv1.2" })).getProtocol(), "TLSv1.2");
    const old = {
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
    } as const;
    await assert.rejects(dial(old));
  });
});

test("other certificates are shown after a reload, and connections live on", () =>
  withListener({}, async ({ listener, dial, gathering }) => {
    const before = await dial();
    listener.reload!(
      new TlsContexts({ certificates: [certificate("renewed"), certificate("example")], ca }),
    );
    const after = await dial();
    assert.notEqual(fingerprint(after), fingerprint(before));
    const named = await dial({ servername: "broker.example" });
    assert.match(shownTo(named)!, /DNS:broker\.example/);
    before.write("still there");
    const [echoed] = (await once(before, "data")) as [Buffer];
    assert.equal(echoed.toString(), "still there");
    assert.equal(
      gathering.links.some(({ isClosed }) => isClosed),
      false,
    );
  }));

test("after a reload no old session is resumed: its client is judged anew", () =>
  withListener({ requestCertificate: "require" }, async ({ listener, dial }) => {
    const session = (await dial({ ...byClient, maxVersion: "TLSv1.2" })).getSession()!;
    listener.reload!(
      new TlsContexts({ certificates: [certificate("localhost")], ca: pem("other-ca.pem") }),
    );
    await assert.rejects(dial({ ...byClient, maxVersion: "TLSv1.2", session }));
    await dial(byStranger);
  }));

test("a reload that does not fit changes nothing", () =>
  withListener({ requestCertificate: "require" }, async ({ listener, dial }) => {
    const before = await dial(byClient);
    const withoutAuthority = new TlsContexts({ certificates: [certificate("renewed")] });
    assert.throws(() => listener.reload!(withoutAuthority), { code: "ERR_TLS_CERTIFICATE" });
    assert.equal(fingerprint(await dial(byClient)), fingerprint(before));
  }));

for (const [what, certificates, message] of [
  ["no certificate", [], /needs a certificate/],
  ["an empty certificate", [{ certificate: "", key: pem("localhost.key") }], /needs a certificate/],
  [
    "a key of another certificate",
    [{ ...certificate("localhost"), key: pem("renewed.key") }],
    /key values mismatch/,
  ],
  [
    "a certificate that is none",
    [{ ...certificate("localhost"), certificate: "x", name: "x.pem" }],
    /x\.pem: /,
  ],
  [
    "a key that is none",
    [certificate("localhost"), { ...certificate("localhost"), key: "x" }],
    /certificate 2: /,
  ],
] as const) {
  test(`${what} is refused with what is wrong`, () => {
    assert.throws(() => new TlsContexts({ certificates }), {
      code: "ERR_TLS_CERTIFICATE",
      message,
    });
  });
}

test("handshakes that fail in any way hurt no other connection", () =>
  withListener({ handshakeTimeoutMs: 200 }, async ({ listener, dial, gathering }) => {
    const steady = await dial();
    const raw = async (bytes?: Uint8Array | string): Promise<Socket> => {
      const socket = connectTcp(listener.port, "127.0.0.1");
      socket.on("error", () => undefined);
      await once(socket.resume(), "connect");
      if (bytes !== undefined) socket.write(bytes);
      return socket;
    };
    const hello = Buffer.from("16030100c8010000c40303", "hex");
    const broken = [
      await raw("GET / HTTP/1.1\r\n\r\n"),
      await raw(Buffer.from("100c00044d5154540402003c0000", "hex")), // CONNECT without TLS
      await raw(Buffer.concat([hello, Buffer.alloc(300, 7)])),
      await raw(hello), // and no more
      await raw(), // says nothing
    ];
    const cut = await raw(hello);
    await turns();
    cut.resetAndDestroy();
    await assert.rejects(dial({ ca: pem("other-ca.pem") })); // The client does not trust the broker.
    await until(() => broken.every((socket) => socket.destroyed));
    await until(() => gathering.refusals.length >= 6);
    assert.ok(
      gathering.refusals.every(
        ({ reason }) => reason === "tls-handshake" || reason === "handshake-timeout",
      ),
    );
    assert.equal(
      gathering.refusals.filter(({ reason }) => reason === "handshake-timeout").length,
      2,
    );
    steady.write("y");
    await once(steady, "data");
    await dial();
  }));

test("answers to the last bytes still leave when the client ends its half", () =>
  withListener({}, async ({ dial }) => {
    const socket = await dial();
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.end("last words");
    await once(socket, "close");
    assert.equal(Buffer.concat(chunks).toString(), "last words");
  }));

test("the connections of a tls.Server of somebody else's are taken until the listener closes", async () => {
  const { key, certificate: cert } = certificate("localhost");
  const server = createServer({ key, cert, ca, requestCert: true, rejectUnauthorized: false });
  server.on("tlsClientError", () => undefined);
  const gathering = new Gathering();
  const listener = serveTls(server, gathering.accept);
  await once(server.listen(0, "127.0.0.1"), "listening");
  assert.match(listener.url, /^mqtts:\/\/127\.0\.0\.1:\d+$/);
  const [valid, stranger] = [byClient, byStranger].map((shown) =>
    connect({ port: listener.port, host: "127.0.0.1", servername: "localhost", ca, ...shown }),
  ) as [TLSSocket, TLSSocket];
  await until(() => gathering.links.length === 2);
  // A certificate that nobody vouches for is not told.
  const names = gathering.links.map(
    ({ link }) => (link.peer.certificate as { subject: { CN: string } } | undefined)?.subject.CN,
  );
  assert.deepEqual(new Set(names), new Set(["ada", undefined]));
  await listener.close();
  assert.equal(server.listening, true);
  valid.destroy();
  stranger.destroy();
  await new Promise((resolve) => server.close(resolve));
});
