import { Server as HttpServer } from "node:http";
import { Server as HttpsServer } from "node:https";
import { BlockList, isIP } from "node:net";
import type { Server } from "node:net";
import { Server as TlsServer } from "node:tls";
import { ConnectionError, UsageError } from "@sericite/protocol";
import type { Accept } from "@sericite/protocol";
import type { Log } from "./engine/ports.ts";
import {
  checkAuthorities,
  listenTcp,
  listenTls,
  listenUnix,
  listenWebSocket,
  listOf,
  readTlsFiles,
  serveTcp,
  serveTls,
  serveWebSocket,
  trustedProxies,
} from "./listeners/index.ts";
import type {
  AddressOptions,
  GivenWebSocketOptions,
  Listener,
  ListenerOptions,
  ProxyOptions,
  Refusal,
  TlsContexts,
  TlsOptions,
  UpgradeOptions,
} from "./listeners/index.ts";
import type { Settings } from "./settings.ts";

/** An address to listen on; what is left out is as the settings say. */
interface ListenAddress {
  readonly host?: string;
  /** 0 for a free one. */
  readonly port?: number;
  readonly proxy?: ProxyOptions;
}

/** TLS of a listener's own; without `tls` it shows the certificates of the settings. */
interface ListenTls {
  readonly tls?: TlsOptions;
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
export interface UnixListenOptions {
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

/** Where to listen: an address of one's own, by transport, or a server that is there already. */
export type ListenOptions =
  | TcpListenOptions
  | TlsListenOptions
  | WebSocketListenOptions
  | UnixListenOptions
  | ServerListenOptions;

/** Ports by custom, where neither the call nor the settings name one. */
const CUSTOMARY = { port: 1883, tlsPort: 8883, wsPort: 8083, wssPort: 8084 } as const;

/**
 * Makes the checks of opening every listener that the settings ask for, and opens none: whether a
 * port is free it cannot tell.
 *
 * @throws UsageError as `Broker.listenAsConfigured` does.
 */
export function checkListeners({ listen, proxy, tls }: Settings): void {
  const { port, tlsPort, wsPort, wssPort, unix } = listen;
  const isAnyOpen = [port, tlsPort, wsPort, wssPort].some((one) => one >= 0) || unix !== "";
  if (isAnyOpen) trustedProxies({ protocol: proxy.protocol, trusted: listOf(proxy.trusted) });
  if (tlsPort >= 0 || wssPort >= 0)
    checkAuthorities(readTlsFiles(tls), tls.requestCertificate as "off");
}

/** The listeners of a broker. */
export class Listening {
  readonly #accept: Accept;
  readonly #log: Log;
  readonly #listeners = new Set<Listener>();
  /** Those that show the certificates of the settings, and whether they ask clients for theirs. */
  readonly #shown = new Map<Listener, boolean>();
  #contexts: TlsContexts | undefined;

  constructor(accept: Accept, log: Log) {
    this.#accept = accept;
    this.#log = log;
  }

  get all(): readonly Listener[] {
    return [...this.#listeners];
  }

  /**
   * Opens a listener.
   *
   * @param isOpenToAll  Nothing says who may enter: only this machine may reach the listener then.
   * @throws UsageError ERR_ANONYMOUS_BEYOND_LOOPBACK, ERR_TLS_CERTIFICATE, ERR_SETTING.
   * @throws ConnectionError ERR_LISTEN where the system does not let it.
   */
  async open(options: ListenOptions, settings: Settings, isOpenToAll: boolean): Promise<Listener> {
    const listener = await this.#open(options, settings, isOpenToAll);
    this.#listeners.add(listener);
    return listener;
  }

  async #open(options: ListenOptions, settings: Settings, isOpenToAll: boolean): Promise<Listener> {
    if ("server" in options) return this.#serve(options, isOpenToAll);
    const common = this.#commonOf(options, settings);
    if (options.transport === "unix") {
      const path = options.path ?? settings.listen.unix;
      if (path === "") throw new UsageError("ERR_SETTING", "a Unix socket needs a path");
      const mode = options.mode ?? settings.listen.unixMode;
      const backlog = settings.listen.backlog;
      return told(path, () => listenUnix(this.#accept, { ...common, path, mode, backlog }));
    }
    const host = options.host ?? settings.listen.host;
    if (isOpenToAll && !isLoopback(host)) throw anonymousBeyondLoopback(host);
    const addressBy = (key: keyof typeof CUSTOMARY): AddressOptions => {
      const configured = settings.listen[key];
      const port = options.port ?? (configured < 0 ? CUSTOMARY[key] : configured);
      return { host, port, backlog: settings.listen.backlog };
    };
    if (options.transport === "tls") {
      const secure = this.#securityOf(options, settings);
      const { protocols } = options;
      const address = addressBy("tlsPort");
      const all = { ...common, ...secure, ...address, ...(protocols && { protocols }) };
      const opening = told(address, () => listenTls(this.#accept, all));
      return this.#showing(options, secure.requestCertificate !== "off", await opening);
    }
    if (options.transport === "websocket") {
      const isSecure = options.secure ?? options.tls !== undefined;
      const address = addressBy(isSecure ? "wssPort" : "wsPort");
      const all = { ...common, ...upgradeOf(options, settings), ...address };
      if (!isSecure) return told(address, () => listenWebSocket(this.#accept, all));
      const secure = this.#securityOf(options, settings);
      const opening = told(address, () => listenWebSocket(this.#accept, { ...all, ...secure }));
      return this.#showing(options, secure.requestCertificate !== "off", await opening);
    }
    const address = addressBy("port");
    return told(address, () => listenTcp(this.#accept, { ...common, ...address }));
  }

  /**
   * Opens all listeners that the settings ask for; all or none.
   *
   * @throws  As `open`.
   */
  async openConfigured(settings: Settings, isOpenToAll: boolean): Promise<Listener[]> {
    const { port, tlsPort, wsPort, wssPort, unix } = settings.listen;
    const wanted: ListenOptions[] = [];
    if (port >= 0) wanted.push({ transport: "tcp" });
    if (tlsPort >= 0) wanted.push({ transport: "tls" });
    if (wsPort >= 0) wanted.push({ transport: "websocket" });
    if (wssPort >= 0) wanted.push({ transport: "websocket", secure: true });
    if (unix !== "") wanted.push({ transport: "unix" });
    const opened: Listener[] = [];
    try {
      for (const options of wanted) opened.push(await this.open(options, settings, isOpenToAll));
    } catch (error) {
      for (const listener of opened) this.#listeners.delete(listener);
      await Promise.all(opened.map((listener) => listener.close()));
      throw error;
    }
    return opened;
  }

  #serve({ server, ...options }: ServerListenOptions, isOpenToAll: boolean): Listener {
    const isReachable = (): boolean => {
      const bound = server.address();
      return (
        isOpenToAll && bound !== null && typeof bound === "object" && !isLoopback(bound.address)
      );
    };
    if (isReachable()) throw anonymousBeyondLoopback("the server's address");
    const listener = this.#serverListener(server, options);
    server.once("listening", () => {
      if (!isReachable()) return;
      // It is too late to throw; what comes is not taken.
      this.#log.write("error", "listener-exposed", {
        listener: listener.name,
        message: anonymousBeyondLoopback(listener.host).message,
      });
      void listener.close();
    });
    return listener;
  }

  #serverListener(
    server: ServerListenOptions["server"],
    options: Omit<ServerListenOptions, "server">,
  ): Listener {
    if (server instanceof HttpServer || server instanceof HttpsServer) {
      return serveWebSocket(server, this.#accept, { ...options, onRefused: this.#onRefused });
    }
    if (server instanceof TlsServer) return serveTls(server, this.#accept);
    return serveTcp(server, this.#accept);
  }

  #commonOf({ proxy }: { readonly proxy?: ProxyOptions }, settings: Settings): ListenerOptions {
    return {
      proxy: proxy ?? {
        protocol: settings.proxy.protocol,
        trusted: listOf(settings.proxy.trusted),
      },
      handshakeTimeoutMs: settings.listen.handshakeTimeout,
      handshakesMaximum: settings.listen.handshakesMaximum,
      onRefused: this.#onRefused,
    };
  }

  readonly #onRefused = ({ cause, ...refusal }: Refusal): void => {
    this.#log.write("info", "connection-refused", {
      ...refusal,
      ...(cause && { error: cause.message }),
    });
  };

  #securityOf(
    { tls, requestCertificate }: ListenTls,
    settings: Settings,
  ): { tls: TlsOptions | TlsContexts; requestCertificate: "off" | "ask" | "require" } {
    return {
      tls: tls ?? this.#contextsOf(settings),
      requestCertificate: requestCertificate ?? (settings.tls.requestCertificate as "off"),
    };
  }

  /** What those before show, or what the files hold now. */
  #contextsOf(settings: Settings): TlsContexts {
    if (this.#contexts === undefined || this.#shown.size === 0)
      this.#contexts = readTlsFiles(settings.tls);
    return this.#contexts;
  }

  #showing(options: ListenTls, asksForCertificate: boolean, listener: Listener): Listener {
    if (options.tls === undefined) this.#shown.set(listener, asksForCertificate);
    return listener;
  }

  /** @throws UsageError ERR_ANONYMOUS_BEYOND_LOOPBACK where other machines can reach a listener. */
  checkExposure(): void {
    for (const { name, host } of this.#listeners) {
      if (!name.startsWith("unix:") && !isLoopback(host)) throw anonymousBeyondLoopback(host);
    }
  }

  /**
   * Reads the certificates of the settings again, for the listeners that show them.
   *
   * @returns what puts them in force, or `undefined` where they are as they were, or nobody shows them.
   * @throws UsageError ERR_TLS_CERTIFICATE where they cannot be used; nothing changes then.
   */
  prepareReload(settings: Settings): (() => void) | undefined {
    if (this.#shown.size === 0) return undefined;
    const contexts = readTlsFiles(settings.tls);
    if (!contexts.hasAuthorities && [...this.#shown.values()].includes(true)) {
      throw new UsageError(
        "ERR_TLS_CERTIFICATE",
        "clients are asked for certificates, and tls.ca names no authority to judge them by",
      );
    }
    if (this.#contexts?.equals(contexts) === true) return undefined;
    return () => {
      this.#contexts = contexts;
      for (const listener of this.#shown.keys()) listener.reload?.(contexts);
    };
  }

  /** Stops accepting everywhere. */
  async close(): Promise<void> {
    await Promise.all(this.all.map((listener) => listener.close()));
  }
}

function upgradeOf(options: WebSocketListenOptions, { websocket }: Settings): UpgradeOptions {
  return {
    path: options.path ?? websocket.path,
    origins: options.origins ?? listOf(websocket.origins),
    requiresSubprotocol: options.requiresSubprotocol ?? websocket.requireSubprotocol,
    maximumMessageSize: options.maximumMessageSize ?? websocket.maximumMessageSize,
  };
}

/** Opens, and says where it was where the system does not let it. */
async function told(
  where: AddressOptions | string,
  open: () => Promise<Listener>,
): Promise<Listener> {
  try {
    return await open();
  } catch (cause) {
    if (cause instanceof UsageError || cause instanceof ConnectionError) throw cause;
    const place = typeof where === "string" ? where : `${where.host}:${where.port}`;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConnectionError("ERR_LISTEN", `cannot listen on ${place}: ${reason}`, { cause });
  }
}

function anonymousBeyondLoopback(host: string): UsageError {
  return new UsageError(
    "ERR_ANONYMOUS_BEYOND_LOOPBACK",
    `${host} can be reached from other machines, and everybody would be let in. Configure authentication, or set auth.allowAnonymous.`,
  );
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host === "localhost";
  return loopback.check(host, family === 4 ? "ipv4" : "ipv6");
}
