import { ReasonCode } from "@sericite/protocol";
import { parseAddress } from "./address-range.ts";
import type { Connection } from "./connection.ts";
import type { Engine } from "./engine.ts";
import { WindowCounts } from "./window-counts.ts";

/** The window of a rate. Milliseconds. */
const SECOND = 1000;

/**
 * How many may come, and how often: connections by address and by Username, CONNECTs a second, and
 * connects of one Client Identifier, which is banned for a while where it comes and goes too often.
 * Connections of the embedding program do not count.
 */
export class EntryLimits {
  readonly #engine: Engine;
  readonly #byAddress = new Map<string, number>();
  readonly #byUsername = new Map<string, number>();
  readonly #connects = new WindowCounts();
  readonly #connectsByAddress = new WindowCounts();
  readonly #connectsByClient = new WindowCounts();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** A connection was accepted. @returns the setting that it is too many for, or `undefined`. */
  accepted(connection: Connection): "connections" | "connectionsPerAddress" | undefined {
    const { limits } = this.#engine.settings;
    const address = addressOf(connection);
    const same = address === undefined ? 0 : changeCount(this.#byAddress, address, 1);
    const { connections, connectionsPerAddress } = limits;
    if (connections > 0 && this.#engine.connections.size > connections) return "connections";
    if (connectionsPerAddress > 0 && same > connectionsPerAddress) return "connectionsPerAddress";
    return undefined;
  }

  /** A connection that was accepted is gone. */
  gone(connection: Connection): void {
    const address = addressOf(connection);
    if (address !== undefined) changeCount(this.#byAddress, address, -1);
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
