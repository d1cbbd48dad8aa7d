import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { test } from "node:test";
import type { Dial, LinkHandler } from "@sericite/protocol";
import { WebSocketServer } from "ws";
import { connect } from "../node.ts";
import { dialTcp } from "./tcp.ts";
import { dialTls } from "./tls.ts";
import { dialUnix } from "./unix.ts";
import { dialWebSocket } from "./websocket.ts";

/** A certificate or key of the broker's tests. */
function pem(name: string): Buffer {
  const folder = "../../../broker/src/listeners/test-certificates/";
  return readFileSync(new URL(folder + name, import.meta.url));
}

async function portOf(server: Server): Promise<number> {
  if (!server.listening) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }
  return (server.address() as AddressInfo).port;
}

/** A handler that tells of its calls by promises. */
function recorder() {
  let text = "";
  let close: (cause: Error | undefined) => void;
  let end: () => void;
  const closed = new Promise<Error | undefined>((resolve) => (close = resolve));
  const ended = new Promise<void>((resolve) => (end = resolve));
  const handler: LinkHandler = {
    onData: (bytes, from, to) => void (text += Buffer.from(bytes.subarray(from, to)).toString()),
    onWritable: () => {},
    onEnd: () => end(),
    onClose: (cause) => close(cause),
  };
  return { handler, closed, ended, text: () => text };
}

test("connect takes a list of addresses, and is where the first of them answers", async () => {
  const connack = Uint8Array.of(0x20, 3, 0, 0, 0);
  const server = createServer((socket) => socket.once("data", () => socket.write(connack)));
  const url = `mqtt://127.0.0.1:${await portOf(server)}`;
  const client = await connect(["mqtt://127.0.0.1:1", url], { clientId: "listed" });
  assert.equal(client.url, url);
  assert.equal(client.clientId, "listed");
  await client.close();
  server.close();
});

test("a server that resets the connection in place of closing it has not read all of it: that is told", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(Uint8Array.of(0x20, 3, 0, 0, 0));
      socket.pause();
    });
  });
  const client = await connect(`mqtt://127.0.0.1:${await portOf(server)}`, { reconnect: false });
  const told = new Promise<Error | undefined>((resolve) => {
    client.on("disconnected", ({ error }) => resolve(error));
  });
  await client.publish("a", "unread");
  const ended = client.disconnect();
  setTimeout(() => sockets[0]!.resetAndDestroy(), 50);
  assert.match(String(await told), /ended before everything was sent/);
  await ended;
  server.close();
});

const silent: LinkHandler = { onData: () => {}, onWritable: () => {}, onClose: () => {} };

test("a close while reading is paused is noticed, and nothing that was sent before is lost", async () => {
  const server = createServer((socket) => void socket.end("last words"));
  const { handler, closed, ended, text } = recorder();
  const link = await dialTcp({ port: await portOf(server) })(handler);
  link.pause();
  await ended;
  assert.equal(text(), "");
  link.resume();
  assert.equal(await closed, undefined);
  assert.equal(text(), "last words");
  server.close();
});

test("a reset while reading is paused is noticed", async () => {
  const server = createServer();
  const { handler, closed } = recorder();
  const arrived = once(server, "connection") as Promise<[Socket]>;
  const link = await dialTcp({ port: await portOf(server) })(handler);
  link.pause();
  (await arrived)[0].resetAndDestroy();
  assert.equal(((await closed) as Error & { code: string }).code, "ECONNRESET");
  server.close();
});

for (const [what, dial, code] of [
  ["a port where nothing listens", dialTcp({ port: 1 }), "ERR_CONNECTION_REFUSED"],
  ["a port where nothing listens, over TLS", dialTls({ port: 1 }), "ERR_CONNECTION_REFUSED"],
  [
    "a port where nothing listens, over WebSocket",
    dialWebSocket({ url: "ws://127.0.0.1:1" }),
    "ERR_CONNECTION_REFUSED",
  ],
  ["a socket that is not there", dialUnix({ path: "/nowhere.sock" }), "ERR_CONNECTION_REFUSED"],
  ["a name that is none", dialTcp({ host: "no.such.name.invalid" }), "ERR_CONNECTION_FAILED"],
] satisfies [string, Dial, string][]) {
  test(`${what} fails with ${code}`, async () => {
    await assert.rejects(dial(silent), { name: "ConnectionError", code });
  });
}

for (const [transport, dialTo] of [
  ["TLS", (port, timeoutMs) => dialTls({ port, timeoutMs })],
  ["WebSocket", (port, timeoutMs) => dialWebSocket({ url: `ws://127.0.0.1:${port}`, timeoutMs })],
] satisfies [string, (port: number, timeoutMs: number) => Dial][]) {
  test(`a server that says nothing at the start of ${transport} is left after timeoutMs`, async () => {
    const server = createServer();
    const arrived = once(server, "connection") as Promise<[Socket]>;
    const rejected = assert.rejects(dialTo(await portOf(server), 30)(silent), {
      code: "ERR_CONNECT_TIMEOUT",
    });
    const [socket] = await arrived;
    socket.on("error", () => {});
    const gone = once(socket, "close");
    await rejected;
    socket.resume();
    await gone;
    server.close();
  });
}

/** A TLS server that asks for certificates and notes what clients say. */
async function tlsServer(options: { requestCert?: boolean; ALPNProtocols?: string[] } = {}) {
  const seen: { servername: string | false; alpn: string | false | null; subject: unknown }[] = [];
  const server = createTlsServer(
    { cert: pem("localhost.pem"), key: pem("localhost.key"), ca: pem("ca.pem"), ...options },
    (socket) => {
      const { servername, alpnProtocol } = socket as unknown as {
        servername: string | false;
        alpnProtocol: string | false;
      };
      seen.push({
        servername,
        alpn: alpnProtocol,
        subject: socket.getPeerCertificate()?.subject?.CN,
      });
      socket.end("hello");
    },
  );
  server.on("tlsClientError", () => {});
  return { server, seen, port: await portOf(server) };
}

test("TLS tells the server its name (SNI), offers mqtt (ALPN), and shows its certificate", async () => {
  const { server, seen, port } = await tlsServer({ requestCert: true, ALPNProtocols: ["mqtt"] });
  const { handler, closed, text } = recorder();
  const dial = dialTls({
    host: "localhost",
    port,
    ca: pem("ca.pem"),
    cert: pem("client.pem"),
    key: pem("client.key"),
  });
  const link = await dial(handler);
  assert.equal(link.peer.transport, "tls");
  await closed;
  assert.equal(text(), "hello");
  assert.equal(seen[0]?.servername, "localhost");
  assert.equal(seen[0]?.alpn, "mqtt");
  assert.equal(typeof seen[0]?.subject, "string");
  server.close();
});

test("alpnProtocols: [] offers nothing", async () => {
  const { server, seen, port } = await tlsServer({ ALPNProtocols: ["other"] });
  const trust = { host: "localhost", port, ca: pem("ca.pem") };
  await assert.rejects(dialTls(trust)(silent), { code: "ERR_CONNECTION_FAILED" });
  const { handler, closed } = recorder();
  await dialTls({ ...trust, alpnProtocols: [] })(handler);
  await closed;
  assert.equal(seen[0]?.alpn, false);
  server.close();
});

for (const [what, options, message] of [
  ["an unknown authority", { host: "localhost" }, /certificate/],
  ["another name", { host: "127.0.0.1", servername: "example.org", ca: pem("ca.pem") }, /altname/i],
] as const) {
  test(`a server whose certificate is of ${what} is refused`, async () => {
    const { server, port } = await tlsServer();
    await assert.rejects(dialTls({ ...options, port })(silent), {
      code: "ERR_CONNECTION_FAILED",
      message,
    });
    server.close();
  });
}

test("checksName: false takes a certificate of another name, and none of an unknown authority", async () => {
  const { server, port } = await tlsServer();
  const other = { host: "127.0.0.1", port, servername: "example.org", checksName: false };
  (await dialTls({ ...other, ca: pem("ca.pem") })(silent)).destroy();
  await assert.rejects(dialTls({ ...other, ca: pem("other-ca.pem") })(silent), {
    code: "ERR_CONNECTION_FAILED",
  });
  server.close();
});

/** A WebSocket server that notes the headers of the upgrade. */
async function webSocketServer(subprotocol: string | false = "mqtt") {
  const http = createHttpServer();
  const server = new WebSocketServer({ server: http, handleProtocols: () => subprotocol });
  const headers: IncomingHttpHeaders[] = [];
  server.on("headers", (_, request) => void headers.push(request.headers));
  const port = await portOf(http);
  const stop = (): void => {
    for (const client of server.clients) client.terminate();
    http.close();
  };
  return { server, headers, url: `ws://127.0.0.1:${port}/mqtt`, stop };
}

test("[MQTT5-6.0.0-3] [MQTT3-6.0.0-3] a WebSocket offers the subprotocol mqtt, and sends the headers that are asked for", async () => {
  const { headers, url, stop } = await webSocketServer();
  const dial = dialWebSocket({ url, headers: { Authorization: "Bearer x", cookie: "a=b" } });
  (await dial(silent)).destroy();
  assert.equal(headers[0]?.["sec-websocket-protocol"], "mqtt");
  assert.equal(headers[0]?.authorization, "Bearer x");
  assert.equal(headers[0]?.cookie, "a=b");
  stop();
});

test("a server that chooses another subprotocol, or none, is refused", async () => {
  for (const subprotocol of ["other", false] as const) {
    const { url, stop } = await webSocketServer(subprotocol);
    await assert.rejects(dialWebSocket({ url })(silent), { code: "ERR_CONNECTION_FAILED" });
    stop();
  }
});

test("[MQTT5-6.0.0-1] [MQTT3-6.0.0-1] a text frame has the client close with 1003", async () => {
  const { server, url, stop } = await webSocketServer();
  const code = new Promise<number>((resolve) => {
    server.on("connection", (webSocket) => {
      webSocket.on("close", resolve);
      webSocket.send("text");
    });
  });
  const { handler, closed } = recorder();
  await dialWebSocket({ url })(handler);
  assert.match((await closed)?.message ?? "", /text frame/);
  assert.equal(await code, 1003);
  stop();
});

test("Pings are answered, also while reading is paused", async () => {
  const { server, url, stop } = await webSocketServer();
  const ponged = new Promise<string>((resolve) => {
    server.on("connection", (webSocket) => {
      webSocket.on("pong", (payload) => resolve(payload.toString()));
      webSocket.ping("are you there");
    });
  });
  const link = await dialWebSocket({ url })(silent);
  link.pause();
  assert.equal(await ponged, "are you there");
  link.destroy();
  stop();
});

for (const [code, cause] of [
  [1000, undefined],
  [1001, /code 1001/],
] as const) {
  test(`a server that closes with ${code} ${cause === undefined ? "ends in order" : "is told of"}`, async () => {
    const { server, url, stop } = await webSocketServer();
    server.on("connection", (webSocket) => webSocket.close(code));
    const { handler, closed } = recorder();
    await dialWebSocket({ url })(handler);
    const error = await closed;
    if (cause === undefined) assert.equal(error, undefined);
    else assert.match(error?.message ?? "", cause);
    stop();
  });
}

test("a connection that is cut without a Close frame is no end in order", async () => {
  const { server, url, stop } = await webSocketServer();
  server.on("connection", (webSocket) => webSocket.terminate());
  const { handler, closed } = recorder();
  await dialWebSocket({ url })(handler);
  assert.match((await closed)?.message ?? "", /without a Close frame|ECONNRESET/);
  stop();
});

for (const [what, answer, message] of [
  ["is no WebSocket", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", /HTTP 404 Not Found/],
  [
    "answers with another key",
    "HTTP/1.1 101 Go\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-protocol: mqtt\r\nsec-websocket-accept: x\r\n\r\n",
    /Sec-WebSocket-Accept/,
  ],
  ["speaks no HTTP", "\x20\x02\x00\x00", /Parse Error/],
] as const) {
  test(`a server that ${what} is refused, with what it says`, async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(answer));
    });
    const url = `ws://127.0.0.1:${await portOf(server)}`;
    await assert.rejects(dialWebSocket({ url })(silent), {
      code: "ERR_CONNECTION_FAILED",
      message,
    });
    server.close();
  });
}
