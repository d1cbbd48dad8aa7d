import type { Engine } from "./engine.ts";

/** A topic below `$SYS/broker/`. */
export interface SysFigure {
  readonly text: string;
  read(engine: Engine, uptimeSeconds: number): number | string;
}

function figure(text: string, read: SysFigure["read"]): SysFigure {
  return { text, read };
}

function connected(engine: Engine): number {
  return engine.counters.clientsConnected - engine.counters.clientsDisconnected;
}

function away(engine: Engine): number {
  return engine.sessions.size - connected(engine);
}

/** What `$SYS` always tells, under the names that mosquitto gave it. */
export const sysFigures: Readonly<Record<string, SysFigure>> = {
  version: figure("Name and version of the broker.", (engine) => `sericite ${engine.version}`),
  uptime: figure("Time since the start.", (_engine, uptimeSeconds) => `${uptimeSeconds} seconds`),
  "clients/connected": figure("Clients that are connected.", connected),
  "clients/active": figure("The same, under its older name.", connected),
  "clients/total": figure("Sessions, connected or not.", (engine) => engine.sessions.size),
  "clients/disconnected": figure("Sessions without a connection.", away),
  "clients/inactive": figure("The same, under its older name.", away),
  "clients/expired": figure(
    "Sessions that ended because they were without a connection for too long.",
    (engine) => engine.counters.sessionsExpired,
  ),
  "messages/received": figure("Packets received.", (engine) => engine.counters.packetsReceived),
  "messages/sent": figure("PUBLISH packets sent.", (engine) => engine.counters.publishSent),
  "publish/messages/received": figure(
    "PUBLISH packets received.",
    (engine) => engine.counters.publishReceived,
  ),
  "publish/messages/sent": figure("PUBLISH packets sent.", (engine) => engine.counters.publishSent),
  "publish/messages/dropped": figure("Messages that were not delivered.", (engine) =>
    Object.values(engine.drops).reduce((sum, count) => sum + count, 0),
  ),
  "bytes/received": figure("Bytes received.", (engine) => engine.counters.bytesReceived),
  "bytes/sent": figure("Bytes sent.", (engine) => engine.counters.bytesSent),
  "retained messages/count": figure("Retained messages.", (engine) => engine.retained.count),
  "store/messages/bytes": figure("Bytes of retained messages.", (engine) => engine.retained.bytes),
  "subscriptions/count": figure("Subscriptions.", (engine) => engine.topicTree.size),
  "shared_subscriptions/count": figure("Shared Subscriptions.", (engine) => engine.shared.size),
};

/** What has been counted by name so far: each limit that was met, and each reason for a drop. */
export function* countedFigures(engine: Engine): Iterable<readonly [name: string, count: number]> {
  for (const [limit, count] of Object.entries(engine.limitsReached))
    if (count > 0) yield [`limits/${limit}`, count];
  for (const [reason, count] of Object.entries(engine.drops))
    if (count > 0) yield [`drops/${reason}`, count];
}
