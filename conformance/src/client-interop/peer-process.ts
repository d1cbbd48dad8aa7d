import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { AUTHORITY } from "../interop/foreign-client.ts";
import type { Transport } from "../interop/matrix.ts";
import type { Peer } from "./peers.ts";

const LAUNCHERS = join(import.meta.dirname, "../../../bench/peers");
const CERTIFICATE = join(AUTHORITY, "../localhost");

/** Why a broker cannot be tried here; `undefined` if it can. */
export function missingFor({ name, needs }: Peer): string | undefined {
  const folders = `${process.env["PATH"]}${delimiter}/usr/sbin`.split(delimiter);
  const missing = needs.find(
    (program) => !folders.some((folder) => existsSync(join(folder, program))),
  );
  return missing === undefined ? undefined : `${name} needs ${missing}, which is not installed`;
}

/** A broker in a process of its own, which listens for all that it speaks on loopback. */
export class PeerProcess {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #urls: ReadonlyMap<Transport, string>;
  readonly #exit: Promise<unknown>;
  /** A test that fails leaves none behind. */
  readonly #killOnExit = (): void => void this.#child.kill("SIGKILL");

  private constructor(child: ChildProcess, folder: string, urls: ReadonlyMap<Transport, string>) {
    this.#child = child;
    this.#folder = folder;
    this.#urls = urls;
    this.#exit = once(child, "exit");
    process.once("exit", this.#killOnExit);
  }

  /**
   * Starts it by its launcher, which builds it where that was not done yet.
   *
   * @throws Error if it ends before it answers, with the last that it said.
   */
  static async start(peer: Peer): Promise<PeerProcess> {
    const folder = mkdtempSync(join(tmpdir(), "sericite-peer-"));
    const speaks = (transport: Transport): boolean => peer.transports[transport] === true;
    const [mqtt, mqtts, ws, wss] = await Promise.all([
      freePort(),
      freePort(),
      freePort(),
      freePort(),
    ]);
    const socket = join(folder, "mqtt.sock");
    const child = spawn("bash", [join(LAUNCHERS, peer.launcher), String(mqtt)], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        BIND: "127.0.0.1",
        TLSPORT: speaks("mqtts") ? String(mqtts) : "",
        WSPORT: speaks("ws") ? String(ws) : "",
        WSSPORT: speaks("wss") ? String(wss) : "",
        UNIX_SOCKET: speaks("unix") ? socket : "",
        CERTIFICATE: `${CERTIFICATE}.pem`,
        KEY: `${CERTIFICATE}.key`,
        JAVA_OPTS: "-Xms64m -Xmx512m",
      },
    });
    const urls = new Map<Transport, string>([
      ["mqtt", `mqtt://127.0.0.1:${mqtt}`],
      ["mqtts", `mqtts://localhost:${mqtts}`],
      ["ws", `ws://127.0.0.1:${ws}/mqtt`],
      ["wss", `wss://localhost:${wss}/mqtt`],
      ["unix", `unix:${socket}`],
    ]);
    const started = new PeerProcess(child, folder, urls);
    let said = "";
    await new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8");
        stream.on("data", (text: string) => {
          said = (said + text).slice(-2000);
          if (said.includes("READY\n")) resolve();
        });
      }
      child.once("exit", (code) =>
        reject(new Error(`${peer.launcher} ended with ${code}:\n${said}`)),
      );
    });
    // Its other listeners may open a little later.
    await Promise.all(
      [...urls].flatMap(([transport, url]) => (speaks(transport) ? listening(url) : [])),
    );
    return started;
  }

  /** Where it listens. */
  urlOf(transport: Transport): string {
    return this.#urls.get(transport)!;
  }

  /** Ends it. */
  async stop(): Promise<void> {
    process.off("exit", this.#killOnExit);
    this.#child.kill("SIGKILL");
    await this.#exit;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Resolves when connections are taken there. */
async function listening(url: string): Promise<void> {
  const { port, hostname } = new URL(url);
  const where =
    port === "" ? { path: url.slice("unix:".length) } : { port: Number(port), host: hostname };
  for (;;) {
    const socket = connect(where);
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
