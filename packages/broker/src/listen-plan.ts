import { BlockList, isIP } from "node:net";
import { ConnectionError, UsageError } from "@sericite/protocol";
import type { Accept } from "@sericite/protocol";
import { checkEntryMethods } from "./auth/index.ts";
import type { EntryMethod } from "./auth/index.ts";
import type { ListenTls, OwnListenOptions, TlsFiles } from "./listen-options.ts";
import {
  checkAuthorities,
  listenTcp,
  listenTls,
  listenUnix,
  listOf,
  readTlsFiles,
  trustedProxies,
} from "./listeners/index.ts";
import type {
  ListenerOptions,
  OwnListener,
  ProxyOptions,
  TlsContexts,
  TlsOptions,
  UpgradeOptions,
} from "./listeners/index.ts";
import type * as WebSocketListeners from "./listeners/websocket.ts";
import { createSettings } from "./settings.ts";
import type { Settings } from "./settings.ts";

/** Ports by custom, where neither the call nor the settings name one. */
const CUSTOMARY = { port: 1883, tlsPort: 8883, wsPort: 8083, wssPort: 8084 } as const;

/** Where a listener is. */
export interface ListenPlace {
  /** Empty for a Unix socket. */
  readonly host: string;
  /** 0 for a free one; -1 for a Unix socket. */
  readonly port: number;
  /** Of a Unix socket; else empty. */
  readonly path: string;
}

/** A listener as its options and the settings want it, before any file is read. */
export interface ListenPlan {
  readonly transport: "tcp" | "tls" | "ws" | "wss" | "unix";
  readonly place: ListenPlace;
  /** What it says on its own of clients without a username. */
  readonly allowsAnonymous: boolean | undefined;
  /** The ways to enter that count there; `undefined`: all. */
  readonly methods: readonly EntryMethod[] | undefined;
  /** Connections of its own at once; Infinity: no bound. */
  readonly maximumConnections: number;
  /** Bytes; `undefined`: as the settings say. */
  readonly maximumPacketSize: number | undefined;
  /** Of one client in a second; `undefined`: as the settings say. */
  readonly messageRate: number | undefined;
  readonly byteRate: number | undefined;
  readonly backlog: number;
  readonly proxy: ProxyOptions;
  readonly handshakeTimeoutMs: number;
  readonly handshakesMaximum: number;
  /** Of a Unix socket. */
  readonly mode: string | undefined;
  /** Of WebSocket. */
  readonly upgrade: UpgradeOptions | undefined;
  /** Of TLS without WebSocket: what is answered to those that offer protocols. */
  readonly protocols: readonly string[] | undefined;
  /** `undefined`: without TLS. */
  readonly requestCertificate: "off" | "ask" | "require" | undefined;
  /** Certificates that were given; else those of `tlsFiles`, and of the settings. */
  readonly tls: TlsOptions | TlsContexts | undefined;
  readonly tlsFiles: TlsFiles;
}

/**
 * What options and settings come to.
 *
 * @param place  Where it is already.
 * @throws UsageError ERR_SETTING for a Unix socket without a path, a proxy that nobody named, a size out of
 * range, or a way to enter that is not there.
 */
export function planOf(
  options: OwnListenOptions,
  settings: Settings,
  place: ListenPlace = placeOf(options, settings),
): ListenPlan {
  const { auth, limits, mqtt, proxy, transport: asked = "tcp" } = options;
  const transport = asked === "websocket" ? (isOverTls(options) ? "wss" : "ws") : asked;
  const isSecure = transport === "tls" || transport === "wss";
  const { requestCertificate, tls, tlsFiles = {} } = (isSecure ? options : {}) as ListenTls;
  const maximumPacketSize = mqtt?.maximumPacketSize;
  // For what it throws: the setting's own range counts here too.
  if (maximumPacketSize !== undefined) createSettings({ mqtt: { maximumPacketSize } }, settings);
  const { messageRate, byteRate } = limits ?? {};
  if (messageRate !== undefined) createSettings({ limits: { messageRate } }, settings);
  if (byteRate !== undefined) createSettings({ limits: { byteRate } }, settings);
  const plan: ListenPlan = {
    transport,
    place,
    allowsAnonymous: auth?.allowAnonymous,
    methods: auth?.methods && [...auth.methods],
    maximumConnections: (limits?.connections ?? 0) === 0 ? Infinity : limits!.connections!,
    maximumPacketSize,
    messageRate,
    byteRate,
    backlog: settings.listen.backlog,
    proxy: proxy ?? {
      protocol: settings.proxy.protocol,
      trusted: listOf(settings.proxy.trusted),
    },
    handshakeTimeoutMs: settings.listen.handshakeTimeout,
    handshakesMaximum: settings.listen.handshakesMaximum,
    mode: options.transport === "unix" ? (options.mode ?? settings.listen.unixMode) : undefined,
    upgrade: options.transport === "websocket" ? upgradeOf(options, settings) : undefined,
    protocols: options.transport === "tls" ? options.protocols : undefined,
    requestCertificate: isSecure
      ? (requestCertificate ?? (settings.tls.requestCertificate as "off"))
      : undefined,
    tls,
    tlsFiles,
  };
  trustedProxies(plan.proxy);
  const { methods, requestCertificate: asks = "off" } = plan;
  if (methods !== undefined) checkEntryMethods(methods, settings, asks !== "off");
  return plan;
}

/** Whether a listener speaks TLS. */
function isOverTls(options: OwnListenOptions): boolean {
  if (options.transport === "tls") return true;
  if (options.transport !== "websocket") return false;
  return options.secure ?? (options.tls !== undefined || options.tlsFiles !== undefined);
}

function placeOf(options: OwnListenOptions, { listen }: Settings): ListenPlace {
  if (options.transport === "unix") {
    const path = options.path ?? listen.unix;
    if (path === "") throw new UsageError("ERR_SETTING", "a Unix socket needs a path");
    return { host: "", port: -1, path };
  }
  const { host = listen.host, port } = options;
  const isSecure = isOverTls(options);
  const key =
    options.transport === "websocket"
      ? isSecure
        ? "wssPort"
        : "wsPort"
      : isSecure
        ? "tlsPort"
        : "port";
  const configured = listen[key];
  return { host, port: port ?? (configured < 0 ? CUSTOMARY[key] : configured), path: "" };
}

function upgradeOf(
  options: OwnListenOptions & { readonly transport: "websocket" },
  { websocket }: Settings,
): UpgradeOptions {
  return {
    path: options.path ?? websocket.path,
    origins: options.origins ?? listOf(websocket.origins),
    requiresSubprotocol: options.requiresSubprotocol ?? websocket.requireSubprotocol,
    maximumMessageSize: options.maximumMessageSize ?? websocket.maximumMessageSize,
  };
}

/** The listeners that the settings ask for. */
export function listenersOf({ listen }: Settings): OwnListenOptions[] {
  const { port, tlsPort, wsPort, wssPort, unix } = listen;
  const wanted: OwnListenOptions[] = [];
  if (port >= 0) wanted.push({ transport: "tcp" });
  if (tlsPort >= 0) wanted.push({ transport: "tls" });
  if (wsPort >= 0) wanted.push({ transport: "websocket" });
  if (wssPort >= 0) wanted.push({ transport: "websocket", secure: true });
  if (unix !== "") wanted.push({ transport: "unix" });
  return wanted;
}

/** As messages and comparisons name a place. */
export function nameOfPlace({ host, port, path }: ListenPlace): string {
  return path === "" ? `${host}:${port}` : path;
}

/**
 * Refuses two listeners at one place, which the system would tell in words that help nobody.
 *
 * @param wanted  With the path that messages name each by; empty where the settings ask for it.
 * @throws UsageError ERR_SETTING.
 */
export function checkPlaces(
  wanted: readonly { readonly path: string; readonly plan: ListenPlan }[],
): void {
  const paths = new Map<string, string>();
  for (const { path, plan } of wanted) {
    if (plan.place.port === 0) continue;
    const name = nameOfPlace(plan.place);
    const other = paths.get(name);
    if (other !== undefined) {
      const first = other === "" ? "another one of the section listen" : other;
      const prefix = path === "" ? "" : `${path}: `;
      throw new UsageError("ERR_SETTING", `${prefix}${name} is asked for twice: ${first} has it`);
    }
    paths.set(name, path);
  }
}

/**
 * Whether one listener can take the place of the other without anything but what is checked when a
 * connection comes: certificates aside.
 */
export function isSameService(one: ListenPlan, other: ListenPlan): boolean {
  return one.tls === other.tls && serviceOf(one) === serviceOf(other);
}

function serviceOf(plan: ListenPlan): string {
  const {
    tls: _tls,
    tlsFiles: _files,
    allowsAnonymous: _auth,
    methods: _methods,
    ...service
  } = plan;
  return JSON.stringify({
    ...service,
    maximumConnections: 0,
    maximumPacketSize: 0,
    messageRate: 0,
    byteRate: 0,
    place: 0,
    backlog: 0,
  });
}

/** @throws UsageError ERR_ANONYMOUS_BEYOND_LOOPBACK where other machines could come in unasked. */
export function checkExposure(plan: ListenPlan, isOpenToAll: boolean): void {
  const { allowsAnonymous, transport, place } = plan;
  if (!isOpenToAll || allowsAnonymous !== undefined || transport === "unix") return;
  if (!isLoopback(place.host)) throw anonymousBeyondLoopback(place.host);
}

/** What is thrown where other machines could come in unasked. */
export function anonymousBeyondLoopback(host: string): UsageError {
  return new UsageError(
    "ERR_ANONYMOUS_BEYOND_LOOPBACK",
    `${host} can be reached from other machines, and everybody would be let in. Configure authentication, or set auth.allowAnonymous.`,
  );
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host === "localhost";
  return loopback.check(host, family === 4 ? "ipv4" : "ipv6");
}

/** Certificates of one reading: listeners that show the same files share them. */
export class CertificateFiles {
  readonly #settings: Settings["tls"];
  readonly #byFiles = new Map<string, TlsContexts>();

  constructor(settings: Settings) {
    this.#settings = settings.tls;
  }

  /**
   * What a listener shows; `undefined` without TLS.
   *
   * @throws UsageError ERR_TLS_CERTIFICATE where it cannot be used.
   */
  of({ requestCertificate, tls, tlsFiles }: ListenPlan): TlsContexts | TlsOptions | undefined {
    if (requestCertificate === undefined || tls !== undefined) return tls;
    const name = JSON.stringify(tlsFiles);
    const contexts = this.#byFiles.get(name) ?? readTlsFiles({ ...this.#settings, ...tlsFiles });
    this.#byFiles.set(name, contexts);
    checkAuthorities(contexts, requestCertificate);
    return contexts;
  }
}

/**
 * Opens a listener, or makes it in place of another one.
 *
 * @param common  What is not in the plan; `server` is that of the listener before.
 * @throws ConnectionError ERR_LISTEN where the system does not let it. UsageError ERR_TLS_CERTIFICATE.
 */
export async function openPlanned(
  plan: ListenPlan,
  tls: TlsContexts | TlsOptions | undefined,
  accept: Accept,
  common: Pick<ListenerOptions, "isHeld" | "isOverloaded" | "onRefused" | "server">,
): Promise<OwnListener> {
  const { backlog, handshakeTimeoutMs, handshakesMaximum, mode, place, proxy, protocols } = plan;
  const { host, port, path } = place;
  const address = { host, port, backlog };
  const all = { ...common, proxy, handshakeTimeoutMs, handshakesMaximum };
  const { requestCertificate = "off", upgrade } = plan;
  try {
    switch (plan.transport) {
      case "unix":
        return await listenUnix(accept, { ...all, path, mode: mode!, backlog });
      case "tcp":
        return await listenTcp(accept, { ...all, ...address });
      case "tls": {
        const own = { tls: tls!, requestCertificate, ...(protocols && { protocols }) };
        return await listenTls(accept, { ...all, ...address, ...own });
      }
      case "ws":
      case "wss": {
        const { listenWebSocket } = webSocketListeners ?? (await loadWebSocket());
        const secure = tls === undefined ? {} : { tls, requestCertificate };
        return await listenWebSocket(accept, { ...all, ...upgrade, ...address, ...secure });
      }
    }
  } catch (cause) {
    if (cause instanceof UsageError || cause instanceof ConnectionError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const where = nameOfPlace(place);
    throw new ConnectionError("ERR_LISTEN", `cannot listen on ${where}: ${reason}`, { cause });
  }
}

/** Loaded on first use: a broker without it starts the sooner. */
let webSocketListeners: typeof WebSocketListeners | undefined;

async function loadWebSocket(): Promise<typeof WebSocketListeners> {
  return (webSocketListeners = await import("./listeners/websocket.ts"));
}

/** Loads what the plan's transport needs, so that `openPlanned` waits for nothing but the system. */
export async function loadTransport({ transport }: ListenPlan): Promise<void> {
  if (transport === "ws" || transport === "wss") await loadWebSocket();
}
