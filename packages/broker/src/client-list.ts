import { UsageError } from "@sericite/protocol";
import type { Peer, ProtocolVersion } from "@sericite/protocol";
import { waitingOf } from "./engine/backlog.ts";
import type { Engine } from "./engine/engine.ts";
import type { Session } from "./engine/session.ts";

/** What the broker knows of a client: a session, connected or not. */
export interface ClientInfo {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly isConnected: boolean;
  /** While connected. */
  readonly protocolVersion: ProtocolVersion | undefined;
  readonly peer: Peer | undefined;
  /** Seconds; 0: none, or not connected. */
  readonly keepAlive: number;
  /** Seconds; 0: ends with its connection; 0xFFFFFFFF: never. */
  readonly sessionExpiryInterval: number;
  readonly subscriptions: number;
  /** Messages that wait. */
  readonly queued: number;
  /** QoS 1 and 2 messages sent and not yet acknowledged. */
  readonly inFlight: number;
}

/** A part of the list of clients. */
export interface ClientPage {
  readonly clients: readonly ClientInfo[];
  /** Give it to the next call; `undefined` at the end. */
  readonly next: string | undefined;
}

/** What a list of clients is asked with. */
export interface ClientListOptions {
  /** From the page before. */
  readonly after?: string | undefined;
  /** Clients in a page. Default 100. */
  readonly limit?: number;
}

/** One page. Clients that come or go meanwhile may be missed; none is given twice. */
export function listClients(engine: Engine, options: ClientListOptions): ClientPage {
  const asked = options.limit ?? 100;
  const limit = asked >= 1 ? asked : 1;
  const clients: ClientInfo[] = [];
  if (options.after !== undefined && !/^\d+$/.test(options.after)) {
    throw new UsageError(
      "ERR_USAGE",
      `after is ${options.after}, expected what a page before gave as next`,
    );
  }
  let subscriber = options.after === undefined ? 0 : Number(options.after) + 1;
  for (; subscriber < engine.sessions.end; subscriber++) {
    const session = engine.sessions.at(subscriber);
    if (session === undefined) continue;
    clients.push(describeClient(engine, session));
    if (clients.length >= limit) break;
  }
  return { clients, next: subscriber < engine.sessions.end - 1 ? String(subscriber) : undefined };
}

/** What is known of one session. */
export function describeClient(engine: Engine, session: Session): ClientInfo {
  const connection = session.connection;
  return {
    clientId: session.clientId,
    username: session.username,
    isConnected: connection !== undefined,
    protocolVersion: connection?.protocolVersion,
    peer: connection?.peer,
    keepAlive: connection?.keepAlive ?? 0,
    sessionExpiryInterval: session.expiryInterval,
    subscriptions: engine.topicTree.countOf(session.subscriber),
    queued: waitingOf(session),
    inFlight: session.outbound?.size ?? 0,
  };
}
