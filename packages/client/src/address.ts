import { UsageError } from "@sericite/protocol";

/** How a server is reached. */
export type Scheme = "mqtt" | "mqtts" | "ws" | "wss" | "unix";

/** Where a server is: what an address such as `mqtts://user:secret@example.com` says. */
export interface Address {
  readonly scheme: Scheme;
  /** Host name, or address without brackets. Empty for `unix`. */
  readonly host: string;
  readonly port: number;
  /** Path and query of a WebSocket; path of a Unix socket. */
  readonly path: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The same without username and password: for messages, and for a WebSocket. */
  readonly url: string;
}

const schemes: Readonly<Record<string, Scheme>> = {
  mqtt: "mqtt",
  tcp: "mqtt",
  mqtts: "mqtts",
  tls: "mqtts",
  ssl: "mqtts",
  ws: "ws",
  wss: "wss",
  unix: "unix",
  "mqtt+unix": "unix",
};

const defaultPorts: Readonly<Record<Scheme, number>> = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 80,
  wss: 443,
  unix: 0,
};

const pattern =
  /^([a-z][a-z0-9+]*):(?:\/\/(?:([^@/?#]*)@)?(\[[0-9a-f:.%]+\]|[^:/?#@[\]]*)(?::([0-9]{1,5}))?)?([/?][^#]*)?$/i;

/**
 * Reads an address: `mqtt://`, `mqtts://`, `ws://` or `wss://` and `[USER[:PASSWORD]@]HOST[:PORT]`,
 * with a path for WebSockets; or `unix:PATH`.
 *
 * @throws UsageError
 */
export function parseAddress(url: string): Address {
  const match = pattern.exec(url);
  if (match === null) throw noAddress(url, "");
  const [, given = "", credentials, inBrackets = "", portText, path = ""] = match;
  const scheme = Object.hasOwn(schemes, given.toLowerCase())
    ? schemes[given.toLowerCase()]
    : undefined;
  if (scheme === undefined)
    throw noAddress(url, `: there are ${Object.keys(schemes).join(", ")}, and no ${given}`);
  const host = inBrackets.replace(/^\[(.*)\]$/, "$1");
  const port = portText === undefined ? defaultPorts[scheme] : Number(portText);
  if (scheme === "unix") {
    if (path === "" || host !== "" || portText !== undefined)
      throw noAddress(url, ": a Unix socket has a path and no host");
  } else if (host === "") throw noAddress(url, "");
  else if (port < 1 || port > 65_535) throw noAddress(url, ": a port is 1…65535");
  else if (path !== "" && path !== "/" && (scheme === "mqtt" || scheme === "mqtts"))
    throw noAddress(url, ": only a WebSocket has a path");
  const colon = credentials?.indexOf(":") ?? -1;
  return {
    scheme,
    host,
    port,
    path,
    username: decoded(url, colon < 0 ? credentials : credentials?.slice(0, colon)),
    password: colon < 0 ? undefined : decoded(url, credentials?.slice(colon + 1)),
    url: scheme === "unix" ? `unix:${path}` : `${scheme}://${inBrackets}:${port}${path}`,
  };
}

function decoded(url: string, text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw noAddress(url, ": a percent sign is written %25", cause);
  }
}

function noAddress(url: string, why: string, cause?: unknown): UsageError {
  // A password has no place in a message.
  const shown = url.replace(/\/\/[^@/]*@/, "//…@");
  return new UsageError(
    "ERR_USAGE",
    `${JSON.stringify(shown)} is no address such as mqtt://127.0.0.1:1883${why}`,
    { cause },
  );
}
