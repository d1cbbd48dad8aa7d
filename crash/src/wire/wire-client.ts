import { connect } from "node:net";
import type { Socket } from "node:net";
import { encodeConnect, encodeDisconnect } from "./encode.ts";
import type { ConnectOptions } from "./encode.ts";
import { PacketReader } from "./packet.ts";
import type { Packet, Version } from "./packet.ts";

/** The connection ended: by a kill of the broker, or because the client cut it. */
export class Cut extends Error {
  constructor(during: string) {
    super(`the connection ended: ${during}`);
  }
}

/** The broker did what it must not do. */
export class Fault extends Error {}

/** CONNECT was refused. */
export class Refused extends Fault {
  readonly reasonCode: number;

  constructor(clientId: string, reasonCode: number) {
    super(`CONNECT of ${clientId} was refused with ${reasonCode}`);
    this.reasonCode = reasonCode;
  }
}

/** Time that the broker has for any answer. Milliseconds. */
const ANSWER_MS = 20_000;

interface Waiter {
  readonly fits: (packet: Packet) => boolean;
  readonly resolve: (packet: Packet) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** A connection to the broker that does nothing by itself: no acknowledgement, no repeat. */
export class WireClient {
  readonly version: Version;
  /** Session Present of the CONNACK. */
  sessionPresent = false;
  /** Called with each packet that nobody waits for. */
  onPacket: ((packet: Packet) => void) | undefined = undefined;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
  isOpen = true;
  readonly #socket: Socket;
  readonly #reader: PacketReader;
  #waiters: Waiter[] = [];
  #early: Packet[] = [];

  /** @param fault  Told what the broker must not do while nobody waits. */
  private constructor(port: number, version: Version, fault: (error: unknown) => void) {
    this.version = version;
    this.#reader = new PacketReader(version);
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (chunk: Buffer) => {
      try {
        for (const packet of this.#reader.read(chunk)) this.#take(packet);
      } catch (error) {
        fault(error);
        this.cut();
      }
    });
    // "close" follows, and says all there is to say.
    this.#socket.on("error", () => this.#socket.destroy());
    this.closed = new Promise((resolve) => {
      this.#socket.on("close", () => {
        this.isOpen = false;
        const waiters = this.#waiters;
        this.#waiters = [];
        for (const { reject, timer } of waiters) {
          clearTimeout(timer);
          reject(new Cut("waiting for an answer"));
        }
        resolve();
      });
    });
  }

  /**
   * Connects and waits for CONNACK.
   *
   * @param sent  Called when CONNECT leaves: from then on it may have an effect.
   * @throws Cut where there is no connection; Refused where the broker refuses.
   */
  static async open(
    port: number,
    options: ConnectOptions,
    fault: (error: unknown) => void,
    sent: () => void = () => undefined,
  ): Promise<WireClient> {
    const client = new WireClient(port, options.version, fault);
    const connack = client.waitFor(
      `CONNACK for ${options.clientId}`,
      (packet) => packet.type === "connack",
    );
    client.#socket.once("connect", () => {
      sent();
      client.send(encodeConnect(options));
    });
    const packet = await connack;
    if (packet.type !== "connack")
      throw new Fault(`${options.clientId}: ${packet.type} for CONNACK`);
    if (packet.reasonCode !== 0) {
      client.cut();
      throw new Refused(options.clientId, packet.reasonCode);
    }
    client.sessionPresent = packet.sessionPresent;
    return client;
  }

  /** Takes what came since CONNACK, and all that comes, to one place. */
  receive(onPacket: (packet: Packet) => void): void {
    this.onPacket = onPacket;
    for (const packet of this.#early.splice(0)) onPacket(packet);
  }

  /** Sends bytes; on a connection that has ended, nothing happens. */
  send(bytes: Buffer): void {
    if (this.isOpen && !this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** The next packet that fits. @throws Cut where the connection ends; Fault after 20 s. */
  waitFor(what: string, fits: (packet: Packet) => boolean): Promise<Packet> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) {
        reject(new Cut(`waiting for ${what}`));
        return;
      }
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(new Fault(`no ${what} within ${ANSWER_MS / 1000} s`));
      }, ANSWER_MS);
      const waiter: Waiter = { fits, resolve, reject, timer };
      this.#waiters.push(waiter);
    });
  }

  /** Ends the connection without DISCONNECT. */
  cut(): void {
    this.isOpen = false;
    this.#socket.destroy();
  }

  /**
   * DISCONNECT, then waits until the broker has closed the connection.
   *
   * @param sessionExpiryInterval  Seconds; 5.0 only.
   */
  async disconnect(sessionExpiryInterval?: number): Promise<void> {
    this.send(encodeDisconnect(this.version, sessionExpiryInterval));
    await this.closed;
  }

  #take(packet: Packet): void {
    const waiter = this.#waiters.find(({ fits }) => fits(packet));
    if (waiter !== undefined) {
      clearTimeout(waiter.timer);
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      waiter.resolve(packet);
    } else if (this.onPacket !== undefined) this.onPacket(packet);
    else this.#early.push(packet);
  }
}
