import type { SettingsOf, SettingTable } from "../engine/settings.ts";
import { isProxyEntry } from "./trusted-proxies.ts";

/** Settings of the listeners. Lists are written with commas. */
export const listenerSettings = {
  listen: {
    host: {
      type: "string",
      default: "127.0.0.1",
      live: true,
      flag: "host",
      text: "Address to listen on. Beyond loopback only with authentication, or with anonymous access asked for.",
    },
    port: {
      type: "port",
      default: 1883,
      live: true,
      flag: "port",
      text: "TCP port; 0 picks a free one, off switches the listener off.",
    },
    tlsPort: {
      type: "port",
      default: -1,
      live: true,
      flag: "tls-port",
      text: "Port for TLS, 8883 by custom; needs tls.certificate and tls.key.",
    },
    wsPort: {
      type: "port",
      default: -1,
      live: true,
      flag: "ws-port",
      text: "Port for WebSocket, 8083 by custom.",
    },
    wssPort: {
      type: "port",
      default: -1,
      live: true,
      flag: "wss-port",
      text: "Port for secure WebSocket, 8084 by custom; needs tls.certificate and tls.key.",
    },
    unix: {
      type: "string",
      default: "",
      live: true,
      flag: "unix",
      text: "Path of a Unix socket to listen on; empty: none.",
    },
    unixMode: {
      type: "string",
      default: "0660",
      live: true,
      text: "Permissions of the Unix socket, octal: who may write to it may connect.",
      expected: (value) => (isOctalMode(value) ? undefined : "an octal mode such as 0660"),
    },
    backlog: {
      type: "integer",
      default: 4096,
      minimum: 1,
      live: false,
      text: "Connections that the system holds until they are accepted.",
    },
    handshakeTimeout: {
      type: "milliseconds",
      default: 10_000,
      minimum: 100,
      live: true,
      text: "Time from accept until PROXY header, TLS handshake and HTTP upgrade are through.",
    },
    handshakesMaximum: {
      type: "integer",
      default: 4096,
      minimum: 1,
      live: true,
      text: "Connections of one listener that may be in their handshakes at once; more are closed.",
    },
  },
  tls: {
    certificate: {
      type: "string",
      default: "",
      live: true,
      flag: "tls-certificate",
      text: "PEM file with the certificate and the authorities above it; several for several host names (SNI), the first for clients that name none. Read again by every reconfiguration.",
    },
    key: {
      type: "string",
      default: "",
      live: true,
      flag: "tls-key",
      text: "PEM file with the private key; as many as certificates, in the same order.",
    },
    keyPassphrase: {
      type: "string",
      default: "",
      secret: true,
      live: true,
      text: "Passphrase of the private keys.",
    },
    ca: {
      type: "string",
      default: "",
      live: true,
      flag: "tls-ca",
      text: "PEM file with the authorities that vouch for clients' certificates.",
    },
    crl: {
      type: "string",
      default: "",
      live: true,
      flag: "tls-crl",
      text: "PEM file with the revocation lists of all authorities in tls.ca; a client's certificate that one of them names is refused, and so is every one once a list is out of date. Read again by every reconfiguration.",
    },
    requestCertificate: {
      type: "choice",
      default: "off",
      choices: ["off", "ask", "require"],
      live: true,
      text: "Whether clients show certificates: off does not ask, ask lets those in that have none, require does not; one that is shown must be valid by tls.ca.",
    },
    minimumVersion: {
      type: "choice",
      default: "TLSv1.2",
      choices: ["TLSv1.2", "TLSv1.3"],
      live: true,
      text: "Oldest version of TLS that is spoken.",
    },
  },
  websocket: {
    path: {
      type: "string",
      default: "*",
      live: true,
      text: "Path that WebSocket clients ask for, such as /mqtt; * takes any.",
      expected: (value) =>
        /^(?:\*|\/[^?#]*)$/.test(value) ? undefined : "a path such as /mqtt, or *",
    },
    origins: {
      type: "string",
      default: "",
      live: true,
      text: "Origins of the web pages that may connect, such as https://app.example; empty: all. Clients that are no browsers send none and are let in.",
      expected: (value) =>
        listOf(value).every((origin) => /^(?:null|[a-z][\w.+-]*:\/\/[^/\s]+)$/i.test(origin))
          ? undefined
          : "origins such as https://app.example, with commas between them and nothing behind the host or port",
    },
    requireSubprotocol: {
      type: "boolean",
      default: false,
      live: true,
      text: "Refuse WebSocket clients that offer no sub-protocol; the standard has them offer mqtt.",
    },
    maximumMessageSize: {
      type: "bytes",
      default: 16 * 1024 * 1024,
      minimum: 1024,
      maximum: 1024 * 1024 * 1024,
      live: true,
      text: "Largest WebSocket message; it may hold several packets, or a part of one.",
    },
  },
  proxy: {
    protocol: {
      type: "boolean",
      default: false,
      live: true,
      text: "Connections from proxy.trusted begin with a PROXY protocol header, version 1 or 2, which tells the client's address.",
    },
    trusted: {
      type: "string",
      default: "",
      live: true,
      text: "Proxies whose word about the client's address counts, by PROXY protocol or X-Forwarded-For: addresses, networks such as 10.0.0.0/8, and unix for the Unix socket.",
      expected: (value) => {
        const stranger = listOf(value).find((entry) => !isProxyEntry(entry));
        return stranger === undefined
          ? undefined
          : "addresses, networks such as 10.0.0.0/8, or unix, with commas between them";
      },
    },
  },
} as const satisfies SettingTable;

/** The listeners' settings, as values. */
export type ListenerSettings = SettingsOf<typeof listenerSettings>;

/** Whether a text is permissions of a file, octal. */
export function isOctalMode(mode: string): boolean {
  return /^0?[0-7]{3}$/.test(mode);
}

/** The items of a setting that is a list, written with commas. */
export function listOf(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
