import type { Server as HttpServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { Server } from "node:net";
import type { Server as TlsServer } from "node:tls";
import type { EntryMethod } from "./auth/index.ts";
import type {
  GivenWebSocketOptions,
  ProxyOptions,
  TlsOptions,
  UpgradeOptions,
} from "./listeners/index.ts";
import type { Settings } from "./settings.ts";

/** What a listener has of its own in place of the settings; what is left out is as they say. */
export interface ListenPolicy {
  readonly auth?: {
    /** Whether clients that give neither username nor password may enter here. */
    readonly allowAnonymous?: boolean;
    /**
     * Which of the configured ways to enter count here; left out: all. With it, clients without
     * username and password enter only where `allowAnonymous` beside it says so.
     */
    readonly methods?: readonly EntryMethod[];
  };
  readonly limits?: {
    /** Connections of this listener at once; more are refused. 0: no bound. */
    readonly connections?: number;
    /** PUBLISH packets, and their bytes, of one client in a second, in place of `limits.messageRate` and `limits.byteRate`. 0: no limit. */
    readonly messageRate?: number;
    readonly byteRate?: number;
  };
  readonly mqtt?: {
    /** Bytes; the largest packet that is taken from clients that come in here, as `mqtt.maximumPacketSize`. */
    readonly maximumPacketSize?: number;
  };
}

/** An address to listen on; what is left out is as the settings say. */
interface ListenAddress extends ListenPolicy {
  readonly host?: string;
  /** 0 for a free one. */
  readonly port?: number;
  readonly proxy?: ProxyOptions;
}

/** Some of the settings of the section `tls`. */
export type TlsFiles = Partial<Omit<Settings["tls"], "requestCertificate">>;

/** TLS of a listener's own; without `tls` it shows the certificates of the settings. */
export interface ListenTls {
  readonly tls?: TlsOptions;
  /** Files in place of those of the settings, by the same names; read again by every reconfiguration. */
  readonly tlsFiles?: TlsFiles;
  readonly requestCertificate?: "off" | "ask" | "require";
}

/** Listens for MQTT over TCP. */
export interface TcpListenOptions extends ListenAddress {
  readonly transport?: "tcp";
}

/** Listens for MQTT over TLS. */
export interface TlsListenOptions extends ListenAddress, ListenTls {
  readonly transport: "tls";
  /** Protocols that are answered to clients that offer some (ALPN). Default `mqtt`. */
  readonly protocols?: readonly string[];
}

/** Listens for MQTT over WebSocket; with `tls`, or `secure`, over TLS. */
export interface WebSocketListenOptions extends ListenAddress, ListenTls, UpgradeOptions {
  readonly transport: "websocket";
  /** true without `tls`: with the certificates of the settings. */
  readonly secure?: boolean;
}

/** Listens on a Unix socket. */
export interface UnixListenOptions extends ListenPolicy {
  readonly transport: "unix";
  readonly path?: string;
  /** Permissions, octal. */
  readonly mode?: string;
  readonly proxy?: ProxyOptions;
}

/**
 * Takes the connections of a server that its owner opens and closes: upgrade requests of an HTTP
 * server, with the options of a WebSocket listener; all connections of any other.
 */
export interface ServerListenOptions extends Omit<GivenWebSocketOptions, "onRefused"> {
  readonly server: Server | TlsServer | HttpServer | HttpsServer;
}

/** Where to listen: an address of one's own, by transport. */
export type OwnListenOptions =
  | TcpListenOptions
  | TlsListenOptions
  | WebSocketListenOptions
  | UnixListenOptions;

/** Where to listen: an address of one's own, or a server that is there already. */
export type ListenOptions = OwnListenOptions | ServerListenOptions;
