import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";
import type { Accept, Link, LinkHandler, Peer } from "@sericite/protocol";
import type { LinkHarness } from "../testing/link-contract.ts";
import { SocketLink } from "./socket-link.ts";
import { WebSocketLink } from "./websocket-link.ts";

/** A certificate or key of the tests, as PEM. */
export function pem(name: string): Buffer {
  return readFileSync(new URL(`../../src/listeners/test-certificates/${name}`, import.meta.url));
}

/** Certificate and key by name. */
export function certificate(name: string): { certificate: Buffer; key: Buffer } {
  return { certificate: pem(`${name}.pem`), key: pem(`${name}.key`) };
}

/** A link to a listener, with the sockets below it. */
export interface DialledLink {
  readonly link: SocketLink | WebSocketLink;
  /** What the link is made of. */
  readonly socket: Socket;
  /** The TCP or Unix socket at the bottom. */
  readonly raw: Socket;
}

const near: Peer = { listener: "near", transport: "tcp" };

/** Opens a link over a socket that connects. */
export async function dialSocket(raw: Socket): Promise<DialledLink> {
  await once(raw, "connect");
  return { link: new SocketLink(raw, near), socket: raw, raw };
}

/** Opens a link over TLS. */
export async function dialTls(port: number): Promise<DialledLink> {
  const raw = connectTcp({ port, host: "127.0.0.1" });
  const socket = connectTls({ socket: raw, ca: pem("ca.pem"), servername: "localhost" });
  await once(socket, "secureConnect");
  const options = { copiesWrites: true, usesSharedBuffer: true };
  return { link: new SocketLink(socket, near, options), socket, raw };
}

/** Opens a link over a WebSocket, or over one on TLS. */
export async function dialWebSocket(port: number, isSecure: boolean): Promise<DialledLink> {
  const raw = connectTcp({ port, host: "127.0.0.1" });
  const socket = isSecure
    ? connectTls({ socket: raw, ca: pem("ca.pem"), servername: "localhost" })
    : raw;
  const url = `${isSecure ? "wss" : "ws"}://localhost:${port}/mqtt`;
  const webSocket = new WebSocket(url, "mqtt", { createConnection: () => socket });
  const opened = once(webSocket, "open");
  await once(webSocket, "upgrade");
  const link = new WebSocketLink(webSocket, socket, near, true);
  await opened;
  return { link, socket, raw };
}

/** Waits for an event; rejects at 'error'. */
export function once(emitter: NodeJS.EventEmitter, name: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    emitter.once("error", reject);
    emitter.once(name, (...values: unknown[]) => {
      emitter.removeListener("error", reject);
      resolve(values);
    });
  });
}

/** Waits until `condition` holds; throws where it does not within five seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, "what was waited for did not happen");
    await turns(1);
  }
}

/** Lets what is under way between sockets of this process happen. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise(setImmediate);
}

/** A harness for `linkContract` from what listens and what dials. */
export async function harness(
  listen: (accept: Accept) => Promise<{ close: () => Promise<void>; port: number }>,
  dial: (port: number) => Promise<DialledLink>,
): Promise<LinkHarness> {
  let accept: Accept | undefined;
  const listener = await listen((link) => accept!(link));
  const dialled = new Map<Link, DialledLink>();
  return {
    open: async (handler: LinkHandler, given: Accept) => {
      accept = given;
      const made = await dial(listener.port);
      dialled.set(made.link, made);
      made.link.start(handler);
      return made.link;
    },
    until,
    quiet: () => turns(),
    halfClose: (link) => void dialled.get(link)!.socket.end(),
    abort: (link) => {
      const { raw } = dialled.get(link)!;
      if (raw.remoteAddress === undefined) raw.destroy();
      else raw.resetAndDestroy();
    },
    close: async () => {
      for (const { raw } of dialled.values()) raw.destroy();
      await listener.close();
    },
  };
}
