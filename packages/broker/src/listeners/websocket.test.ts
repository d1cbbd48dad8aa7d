import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, get } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { WebSocket } from "ws";
import type { ClientOptions } from "ws";
import { Gathering } from "./gathering.test-support.ts";
import { certificate, pem, turns, until } from "./links.test-support.ts";
import type { Listener } from "./listener.ts";
import { listenWebSocket, serveWebSocket } from "./websocket.ts";
import type { GivenWebSocketOptions, WebSocketListenerOptions } from "./websocket.ts";

interface World {
  readonly listener: Listener;
  readonly gathering: Gathering;
  /** Resolves once it is open; rejects with the status of an answer that is no upgrade. */
  readonly dial: (
    path?: string,
    protocols?: string | string[],
    options?: ClientOptions,
  ) => Promise<WebSocket>;
}

function dialler(port: number, opened: WebSocket[]): World["dial"] {
  return async (path = "/mqtt", protocols = ["mqtt"], options = {}) => {
    const webSocket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options);
    opened.push(webSocket);
    await once(webSocket, "open");
    webSocket.on("error", () => undefined);
    return webSocket;
  };
}

async function withListener(
  options: Partial<WebSocketListenerOptions>,
  run: (world: World) => Promise<void>,
): Promise<void> {
  const gathering = new Gathering();
  const opened: WebSocket[] = [];
  const { onRefused } = gathering;
  const listener = await listenWebSocket(gathering.accept, {
    host: "127.0.0.1",
    port: 0,
    onRefused,
    ...options,
  });
  try {
    await run({ listener, gathering, dial: dialler(listener.port, opened) });
  } finally {
    for (const webSocket of opened) webSocket.terminate();
    for (const { link } of gathering.links) link.destroy();
    await listener.close();
  }
}

/** The frames that arrive at a client. */
function frames(webSocket: WebSocket): Buffer[] {
  const all: Buffer[] = [];
  webSocket.on("message", (data, isBinary) => {
    assert.equal(isBinary, true, "a text frame came");
    all.push(data as Buffer);
  });
  return all;
}

/** Sends text as it is and gives what comes back until the connection ends. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.write(text);
  await once(socket, "close");
  return Buffer.concat(chunks).toString();
}

for (const [offered, answered] of [
  [["mqtt"], "mqtt"],
  [["mqttv3.1"], "mqttv3.1"],
  [["mqttv3.1.1"], "mqttv3.1.1"],
  [["mqttv3.1", "mqtt"], "mqtt"],
  [["chat", "mqttv3.1.1", "mqttv3.1"], "mqttv3.1.1"],
  [[], ""],
] as const) {
  test(`[MQTT5-6.0.0-4] [MQTT3-6.0.0-4] [X-129] a client that offers ${offered.join(", ") || "no sub-protocol"} is answered ${answered || "none"}`, () =>
    withListener({}, async ({ dial }) => {
      assert.equal((await dial("/", [...offered])).protocol, answered);
    }));
}

test("a client that offers sub-protocols without MQTT among them is refused", () =>
  withListener({}, async ({ dial, gathering }) => {
    await assert.rejects(dial("/", ["chat", "MQTT"]), /400/);
    assert.equal(gathering.refusals[0]!.reason, "subprotocol");
    assert.equal(gathering.links.length, 0);
  }));

test("where a sub-protocol is required, a client that offers none is refused", () =>
  withListener({ requiresSubprotocol: true }, async ({ dial, gathering }) => {
    await assert.rejects(dial("/", []), /400/);
    assert.equal(gathering.refusals[0]!.reason, "subprotocol");
    await dial("/", "mqtt");
  }));

for (const [served, asked, isServed] of [
  ["*", "/", true],
  ["*", "/anything/at/all?x=y", true],
  [undefined, "/mqtt", true],
  ["/mqtt", "/mqtt", true],
  ["/mqtt", "/mqtt?token=1", true],
  ["/mqtt", "/mqtt/", false],
  ["/mqtt", "/", false],
  ["/mqtt", "/MQTT", false],
] as const) {
  test(`path ${served ?? "not given"}: a request for ${asked} is ${isServed ? "served" : "refused with 404"}`, () =>
    withListener(served === undefined ? {} : { path: served }, async ({ dial, gathering }) => {
      if (isServed) return void (await dial(asked));
      await assert.rejects(dial(asked), /404/);
      assert.equal(gathering.refusals[0]!.reason, "path");
    }));
}

for (const [origins, origin, isServed] of [
  [[], "https://anywhere.example", true],
  [["https://app.example"], "https://app.example", true],
  [["https://app.example"], "HTTPS://APP.EXAMPLE", true],
  [["https://app.example"], undefined, true], // No browser.
  [["https://app.example"], "http://app.example", false],
  [["https://app.example"], "https://app.example.evil", false],
  [["https://app.example"], "https://app.example:8443", false],
  [["https://app.example"], "null", false],
] as const) {
  test(`origins ${origins.join(", ") || "any"}: a page of ${origin ?? "no origin"} is ${isServed ? "served" : "refused with 403"}`, () =>
    withListener({ origins }, async ({ dial, gathering }) => {
      const options = origin === undefined ? {} : { origin };
      if (isServed) return void (await dial("/", "mqtt", options));
      await assert.rejects(dial("/", "mqtt", options), /403/);
      assert.equal(gathering.refusals[0]!.reason, "origin");
    }));
}

test("the upgrade request is told: path, query, headers and cookies", () =>
  withListener({}, async ({ listener, dial, gathering }) => {
    await dial("/mqtt?token=secret", "mqtt", { headers: { Cookie: "sid=42", "X-Tenant": "blue" } });
    const { peer } = gathering.links[0]!.link;
    assert.equal(peer.transport, "websocket");
    assert.equal(peer.listener, `ws:${listener.port}`);
    assert.equal(peer.address, "127.0.0.1");
    assert.equal(peer.upgrade!.url, "/mqtt?token=secret");
    assert.equal(peer.upgrade!.headers["cookie"], "sid=42");
    assert.equal(peer.upgrade!.headers["x-tenant"], "blue");
  }));

for (const [trusted, address] of [
  [["127.0.0.1"], "198.51.100.1"],
  [["192.0.2.1"], "127.0.0.1"],
] as const) {
  test(`X-Forwarded-For counts where the proxy is trusted (${trusted.join()}): the client is at ${address}`, () =>
    withListener({ proxy: { protocol: false, trusted } }, async ({ dial, gathering }) => {
      await dial("/", "mqtt", { headers: { "X-Forwarded-For": "6.6.6.6, 198.51.100.1" } });
      assert.equal(gathering.links[0]!.link.peer.address, address);
    }));
}

test("[MQTT5-6.0.0-2] [MQTT3-6.0.0-2] a frame may hold a part of a packet, or many packets", () =>
  withListener({}, async ({ dial, gathering }) => {
    const webSocket = await dial();
    const ping = Buffer.from("c000", "hex");
    const many = Buffer.concat(Array.from({ length: 50 }, () => ping));
    webSocket.send(ping.subarray(0, 1));
    webSocket.send(ping.subarray(1));
    webSocket.send(many);
    webSocket.send(many.subarray(0, 31), { fin: false }); // One message in two fragments.
    webSocket.send(many.subarray(31), { fin: true });
    webSocket.send(Buffer.alloc(0));
    webSocket.send(ping);
    await until(() => gathering.links[0]!.received().length === 204);
    assert.deepEqual(gathering.links[0]!.received(), Buffer.concat([ping, many, many, ping]));
    assert.equal(
      gathering.links[0]!.chunks.some(({ length }) => length === 0),
      false,
    );
  }));

test("frames that come in one piece are handed on in one, however many there are", () =>
  withListener({}, async ({ dial, gathering }) => {
    const webSocket = await dial();
    const { _socket: socket } = webSocket as unknown as { readonly _socket: Socket };
    const sent = Array.from({ length: 3000 }, (_, index) => Buffer.alloc(index % 50, index));
    sent.push(Buffer.alloc(70_000, 1), Buffer.alloc(3, 2), Buffer.alloc(4, 3));
    socket.cork();
    for (const frame of sent) webSocket.send(frame);
    socket.uncork();
    const all = Buffer.concat(sent);
    await until(() => gathering.links[0]!.received().length === all.length);
    assert.deepEqual(gathering.links[0]!.received(), all);
    const { length } = gathering.links[0]!.chunks;
    assert.ok(length < 100, `3003 frames came in ${length} pieces`);
  }));

test("[MQTT5-6.0.0-1] [MQTT3-6.0.0-1] each write is one binary frame", () =>
  withListener({}, async ({ dial, gathering }) => {
    const webSocket = await dial();
    const received = frames(webSocket);
    const { link } = gathering.links[0]!;
    const sizes = [1, 125, 126, 65535, 65536, 300_000];
    for (const size of sizes) link.write(Buffer.alloc(size, size & 255));
    await until(() => received.length === sizes.length);
    assert.deepEqual(
      received.map(({ length }) => length),
      sizes,
    );
  }));

test("[MQTT5-6.0.0-1] [MQTT3-6.0.0-1] a text frame ends the connection, and what comes with it is not read", () =>
  withListener({}, async ({ dial, gathering }) => {
    const webSocket = await dial();
    webSocket.send(Buffer.from("before"));
    webSocket.send("text");
    webSocket.send(Buffer.from("after"));
    const [code, reason] = (await once(webSocket, "close")) as [number, Buffer];
    assert.equal(code, 1003);
    assert.equal(reason.toString(), "MQTT goes in binary frames");
    await until(() => gathering.links[0]!.isClosed);
    assert.equal(gathering.links[0]!.received().toString(), "before");
    assert.match(gathering.links[0]!.cause!.message, /text frame/);
  }));

test("a message above the maximum ends the connection", () =>
  withListener({ maximumMessageSize: 1024 }, async ({ dial, gathering }) => {
    const webSocket = await dial();
    webSocket.send(Buffer.alloc(1024));
    webSocket.send(Buffer.alloc(1025));
    const [code] = (await once(webSocket, "close")) as [number];
    assert.equal(code, 1009);
    await until(() => gathering.links[0]!.isClosed);
    assert.equal(gathering.links[0]!.received().length, 1024);
  }));

test("a ping is answered and brings no data", () =>
  withListener({}, async ({ dial, gathering }) => {
    const webSocket = await dial();
    webSocket.ping("are you there");
    const [data] = (await once(webSocket, "pong")) as [Buffer];
    assert.equal(data.toString(), "are you there");
    assert.equal(gathering.links[0]!.received().length, 0);
  }));

test("pings without an end to one who reads no answers do not pile up", () =>
  withListener({}, async ({ dial, gathering }) => {
    const webSocket = await dial();
    webSocket.pause();
    const { link } = gathering.links[0]!;
    let largest = 0;
    for (let i = 0; i < 20_000 && !gathering.links[0]!.isClosed; i += 1) {
      for (let j = 0; j < 100; j += 1) webSocket.ping("x".repeat(125));
      largest = Math.max(largest, link.unsentBytes);
      await turns(1);
    }
    assert.equal(gathering.links[0]!.isClosed, true);
    assert.ok(largest < 64 * 1024, `${largest} bytes of answers waited`);
  }));

test("no compression is agreed on", () =>
  withListener({}, async ({ dial }) => {
    const webSocket = await dial("/", "mqtt", { perMessageDeflate: true });
    assert.equal(webSocket.extensions, "");
  }));

test("a close in order has no cause, a cut has one", () =>
  withListener({}, async ({ dial, gathering }) => {
    const [orderly, cut] = [await dial(), await dial()];
    orderly.close();
    cut.terminate();
    await until(() => gathering.links.every(({ isClosed }) => isClosed));
    assert.equal(gathering.links[0]!.cause, undefined);
    assert.match(gathering.links[1]!.cause!.message, /without a close frame/);
  }));

test("frames that came in one piece with the close are handed on first, though the link was paused", () =>
  withListener({}, async ({ dial, gathering }) => {
    const webSocket = await dial();
    const gathered = gathering.links[0]!;
    gathered.link.pause();
    for (let i = 0; i < 10; i += 1) webSocket.send(Buffer.of(i));
    webSocket.close();
    await turns();
    assert.equal(gathered.received().length, 0);
    assert.equal(gathered.isClosed, false);
    gathered.link.resume();
    await until(() => gathered.isClosed);
    assert.deepEqual(gathered.received(), Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
  }));

test("a request that is no upgrade is answered 426 with what the port is for", () =>
  withListener({ path: "/mqtt" }, async ({ listener, gathering }) => {
    const [response] = (await once(
      get({ port: listener.port, host: "127.0.0.1" }),
      "response",
    )) as [IncomingMessage];
    assert.equal(response.statusCode, 426);
    assert.equal(response.headers.upgrade, "websocket");
    const text = (await response.toArray()).join("");
    assert.equal(text, "This port speaks MQTT over WebSocket at /mqtt; it has no web pages.\n");
    assert.equal(gathering.refusals[0]!.reason, "http-request");
  }));

const handshake =
  "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
for (const [what, request, status, reason] of [
  ["bytes that are no HTTP", "\x10\x0c\x00\x04MQTT\x05\x02\x00\x3c\x00\x00", 400, "http-request"],
  ["an upgrade without a key", `GET / HTTP/1.1\r\n${handshake}\r\n`, 400, "websocket-handshake"],
  [
    "an old version",
    `GET / HTTP/1.1\r\n${handshake.replace("13", "7")}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    400,
    "websocket-handshake",
  ],
  [
    "a POST",
    `POST / HTTP/1.1\r\n${handshake}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    405,
    "websocket-handshake",
  ],
] as const) {
  test(`${what}: answered ${status} and closed`, () =>
    withListener({}, async ({ listener, gathering }) => {
      assert.match(await exchange(listener.port, request), new RegExp(`^HTTP/1\\.1 ${status} `));
      await until(() => gathering.refusals.length === 1);
      assert.equal(gathering.refusals[0]!.reason, reason);
      assert.equal(gathering.links.length, 0);
    }));
}

test("half a request ends with the deadline", () =>
  withListener({ handshakeTimeoutMs: 50 }, async ({ listener, gathering }) => {
    assert.equal(await exchange(listener.port, "GET / HTTP/1.1\r\nHost"), "");
    assert.equal(gathering.refusals[0]!.reason, "handshake-timeout");
  }));

const page = (_request: IncomingMessage, response: ServerResponse): void =>
  void response.end("a page");

async function withServer(
  server: Server,
  options: GivenWebSocketOptions,
  run: (world: World, server: Server) => Promise<void>,
): Promise<void> {
  const gathering = new Gathering();
  const opened: WebSocket[] = [];
  const listener = serveWebSocket(server, gathering.accept, {
    onRefused: gathering.onRefused,
    ...options,
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    await run({ listener, gathering, dial: dialler(listener.port, opened) }, server);
  } finally {
    for (const webSocket of opened) webSocket.terminate();
    for (const { link } of gathering.links) link.destroy();
    await listener.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test("on a server of somebody else's MQTT is at /mqtt, and its pages stay where they are", () =>
  withServer(createServer(page), {}, async ({ listener, gathering, dial }) => {
    assert.equal(listener.url, `ws://127.0.0.1:${listener.port}`);
    const webSocket = await dial("/mqtt?x=1");
    const received = frames(webSocket);
    webSocket.send(Buffer.from("ping"));
    await until(() => Buffer.concat(received).toString() === "ping");
    assert.equal(gathering.links[0]!.link.peer.listener, `ws:${listener.port}`);
    const [answer] = (await once(get({ port: listener.port, host: "127.0.0.1" }), "response")) as [
      IncomingMessage,
    ];
    assert.equal((await answer.toArray()).join(""), "a page");
    await assert.rejects(dial("/other"), /404/);
    assert.equal(listener.refused, 1);
  }));

test("upgrade requests for other paths are left to others that listen for them", () =>
  withServer(createServer(), { path: "/broker" }, async ({ listener, gathering, dial }, server) => {
    server.on("upgrade", (request: IncomingMessage, socket: Socket) => {
      if (request.url === "/chat") socket.end("HTTP/1.1 418 Other\r\n\r\n");
    });
    await assert.rejects(dial("/chat"), /418/);
    await dial("/broker");
    assert.equal(gathering.links.length, 1);
    assert.equal(listener.refused, 0);
  }));

test("on a server of somebody else's a trusted proxy's X-Forwarded-For counts", () =>
  withServer(createServer(), { trustedProxies: ["127.0.0.1"] }, async ({ gathering, dial }) => {
    await dial("/mqtt", "mqtt", { headers: { "X-Forwarded-For": "198.51.100.1" } });
    assert.equal(gathering.links[0]!.link.peer.address, "198.51.100.1");
  }));

test("closing the listener leaves the server and the links alone, and takes no more", () =>
  withServer(createServer(page), {}, async ({ listener, gathering, dial }, server) => {
    const webSocket = await dial();
    await listener.close();
    assert.equal(server.listening, true);
    webSocket.send(Buffer.from("ping"));
    await until(() => gathering.links[0]!.received().toString() === "ping");
    await assert.rejects(dial(), /200/);
  }));

test("an https.Server of somebody else's gives secure WebSockets, with the client's certificate", async () => {
  const { key, certificate: cert } = certificate("localhost");
  const server = createSecureServer({ key, cert, ca: pem("ca.pem"), requestCert: true });
  await withServer(server, {}, async ({ listener, gathering }) => {
    const webSocket = new WebSocket(`wss://localhost:${listener.port}/mqtt`, "mqtt", {
      ca: pem("ca.pem"),
      key: pem("client.key"),
      cert: pem("client.pem"),
    });
    await once(webSocket, "open");
    const { peer } = gathering.links[0]!.link;
    assert.equal(peer.listener, `wss:${listener.port}`);
    assert.equal((peer.certificate as { subject: { CN: string } }).subject.CN, "ada");
    webSocket.terminate();
  });
});

test("secure WebSocket: the client's certificate is told, and certificates can be reloaded", () =>
  withListener(
    {
      tls: { certificates: [certificate("localhost")], ca: pem("ca.pem") },
      requestCertificate: "require",
    },
    async ({ listener, gathering }) => {
      assert.equal(typeof listener.reload, "function");
      const secure = { ca: pem("ca.pem"), key: pem("client.key"), cert: pem("client.pem") };
      const webSocket = new WebSocket(`wss://localhost:${listener.port}/mqtt`, "mqtt", secure);
      await once(webSocket, "open");
      const { peer } = gathering.links[0]!.link;
      assert.equal(peer.transport, "websocket");
      assert.equal(peer.listener, `wss:${listener.port}`);
      assert.equal(peer.upgrade!.url, "/mqtt");
      assert.equal((peer.certificate as { subject: { CN: string } }).subject.CN, "ada");
      webSocket.terminate();
    },
  ));
