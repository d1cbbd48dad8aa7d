import type { Clock, Dial, Scheduler } from "@sericite/protocol";
import type { Client } from "./client.ts";
import { openClient, optionsOf } from "./open-client.ts";
import type { ConnectTestResult } from "./connect-test.ts";
import { testConnection } from "./connect-test.ts";
import type { ConnectOptions } from "./options.ts";
import type { Platform } from "./platform.ts";
import type { Address } from "./address.ts";
import { dialTcp } from "./transport/tcp.ts";
import { dialTls } from "./transport/tls.ts";
import { dialUnix } from "./transport/unix.ts";
import { dialWebSocket } from "./transport/websocket.ts";

const clock: Clock = { now: () => performance.now(), wallTime: () => Date.now() };

class NodeScheduler implements Scheduler {
  #alarm: NodeJS.Timeout | undefined = undefined;

  endOfTurn(callback: () => void): void {
    setImmediate(callback);
  }

  nextTurn(callback: () => void): void {
    setImmediate(callback);
  }

  setAlarm(delayMs: number, callback: () => void): void {
    clearTimeout(this.#alarm);
    this.#alarm = setTimeout(callback, delayMs).unref();
  }

  clearAlarm(): void {
    clearTimeout(this.#alarm);
    this.#alarm = undefined;
  }
}

/** Longer than any process lives; the longest that a timer of Node takes. Milliseconds. */
const longestTimerMs = 0x7fff_ffff;

/** What a client needs of Node. */
export const nodePlatform: Platform = {
  clock,
  random: Math.random,
  createScheduler: () => new NodeScheduler(),
  stayAwake: () => {
    const timer = setInterval(() => {}, longestTimerMs);
    return () => clearInterval(timer);
  },
  dial: dialNode,
  reportError: (error) => console.error(error),
};

/**
 * Connects to a server and gives a client when its CONNACK has come.
 *
 * ```ts
 * await using client = await connect("mqtt://127.0.0.1:1883", { clientId: "lamp-1" });
 * await client.publish("lamps/1/state", "on", { qos: 1, retain: true });
 * ```
 *
 * Rejects with a `ConnectionError` if the first attempt fails (see `reconnect.fromStart`), and with
 * a `UsageError` where an option is wrong.
 */
export function connect(url: string | readonly string[], options?: ConnectOptions): Promise<Client>;
export function connect(options: ConnectOptions): Promise<Client>;
export async function connect(
  urlOrOptions: string | readonly string[] | ConnectOptions,
  more?: ConnectOptions,
): Promise<Client> {
  return await openClient(nodePlatform, optionsOf(urlOrOptions, more));
}

/**
 * Tries a connection and ends it: says what the server announced and how long it took, or rejects with
 * the `ConnectionError` that `connect` would. Nothing of it stays. Take a `clientId` that nobody uses,
 * or none.
 */
export function connectTest(
  url: string | readonly string[],
  options: ConnectOptions = {},
): Promise<ConnectTestResult> {
  return testConnection(nodePlatform, { ...options, url });
}

function dialNode(address: Address, options: ConnectOptions): Dial {
  const { scheme, host, port, path, url } = address;
  const timeoutMs = options.connectTimeoutMs;
  switch (scheme) {
    case "mqtt":
      return dialTcp({ host, port, timeoutMs });
    case "mqtts":
      return dialTls({ ...options.tls, host, port, timeoutMs });
    case "ws":
    case "wss":
      return dialWebSocket({ ...options.webSocket, url, tls: options.tls, timeoutMs });
    case "unix":
      return dialUnix({ path, timeoutMs });
  }
}
