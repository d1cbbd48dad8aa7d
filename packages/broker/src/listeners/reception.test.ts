import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";
import type { Accept } from "@sericite/protocol";
import { Gathering } from "./gathering.test-support.ts";
import { certificate, pem, turns, until } from "./links.test-support.ts";
import type { Listener, ListenerOptions } from "./listener.ts";
import { Reception } from "./reception.ts";
import { listenTcp } from "./tcp.ts";
import { listenTls } from "./tls.ts";
import { listenWebSocket } from "./websocket.ts";

const address = { host: "127.0.0.1", port: 0 };
const tls = { certificates: [certificate("localhost")] };
const trusting = { protocol: true, trusted: ["127.0.0.0/8"] };
const LINE = "PROXY TCP4 192.0.2.7 127.0.0.1 5678 1883\r\n";
const BINARY = Buffer.from("0d0a0d0a000d0a515549540a2111000cc00002077f000001162e075b", "hex");

interface Kind {
  readonly name: string;
  readonly listen: (accept: Accept, options: ListenerOptions) => Promise<Listener>;
  /** Goes on to MQTT over a socket on which the header was sent, and sends four bytes. */
  readonly speak: (socket: Socket) => void;
}

const upgrade = (socket: Socket, isSecure: boolean): void => {
  const webSocket = new WebSocket(`${isSecure ? "wss" : "ws"}://localhost/mqtt`, "mqtt", {
    createConnection: () =>
      isSecure ? connectTls({ socket, ca: pem("ca.pem"), servername: "localhost" }) : socket,
  });
  webSocket.on("error", () => undefined);
  webSocket.on("open", () => webSocket.send(Buffer.from("ping")));
};

const kinds: readonly Kind[] = [
  {
    name: "TCP",
    listen: (accept, options) => listenTcp(accept, { ...address, ...options }),
    speak: (socket) => socket.write("ping"),
  },
  {
    name: "TLS",
    listen: (accept, options) => listenTls(accept, { ...address, tls, ...options }),
    speak: (socket) => {
      const secure = connectTls({ socket, ca: pem("ca.pem"), servername: "localhost" });
      secure.on("error", () => undefined);
      secure.write("ping");
    },
  },
  {
    name: "WebSocket",
    listen: (accept, options) => listenWebSocket(accept, { ...address, ...options }),
    speak: (socket) => upgrade(socket, false),
  },
  {
    name: "secure WebSocket",
    listen: (accept, options) => listenWebSocket(accept, { ...address, tls, ...options }),
    speak: (socket) => upgrade(socket, true),
  },
];

/** Runs `run` with a listener that gathers what comes. */
async function withListener(
  { listen }: Kind,
  options: ListenerOptions,
  run: (listener: Listener, gathering: Gathering, dial: () => Promise<Socket>) => Promise<void>,
): Promise<void> {
  const gathering = new Gathering();
  const sockets: Socket[] = [];
  const listener = await listen(gathering.accept, { onRefused: gathering.onRefused, ...options });
  const dial = async (): Promise<Socket> => {
    const socket = connectTcp({ port: listener.port, host: "127.0.0.1", noDelay: true });
    sockets.push(socket);
    await once(socket, "connect");
    socket.on("error", () => undefined);
    return socket;
  };
  try {
    await run(listener, gathering, dial);
  } finally {
    for (const socket of sockets) socket.destroy();
    for (const { link } of gathering.links) link.destroy();
    await listener.close();
  }
}

for (const kind of kinds) {
  for (const [version, header] of [
    ["1", Buffer.from(LINE)],
    ["2", BINARY],
  ] as const) {
    test(`${kind.name}: a trusted proxy says by version ${version} where its client is`, () =>
      withListener(kind, { proxy: trusting }, async (_listener, { links, refusals }, dial) => {
        const socket = await dial();
        socket.write(header);
        kind.speak(socket);
        await until(() => links[0]?.received().toString() === "ping");
        assert.equal(links[0]!.link.peer.address, "192.0.2.7");
        assert.equal(links[0]!.link.peer.port, 5678);
        assert.deepEqual(refusals, []);
      }));
  }

  test(`${kind.name}: the header may come in pieces`, () =>
    withListener(kind, { proxy: trusting }, async (_listener, { links }, dial) => {
      const socket = await dial();
      for (const byte of BINARY) {
        socket.write(Buffer.of(byte));
        await turns(2);
      }
      kind.speak(socket);
      await until(() => links[0]?.received().toString() === "ping");
      assert.equal(links[0]!.link.peer.address, "192.0.2.7");
    }));

  test(`${kind.name}: header and what follows may come in one piece`, () =>
    withListener(kind, { proxy: trusting }, async (_listener, { links }, dial) => {
      const socket = await dial();
      socket.cork();
      socket.write(LINE);
      kind.speak(socket);
      await turns(1);
      socket.uncork();
      await until(() => links[0]?.received().toString() === "ping");
      assert.equal(links[0]!.link.peer.address, "192.0.2.7");
    }));

  test(`${kind.name}: a proxy that speaks for itself has its own address`, () =>
    withListener(kind, { proxy: trusting }, async (_listener, { links }, dial) => {
      const socket = await dial();
      socket.write("PROXY UNKNOWN\r\n");
      kind.speak(socket);
      await until(() => links[0]?.received().toString() === "ping");
      assert.equal(links[0]!.link.peer.address, "127.0.0.1");
      assert.equal(links[0]!.link.peer.port, socket.localPort);
    }));

  test(`${kind.name}: a trusted proxy without a header is closed`, () =>
    withListener(kind, { proxy: trusting }, async (listener, { links, refusals }, dial) => {
      const socket = await dial();
      kind.speak(socket);
      await until(() => socket.destroyed);
      assert.equal(links.length, 0);
      assert.equal(listener.refused, 1);
      const { port, ...refusal } = refusals[0]!;
      assert.equal(typeof port, "number");
      assert.deepEqual(refusal, {
        listener: listener.name,
        reason: "proxy-header",
        address: "127.0.0.1",
        cause: undefined,
      });
    }));

  test(`${kind.name}: whoever is not trusted is taken for what he is`, () =>
    withListener(
      kind,
      { proxy: { protocol: true, trusted: ["192.0.2.0/24"] } },
      async (_listener, { links }, dial) => {
        const socket = await dial();
        kind.speak(socket);
        await until(() => links[0]?.received().toString() === "ping");
        assert.equal(links[0]!.link.peer.address, "127.0.0.1");
        assert.equal(links[0]!.link.peer.port, socket.localPort);
      },
    ));

  test(`${kind.name}: a header that does not come in time ends the connection`, () =>
    withListener(
      kind,
      { proxy: trusting, handshakeTimeoutMs: 30 },
      async (_listener, { refusals }, dial) => {
        const socket = await dial();
        socket.write("PROXY TCP4 ");
        await until(() => socket.destroyed);
        assert.equal(refusals[0]!.reason, "handshake-timeout");
      },
    ));

  test(`${kind.name}: more handshakes at once than are allowed are refused`, () =>
    withListener(
      kind,
      { proxy: trusting, handshakesMaximum: 2 },
      async (_listener, gathering, dial) => {
        const waiting = [await dial(), await dial()];
        await turns();
        const refused = await dial();
        await until(() => refused.destroyed);
        assert.equal(gathering.refusals[0]!.reason, "too-many-handshakes");
        for (const socket of waiting) {
          socket.write(LINE);
          kind.speak(socket);
        }
        await until(() => gathering.links.length === 2);
        const next = await dial();
        next.write(LINE);
        kind.speak(next);
        await until(() => gathering.links.length === 3);
      },
    ));

  test(`${kind.name}: under overload few handshakes are begun`, () =>
    withListener(
      kind,
      { proxy: trusting, isOverloaded: () => true },
      async (_listener, { refusals }, dial) => {
        const waiting = await Promise.all(Array.from({ length: 64 }, () => dial()));
        await turns();
        const refused = await dial();
        await until(() => refused.destroyed);
        assert.equal(refusals[0]!.reason, "too-many-handshakes");
        assert.ok(waiting.every((socket) => !socket.destroyed));
      },
    ));

  test(`${kind.name}: closing the listener ends handshakes and leaves links alone`, () =>
    withListener(kind, { proxy: trusting }, async (listener, { links }, dial) => {
      const open = await dial();
      open.write(LINE);
      kind.speak(open);
      await until(() => links[0]?.received().toString() === "ping");
      const waiting = await dial();
      waiting.write("PROXY");
      await turns();
      await listener.close();
      await until(() => waiting.destroyed);
      assert.equal(open.destroyed, false);
      await assert.rejects(dial(), { code: "ECONNREFUSED" });
    }));

  test(`${kind.name}: a balancer that connects and goes is no refusal`, () =>
    withListener(kind, {}, async (listener, { refusals }, dial) => {
      const socket = await dial();
      socket.end();
      await until(() => socket.destroyed);
      assert.deepEqual(refusals, []);
      assert.equal(listener.refused, 0);
    }));
}

test("the PROXY protocol without anybody to trust is refused", async () => {
  const options = { ...address, proxy: { protocol: true, trusted: [] } };
  await assert.rejects(async () => listenTcp(new Gathering().accept, options), {
    code: "ERR_SETTING",
  });
});

test("an accept that fails, for want of a descriptor, is told and ends nothing", async () => {
  const gathering = new Gathering();
  const reception = new Reception({ onRefused: gathering.onRefused }, () => undefined);
  await reception.open(address);
  const cause = Object.assign(new Error("accept EMFILE"), { code: "EMFILE" });
  reception.server.emit("error", cause);
  assert.deepEqual(gathering.refusals, [
    { listener: "", reason: "accept", address: undefined, port: undefined, cause },
  ]);
  assert.equal(reception.server.listening, true);
  await reception.close();
});
