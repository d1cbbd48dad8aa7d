import { chmodSync, existsSync, lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { ConnectionError, UsageError } from "@sericite/protocol";
import type { Accept } from "@sericite/protocol";
import type { ListenerOptions, OwnListener } from "./listener.ts";
import { Reception } from "./reception.ts";
import { isOctalMode } from "./settings.ts";
import { SocketLink } from "./socket-link.ts";

/** What a Unix socket listener is made with. */
export interface UnixListenerOptions extends ListenerOptions {
  /** Of the socket's file. On Windows the name of a pipe. */
  readonly path: string;
  /** Who may connect: permissions of the socket's file, octal. Default 0660: its owner and its group. */
  readonly mode?: string;
  readonly backlog?: number;
}

/**
 * Listens on a Unix socket. A socket file on which nobody answers, such as a killed process leaves,
 * is replaced.
 *
 * @throws UsageError ERR_SETTING for a mode that is none.
 * Rejects with the system's error where it cannot listen, and where the path is anything else than a dead socket.
 */
export async function listenUnix(
  accept: Accept,
  options: UnixListenerOptions,
): Promise<OwnListener> {
  const { path, mode = "0660", backlog = 511 } = options;
  if (!isOctalMode(mode)) {
    throw new UsageError("ERR_SETTING", `listen.unixMode: ${mode} is no octal mode such as 0660`);
  }
  const reception = new Reception(options, (arrival) => {
    const { socket, address, port, headerLength } = arrival;
    reception.admitAlone(arrival);
    const peer = { listener: reception.name, transport: "unix", address, port } as const;
    const link = new SocketLink(socket, peer, { usesSharedBuffer: headerLength === 0 });
    link.start(accept(link));
  });
  reception.name = `unix:${path}`;
  try {
    await open(reception, path, backlog, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" && !existsSync(dirname(path))) {
      // What the system says, "permission denied", leads astray.
      throw new ConnectionError(
        "ERR_LISTEN",
        `${dirname(path)}, the folder for the Unix socket, is not there`,
        { cause: error },
      );
    }
    if (code !== "EADDRINUSE") throw error;
    await removeDeadSocket(path, error as Error);
    await open(reception, path, backlog, mode);
  }
  return {
    name: reception.name,
    transport: "unix",
    url: `unix://${path}`,
    host: "",
    port: 0,
    get refused() {
      return reception.refused;
    },
    start: () => reception.start(),
    handOver: () => reception.handOver(),
    close: () => reception.close(),
  };
}

async function open(
  reception: Reception,
  path: string,
  backlog: number,
  mode: string,
): Promise<void> {
  const opening = reception.open({ path, backlog });
  // The file is there once `listen` was called; whoever connects is accepted in a later turn only.
  if (process.platform !== "win32" && reception.server.listening)
    chmodSync(path, Number.parseInt(mode, 8));
  await opening;
}

/** @throws ConnectionError ERR_LISTEN with `taken` as its cause where somebody answers, or it is no socket. */
async function removeDeadSocket(path: string, taken: Error): Promise<void> {
  const before = lstatSync(path);
  if (!before.isSocket()) {
    throw new ConnectionError(
      "ERR_LISTEN",
      `${path} is there and is no socket: remove it, or choose another path`,
      { cause: taken },
    );
  }
  if (await answers(path)) {
    throw new ConnectionError("ERR_LISTEN", `another process listens on ${path}`, { cause: taken });
  }
  // Another broker may have taken its place meanwhile: that file is not ours to remove.
  if (lstatSync(path).ino === before.ino) unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // Refused is dead. Anything else, such as a full backlog or a missing right, comes of a living one.
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}
