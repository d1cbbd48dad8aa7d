import type { Address } from "./address.ts";
import { parseAddress } from "./address.ts";

/** Redirections in a row that are followed without a wait. */
const hopsMaximum = 5;

/**
 * Where a client connects: its servers, in order, each after the failure of the one before it, and
 * the one that a server has sent it to.
 */
export class Servers {
  #addresses: readonly Address[];
  #at = 0;
  /** Attempts in a row that failed, in this round. */
  #failures = 0;
  /** Where a server sends the client for now: the next attempt is there. */
  #detour: Address | undefined = undefined;
  #hops = 0;

  /** @param addresses  Empty where the client has a `dial` in place of addresses. */
  constructor(addresses: readonly Address[]) {
    this.#addresses = addresses;
  }

  /** The server that is used, or tried next. `undefined` where there are no addresses. */
  get current(): Address | undefined {
    return this.#detour ?? this.#addresses[this.#at];
  }

  /** Connects to others from now on. */
  replace(addresses: readonly Address[]): void {
    this.#addresses = addresses;
    this.#at = 0;
    this.#failures = 0;
    this.#detour = undefined;
    this.#hops = 0;
  }

  /** CONNACK accepted. */
  connected(): void {
    this.#failures = 0;
  }

  /** A connection had lasted: what went before is forgotten. */
  steady(): void {
    this.#hops = 0;
  }

  /** A connection is lost: the next server has its turn. */
  lost(): void {
    this.#failures = 0;
    this.#advance();
  }

  /** An attempt failed: the next server has its turn. @returns whether all of them have failed now. */
  failed(): boolean {
    const isDetour = this.#detour !== undefined;
    this.#advance();
    // Where a server points to nowhere, the others are still to be tried.
    if (isDetour && this.#addresses.length > 1) return false;
    this.#failures++;
    if (this.#failures < this.#addresses.length) return false;
    this.#failures = 0;
    return true;
  }

  /**
   * A server sends the client to another one (§4.11).
   *
   * @param isPermanent  0x9D: it takes this one's place. 0x9C: until it fails.
   * @returns whether to go there at once: not after so many redirections that it seems a circle.
   */
  redirect(to: Address, isPermanent: boolean): boolean {
    if (isPermanent && this.#detour === undefined)
      this.#addresses = this.#addresses.with(this.#at, to);
    else this.#detour = to;
    this.#hops++;
    return this.#hops <= hopsMaximum;
  }

  #advance(): void {
    // The server that sent the client away has had its turn.
    this.#detour = undefined;
    if (this.#addresses.length > 0) this.#at = (this.#at + 1) % this.#addresses.length;
  }
}

/**
 * What to do with a Server Reference: `true` follows it, a function says where to, or gives
 * `undefined` to stay.
 */
export type ServerReferencePolicy =
  | boolean
  | ((serverReference: string, isPermanent: boolean) => string | undefined);

/**
 * The address that a Server Reference means (§4.11): the first of those in it that can be read.
 *
 * The standard leaves its form open and recommends `HOST[:PORT]`. What it does not say is as with
 * the server that sent it: scheme, so that TLS stays TLS, path, and credentials.
 *
 * @returns `undefined` where it is not to be followed or says nothing that can be.
 * @throws UsageError where the function gives something that is no address.
 */
export function referredAddress(
  serverReference: string | undefined,
  isPermanent: boolean,
  policy: ServerReferencePolicy,
  from: Address | undefined,
): Address | undefined {
  if (serverReference === undefined || policy === false || from === undefined) return undefined;
  if (policy !== true) {
    const url = policy(serverReference, isPermanent);
    return url === undefined ? undefined : withCredentialsOf(from, parseAddress(url));
  }
  if (from.scheme === "unix") return undefined;
  for (const reference of serverReference.split(" ")) {
    const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?$/i.exec(reference);
    if (match === null || Number(match[2]?.slice(1) ?? 1) > 65_535) continue;
    const path = from.scheme === "ws" || from.scheme === "wss" ? from.path : "";
    return withCredentialsOf(from, parseAddress(`${from.scheme}://${reference}${path}`));
  }
  return undefined;
}

function withCredentialsOf(from: Address, to: Address): Address {
  if (to.username !== undefined || to.password !== undefined) return to;
  return { ...to, username: from.username, password: from.password };
}
