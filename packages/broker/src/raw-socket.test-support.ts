import { connect } from "node:net";
import type { Socket } from "node:net";
import { encodePacket, Parser, TopicNameTable, fromServer } from "@sericite/protocol";
import type { ConnectPacket, Packet, ProtocolVersion } from "@sericite/protocol";
import { bytesOf, lineOf } from "./spelling.test-support.ts";

/** Time after which a test that waits for a socket has failed. Milliseconds. */
const PATIENCE_MS = 10_000;

/** A TCP connection to a broker, at the level of bytes. Everything that comes is kept as lines (`told`). */
export class RawSocket {
  readonly socket: Socket;
  readonly protocolVersion: ProtocolVersion;
  /** All packets so far, as `lineOf` writes them; `CLOSED` at the end. */
  readonly told: string[] = [];
  isClosed = false;
  /** Bytes received. */
  received = 0;
  readonly #parser: Parser;
  #onChange: (() => void) | undefined;

  constructor(socket: Socket, protocolVersion: ProtocolVersion) {
    this.socket = socket;
    this.protocolVersion = protocolVersion;
    this.#parser = new Parser({
      from: fromServer,
      protocolVersion,
      maximumPacketSize: 268_435_460,
      topicNames: new TopicNameTable({ maximumEntries: 16 }),
    });
    socket.on("data", (bytes: Buffer) => {
      this.received += bytes.length;
      this.#parser.push(bytes, 0, bytes.length);
      for (let type = this.#parser.next(); type !== 0; type = this.#parser.next())
        this.told.push(lineOf(this.#parser.packet()));
      this.#onChange?.();
    });
    socket.on("error", () => {
      // A reset is an end like any other; 'close' follows.
    });
    socket.on("close", () => {
      this.isClosed = true;
      this.told.push("CLOSED");
      this.#onChange?.();
    });
  }

  /** Connects; resolves when the connection stands. */
  static open(port: number, protocolVersion: ProtocolVersion = 5): Promise<RawSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.removeListener("error", reject);
        resolve(new RawSocket(socket, protocolVersion));
      });
    });
  }

  /** Connects, sends CONNECT and waits for CONNACK, which is not kept. */
  static async connect(
    port: number,
    clientId: string,
    protocolVersion: ProtocolVersion = 5,
    options: Partial<ConnectPacket> = {},
  ): Promise<RawSocket> {
    const raw = await RawSocket.open(port, protocolVersion);
    raw.sendConnect(clientId, options);
    await raw.until(() => raw.told.length > 0);
    const line = raw.told.shift();
    if (line?.startsWith("CONNACK 0x00") !== true) throw new Error(`${clientId} was told ${line}`);
    return raw;
  }

  sendConnect(clientId: string, options: Partial<ConnectPacket> = {}): void {
    const { protocolVersion } = this;
    this.send({
      type: "connect",
      protocolVersion,
      clientId,
      cleanStart: true,
      keepAlive: 0,
      ...options,
    });
  }

  /** @returns whether the kernel took it. */
  send(...packets: Packet[]): boolean {
    return this.socket.write(
      Buffer.concat(packets.map((packet) => encodePacket(packet, this.protocolVersion))),
    );
  }

  sendHex(spelled: string): void {
    this.socket.write(bytesOf(spelled));
  }

  /** Resolves when the condition holds; it is looked at whenever something came. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#onChange = undefined;
        reject(
          new Error(`waited ${PATIENCE_MS} ms; told so far: ${this.told.slice(-5).join(", ")}`),
        );
      }, PATIENCE_MS);
      const look = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#onChange = undefined;
        resolve();
      };
      this.#onChange = look;
      look();
    });
  }

  /** Waits for so many lines and takes them. */
  async take(count: number): Promise<string[]> {
    await this.until(() => this.told.length >= count);
    return this.told.splice(0, count);
  }

  /** Waits for the end and gives everything that was told until then, `CLOSED` included. */
  async untilClosed(): Promise<string[]> {
    await this.until(() => this.isClosed);
    return this.told.splice(0);
  }

  destroy(): void {
    this.socket.destroy();
  }
}
