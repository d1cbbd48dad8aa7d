import type { Dial, ProtocolVersion, Random } from "@sericite/protocol";
import { ConnectReturnCode, ConnectionError, ReasonCode, UsageError } from "@sericite/protocol";
import type { Address } from "./address.ts";
import { parseAddress } from "./address.ts";
import { withCause } from "./connection-errors.ts";
import type { Authentication } from "./authentication.ts";
import type {
  ClientSettings,
  ConnectAttempt,
  ConnectOptions,
  RefreshedOptions,
} from "./options.ts";
import { checkOptionNames, clientSettings } from "./options.ts";
import type { Platform } from "./platform.ts";
import { Servers } from "./servers.ts";

/**
 * What each attempt to connect is made with: the options that the client was opened with, what
 * `refresh` gave last, the credentials in the address, and the version that the server speaks.
 */
export class AttemptOptions {
  readonly servers: Servers;
  readonly #platform: Platform;
  readonly #options: ConnectOptions;
  readonly #random: Random;
  #refreshed: RefreshedOptions = {};
  #refreshedUrls = "";
  #protocolVersion: ProtocolVersion;
  #settings: ClientSettings;
  /** Of `#settings`. */
  #address: Address | undefined;

  /** @throws UsageError where an option has a value that it cannot have. */
  constructor(platform: Platform, options: ConnectOptions, random: Random) {
    this.#platform = platform;
    this.#options = options;
    this.#random = random;
    checkOptionNames(options);
    this.#protocolVersion = options.protocolVersion ?? 5;
    if (options.dial === undefined && options.url === undefined)
      throw new UsageError("ERR_USAGE", "there is neither url nor dial");
    this.servers = new Servers(options.dial === undefined ? this.#reachable(options.url!) : []);
    this.#address = this.servers.current;
    this.#settings = this.#merged();
  }

  /** Whether something is asked for before each attempt. */
  get isRefreshed(): boolean {
    const { refresh, authentication, will } = this.#options;
    return refresh !== undefined || authentication !== undefined || typeof will === "function";
  }

  /** Whether the next attempt may have other credentials than the last one. */
  get renewsCredentials(): boolean {
    const { refresh, authentication } = this.#options;
    return refresh !== undefined || authentication !== undefined;
  }

  /** The enhanced authentication of the next attempt. */
  get authentication(): Authentication | undefined {
    return this.#refreshed.authentication ?? this.#options.authentication;
  }

  /** Those of the next attempt; the same object while nothing has changed. @throws UsageError */
  settings(): ClientSettings {
    const address = this.servers.current;
    if (address !== this.#address) {
      this.#address = address;
      this.#settings = this.#merged();
    }
    return this.#settings;
  }

  /** How to reach the server that has its turn. @throws UsageError */
  dial(): Dial {
    const address = this.servers.current;
    if (this.#options.dial !== undefined) return this.#options.dial;
    return this.#platform.dial(address!, { ...this.#options, ...this.#refreshed });
  }

  /** Goes to other servers from now on. @throws UsageError where one is no address. */
  moveTo(url: string | readonly string[]): void {
    if (this.#options.dial !== undefined)
      throw new UsageError("ERR_USAGE", "a client with its own dial has no address");
    this.servers.replace(this.#reachable(url));
  }

  /** Asks `refresh` and for the Will; what they say counts with `apply`. Rejects with a ConnectionError where it fails. */
  async ask(attempt: ConnectAttempt): Promise<RefreshedOptions> {
    const { refresh, will } = this.#options;
    try {
      const refreshed = (await refresh?.(attempt)) ?? {};
      if (typeof will !== "function" || refreshed.will !== undefined) return refreshed;
      return { ...refreshed, will: await will() };
    } catch (cause) {
      const message = withCause(
        "what the attempt needs could not be had (refresh, or will)",
        cause,
      );
      throw new ConnectionError("ERR_REFRESH_FAILED", message, { cause });
    }
  }

  /** What `refresh` gave counts from now on. @throws UsageError where it is wrong. */
  apply(refreshed: RefreshedOptions): void {
    this.#refreshed = refreshed;
    const { url } = refreshed;
    const urls = url === undefined ? "" : [url].flat().join(" ");
    // The same servers again: their order of turns goes on.
    if (url !== undefined && urls !== this.#refreshedUrls) this.moveTo(url);
    this.#refreshedUrls = urls;
    this.#address = this.servers.current;
    this.#settings = this.#merged();
  }

  /**
   * Takes the version below, if that is wanted and the server does not speak this one.
   *
   * @returns whether to try again at once.
   */
  fallBack(error: Error | undefined): boolean {
    if (this.#options.protocolFallback !== true || this.#protocolVersion === 3) return false;
    if (!(error instanceof ConnectionError) || error.code !== "ERR_CONNECT_REFUSED") return false;
    const expected =
      this.#protocolVersion === 5
        ? ReasonCode.unsupportedProtocolVersion
        : ConnectReturnCode.unacceptableProtocolVersion;
    if (error.reasonCode !== expected) return false;
    const refused = this.#protocolVersion;
    //
    this.#protocolVersion = refused === 5 ? 4 : 3;
    try {
      this.#settings = this.#merged();
      return true;
    } catch (fault) {
      if (!(fault instanceof UsageError)) throw fault;
      // The options ask for what only the newer version has: the refusal is what counts.
      this.#protocolVersion = refused;
      return false;
    }
  }

  #merged(): ClientSettings {
    const { username, password } = this.servers.current ?? {};
    return clientSettings(
      {
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
        ...this.#options,
        ...this.#refreshed,
        protocolVersion: this.#protocolVersion,
      },
      this.#random,
    );
  }

  /** An address that is none, or that the platform cannot reach, is a mistake to be told at once. */
  #reachable(url: string | readonly string[]): Address[] {
    const addresses = [url].flat().map(parseAddress);
    if (addresses.length === 0) throw new UsageError("ERR_USAGE", "url is an empty list");
    for (const address of addresses) this.#platform.dial(address, this.#options);
    return addresses;
  }
}
