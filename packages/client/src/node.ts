import type { Clock, Dial, Scheduler } from "@sericite/protocol";
import { UsageError } from "@sericite/protocol";
import type { Client } from "./client.ts";
import { openClient } from "./client.ts";
import type { ClientOptions } from "./options.ts";
import type { Platform } from "./platform.ts";
import { dialTcp } from "./transport/tcp.ts";

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
  reportError: (error) => console.error(error),
};

/** `ClientOptions` with the address among them. */
export interface ConnectOptions extends ClientOptions {
  /** `mqtt://[USERNAME[:PASSWORD]@]HOST[:PORT]`. Needed where there is no `dial`. */
  readonly url?: string | undefined;
}

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
export function connect(url: string, options?: ClientOptions): Promise<Client>;
export function connect(options: ConnectOptions): Promise<Client>;
export async function connect(
  urlOrOptions: string | ConnectOptions,
  more: ClientOptions = {},
): Promise<Client> {
  const { url, ...options } =
    typeof urlOrOptions === "string" ? { ...more, url: urlOrOptions } : urlOrOptions;
  if (options.dial !== undefined) return await openClient(nodePlatform, options.dial, options);
  if (url === undefined) throw new UsageError("ERR_USAGE", "there is neither url nor dial");
  const address = parseAddress(url);
  const dial = dialOf(address, options.connectTimeoutMs);
  return await openClient(nodePlatform, dial, { ...credentials(address), ...options });
}

function parseAddress(url: string): URL {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (address === undefined || address.hostname === "") {
    throw new UsageError(
      "ERR_USAGE",
      `${JSON.stringify(url)} is no address such as mqtt://127.0.0.1:1883`,
    );
  }
  return address;
}

function dialOf(address: URL, timeoutMs: number | undefined): Dial {
  switch (address.protocol) {
    case "mqtt:":
    case "tcp:":
      return dialTcp({
        host: address.hostname.replace(/^\[(.*)\]$/, "$1"),
        port: address.port === "" ? 1883 : Number(address.port),
        timeoutMs,
      });
    default:
      throw new UsageError("ERR_USAGE", `${address.protocol}// is not supported, expected mqtt://`);
  }
}

function credentials(address: URL): Pick<ClientOptions, "username" | "password"> {
  return {
    ...(address.username === "" ? {} : { username: decodeURIComponent(address.username) }),
    ...(address.password === "" ? {} : { password: decodeURIComponent(address.password) }),
  };
}
