import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";
import type { Log } from "./engine/ports.ts";
import type { OwnListenOptions, TcpListenOptions } from "./listen-options.ts";
import { certificate, pem } from "./listeners/links.test-support.ts";
import { listenTcp } from "./listeners/index.ts";
import { RawSocket } from "./raw-socket.test-support.ts";
import type { PartialSettings } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-changes-"));
after(() => rmSync(folder, { recursive: true }));

const off: PartialSettings = { listen: { port: -1 } };

/** A broker that listens by this list, with the names of the lines that it logs of its listeners. */
async function broker(
  listeners: readonly OwnListenOptions[],
  settings: PartialSettings = off,
): Promise<{ broker: Broker; lines: string[] } & AsyncDisposable> {
  const lines: string[] = [];
  const log: Log = {
    enabled: () => true,
    write: (_level, event, { listener }) =>
      void (event.startsWith("listener-") && lines.push(`${event} ${String(listener)}`)),
  };
  const made = await createBroker({ settings, log });
  await made.listenAsConfigured(listeners);
  return {
    broker: made,
    lines,
    [Symbol.asyncDispose]: () => made.close({ timeoutMs: 100 }),
  };
}

/** A port that is free, and stays so if nobody else asks for just this one. */
async function freePort(host = "127.0.0.1"): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A port that somebody else has, until it is disposed. */
async function occupied(): Promise<{ port: number } & Disposable> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.dispose]: () => void server.close() };
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false; // Refused: nobody listens.
  } finally {
    socket.destroy();
  }
}

async function isServed(socket: RawSocket): Promise<boolean> {
  socket.send({ type: "pingreq" });
  return (await socket.take(1))[0] === "PINGRESP";
}

test("a reconfiguration opens the listeners that are new and closes those that are gone, whose connections live on", async () => {
  const [stays, goes, comes] = [await freePort(), await freePort(), await freePort()];
  await using made = await broker([{ port: stays }, { port: goes }]);
  const [first, second] = [
    await RawSocket.connect(stays, "stays"),
    await RawSocket.connect(goes, "goes"),
  ];
  const [listener] = made.broker.listeners;
  const listeners = [{ port: comes }, { port: stays }];
  assert.deepEqual(await made.broker.reconfigure({}, { listeners }), {
    changed: ["listeners"],
    needRestart: [],
  });
  assert.deepEqual(
    made.broker.listeners.map(({ port }) => port),
    [stays, comes],
  );
  assert.equal(made.broker.listeners[0], listener);
  assert.deepEqual(
    [await isOpen(stays), await isOpen(goes), await isOpen(comes)],
    [true, false, true],
  );
  assert.deepEqual([await isServed(first), await isServed(second)], [true, true]);
  (await RawSocket.connect(comes, "comes")).destroy();
  assert.deepEqual(made.lines, [`listener-closed tcp:${goes}`, `listener-opened tcp:${comes}`]);
  assert.deepEqual((await made.broker.reconfigure({}, { listeners })).changed, []);
  assert.deepEqual((await made.broker.reconfigure({})).changed, []);
  for (const socket of [first, second]) socket.destroy();
});

test("ports of the settings are opened, moved and closed as well; a listener that was opened by a call stays", async () => {
  const [one, two, called] = [await freePort(), await freePort(), await freePort()];
  await using made = await broker([], { listen: { port: one } });
  await made.broker.listen({ port: called });
  assert.deepEqual(await made.broker.reconfigure({ listen: { port: -1, wsPort: two } }), {
    changed: ["listen.port", "listen.wsPort"],
    needRestart: [],
  });
  assert.deepEqual(
    made.broker.listeners.map(({ name }) => name),
    [`tcp:${called}`, `ws:${two}`],
  );
  assert.deepEqual([await isOpen(one), await isOpen(called)], [false, true]);
});

test("without listenAsConfigured the ports of the settings are for calls to come", async () => {
  await using made = await createBroker();
  assert.deepEqual((await made.reconfigure({ listen: { port: 0 } })).changed, ["listen.port"]);
  assert.deepEqual(made.listeners, []);
  assert.notEqual((await made.listen()).port, 0);
});

test("who may enter and how many counts at once, for connections to come; those that are there are counted", async () => {
  const port = await freePort();
  await using made = await broker([{ port, auth: { allowAnonymous: true } }], {
    ...off,
    auth: { username: "u", password: "p" },
  });
  const there = await RawSocket.connect(port, "there");
  const change = (more: TcpListenOptions) =>
    made.broker.reconfigure({}, { listeners: [{ port, ...more }] });
  const answer = async (length = 7): Promise<string> => {
    const socket = await RawSocket.open(port);
    socket.sendConnect("a".repeat(length));
    const [line] = await socket.take(1);
    socket.destroy();
    return line!;
  };
  assert.equal(await answer(), "CONNACK 0x00");
  await change({ auth: { allowAnonymous: false } });
  assert.equal(await answer(), "CONNACK 0x87");
  await change({ auth: { allowAnonymous: true }, limits: { connections: 1 } });
  while (made.broker.gauges.connections > 1) await new Promise(setImmediate);
  assert.equal(await answer(), "CONNACK 0x97");
  await change({ auth: { allowAnonymous: true }, limits: { connections: 2 } });
  assert.equal(await answer(), "CONNACK 0x00");
  while (made.broker.gauges.connections > 1) await new Promise(setImmediate);
  await change({ auth: { allowAnonymous: true }, mqtt: { maximumPacketSize: 1024 } });
  assert.equal(await answer(2000), "CLOSED");
  assert.equal(await answer(), "CONNACK 0x00");
  await change({ auth: { allowAnonymous: true } });
  assert.equal(await answer(2000), "CONNACK 0x00");
  assert.equal(await isServed(there), true);
  // It is the same socket all the while.
  assert.deepEqual(made.lines, []);
  there.destroy();
});

test("another transport takes over the port without a gap; connections live on, and the listener is the same to who holds it", async () => {
  const port = await freePort();
  const tls = { certificates: [certificate("localhost")] };
  await using made = await broker([{ port }]);
  const [listener] = made.broker.listeners;
  const there = await RawSocket.connect(port, "there");
  const become = (options: OwnListenOptions) =>
    made.broker.reconfigure({}, { listeners: [{ ...options, port } as OwnListenOptions] });

  await become({ transport: "tls", tls });
  const secure = connectTls({ port, ca: pem("ca.pem"), servername: "localhost" });
  await once(secure, "secureConnect");
  secure.destroy();

  await become({ transport: "websocket", path: "/one" });
  const dial = async (path: string): Promise<string> => {
    const webSocket = new WebSocket(`ws://127.0.0.1:${port}${path}`, "mqtt");
    try {
      await once(webSocket, "open");
      return "open";
    } catch (error) {
      return (error as Error).message;
    } finally {
      webSocket.terminate();
    }
  };
  assert.deepEqual(
    [await dial("/one"), await dial("/two")],
    ["open", "Unexpected server response: 404"],
  );
  await become({ transport: "websocket", path: "/two" });
  assert.deepEqual(
    [await dial("/one"), await dial("/two")],
    ["Unexpected server response: 404", "open"],
  );
  assert.equal(listener!.refused, 2);

  await become({ proxy: { protocol: true, trusted: ["127.0.0.1"] } });
  const behind = await RawSocket.open(port);
  behind.socket.write("PROXY TCP4 192.0.2.7 127.0.0.1 5678 1883\r\n");
  behind.sendConnect("behind");
  assert.deepEqual(await behind.take(1), ["CONNACK 0x00"]);
  assert.equal((await made.broker.client("behind"))?.peer?.address, "192.0.2.7");

  assert.equal(made.broker.listeners[0], listener);
  assert.equal(listener!.name, `tcp:${port}`);
  assert.equal(await isServed(there), true);
  assert.deepEqual(made.lines, [
    `listener-changed tls:${port}`,
    `listener-changed ws:${port}`,
    `listener-changed ws:${port}`,
    `listener-changed tcp:${port}`,
  ]);
  await listener!.close();
  assert.equal(await isOpen(port), false);
  for (const socket of [there, behind]) socket.destroy();
});

test("certificates of a listener's own that were renewed are told by its path", async () => {
  const own = { certificate: join(folder, "own.pem"), key: join(folder, "own.key") };
  const put = (name: string): void => {
    for (const kind of ["pem", "key"])
      copyFileSync(
        new URL(`../src/listeners/test-certificates/${name}.${kind}`, import.meta.url),
        join(folder, `own.${kind}`),
      );
  };
  put("localhost");
  await using made = await broker([{ port: 0 }, { transport: "tls", port: 0, tlsFiles: own }]);
  put("renewed");
  assert.deepEqual((await made.broker.reconfigure({})).changed, [
    "listeners[1].tls.certificate",
    "listeners[1].tls.key",
  ]);
  assert.deepEqual(made.lines, []);
});

test("of many connections that come while a listener changes, none is lost", async () => {
  const port = await freePort();
  await using made = await broker([{ port }]);
  const sockets: Promise<RawSocket>[] = [];
  const changes: Promise<unknown>[] = [];
  for (let i = 0; i < 60; i++) {
    sockets.push(RawSocket.connect(port, `c${i}`));
    const proxy = { protocol: false, trusted: i % 2 === 0 ? ["10.0.0.1"] : [] };
    if (i % 3 === 0) changes.push(made.broker.reconfigure({}, { listeners: [{ port, proxy }] }));
    if (i % 10 === 0) await new Promise(setImmediate);
  }
  await Promise.all(changes);
  for (const socket of await Promise.all(sockets)) socket.destroy();
  assert.ok(made.lines.length > 10, "it changed meanwhile");
});

test("the mode of a Unix socket changes with the file in place, and the file goes with its listener", async () => {
  const path = join(folder, "mode.sock");
  await using made = await broker([], { listen: { port: -1, unix: path } });
  const { ino, mode } = statSync(path);
  assert.equal(mode & 0o777, 0o660);
  await made.broker.reconfigure({ listen: { unixMode: "0600" } });
  const changed = statSync(path);
  assert.deepEqual([changed.ino, changed.mode & 0o777], [ino, 0o600]);
  await made.broker.reconfigure({ listen: { unix: "" } });
  assert.equal(existsSync(path), false);
});

test("where one of the new listeners cannot be opened, nothing changes: settings, users, listeners", async () => {
  const [there, fresh] = [await freePort(), await freePort()];
  await using made = await broker([{ port: there }]);
  using taken = await occupied();
  const before = made.broker.settings;
  await assert.rejects(
    made.broker.reconfigure(
      { mqtt: { receiveMaximum: 7 }, auth: { username: "u", password: "p" } },
      { listeners: [{ port: fresh }, { port: taken.port }] },
    ),
    {
      code: "ERR_LISTEN",
      message: new RegExp(`^listeners\\[1\\]: cannot listen on 127\\.0\\.0\\.1:${taken.port}`),
    },
  );
  assert.deepEqual(made.broker.settings, before);
  assert.deepEqual(
    made.broker.listeners.map(({ port }) => port),
    [there],
  );
  assert.deepEqual([await isOpen(there), await isOpen(fresh)], [true, false]);
  (await RawSocket.connect(there, "anonymous")).destroy();
});

for (const [what, listeners, settings, expected] of [
  [
    "other machines could reach without asking",
    [{ port: 0 }, { host: "0.0.0.0", port: 0 }],
    {},
    { code: "ERR_ANONYMOUS_BEYOND_LOOPBACK", message: /^listeners\[1\]: 0\.0\.0\.0/ },
  ],
  [
    "has no certificate",
    [{ transport: "tls", port: 0 }],
    {},
    { code: "ERR_TLS_CERTIFICATE", message: /^listeners\[0\]: TLS needs a certificate/ },
  ],
  [
    "waits for proxies that nobody named",
    [{ port: 0, proxy: { protocol: true, trusted: [] } }],
    {},
    { code: "ERR_SETTING", message: /^listeners\[0\]: proxy\.protocol/ },
  ],
  [
    "has the port of another one",
    [{ port: 21_883 }, { transport: "websocket", port: 21_883 }],
    {},
    {
      code: "ERR_SETTING",
      message: /^listeners\[1\]: .*:21883 is asked for twice: listeners\[0\]/,
    },
  ],
  [
    "of the settings other machines could reach without asking",
    [],
    { listen: { port: 0, host: "0.0.0.0" } },
    { code: "ERR_ANONYMOUS_BEYOND_LOOPBACK", message: /^0\.0\.0\.0/ },
  ],
] as const) {
  test(`a listener that ${what} is refused by a reconfiguration, and nothing changes`, async () => {
    await using made = await broker([{ port: 0 }]);
    const before = made.broker.listeners.map(({ port }) => port);
    await assert.rejects(made.broker.reconfigure(settings, { listeners }), expected);
    assert.deepEqual(
      made.broker.listeners.map(({ port }) => port),
      before,
    );
  });
}

test("a listener moves from loopback to all addresses on its port, and back to where it was if something else fails", async () => {
  const port = await freePort("0.0.0.0");
  const user = { username: "u", password: "p" };
  await using made = await broker([{ port }], { ...off, auth: user });
  const there = await RawSocket.connect(port, "there", 5, { username: "u", password: pw("p") });
  using taken = await occupied();
  await assert.rejects(
    made.broker.reconfigure({}, { listeners: [{ host: "0.0.0.0", port }, { port: taken.port }] }),
    { code: "ERR_LISTEN", message: /^listeners\[1\]/ },
  );
  assert.deepEqual(
    made.broker.listeners.map(({ host }) => host),
    ["127.0.0.1"],
  );
  (await RawSocket.connect(port, "again", 5, { username: "u", password: pw("p") })).destroy();

  await made.broker.reconfigure({}, { listeners: [{ host: "0.0.0.0", port }] });
  assert.deepEqual(
    made.broker.listeners.map(({ host }) => host),
    ["0.0.0.0"],
  );
  (await RawSocket.connect(port, "again", 5, { username: "u", password: pw("p") })).destroy();
  assert.equal(await isServed(there), true);
  there.destroy();
});

test("a broker that is closed during a reconfiguration opens nothing", async () => {
  const port = await freePort();
  await using made = await broker([{ port: 0 }]);
  const change = made.broker.reconfigure({}, { listeners: [{ port }] });
  const refused = assert.rejects(change, { code: "ERR_BROKER_CLOSED" });
  await made.broker.close();
  await refused;
  assert.equal(await isOpen(port), false);
});

test("a held listener takes the connections that came meanwhile when it is started, and drops them when it is closed", async () => {
  for (const isStarted of [true, false]) {
    const accepted: unknown[] = [];
    const listener = await listenTcp(
      (link) => {
        accepted.push(link.peer.port);
        return { onData: () => {}, onWritable: () => {}, onClose: () => {} };
      },
      { host: "127.0.0.1", port: 0, isHeld: true },
    );
    const socket = connect(listener.port, "127.0.0.1");
    await once(socket, "connect");
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    assert.deepEqual(accepted, []);
    if (isStarted) {
      listener.start();
      assert.deepEqual(accepted, [socket.localPort]);
      socket.destroy();
    }
    await listener.close();
    if (!isStarted) {
      socket.on("error", () => {}); // A reset is an end like any other.
      await once(socket.resume(), "close");
    }
    assert.equal(accepted.length, isStarted ? 1 : 0);
  }
});

function pw(text: string): Uint8Array {
  return Buffer.from(text);
}
