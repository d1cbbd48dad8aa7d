import type { Server } from "node:net";
import type { Peer } from "@sericite/protocol";
import type { TlsContexts } from "./tls-contexts.ts";

/** What hands its connections to `Accept`: one port, one socket file, or a server that was given. */
export interface Listener {
  /** As shown in logs and given to hooks: `tcp:1883`, `tls:8883`, `ws:8083`, `wss:8084`, `unix:/run/sericite.sock`. */
  readonly name: string;
  readonly transport: Peer["transport"];
  /** Where a client finds it: `mqtt://`, `mqtts://`, `ws://`, `wss://` or `unix://`, with address and port or path. */
  readonly url: string;
  /** Numeric address; empty for a Unix socket. */
  readonly host: string;
  /** The real one, also where 0 was asked for; 0 for a Unix socket. */
  readonly port: number;
  /** How many connections ended before they were links: see `refusalReasons`. */
  readonly refused: number;
  /**
   * Puts other certificates in force for connections to come; those that are there live on. Absent
   * where the listener has none of its own.
   */
  readonly reload?: ((contexts: TlsContexts) => void) | undefined;
  /** Stops accepting. Connections live on; those still in a handshake end. Settles when the port is free. */
  close(): Promise<void>;
}

/** A listener on a port or path that nobody else has. */
export interface OwnListener extends Listener {
  /** Ends the hold that it was made with: takes the connections that came since, and those that come. */
  start(): void;
  /**
   * Takes no more connections, and gives the server, which listens on, to the listener that comes in
   * its place. Connections live on, also those in a handshake.
   */
  handOver(): Server;
}

/** Why a connection ended before it was a client: here, or where the engine says so. */
export const refusalReasons = {
  accept: "The system could not hand over a connection; most often no file descriptor was left.",
  "too-many-handshakes":
    "As many connections as listen.handshakesMaximum were in their handshakes; under overload 64.",
  "too-many-connections":
    "One too many for limits.connections or limits.connectionsPerAddress, and beyond limits.refusalReserve.",
  hook: "A hook, authorizeConnection, said no.",
  "connect-timeout":
    "No CONNECT, or no end of an enhanced authentication, within mqtt.connectTimeout.",
  "handshake-timeout":
    "PROXY header, TLS handshake and HTTP upgrade took longer than listen.handshakeTimeout.",
  closed: "The other end closed the connection in the middle of its handshakes.",
  "proxy-header": "A trusted proxy sent no PROXY protocol header, or a malformed one.",
  "tls-handshake": "The TLS handshake failed.",
  "client-certificate":
    "The client's certificate is missing, or no configured authority vouches for it.",
  "http-request": "An HTTP request that asks for no WebSocket, or that is malformed.",
  path: "The upgrade request names a path that this listener does not serve.",
  origin: "The upgrade request comes from a web page whose origin is not in websocket.origins.",
  subprotocol: "The upgrade request offers no sub-protocol that this listener speaks.",
  "websocket-handshake": "The upgrade request is no WebSocket handshake of version 13.",
} as const;

/** A key of `refusalReasons`. */
export type RefusalReason = keyof typeof refusalReasons;

/** A connection that ended before it was a link. */
export interface Refusal {
  /** Name of the listener. */
  readonly listener: string;
  readonly reason: RefusalReason;
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly cause: Error | undefined;
}

/** What every listener may be given. */
export interface ListenerOptions {
  /** Proxies that may say where a connection comes from. Default: none. */
  readonly proxy?: ProxyOptions;
  /** Time from accept until PROXY header, TLS handshake and HTTP upgrade are through. Milliseconds, default 10 000. */
  readonly handshakeTimeoutMs?: number;
  /** Connections at once that are not through yet. Default 4096. */
  readonly handshakesMaximum?: number;
  /** Whether the broker has too much to do: then few handshakes are begun, since each costs more than a CONNECT. */
  readonly isOverloaded?: () => boolean;
  /** Told of each refusal, for logs and counters. */
  readonly onRefused?: (refusal: Refusal) => void;
  /** That of a listener at the same address that handed it over. Default: one is opened. */
  readonly server?: Server;
  /** Whether connections wait until `start` is called. Default false. */
  readonly isHeld?: boolean;
}

/** Whose word about a client's address is taken. */
export interface ProxyOptions {
  /**
   * Whether connections from trusted addresses begin with a PROXY protocol header, before anything
   * else; one that does not is closed. Connections from other addresses are taken for what they are.
   */
  readonly protocol: boolean;
  /** Addresses, networks such as `10.0.0.0/8`, and `unix`. Their X-Forwarded-For is taken as well. */
  readonly trusted: readonly string[];
}

/** Where to listen. */
export interface AddressOptions {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  /** Connections that the system holds until they are accepted. Default 511. */
  readonly backlog?: number;
}
