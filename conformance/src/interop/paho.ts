import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import {
  AUTHORITY,
  type ForeignClient,
  Inbox,
  type Incoming,
  type Outgoing,
  within,
} from "./foreign-client.ts";

/** The Python that has paho-mqtt. */
const PYTHON = process.env["SERICITE_PYTHON"] ?? "python3";

/** The program that drives paho; it is not compiled, so it stays with the sources. */
const PROGRAM = join(import.meta.dirname, "../../src/interop/paho-client.py");

/** A line that the program wrote. */
interface Line {
  readonly n?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly client?: string;
  readonly message?: Incoming;
}

/** paho-mqtt for Python: one process with all its clients, told what to do by JSON lines. */
export function pahoClient(): ForeignClient {
  let program: ChildProcessByStdio<Writable, Readable, null> | undefined;
  let count = 0;
  const waiting = new Map<number, (line: Line) => void>();
  const inboxes = new Map<string, Inbox>();

  function start(): ChildProcessByStdio<Writable, Readable, null> {
    const child = spawn(PYTHON, [PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line = JSON.parse(text) as Line;
      if (line.message !== undefined) inboxes.get(line.client ?? "")?.put(line.message);
      else if (line.n !== undefined) waiting.get(line.n)?.(line);
    });
    return child;
  }

  async function tell(command: object): Promise<unknown> {
    program ??= start();
    const n = ++count;
    const answer = new Promise<Line>((resolve) => waiting.set(n, resolve));
    program.stdin.write(`${JSON.stringify({ n, ...command })}\n`);
    const { result, error } = await within(
      `paho: ${JSON.stringify(command).slice(0, 200)}`,
      answer,
    );
    waiting.delete(n);
    if (error !== undefined) throw new Error(`paho: ${error}`);
    return result;
  }

  return {
    name: "paho",
    missing: missing(),

    async subscribe(url, { will, ...options }) {
      const name = String(++count);
      const inbox = new Inbox(`paho ${options.version} ${options.clientId}`);
      inboxes.set(name, inbox);
      const plainWill = will === undefined ? {} : { will: plain(will) };
      const granted = await tell({
        do: "subscribe",
        name,
        ...server(url),
        ...options,
        ...plainWill,
      });
      for (const qos of granted as number[]) {
        if (qos !== options.qos) throw new Error(`granted QoS ${qos}, not ${options.qos}`);
      }
      const end = async (how: "disconnect" | "cut"): Promise<void> => {
        await tell({ do: how, name });
        inboxes.delete(name);
      };
      return { inbox, disconnect: () => end("disconnect"), cut: () => end("cut") };
    },

    async publish(url, version, messages) {
      await tell({ do: "publish", ...server(url), version, messages: messages.map(plain) });
    },

    async close() {
      if (program === undefined) return;
      const exit = once(program, "exit");
      program.stdin.end();
      program = undefined;
      await within("paho to end", exit);
    },
  };
}

/** What paho must be told of where the broker is. */
function server(url: string): object {
  const { protocol, hostname, port, pathname } = new URL(url);
  // It checks the port, though a Unix socket has none.
  if (protocol === "unix:") return { transport: "unix", host: pathname, port: 1 };
  const isSecure = protocol === "mqtts:" || protocol === "wss:";
  return {
    transport: protocol.startsWith("ws") ? "websockets" : "tcp",
    host: hostname,
    port: Number(port),
    authority: isSecure ? AUTHORITY : null,
  };
}

/** A message as JSON can carry it. */
function plain({ topicName, payload, qos, retain = false }: Outgoing): object {
  return { topicName, payload: payload.toString("base64"), qos, retain };
}

function missing(): string | undefined {
  const { status } = spawnSync(
    PYTHON,
    ["-c", "import paho.mqtt.client as c; c.CallbackAPIVersion"],
    {
      stdio: "ignore",
    },
  );
  return status === 0
    ? undefined
    : `${PYTHON} with paho-mqtt 2 is not installed (pip install paho-mqtt)`;
}
