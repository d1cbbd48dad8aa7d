/** How to speak TLS (`mqtts`, `wss`). Node only: a browser decides for itself. */
export interface TlsOptions {
  /** PEM: authorities that vouch for the server, in place of those that Node knows. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /** PEM: the client's certificate, with those that lead from it to an authority. */
  readonly cert?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /** PEM: the key of `cert`. */
  readonly key?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /** Certificate and key in one, as PKCS #12. */
  readonly pfx?: Uint8Array | undefined;
  /** Opens `key` or `pfx`. */
  readonly passphrase?: string | undefined;
  /** Name that the server is asked for (SNI) and that its certificate must have. Default: the host. */
  readonly servername?: string | undefined;
  /** false: a certificate of any name will do, if an authority vouches for it. Default true. */
  readonly checksName?: boolean | undefined;
  /** What is offered by ALPN. Default `["mqtt"]`, for `wss` `["http/1.1"]`; empty: nothing. */
  readonly alpnProtocols?: readonly string[] | undefined;
  /** Default: what Node takes for safe. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3" | undefined;
  /** false: whoever answers is taken for the server. For tests only. Default true. */
  readonly rejectUnauthorized?: boolean | undefined;
}

/** How to open a WebSocket (`ws`, `wss`). */
export interface WebSocketOptions {
  /** Headers of the upgrade request, such as Authorization or Cookie. Node only: no browser has that. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Subprotocols to offer; the standard wants `mqtt` among them. Default `["mqtt"]`. */
  readonly subprotocols?: readonly string[] | undefined;
}
