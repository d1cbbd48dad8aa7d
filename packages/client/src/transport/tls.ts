import type { Dial } from "@sericite/protocol";
import type { Buffer } from "node:buffer";
import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { connect } from "node:tls";
import type { TlsOptions } from "../transport-options.ts";
import { dialling, hostAndPort } from "./dialling.ts";
import { SocketLink } from "./socket-link.ts";

/** Where a TLS server is, and how to speak to it. */
export interface TlsDialOptions extends TlsOptions {
  /** Host name or address. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default 8883. */
  readonly port?: number | undefined;
  /** Time for the connection to be made, handshake included. Milliseconds. Default: the system's. */
  readonly timeoutMs?: number | undefined;
}

/** A `Dial` over TLS. It offers the protocol `mqtt` (ALPN), unless `alpnProtocols` says otherwise. */
export function dialTls(options: TlsDialOptions = {}): Dial {
  const { host = "127.0.0.1", port = 8883, timeoutMs, alpnProtocols = ["mqtt"] } = options;
  const listener = `mqtts://${hostAndPort(host, port)}`;
  const secure = secureOptions(host, { ...options, alpnProtocols });
  return (handler) =>
    dialling(
      listener,
      timeoutMs,
      (connected) =>
        new SocketLink(
          handler,
          { listener, transport: "tls" },
          (read) => connect({ host, port, ...secure, ...read }),
          "secureConnect",
          connected,
        ),
    );
}

/** TLS options as Node takes them. The server is told `host` (SNI) where that is a name. */
export function secureOptions(host: string, options: TlsOptions): ConnectionOptions {
  const { ca, cert, key, pfx, passphrase, servername, alpnProtocols, minVersion } = options;
  const name = servername ?? (isIP(host) === 0 ? host : undefined);
  return {
    ...(ca === undefined ? {} : { ca: pems(ca) }),
    ...(cert === undefined ? {} : { cert: pems(cert) }),
    ...(key === undefined ? {} : { key: pems(key) }),
    ...(pfx === undefined ? {} : { pfx: pfx as Buffer }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(name === undefined ? {} : { servername: name }),
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(alpnProtocols === undefined || alpnProtocols.length === 0
      ? {}
      : { ALPNProtocols: [...alpnProtocols] }),
    ...(options.checksName === false ? { checkServerIdentity: () => undefined } : {}),
    rejectUnauthorized: options.rejectUnauthorized ?? true,
  };
}

type Pem = string | Uint8Array;

/** Node's types ask for Buffer where it takes any bytes. */
function pems(given: Pem | readonly Pem[]): (string | Buffer)[] {
  return (typeof given === "string" || given instanceof Uint8Array ? [given] : [...given]) as (
    | string
    | Buffer
  )[];
}
