import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { dialTcp, dialTls, dialUnix, dialWebSocket } from "@sericite/client";
import { dialWebSocket as dialInBrowser } from "@sericite/client/browser";
import type { Accept, Dial, Link, LinkHandler } from "@sericite/protocol";
import type { LinkHarness } from "../testing/link-contract.ts";
import { linkContract } from "../testing/link-contract.ts";
import { certificate, pem, turns, until } from "./links.test-support.ts";
import { listenTcp } from "./tcp.ts";
import { listenTls } from "./tls.ts";
import { listenUnix } from "./unix.ts";
import { listenWebSocket } from "./websocket.ts";

const address = { host: "127.0.0.1", port: 0 };
const tls = { certificates: [certificate("localhost")] };
const path = join(mkdtempSync(join(tmpdir(), "sericite-")), "broker.sock");
const trust = { ca: pem("ca.pem"), servername: "localhost" };

// Node 20 has no WebSocket of its own; that of ws does the same.
globalThis.WebSocket ??= WebSocket as never;

type Listen = (accept: Accept) => Promise<{ close: () => Promise<void>; port: number }>;

/** Links of the client's transports: they are the dialling end, and the listener's links the other. */
async function clientNear(listen: Listen, dial: (port: number) => Dial): Promise<LinkHarness> {
  let accept: Accept | undefined;
  const listener = await listen((link) => accept!(link));
  const links: Link[] = [];
  return {
    open: async (handler, given) => {
      accept = given;
      const link = await dial(listener.port)(handler);
      links.push(link);
      return link;
    },
    until,
    quiet: () => turns(),
    close: async () => {
      for (const link of links) link.destroy();
      await listener.close();
    },
  };
}

/** The same with the parts changed: the contract asks more of the end that accepts. */
async function clientFar(listen: Listen, dial: (port: number) => Dial): Promise<LinkHarness> {
  let handler: LinkHandler | undefined;
  let accepted: ((link: Link) => void) | undefined;
  const listener = await listen((link) => {
    accepted!(link);
    return handler!;
  });
  const links: Link[] = [];
  return {
    open: async (given, accept) => {
      handler = given;
      const arrived = new Promise<Link>((resolve) => (accepted = resolve));
      const far: { handler?: LinkHandler } = {};
      const link = await dial(listener.port)({
        onData: (bytes, start, end) => far.handler!.onData(bytes, start, end),
        onWritable: () => far.handler!.onWritable(),
        onClose: (cause) => far.handler!.onClose(cause),
      });
      far.handler = accept(link);
      links.push(link);
      return await arrived;
    },
    until,
    quiet: () => turns(),
    close: async () => {
      for (const link of links) link.destroy();
      await listener.close();
    },
  };
}

for (const [kind, listen, dial] of [
  ["TCP", (accept) => listenTcp(accept, address), (port) => dialTcp({ port })],
  [
    "TLS",
    (accept) => listenTls(accept, { ...address, tls }),
    (port) => dialTls({ port, ...trust }),
  ],
  ["Unix socket", (accept) => listenUnix(accept, { path }), () => dialUnix({ path })],
  [
    "WebSocket",
    (accept) => listenWebSocket(accept, address),
    (port) => dialWebSocket({ url: `ws://127.0.0.1:${port}/mqtt` }),
  ],
  [
    "secure WebSocket",
    (accept) => listenWebSocket(accept, { ...address, tls }),
    (port) => dialWebSocket({ url: `wss://localhost:${port}/mqtt`, tls: trust }),
  ],
] satisfies [string, Listen, (port: number) => Dial][]) {
  linkContract(`client's ${kind}`, () => clientNear(listen, dial));
  linkContract(`accepted ${kind} and, at the other end, the client's`, () =>
    clientFar(listen, dial),
  );
}

// It cannot be paused, nor have its roles changed: nobody but a browser has it.
linkContract("browser's WebSocket", () =>
  clientNear(
    (accept) => listenWebSocket(accept, address),
    (port) => dialInBrowser({ url: `ws://127.0.0.1:${port}/mqtt` }),
  ),
);
