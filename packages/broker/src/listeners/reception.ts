import { createServer, Socket } from "node:net";
import type { AddressInfo, ListenOptions, Server } from "node:net";
import { UsageError } from "@sericite/protocol";
import type {
  AddressOptions,
  Listener,
  ListenerOptions,
  OwnListener,
  ProxyOptions,
  RefusalReason,
} from "./listener.ts";
import { readProxyHeader } from "./proxy-protocol.ts";
import { TrustedProxies } from "./trusted-proxies.ts";

/** Handshakes at once where the broker has too much to do. */
const FEW_HANDSHAKES = 64;

/** A connection that was accepted and is no link yet. */
export interface Arrival {
  /** Paused; nothing was read of it but a PROXY header. */
  readonly socket: Socket;
  /** Where the client is, as far as is known: its own address, or the one that a trusted proxy names. */
  address: string | undefined;
  port: number | undefined;
  /** Bytes of the PROXY header. */
  headerLength: number;
  /** It is a link, or it was told why it is none. */
  isDecided: boolean;
  readonly timer: NodeJS.Timeout;
  readonly onClose: () => void;
}

/**
 * The proxies that a listener trusts.
 *
 * @throws UsageError ERR_SETTING where it waits for a header of proxies that nobody named.
 */
export function trustedProxies(proxy: ProxyOptions | undefined): TrustedProxies {
  const trusted = new TrustedProxies(proxy?.trusted ?? []);
  if (proxy?.protocol === true && trusted.isEmpty) {
    throw new UsageError(
      "ERR_SETTING",
      "proxy.protocol is on and proxy.trusted is empty: name the addresses of your proxies",
    );
  }
  return trusted;
}

/**
 * Accepts connections and sees them through whatever stands before MQTT: a PROXY header is read
 * here, handshakes of other layers are watched. Bounds how many there are and how long they take.
 */
export class Reception {
  readonly server: Server;
  readonly trusted: TrustedProxies;
  name = "";
  refused = 0;
  readonly #options: ListenerOptions;
  readonly #onArrival: (arrival: Arrival) => void;
  readonly #arrivals = new Set<Arrival>();
  readonly #bySocket = new WeakMap<Socket, Arrival>();
  /** Connections that wait for `start`. */
  #held: Socket[] | undefined;

  /** @param onArrival  Takes it from here; ends with `admit` or `refuse`. */
  constructor(options: ListenerOptions, onArrival: (arrival: Arrival) => void) {
    this.#options = options;
    this.#onArrival = onArrival;
    this.trusted = trustedProxies(options.proxy);
    this.#held = options.isHeld === true ? [] : undefined;
    this.server = options.server ?? createServer({ noDelay: true, pauseOnConnect: true });
    this.server.on("connection", this.#onConnection);
    if (options.server !== undefined) this.server.on("error", this.#onError);
  }

  readonly #onConnection = (socket: Socket): void => {
    if (this.#held === undefined) return this.#receive(socket);
    if (this.#held.length >= this.#handshakesMaximum) return void socket.destroy();
    socket.on("error", ignored);
    this.#held.push(socket);
  };

  /** Without it one accept that fails, for want of a descriptor, would end the process. */
  readonly #onError = (cause: Error): void => this.report("accept", undefined, undefined, cause);

  get #handshakesMaximum(): number {
    const { handshakesMaximum = 4096, isOverloaded } = this.#options;
    return isOverloaded?.() === true
      ? Math.min(handshakesMaximum, FEW_HANDSHAKES)
      : handshakesMaximum;
  }

  /** Begins to accept, where its server does not yet. Rejects with the system's error where it cannot. */
  open(where: ListenOptions): Promise<void> {
    const { server } = this;
    if (server.listening) return Promise.resolve();
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(where, () => {
        server.removeListener("error", reject);
        server.on("error", this.#onError);
        resolve();
      });
    });
  }

  #receive(socket: Socket): void {
    const { remoteAddress: address, remotePort: port } = socket;
    const isGone = address === undefined && typeof this.server.address() !== "string";
    if (isGone) return void socket.destroy();
    if (this.#arrivals.size >= this.#handshakesMaximum) {
      this.report("too-many-handshakes", address, port);
      return void socket.destroy();
    }
    const timer = setTimeout(
      () => this.refuse(arrival, "handshake-timeout"),
      this.#options.handshakeTimeoutMs ?? 10_000,
    );
    timer.unref();
    const onClose = (): void => this.#closed(arrival);
    const arrival: Arrival = {
      socket,
      address,
      port,
      headerLength: 0,
      isDecided: false,
      timer,
      onClose,
    };
    this.#arrivals.add(arrival);
    this.#bySocket.set(socket, arrival);
    socket.on("error", ignored); // 'close' follows, and each later stage has its own.
    socket.on("close", onClose);
    if (this.#options.proxy?.protocol === true && this.trusted.includes(address))
      this.#readHeader(arrival);
    else this.#onArrival(arrival);
  }

  #readHeader(arrival: Arrival): void {
    const { socket } = arrival;
    let bytes: Uint8Array = new Uint8Array(0);
    const onData = (chunk: Uint8Array): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const reading = readProxyHeader(bytes);
      if (reading === "incomplete") return;
      if (reading === "malformed") return this.refuse(arrival, "proxy-header");
      socket.removeListener("data", onData);
      socket.pause();
      arrival.headerLength = reading.length;
      if (bytes.length > reading.length) socket.unshift(bytes.subarray(reading.length));
      if (reading.source !== undefined)
        ({ address: arrival.address, port: arrival.port } = reading.source);
      this.#onArrival(arrival);
    };
    socket.on("data", onData);
    socket.resume();
  }

  /** The arrival whose connection `socket` is, or is made on top of. */
  arrivalOf(socket: Socket): Arrival | undefined {
    return (
      this.#bySocket.get(socket) ??
      this.#bySocket.get(socketBelow(socket) ?? socket) ??
      this.#byEndpoints(socket)
    );
  }

  /** For a Node that does not tell which socket is below: the endpoints of both are the same, while they are open. */
  #byEndpoints(socket: Socket): Arrival | undefined {
    if (socket.remotePort === undefined) return undefined;
    const endpoints = endpointsOf(socket);
    for (const arrival of this.#arrivals)
      if (endpointsOf(arrival.socket) === endpoints) return arrival;
    return undefined;
  }

  /** The connection is a link now: it is watched no more. */
  admit(arrival: Arrival): void {
    arrival.isDecided = true;
    arrival.socket.removeListener("close", arrival.onClose);
    this.#bySocket.delete(arrival.socket);
    this.#forget(arrival);
  }

  /** The same where the link is made of this very socket, and listens to its errors from now on. */
  admitAlone(arrival: Arrival): void {
    this.admit(arrival);
    arrival.socket.removeListener("error", ignored);
  }

  /** Ends a connection that is no link yet. */
  refuse(arrival: Arrival, reason: RefusalReason, cause?: Error): void {
    this.turnAway(arrival, reason, cause);
    arrival.socket.destroy();
  }

  /** Counts a connection that gets an answer why it is refused, and is ended by who answers; else by its deadline. */
  turnAway(arrival: Arrival, reason: RefusalReason, cause?: Error): void {
    if (arrival.isDecided) return;
    arrival.isDecided = true;
    // A balancer that asks whether the port is open says nothing and is no refusal.
    const hasSpoken = arrival.socket.bytesRead > arrival.headerLength;
    if (hasSpoken || reason === "handshake-timeout")
      this.report(reason, arrival.address, arrival.port, cause);
  }

  /** Counts a refusal and tells of it. */
  report(
    reason: RefusalReason,
    address: string | undefined,
    port: number | undefined,
    cause?: Error,
  ): void {
    this.refused += 1;
    this.#options.onRefused?.({ listener: this.name, reason, address, port, cause });
  }

  #closed(arrival: Arrival): void {
    this.#forget(arrival);
    // The layer above may know better why, and says so in this turn.
    setImmediate(() => this.turnAway(arrival, "closed"));
  }

  #forget(arrival: Arrival): void {
    clearTimeout(arrival.timer);
    this.#arrivals.delete(arrival);
  }

  /** As `OwnListener.start`. */
  start(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const socket of held) if (!socket.destroyed) this.#receive(socket);
  }

  /** As `OwnListener.handOver`. */
  handOver(): Server {
    this.server.removeListener("connection", this.#onConnection);
    this.server.removeListener("error", this.#onError);
    return this.server;
  }

  /** Stops accepting; ends what is not through. Settles when the port is free. */
  close(): Promise<void> {
    for (const socket of this.#held ?? []) socket.destroy();
    for (const arrival of this.#arrivals) {
      arrival.isDecided = true;
      arrival.socket.destroy();
    }
    return closeServer(this.server);
  }
}

/** Stops a server's listening. Settles when its port is free, and not when its last connection ends. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    if (server.listening) server.close();
    setImmediate(resolve);
  });
}

/** Opens a reception on a port; the listener for it. */
export async function openOnPort(
  reception: Reception,
  { host, port, backlog }: AddressOptions,
  { scheme, name, transport }: { scheme: string; name: string; transport: Listener["transport"] },
): Promise<OwnListener> {
  await reception.open({ host, port, backlog: backlog ?? 511 });
  const bound = reception.server.address() as AddressInfo;
  reception.name = `${name}:${bound.port}`;
  return {
    name: reception.name,
    transport,
    url: `${scheme}://${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`,
    host: bound.address,
    port: bound.port,
    get refused() {
      return reception.refused;
    },
    start: () => reception.start(),
    handOver: () => reception.handOver(),
    close: () => reception.close(),
  };
}

/** What a TLS socket was made of. Node keeps it in a private field. */
function socketBelow(socket: Socket): Socket | undefined {
  const { _parent: parent } = socket as Socket & { _parent?: unknown };
  return parent instanceof Socket ? parent : undefined;
}

function endpointsOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;
}

function ignored(): void {
  // See where it is registered.
}
