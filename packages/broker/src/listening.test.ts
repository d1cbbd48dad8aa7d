import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect as connectTcp, createServer as createTcpServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { WebSocket } from "ws";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";
import type { Log } from "./engine/ports.ts";
import { refusalReasons } from "./listeners/listener.ts";
import { certificate, pem } from "./listeners/links.test-support.ts";
import type { ListenOptions } from "./listen-options.ts";
import type { PartialSettings } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-"));
after(() => rmSync(folder, { recursive: true }));

/** Path of a certificate or key of the tests. */
const file = (name: string): string =>
  new URL(`../src/listeners/test-certificates/${name}`, import.meta.url).pathname;
const ofLocalhost = { certificate: file("localhost.pem"), key: file("localhost.key") };

const CONNECT = Buffer.from("100d00044d515454040200000001 61".replaceAll(" ", ""), "hex"); // 3.1.1, ClientID "a"
const PINGREQ = Buffer.from("c000", "hex");

/** Writes CONNECT and waits for CONNACK. */
async function enter(socket: Socket): Promise<void> {
  socket.write(CONNECT);
  const [connack] = (await once(socket, "data")) as [Buffer];
  assert.equal(connack.toString("hex"), "20020000");
}

async function ping(socket: Socket): Promise<void> {
  socket.write(PINGREQ);
  const [pingresp] = (await once(socket, "data")) as [Buffer];
  assert.equal(pingresp.toString("hex"), "d000");
}

async function withBroker(
  settings: PartialSettings,
  run: (
    broker: Broker,
    lines: { event: string; fields: Readonly<Record<string, unknown>> }[],
  ) => Promise<void>,
): Promise<void> {
  const lines: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const log: Log = {
    enabled: () => true,
    write: (_level, event, fields) => lines.push({ event, fields }),
  };
  const broker = await createBroker({ settings, log });
  try {
    await run(broker, lines);
  } finally {
    await broker.close({ timeoutMs: 100 });
  }
}

const secure: ConnectionOptions = { ca: pem("ca.pem"), servername: "localhost", host: "127.0.0.1" };
const dialTls = async (port: number, options: ConnectionOptions = {}): Promise<TLSSocket> => {
  const socket = connectTls({ port, ...secure, ...options });
  await once(socket, "secureConnect");
  return socket;
};

test("everything that the settings ask for is opened", () => {
  const unix = join(folder, "all.sock");
  const listen = { port: 0, tlsPort: 0, wsPort: 0, wssPort: 0, unix };
  return withBroker({ listen, tls: ofLocalhost }, async (broker) => {
    const listeners = await broker.listenAsConfigured();
    assert.deepEqual(
      listeners.map(({ transport, url }) => [transport, url.split(":")[0]]),
      [
        ["tcp", "mqtt"],
        ["tls", "mqtts"],
        ["websocket", "ws"],
        ["websocket", "wss"],
        ["unix", "unix"],
      ],
    );
    assert.deepEqual(broker.listeners, listeners);
    const [tcp, tls, ws, wss] = listeners.map(({ port }) => port);
    for (const socket of [connectTcp(tcp!, "127.0.0.1"), await dialTls(tls!), connectTcp(unix)]) {
      await enter(socket);
      socket.destroy();
    }
    for (const url of [`ws://localhost:${ws}/any`, `wss://localhost:${wss}/any`]) {
      const webSocket = new WebSocket(url, "mqtt", { ca: pem("ca.pem") });
      await once(webSocket, "open");
      webSocket.send(CONNECT);
      const [connack] = (await once(webSocket, "message")) as [Buffer];
      assert.equal(connack.toString("hex"), "20020000");
      webSocket.terminate();
    }
  });
});

test("by default only TCP is opened", () =>
  withBroker({ listen: { port: 0 } }, async (broker) => {
    assert.deepEqual(
      (await broker.listenAsConfigured()).map(({ transport }) => transport),
      ["tcp"],
    );
  }));

test("where one of several listeners cannot be opened, none stays open", () => {
  const unix = join(folder, "none", "x.sock");
  return withBroker({ listen: { port: 0, wsPort: 0, unix } }, async (broker) => {
    await assert.rejects(broker.listenAsConfigured(), { code: "ERR_LISTEN" });
    assert.deepEqual(broker.listeners, []);
  });
});

test("several listeners of each kind can be opened, with options of their own", () =>
  withBroker({}, async (broker) => {
    const mine = { certificates: [certificate("localhost")] };
    const wanted: ListenOptions[] = [
      { port: 0 },
      { port: 0 },
      { transport: "tls", port: 0, tls: mine },
      { transport: "tls", port: 0, tls: mine, requestCertificate: "off" },
      { transport: "websocket", port: 0, path: "/one" },
      { transport: "websocket", port: 0, path: "/two", tls: mine },
      { transport: "unix", path: join(folder, "one.sock") },
      { transport: "unix", path: join(folder, "two.sock"), mode: "0600" },
    ];
    for (const options of wanted) await broker.listen(options);
    assert.equal(new Set(broker.listeners.map(({ name }) => name)).size, wanted.length);
    await assert.rejects(
      once(new WebSocket(`ws://127.0.0.1:${broker.listeners[4]!.port}/two`), "open"),
      /404/,
    );
  }));

for (const options of [
  { port: 0, host: "0.0.0.0" },
  { transport: "tls", port: 0, host: "0.0.0.0", tls: { certificates: [certificate("localhost")] } },
  { transport: "websocket", port: 0, host: "::" },
] as const satisfies ListenOptions[]) {
  test(`nobody listens unasked beyond loopback where everybody could come in: ${JSON.stringify(options).slice(0, 60)}`, () =>
    withBroker({}, async (broker) => {
      await assert.rejects(broker.listen(options), { code: "ERR_ANONYMOUS_BEYOND_LOOPBACK" });
      assert.deepEqual(broker.listeners, []);
    }));
}

test("a server that listens beyond loopback is not taken where everybody could come in", () =>
  withBroker({}, async (broker, lines) => {
    const early = createHttpServer();
    await once(early.listen(0), "listening");
    await assert.rejects(broker.listen({ server: early }), {
      code: "ERR_ANONYMOUS_BEYOND_LOOPBACK",
    });
    early.close();

    const late = createTcpServer();
    await broker.listen({ server: late });
    await once(late.listen(0), "listening");
    assert.equal(lines[0]!.event, "listener-exposed");
    assert.equal(late.listenerCount("connection"), 0);
    late.close();
  }));

test("servers of somebody else's are taken for what they are, and are not closed with the broker", async () => {
  const { key, certificate: cert } = certificate("localhost");
  const servers = [createTcpServer(), createTlsServer({ key, cert }), createHttpServer()] as const;
  await withBroker({}, async (broker) => {
    for (const server of servers) {
      await broker.listen({ server });
      await once(server.listen(0, "127.0.0.1"), "listening");
    }
    assert.deepEqual(
      broker.listeners.map(({ transport }) => transport),
      ["tcp", "tls", "websocket"],
    );
    const [tcp, tls] = broker.listeners;
    for (const socket of [connectTcp(tcp!.port, "127.0.0.1"), await dialTls(tls!.port)]) {
      await enter(socket);
      socket.destroy();
    }
  });
  for (const server of servers) {
    assert.equal(server.listening, true);
    server.close();
  }
});

for (const [tls, message] of [
  [{}, /TLS needs a certificate and its key/],
  [{ certificate: ofLocalhost.certificate }, /1 files and tls\.key 0/],
  [{ ...ofLocalhost, key: "/nowhere/x.key" }, /tls\.key: .*\/nowhere\/x\.key/],
  [{ ...ofLocalhost, key: file("renewed.key") }, /localhost\.pem: .*mismatch/],
  [{ ...ofLocalhost, requestCertificate: "require" }, /tls\.ca/],
] as const) {
  test(`a TLS listener that cannot be says why: ${message.source}`, () =>
    withBroker({ tls }, async (broker) => {
      const opening = broker.listen({ transport: "tls", port: 0 });
      await assert.rejects(opening, { code: "ERR_TLS_CERTIFICATE", message });
    }));
}

test("reconfigure puts renewed certificates in force, under the same names, and no connection drops", async () => {
  const renewing = { certificate: join(folder, "r.pem"), key: join(folder, "r.key") };
  const put = (name: string): void => {
    copyFileSync(file(`${name}.pem`), renewing.certificate);
    copyFileSync(file(`${name}.key`), renewing.key);
  };
  put("localhost");
  await withBroker(
    { listen: { tlsPort: 0, wssPort: 0, port: -1 }, tls: renewing },
    async (broker) => {
      const [tls, wss] = await broker.listenAsConfigured();
      const own = await broker.listen({
        transport: "tls",
        port: 0,
        tls: { certificates: [certificate("localhost")] },
      });
      const shown = async ({ port }: { port: number }): Promise<string> => {
        const socket = await dialTls(port, {
          ALPNProtocols: port === wss!.port ? ["http/1.1"] : ["mqtt"],
        });
        const { fingerprint256 } = socket.getPeerCertificate();
        socket.destroy();
        return fingerprint256;
      };
      const before = await shown(tls!);
      const living = await dialTls(tls!.port);
      await enter(living);
      assert.deepEqual(await broker.reconfigure({}), { changed: [], needRestart: [] });

      // Half of the renewal is done: nothing changes, and the error says so.
      copyFileSync(file("renewed.pem"), renewing.certificate);
      await assert.rejects(broker.reconfigure({ mqtt: { receiveMaximum: 7 } }), {
        code: "ERR_TLS_CERTIFICATE",
      });
      assert.notEqual(broker.settings.mqtt.receiveMaximum, 7);
      assert.equal(await shown(tls!), before);

      put("renewed");
      assert.deepEqual(await broker.reconfigure({}), {
        changed: ["tls.certificate", "tls.key"],
        needRestart: [],
      });
      const after = await shown(tls!);
      assert.notEqual(after, before);
      assert.equal(await shown(wss!), after);
      assert.equal(await shown(own), before); // It has certificates of its own.
      await ping(living);

      const files = {
        certificate: `${renewing.certificate}, ${file("example.pem")}`,
        key: `${renewing.key}, ${file("example.key")}`,
      };
      const { changed } = await broker.reconfigure({ tls: files });
      assert.deepEqual(changed, ["tls.certificate", "tls.key"]);
      const named = await dialTls(tls!.port, { servername: "broker.example" });
      assert.match(named.getPeerCertificate().subjectaltname!, /broker\.example/);
      await ping(living);
      for (const socket of [named, living]) socket.destroy();
    },
  );
});

test("a failed handshake is logged and hurts nobody", () =>
  withBroker({ tls: ofLocalhost }, async (broker, lines) => {
    const listener = await broker.listen({ transport: "tls", port: 0 });
    const living = await dialTls(listener.port);
    await enter(living);
    const wrong = connectTcp(listener.port, "127.0.0.1");
    wrong.write(CONNECT);
    await once(wrong.resume(), "close");
    await ping(living);
    const { event, fields } = lines.find((line) => line.event === "connection-refused")!;
    assert.equal(event, "connection-refused");
    assert.equal(fields["listener"], listener.name);
    assert.equal(fields["reason"], "tls-handshake");
    assert.equal(fields["address"], "127.0.0.1");
    assert.match(String(fields["error"]), /\S$/);
    assert.equal(listener.refused, 1);
    living.destroy();
  }));

test("the proxies of the settings count for every listener", () =>
  withBroker({ proxy: { protocol: true, trusted: "127.0.0.1, 10.0.0.0/8" } }, async (broker) => {
    const listener = await broker.listen({ port: 0 });
    const entered = new Promise<string | undefined>((resolve) => {
      broker.on("clientConnected", ({ peer }) => resolve(peer.address));
    });
    const socket = connectTcp(listener.port, "127.0.0.1");
    socket.write("PROXY TCP4 192.0.2.7 127.0.0.1 5678 1883\r\n");
    await enter(socket);
    assert.equal(await entered, "192.0.2.7");
    socket.destroy();
  }));

test("the Unix socket's file goes with the broker, and a file in its place is left alone", async () => {
  const path = join(folder, "gone.sock");
  await withBroker({ listen: { unix: path } }, async (broker) => {
    await broker.listen({ transport: "unix" });
    assert.equal(existsSync(path), true);
  });
  assert.equal(existsSync(path), false);
  writeFileSync(path, "precious");
  await withBroker({}, async (broker) => {
    await assert.rejects(broker.listen({ transport: "unix", path }), {
      code: "ERR_LISTEN",
      message: /no socket/,
    });
    await assert.rejects(broker.listen({ transport: "unix" }), { code: "ERR_SETTING" });
  });
});

test("docs/LISTENERS.md lists every reason for a refusal", () => {
  const page = readFileSync(new URL("../../../docs/LISTENERS.md", import.meta.url), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| `"));
  assert.deepEqual(
    rows,
    Object.entries(refusalReasons).map(([reason, text]) => `| \`${reason}\` | ${text} |`),
  );
});
