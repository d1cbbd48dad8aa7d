import { BlockList, isIP } from "node:net";
import { UsageError } from "@sericite/protocol";

/** The word for whoever connects by a Unix socket, which has no address. */
const UNIX = "unix";

/** Whether a text names proxies: an address, a network such as `10.0.0.0/8`, or `unix`. */
export function isProxyEntry(entry: string): boolean {
  if (entry === UNIX) return true;
  const [network = "", prefix, ...rest] = entry.split("/");
  const version = isIP(network);
  if (version === 0 || rest.length > 0) return false;
  return (
    prefix === undefined ||
    (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128))
  );
}

/** Addresses whose word about a client's address is taken. */
export class TrustedProxies {
  readonly #addresses = new BlockList();
  readonly #trustsUnix: boolean;
  /** Whether nobody is trusted. */
  readonly isEmpty: boolean;

  /**
   * @param entries  Addresses (`10.0.0.7`, `fd00::7`), networks (`10.0.0.0/8`), or `unix`.
   * @throws UsageError ERR_SETTING for an entry that is none of these.
   */
  constructor(entries: readonly string[]) {
    this.isEmpty = entries.length === 0;
    this.#trustsUnix = entries.includes(UNIX);
    for (const entry of entries) if (entry !== UNIX) this.#add(entry);
  }

  #add(entry: string): void {
    const [network = "", prefix] = entry.split("/");
    const version = isIP(network);
    const longest = version === 4 ? 32 : 128;
    if (!isProxyEntry(entry)) {
      throw new UsageError(
        "ERR_SETTING",
        `proxy.trusted: ${entry} is no address, no network such as 10.0.0.0/8, and not ${UNIX}`,
      );
    }
    this.#addresses.addSubnet(
      network,
      prefix === undefined ? longest : Number(prefix),
      familyOf(version),
    );
  }

  /** @param address  As Node gives it: numeric; `undefined` for the other end of a Unix socket. */
  includes(address: string | undefined): boolean {
    if (address === undefined) return this.#trustsUnix;
    const [numeric = ""] = address.split("%"); // Node adds the zone of a link-local one.
    const version = isIP(numeric);
    return version !== 0 && this.#addresses.check(numeric, familyOf(version));
  }
}

function familyOf(version: number): "ipv4" | "ipv6" {
  return version === 4 ? "ipv4" : "ipv6";
}

/** Where a request came from, as proxies say. Few of them name the port. */
export interface ForwardedSource {
  readonly address: string;
  readonly port: number | undefined;
}

/**
 * Where a request came from by its X-Forwarded-For header: the last address that no trusted proxy
 * has. Each proxy appends who it was called by, so the list is read from its end, and only as long
 * as the one who wrote an entry is trusted; what a client wrote in front of it counts for nothing.
 *
 * @param address  Who sent the request to us.
 * @returns `undefined` where the header says nothing that counts.
 */
export function forwardedFor(
  header: string | undefined,
  address: string | undefined,
  trusted: TrustedProxies,
): ForwardedSource | undefined {
  let source: ForwardedSource | undefined;
  let writer = address;
  const entries = header?.split(",") ?? [];
  while (entries.length > 0 && trusted.includes(writer)) {
    const entry = readEntry(entries.pop()!.trim());
    if (entry === undefined) break;
    source = entry;
    writer = entry.address;
  }
  return source;
}

/** `192.0.2.1`, `192.0.2.1:5000`, `2001:db8::1` or `[2001:db8::1]:5000`. */
function readEntry(text: string): ForwardedSource | undefined {
  if (text.includes("%")) return undefined; // A zone means nothing on another machine.
  if (isIP(text) !== 0) return { address: text, port: undefined };
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = six ?? four;
  if (address === undefined || isIP(address) !== (six === undefined ? 4 : 6)) return undefined;
  return { address, port: port === undefined || Number(port) > 65535 ? undefined : Number(port) };
}
