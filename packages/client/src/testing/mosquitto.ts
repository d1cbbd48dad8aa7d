import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"].find(
  (path) => existsSync(path),
);

/** Why tests with mosquitto are skipped, or false. */
export const withoutMosquitto: string | false =
  program === undefined ? "mosquitto is not installed" : false;

/** Certificates of the broker's tests: a folder. */
export const certificates: string = fileURLToPath(
  new URL("../../../broker/src/listeners/test-certificates/", import.meta.url),
);

/** The authority that vouches for a mosquitto's certificate, which is of `localhost`: a PEM file. */
export const authorityFile: string = join(certificates, "ca.pem");

/** Listeners of a mosquitto beside the one for TCP. */
export interface MosquittoListeners {
  readonly mqtts: string;
  readonly ws: string;
  readonly wss: string;
  readonly unix: string;
}

/** A mosquitto of a test's own, on free ports of loopback. */
export class Mosquitto {
  readonly port: number;
  /** Where else it listens, as addresses; if it was asked to. */
  readonly urls: MosquittoListeners | undefined;
  readonly #folder: string;
  #process: ChildProcess | undefined = undefined;
  /** A test that fails leaves none behind. */
  readonly #killOnExit = (): void => void this.#process?.kill("SIGKILL");

  private constructor([port = 0, ...others]: readonly number[]) {
    this.port = port;
    this.#folder = mkdtempSync(join(tmpdir(), "sericite-mosquitto-"));
    const lines = [
      `listener ${port} 127.0.0.1`,
      "allow_anonymous true",
      "max_queued_messages 0",
      "persistence false",
      "set_tcp_nodelay true",
      // Otherwise it becomes a user that may read neither folder nor certificates.
      `user ${userInfo().username}`,
    ];
    if (others.length > 0) {
      const [mqtts, ws, wss] = others;
      const socket = join(this.#folder, "mqtt.sock");
      const certificate = [
        `certfile ${join(certificates, "localhost.pem")}`,
        `keyfile ${join(certificates, "localhost.key")}`,
      ];
      lines.push(`listener ${mqtts} 127.0.0.1`, ...certificate);
      lines.push(`listener ${ws} 127.0.0.1`, "protocol websockets");
      lines.push(`listener ${wss} 127.0.0.1`, "protocol websockets", ...certificate);
      lines.push(`listener 0 ${socket}`);
      this.urls = {
        mqtts: `mqtts://localhost:${mqtts}`,
        ws: `ws://127.0.0.1:${ws}/mqtt`,
        wss: `wss://localhost:${wss}/mqtt`,
        unix: `unix:${socket}`,
      };
    }
    writeFileSync(join(this.#folder, "mosquitto.conf"), `${lines.join("\n")}\n`);
  }

  /** @param listensEverywhere  Also for TLS, for WebSockets with and without, on a Unix socket. */
  static async start({ listensEverywhere = false } = {}): Promise<Mosquitto> {
    const ports = Array.from({ length: listensEverywhere ? 4 : 1 }, freePort);
    const mosquitto = new Mosquitto(await Promise.all(ports));
    await mosquitto.start();
    return mosquitto;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** Starts it; again after `kill`, without memory of what was. */
  async start(): Promise<void> {
    this.#process = spawn(program!, ["-c", join(this.#folder, "mosquitto.conf")], {
      stdio: "ignore",
    });
    process.once("exit", this.#killOnExit);
    while (!(await isListening(this.port))) await pause(10);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    this.#process = undefined;
    process.off("exit", this.#killOnExit);
    await new Promise((resolve) => {
      child.once("exit", resolve);
      child.kill("SIGKILL");
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A network that can be cut: passes bytes on to a port of loopback. */
export class CuttableNetwork {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections that were cut. */
  cuts = 0;

  private constructor(port: number) {
    this.#server = createServer({ noDelay: true }, (near) => {
      const far = connect({ port, host: "127.0.0.1", noDelay: true });
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on("error", () => other.destroy());
        socket.on("close", () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
  }

  static async to(port: number): Promise<CuttableNetwork> {
    const network = new CuttableNetwork(port);
    await new Promise<void>((resolve) => network.#server.listen(0, "127.0.0.1", resolve));
    return network;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** Ends every connection, wherever its bytes are. */
  cut(): void {
    if (this.#sockets.size > 0) this.cuts++;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
