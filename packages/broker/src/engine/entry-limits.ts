import { ReasonCode } from "@sericite/protocol";
import { parseAddress } from "./address-range.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionGroup, Engine } from "./engine.ts";
import type { LimitName } from "./limit-table.ts";
import { WindowCounts } from "./window-counts.ts";

/** The window of a rate. Milliseconds. */
const SECOND = 1000;

/** Largest CONNECT that a connection too many may send to be told why it is refused. Bytes. */
const CONNECT_IN_RESERVE = 64 * 1024;

/**
 * How many may come, and how often: connections in all, by listener, by address and by Username,
 * CONNECTs a second, and connects of one Client Identifier, which is banned for a while where it
 * comes and goes too often. Connections of the embedding program do not count.
 *
 * A connection too many may stay until its CONNECT, which is answered with the reason, since only
 * then its version is known. `limits.refusalReserve` of them are there at once; the rest is closed
 * without a word. None of them counts as a connection, so that they keep nobody out.
 */
export class EntryLimits {
  readonly #engine: Engine;
  /** Connections that are not too many. */
  #connections = 0;
  /** Those that are, and wait for their CONNECT. */
  readonly #reserve = new Set<Connection>();
  readonly #byAddress = new Map<string, number>();
  readonly #byUsername = new Map<string, number>();
  readonly #connects = new WindowCounts();
  readonly #connectsByAddress = new WindowCounts();
  readonly #connectsByClient = new WindowCounts();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Counts a connection that was accepted.
   *
   * @param group  Those that it is counted with besides.
   * @returns whether it is one too many: it was closed, or waits for its CONNECT to be refused.
   */
  refusesConnection(connection: Connection, group: ConnectionGroup | undefined): boolean {
    if (connection.isTrusted) return false;
    const limit = this.#excess(connection, group);
    if (limit === undefined) {
      this.#connections++;
      const address = addressOf(connection);
      if (address !== undefined) changeCount(this.#byAddress, address, 1);
      if (group !== undefined) {
        connection.group = group;
        group.count++;
      }
      return false;
    }
    connection.excess = limit;
    this.#engine.limitReached(limit, connection);
    if (this.#reserve.size < this.#engine.settings.limits.refusalReserve) {
      this.#reserve.add(connection);
      const { parser } = connection;
      parser.maximumPacketSize = Math.min(parser.maximumPacketSize, CONNECT_IN_RESERVE);
    } else {
      this.#engine.counters.connectionsRefused++;
      const { listener, address, port } = connection.peer;
      const reason = "too-many-connections";
      this.#engine.events.emit("connectionRefused", { listener, reason, address, port });
      connection.abort("too many connections", ReasonCode.quotaExceeded);
    }
    return true;
  }

  /** The limit that a connection is one too many for. */
  #excess(connection: Connection, group: ConnectionGroup | undefined): LimitName | undefined {
    const { connections, connectionsPerAddress } = this.#engine.settings.limits;
    if (connections > 0 && this.#connections >= connections) return "limits.connections";
    const address = addressOf(connection);
    if (connectionsPerAddress > 0 && address !== undefined) {
      const same = this.#byAddress.get(address) ?? 0;
      if (same >= connectionsPerAddress) return "limits.connectionsPerAddress";
    }
    if (group === undefined || group.count < group.maximum) return undefined;
    return "limits.connections";
  }

  /** Refuses a CONNECT on a connection that is one too many. @returns whether it is. */
  refusesExcess(connection: Connection): boolean {
    if (connection.excess === undefined) return false;
    this.#engine.counters.connectTooMany++;
    connection.refuse(ReasonCode.quotaExceeded, `too many connections: ${connection.excess}`);
    return true;
  }

  /** A connection that was accepted is gone. */
  gone(connection: Connection): void {
    if (connection.isTrusted) return;
    if (connection.excess !== undefined) return void this.#reserve.delete(connection);
    this.#connections--;
    const address = addressOf(connection);
    if (address !== undefined) changeCount(this.#byAddress, address, -1);
    if (connection.group !== undefined) connection.group.count--;
  }

  /** Counts a CONNECT, and refuses it where it is one too many in this second. @returns whether it is refused. */
  refusesRate(connection: Connection): boolean {
    if (connection.isTrusted) return false;
    const { connectRate, connectRatePerAddress } = this.#engine.settings.limits;
    const { now } = this.#engine;
    if (connectRatePerAddress > 0) {
      const address = addressOf(connection);
      if (
        address !== undefined &&
        this.#connectsByAddress.add(address, now, SECOND) > connectRatePerAddress
      )
        return this.#refuseRate(connection, "connectRatePerAddress");
    }
    // What one address has too many of is not taken from the others.
    if (connectRate > 0 && this.#connects.add("", now, SECOND) > connectRate)
      return this.#refuseRate(connection, "connectRate");
    return false;
  }

  #refuseRate(connection: Connection, name: "connectRate" | "connectRatePerAddress"): true {
    this.#engine.counters.connectRateExceeded++;
    this.#engine.limitReached(`limits.${name}`, connection);
    connection.refuse(ReasonCode.connectionRateExceeded, "too many CONNECTs a second");
    return true;
  }

  /** Whether the client's Username has as many connections as it may; the one that it takes over does not count. */
  refusesUser(connection: Connection): boolean {
    const most = this.#engine.settings.limits.connectionsPerUser;
    const { username } = connection;
    if (most === 0 || username === undefined || connection.isTrusted) return false;
    const older = this.#engine.sessions.get(connection.clientId)?.connection;
    const replaced = older?.username === username ? 1 : 0;
    if ((this.#byUsername.get(username) ?? 0) - replaced < most) return false;
    this.#engine.counters.connectUserRefused++;
    this.#engine.limitReached("limits.connectionsPerUser", connection);
    connection.refuse(ReasonCode.quotaExceeded, `more than ${most} connections of one Username`);
    return true;
  }

  /** Counts a client that would be let in, and bans it where it comes too often. */
  countConnect(connection: Connection): void {
    const { flappingConnects, flappingWindow, flappingBan } = this.#engine.settings.limits;
    if (flappingConnects === 0 || connection.isTrusted) return;
    const { clientId } = connection;
    const count = this.#connectsByClient.add(clientId, this.#engine.now, flappingWindow);
    if (count <= flappingConnects) return;
    this.#engine.counters.flappingBans++;
    this.#engine.limitReached("limits.flappingConnects", connection);
    this.#engine.bans.add("clientId", clientId, flappingBan, "it connects too often");
  }

  /** A client was let in. */
  entered({ username, isTrusted }: Connection): void {
    if (username !== undefined && !isTrusted) changeCount(this.#byUsername, username, 1);
  }

  /** A client that was let in is gone. */
  left({ username, isTrusted }: Connection): void {
    if (username !== undefined && !isTrusted) changeCount(this.#byUsername, username, -1);
  }
}

/** What counts as one address: of IPv6 the network of 64 bits, which one customer has. `undefined`: it has none. */
function addressOf({ isTrusted, peer: { address } }: Connection): string | undefined {
  if (isTrusted || address === undefined) return undefined;
  if (!address.includes(":")) return address;
  const groups = parseAddress(address);
  if (groups === undefined) return address;
  const isFour = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  if (!isFour) return groups.slice(0, 4).join(":");
  return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join(".");
}

/** @returns the new count. */
function changeCount(counts: Map<string, number>, name: string, by: 1 | -1): number {
  const count = (counts.get(name) ?? 0) + by;
  if (count > 0) counts.set(name, count);
  else counts.delete(name);
  return count;
}
