import { Server as HttpServer } from "node:http";
import { Server as HttpsServer } from "node:https";
import { Server as TlsServer } from "node:tls";
import { ConnectionError, UsageError } from "@sericite/protocol";
import type { Accept, Link, LinkHandler, Peer } from "@sericite/protocol";
import type { ListenerEntryPolicy } from "./auth/index.ts";
import type { ConnectionGroup } from "./engine/engine.ts";
import type { Log } from "./engine/ports.ts";
import type { ListenOptions, OwnListenOptions, ServerListenOptions } from "./listen-options.ts";
import {
  anonymousBeyondLoopback,
  CertificateFiles,
  checkExposure,
  checkPlaces,
  isLoopback,
  isSameService,
  listenersOf,
  loadTransport,
  openPlanned,
  planOf,
} from "./listen-plan.ts";
import { compareListeners, isInTheWay } from "./listener-changes.ts";
import type {
  ListenerChanges,
  ListenerOrigin,
  ListenerPolicy,
  OpenListener,
  WantedListener,
} from "./listener-changes.ts";
import { serveTcp, serveTls, TlsContexts } from "./listeners/index.ts";
import type { Listener, ListenerOptions, Refusal } from "./listeners/index.ts";
import type * as WebSocketListeners from "./listeners/websocket.ts";
import { ReplaceableListener } from "./replaceable-listener.ts";
import type { Settings } from "./settings.ts";

/** Where the links of listeners go. */
export interface Reception {
  accept(link: Link, group: ConnectionGroup | undefined): LinkHandler;
  /** Who may come in by a listener that says so on its own. @throws UsageError where that cannot be. */
  decide(policy: ListenerEntryPolicy): void;
  /** A connection ended before it was a link. */
  readonly refused: (refusal: Refusal) => void;
  /** Whether the broker has too much to do. */
  readonly isOverloaded: () => boolean;
  /** A client came in by such a listener. */
  note(peer: Peer, policy: ListenerEntryPolicy): void;
}

/** What the listeners are to be, checked and not yet opened. */
export interface PreparedListening {
  /**
   * `tls.certificate` where files hold something else than before, with `listeners[1].` in front where
   * they are its own; `listeners` where the list says something else.
   */
  readonly changed: readonly string[];
  /**
   * Opens what is new; nobody is let in by it yet. Rejects where that cannot be: nothing has changed then.
   */
  open(): Promise<void>;
  /** Puts all in force once `open` has settled: it waits for nothing from outside. */
  commit(): Promise<void>;
  /** Closes what `open` opened, in place of `commit`. */
  cancel(): Promise<void>;
}

/** The listeners of a broker. */
export class Listening {
  readonly #reception: Reception;
  readonly #log: Log;
  readonly #open = new Set<OpenListener>();
  /** On servers of somebody else's. */
  readonly #given = new Set<Listener>();
  /** Whether those that the settings ask for are open. */
  #followsSettings = false;
  /** That of the settings' side, as it was given last. */
  #list: readonly OwnListenOptions[] = [];

  constructor(reception: Reception, log: Log) {
    this.#reception = reception;
    this.#log = log;
  }

  get all(): readonly Listener[] {
    return [...[...this.#open].map(({ listener }) => listener), ...this.#given];
  }

  /**
   * Opens a listener.
   *
   * @param isOpenToAll  Nothing says who may enter: only this machine may reach the listener then.
   * @throws UsageError ERR_ANONYMOUS_BEYOND_LOOPBACK, ERR_TLS_CERTIFICATE, ERR_SETTING.
   * @throws ConnectionError ERR_LISTEN where the system does not let it.
   */
  async open(options: ListenOptions, settings: Settings, isOpenToAll: boolean): Promise<Listener> {
    if ("server" in options) return this.#serve(options, isOpenToAll);
    const files = this.#filesOf(settings);
    const wanted = this.#wanted("call", options, "", settings, files, isOpenToAll);
    return this.#add(await this.#openOne(wanted, false));
  }

  /** Certificates that are shown already stay as they were read. */
  #filesOf(settings: Settings): Pick<CertificateFiles, "of"> {
    const files = new CertificateFiles(settings);
    return {
      of: (plan) => {
        const name = JSON.stringify(plan.tlsFiles);
        for (const { plan: other, certificates } of this.#open) {
          const isShown = other.tls === undefined && certificates instanceof TlsContexts;
          if (plan.tls === undefined && isShown && JSON.stringify(other.tlsFiles) === name)
            return plan.requestCertificate === undefined ? undefined : certificates;
        }
        return files.of(plan);
      },
    };
  }

  #wanted(
    origin: ListenerOrigin,
    options: OwnListenOptions,
    path: string,
    settings: Settings,
    files: Pick<CertificateFiles, "of">,
    isOpenToAll: boolean,
    known?: OpenListener,
  ): WantedListener {
    return named(path, () => {
      const { allowAnonymous: allowsAnonymous, methods } = options.auth ?? {};
      if (hasWord({ allowsAnonymous, methods }))
        this.#reception.decide({ allowsAnonymous, methods });
      const plan = planOf(options, settings, known?.plan.place);
      checkExposure(plan, isOpenToAll);
      return { origin, options, path, plan, certificates: files.of(plan) };
    });
  }

  async #openOne(wanted: WantedListener, isHeld: boolean): Promise<OpenListener> {
    const { plan, certificates } = wanted;
    const { maximumConnections: maximum, maximumPacketSize, messageRate, byteRate } = plan;
    const group: ConnectionGroup = { maximum, count: 0, maximumPacketSize, messageRate, byteRate };
    const { allowsAnonymous, methods } = plan;
    const policy: ListenerPolicy = { allowsAnonymous, methods, group };
    const told = this.#told;
    const accept = this.#acceptOf(policy);
    const own = await openPlanned(plan, certificates, accept, { isHeld, ...told });
    const listener = new ReplaceableListener(own, () => {
      for (const one of this.#open) if (one.listener === listener) this.#open.delete(one);
    });
    return { ...wanted, listener, policy };
  }

  #add(one: OpenListener): Listener {
    this.#open.add(one);
    return one.listener;
  }

  /** Takes the links of one listener. */
  #acceptOf(policy: ListenerPolicy): Accept {
    const reception = this.#reception;
    return (link) => {
      if (hasWord(policy)) reception.note(link.peer, policy);
      return reception.accept(link, policy.group);
    };
  }

  /**
   * Opens all listeners that the settings and the list beside them ask for; all or none.
   *
   * @throws  As `open`; of one in the list the message begins with `listeners[1]`.
   */
  async openConfigured(
    settings: Settings,
    list: readonly OwnListenOptions[],
    isOpenToAll: boolean,
  ): Promise<Listener[]> {
    const files = this.#filesOf(settings);
    const wanted = this.#configured(settings, list, files, isOpenToAll);
    const opened: OpenListener[] = [];
    try {
      for (const one of wanted) {
        opened.push(await namedAsync(one.path, () => this.#openOne(one, false)));
      }
    } catch (error) {
      await Promise.all(opened.map(({ listener }) => listener.close()));
      throw error;
    }
    this.#followsSettings = true;
    this.#list = list;
    return opened.map((one) => this.#add(one));
  }

  #configured(
    settings: Settings,
    list: readonly OwnListenOptions[],
    files: Pick<CertificateFiles, "of">,
    isOpenToAll: boolean,
  ): WantedListener[] {
    const wanted = [
      ...listenersOf(settings).map((options) =>
        this.#wanted("settings", options, "", settings, files, isOpenToAll),
      ),
      ...list.map((options, index) =>
        this.#wanted("list", options, `listeners[${index}]`, settings, files, isOpenToAll),
      ),
    ];
    checkPlaces(wanted);
    return wanted;
  }

  /**
   * Finds out what becomes of the listeners under other settings. Those that a call opened stay where
   * they are; the others come, go and change as settings and list say. Files of certificates are read again.
   *
   * @param list  `undefined`: as before.
   * @throws  As `openConfigured`; nothing has changed then.
   */
  prepare(
    settings: Settings,
    list: readonly OwnListenOptions[] | undefined,
    isOpenToAll: boolean,
  ): PreparedListening {
    this.#checkGiven(isOpenToAll);
    const files = new CertificateFiles(settings);
    const called: (readonly [OpenListener, WantedListener])[] = [];
    for (const one of this.#open) {
      if (one.origin !== "call") continue;
      const { options, path } = one;
      const next = this.#wanted("call", options, path, settings, files, isOpenToAll, one);
      called.push([one, next]);
    }
    const nextList = list ?? this.#list;
    const configured = this.#followsSettings
      ? this.#configured(settings, nextList, files, isOpenToAll)
      : [];
    const others = [...this.#open].filter(({ origin }) => origin !== "call");
    const { kept, added, removed } = compareListeners(others, configured);
    const changes = { kept: [...called, ...kept], added, removed };
    const opened: OpenListener[] = [];
    const suspended: OpenListener[] = [];
    return {
      changed: this.#namesOf(changes, nextList),
      open: () => this.#openAdded(changes, opened, suspended),
      commit: async () => {
        this.#list = nextList;
        await this.#commit(changes, opened);
      },
      cancel: () => this.#cancel(opened, suspended),
    };
  }

  #namesOf({ kept }: ListenerChanges, list: readonly OwnListenOptions[]): string[] {
    const names = new Set<string>();
    for (const [{ certificates: before }, { certificates: after, path, plan }] of kept) {
      if (!(before instanceof TlsContexts && after instanceof TlsContexts)) continue;
      for (const part of before.partsThatDiffer(after)) {
        const isOwn = path !== "" && plan.tlsFiles[part] !== undefined;
        names.add(isOwn ? `${path}.tls.${part}` : `tls.${part}`);
      }
    }
    if (JSON.stringify(list) !== JSON.stringify(this.#list)) names.add("listeners");
    return [...names];
  }

  async #openAdded(
    { kept, added, removed }: ListenerChanges,
    opened: OpenListener[],
    suspended: OpenListener[],
  ): Promise<void> {
    for (const [, { plan }] of kept) await loadTransport(plan);
    try {
      for (const one of added) {
        for (const other of removed) {
          if (suspended.includes(other) || !isInTheWay(other, one)) continue;
          suspended.push(other);
          await other.listener.suspend();
        }
        opened.push(await namedAsync(one.path, () => this.#openOne(one, true)));
      }
    } catch (error) {
      await this.#cancel(opened, suspended);
      throw error;
    }
  }

  async #cancel(opened: OpenListener[], suspended: OpenListener[]): Promise<void> {
    await Promise.all(opened.map(({ listener }) => listener.close()));
    for (const { certificates, listener, plan, policy } of suspended) {
      const place = { ...plan.place, port: listener.port };
      const accept = this.#acceptOf(policy);
      try {
        const told = this.#told;
        listener.reopened(await openPlanned({ ...plan, place }, certificates, accept, told));
      } catch (error) {
        // Another program took the port in the moment for which it was free.
        const { message } = error as Error;
        this.#log.write("error", "listener-lost", { listener: listener.name, error: message });
      }
    }
  }

  async #commit({ kept, removed }: ListenerChanges, opened: OpenListener[]): Promise<void> {
    const inOrder: OpenListener[] = [];
    for (const [one, next] of kept) {
      const { listener, policy } = one;
      const { allowsAnonymous, maximumConnections, maximumPacketSize, methods } = next.plan;
      policy.allowsAnonymous = allowsAnonymous;
      policy.methods = methods;
      policy.group.maximum = maximumConnections;
      policy.group.maximumPacketSize = maximumPacketSize;
      policy.group.messageRate = next.plan.messageRate;
      policy.group.byteRate = next.plan.byteRate;
      if (!isSameService(one.plan, next.plan)) {
        const accept = this.#acceptOf(policy);
        const told = this.#told;
        const isGiven = next.plan.tls !== undefined && next.plan.tls === one.plan.tls;
        const certificates = (isGiven ? listener.reloaded : undefined) ?? next.certificates;
        await listener.replace((server) =>
          openPlanned(next.plan, certificates, accept, { server, ...told }),
        );
        this.#tell("listener-changed", listener);
      } else if (hasOtherFiles(one.certificates, next.certificates))
        listener.reload?.(next.certificates as TlsContexts);
      this.#open.delete(one);
      inOrder.push({ ...next, listener, policy });
    }
    for (const { listener } of removed) {
      this.#tell("listener-closed", listener);
      // Settled in the next turn; connections live on.
      void listener.close();
    }
    for (const one of [...inOrder, ...opened]) this.#open.add(one);
    for (const { listener } of opened) {
      listener.start();
      this.#tell("listener-opened", listener);
    }
  }

  #tell(event: string, { name, url }: Listener): void {
    this.#log.write("info", event, { listener: name, url });
  }

  /** @throws UsageError ERR_ANONYMOUS_BEYOND_LOOPBACK where others can reach a server that was given. */
  #checkGiven(isOpenToAll: boolean): void {
    for (const { host, name } of this.#given)
      if (isOpenToAll && !name.startsWith("unix:") && !isLoopback(host))
        throw anonymousBeyondLoopback(host);
  }

  async #serve(
    { server, ...options }: ServerListenOptions,
    isOpenToAll: boolean,
  ): Promise<Listener> {
    const isHttp = server instanceof HttpServer || server instanceof HttpsServer;
    const upgrades = isHttp ? await import("./listeners/websocket.ts") : undefined;
    const isReachable = (): boolean => {
      const bound = server.address();
      return (
        isOpenToAll && bound !== null && typeof bound === "object" && !isLoopback(bound.address)
      );
    };
    if (isReachable()) throw anonymousBeyondLoopback("the server's address");
    const listener = this.#serverListener(server, options, upgrades);
    this.#given.add(listener);
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
    const accept: Accept = (link) => this.#reception.accept(link, undefined);
    if (upgrades !== undefined && (server instanceof HttpServer || server instanceof HttpsServer))
      return upgrades.serveWebSocket(server, accept, { ...options, ...this.#told });
    if (server instanceof TlsServer) return serveTls(server, accept);
    return serveTcp(server, accept);
  }

  /** What every listener is given. */
  get #told(): Pick<ListenerOptions, "isOverloaded" | "onRefused"> {
    const { isOverloaded, refused } = this.#reception;
    return { isOverloaded, onRefused: refused };
  }

  /** Stops accepting everywhere. */
  async close(): Promise<void> {
    await Promise.all(this.all.map((listener) => listener.close()));
  }
}

/** Whether a listener says anything on its own of who may enter. */
function hasWord({ allowsAnonymous, methods }: ListenerEntryPolicy): boolean {
  return allowsAnonymous !== undefined || methods !== undefined;
}

/** Whether files of certificates hold something else than before. */
function hasOtherFiles(
  before: WantedListener["certificates"],
  after: WantedListener["certificates"],
): boolean {
  return before instanceof TlsContexts && after instanceof TlsContexts && !before.equals(after);
}

/** Has what `check` throws begin with the path of what it is about. */
function named<T>(path: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw withPath(path, error);
  }
}

async function namedAsync<T>(path: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    throw withPath(path, error);
  }
}

function withPath(path: string, error: unknown): unknown {
  if (path === "") return error;
  if (error instanceof UsageError)
    return new UsageError(error.code, `${path}: ${error.message}`, { cause: error });
  if (error instanceof ConnectionError)
    return new ConnectionError(error.code, `${path}: ${error.message}`, { cause: error });
  return error;
}
