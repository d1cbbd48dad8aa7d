import { Server as HttpServer } from "node:http";
import { Server as HttpsServer } from "node:https";
import { BlockList, isIP } from "node:net";
import type { Server } from "node:net";
import { Server as TlsServer } from "node:tls";
import { ConnectionError, UsageError } from "@sericite/protocol";
import type { Accept, Link, LinkHandler, Peer } from "@sericite/protocol";
import type { ConnectionGroup } from "./engine/engine.ts";
import type { Log } from "./engine/ports.ts";
import {
  checkAuthorities,
  listenTcp,
  listenTls,
  listenUnix,
  listOf,
  readTlsFiles,
  serveTcp,
  serveTls,
  TlsContexts,
  trustedProxies,
} from "./listeners/index.ts";
import type {
  AddressOptions,
  GivenWebSocketOptions,
  Listener,
  ListenerOptions,
  ProxyOptions,
  Refusal,
  TlsOptions,
  UpgradeOptions,
} from "./listeners/index.ts";
import type * as WebSocketListeners from "./listeners/websocket.ts";
import type { Settings } from "./settings.ts";

/** What a listener has of its own in place of the settings; what is left out is as they say. */
export interface ListenPolicy {
  readonly auth?: {
    /** Whether clients that give neither username nor password may enter here. */
    readonly allowAnonymous?: boolean;
  };
  readonly limits?: {
    /** Connections of this listener at once; more are refused. 0: no bound. */
    readonly connections?: number;
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
interface ListenTls {
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
export function checkListeners(
  { listen, proxy, tls }: Settings,
  listeners: readonly ListenOptions[] = [],
): void {
  for (const options of listeners) {
    if ("server" in options) continue;
    trustedProxies(options.proxy ?? { protocol: proxy.protocol, trusted: listOf(proxy.trusted) });
    if (!isOverTls(options) || options.tls !== undefined) continue;
    const asks = options.requestCertificate ?? (tls.requestCertificate as "off");
    checkAuthorities(readTlsFiles({ ...tls, ...options.tlsFiles }), asks);
  }
  const { port, tlsPort, wsPort, wssPort, unix } = listen;
  const isAnyOpen = [port, tlsPort, wsPort, wssPort].some((one) => one >= 0) || unix !== "";
  if (isAnyOpen) trustedProxies({ protocol: proxy.protocol, trusted: listOf(proxy.trusted) });
  if (tlsPort >= 0 || wssPort >= 0)
    checkAuthorities(readTlsFiles(tls), tls.requestCertificate as "off");
}

function isOverTls(
  options: Exclude<ListenOptions, ServerListenOptions>,
): options is TlsListenOptions | WebSocketListenOptions {
  if (options.transport === "tls") return true;
  if (options.transport !== "websocket") return false;
  return options.secure ?? (options.tls !== undefined || options.tlsFiles !== undefined);
}

/** Where the links of listeners go. */
export interface Reception {
  accept(link: Link, group: ConnectionGroup | undefined): LinkHandler;
  /** Who may come in by a listener that says so on its own. @throws UsageError where that cannot be. */
  decide(allowsAnonymous: boolean): void;
  /** A connection ended before it was a link. */
  refused(refusal: Refusal): void;
  /** A client came in by such a listener. */
  note(peer: Peer, allowsAnonymous: boolean): void;
}

interface Security {
  readonly tls: TlsOptions | TlsContexts;
  readonly requestCertificate: "off" | "ask" | "require";
}

/** Files that listeners show. */
interface Shown {
  readonly files: TlsFiles;
  contexts: TlsContexts;
  /** With whether each asks clients for certificates. */
  readonly listeners: Map<Listener, boolean>;
}

/** The listeners of a broker. */
export class Listening {
  readonly #reception: Reception;
  readonly #log: Log;
  readonly #listeners = new Set<Listener>();
  /** Those that say on their own who may enter. */
  readonly #decided = new Set<Listener>();
  /** By what names them. */
  readonly #shown = new Map<string, Shown>();

  constructor(reception: Reception, log: Log) {
    this.#reception = reception;
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
    const allowsAnonymous = "server" in options ? undefined : options.auth?.allowAnonymous;
    if (allowsAnonymous !== undefined) this.#reception.decide(allowsAnonymous);
    const isOpen = allowsAnonymous === undefined && isOpenToAll;
    const listener = await this.#open(options, settings, isOpen);
    this.#listeners.add(listener);
    if (allowsAnonymous !== undefined) this.#decided.add(listener);
    return listener;
  }

  /** Takes the links of one listener. */
  #acceptOf({ auth, limits }: ListenPolicy): Accept {
    const reception = this.#reception;
    const maximum = limits?.connections ?? 0;
    const group = maximum === 0 ? undefined : { maximum, count: 0 };
    const allowsAnonymous = auth?.allowAnonymous;
    if (allowsAnonymous === undefined) return (link) => reception.accept(link, group);
    return (link) => {
      reception.note(link.peer, allowsAnonymous);
      return reception.accept(link, group);
    };
  }

  async #open(options: ListenOptions, settings: Settings, isOpenToAll: boolean): Promise<Listener> {
    if ("server" in options) return this.#serve(options, isOpenToAll);
    const common = this.#commonOf(options, settings);
    const accept = this.#acceptOf(options);
    if (options.transport === "unix") {
      const path = options.path ?? settings.listen.unix;
      if (path === "") throw new UsageError("ERR_SETTING", "a Unix socket needs a path");
      const mode = options.mode ?? settings.listen.unixMode;
      const backlog = settings.listen.backlog;
      return told(path, () => listenUnix(accept, { ...common, path, mode, backlog }));
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
      const opening = told(address, () => listenTls(accept, all));
      return this.#showing(options, secure, await opening);
    }
    if (options.transport === "websocket") {
      const isSecure = isOverTls(options);
      const address = addressBy(isSecure ? "wssPort" : "wsPort");
      const all = { ...common, ...upgradeOf(options, settings), ...address };
      if (!isSecure)
        return told(address, async () => (await webSocket()).listenWebSocket(accept, all));
      const secure = this.#securityOf(options, settings);
      const opening = told(address, async () =>
        (await webSocket()).listenWebSocket(accept, { ...all, ...secure }),
      );
      return this.#showing(options, secure, await opening);
    }
    const address = addressBy("port");
    return told(address, () => listenTcp(accept, { ...common, ...address }));
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

  async #serve(
    { server, ...options }: ServerListenOptions,
    isOpenToAll: boolean,
  ): Promise<Listener> {
    const isHttp = server instanceof HttpServer || server instanceof HttpsServer;
    const upgrades = isHttp ? await webSocket() : undefined;
    const isReachable = (): boolean => {
      const bound = server.address();
      return (
        isOpenToAll && bound !== null && typeof bound === "object" && !isLoopback(bound.address)
      );
    };
    if (isReachable()) throw anonymousBeyondLoopback("the server's address");
    const listener = this.#serverListener(server, options, upgrades);
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
    upgrades: typeof WebSocketListeners | undefined,
  ): Listener {
    const accept = this.#acceptOf({});
    if (upgrades !== undefined && (server instanceof HttpServer || server instanceof HttpsServer))
      return upgrades.serveWebSocket(server, accept, { ...options, onRefused: this.#onRefused });
    if (server instanceof TlsServer) return serveTls(server, accept);
    return serveTcp(server, accept);
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

  readonly #onRefused = (refusal: Refusal): void => this.#reception.refused(refusal);

  #securityOf({ tls, tlsFiles, requestCertificate }: ListenTls, settings: Settings): Security {
    return {
      tls: tls ?? this.#contextsOf(settings, tlsFiles ?? {}),
      requestCertificate: requestCertificate ?? (settings.tls.requestCertificate as "off"),
    };
  }

  /** What those before show, or what the files hold now. */
  #contextsOf(settings: Settings, files: TlsFiles): TlsContexts {
    const shown = this.#shown.get(JSON.stringify(files));
    return shown?.contexts ?? readTlsFiles({ ...settings.tls, ...files });
  }

  #showing(
    { tls, tlsFiles: files = {} }: ListenTls,
    { tls: contexts, requestCertificate }: Security,
    listener: Listener,
  ): Listener {
    if (tls !== undefined || !(contexts instanceof TlsContexts)) return listener;
    const name = JSON.stringify(files);
    const shown = this.#shown.get(name) ?? { files, contexts, listeners: new Map() };
    this.#shown.set(name, shown);
    shown.listeners.set(listener, requestCertificate !== "off");
    return listener;
  }

  /** @throws UsageError ERR_ANONYMOUS_BEYOND_LOOPBACK where other machines can reach a listener. */
  checkExposure(): void {
    for (const listener of this.#listeners) {
      const { name, host } = listener;
      if (this.#decided.has(listener) || name.startsWith("unix:") || isLoopback(host)) continue;
      throw anonymousBeyondLoopback(host);
    }
  }

  /**
   * Reads again the certificates that the settings name, and those that listeners name on their own.
   *
   * @returns what puts them in force, or `undefined` where they are as they were, or nobody shows them.
   * @throws UsageError ERR_TLS_CERTIFICATE where they cannot be used; nothing changes then.
   */
  prepareReload(settings: Settings): (() => void) | undefined {
    const renewed: (readonly [Shown, TlsContexts])[] = [];
    for (const shown of this.#shown.values()) {
      const contexts = readTlsFiles({ ...settings.tls, ...shown.files });
      if (!contexts.hasAuthorities && [...shown.listeners.values()].includes(true)) {
        throw new UsageError(
          "ERR_TLS_CERTIFICATE",
          "clients are asked for certificates, and tls.ca names no authority to judge them by",
        );
      }
      if (!shown.contexts.equals(contexts)) renewed.push([shown, contexts]);
    }
    if (renewed.length === 0) return undefined;
    return () => {
      for (const [shown, contexts] of renewed) {
        shown.contexts = contexts;
        for (const listener of shown.listeners.keys()) listener.reload?.(contexts);
      }
    };
  }

  /** Stops accepting everywhere. */
  async close(): Promise<void> {
    await Promise.all(this.all.map((listener) => listener.close()));
  }
}

/** Loaded on first use: a broker without it starts the sooner. */
function webSocket(): Promise<typeof WebSocketListeners> {
  return import("./listeners/websocket.ts");
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
