import type { Dial, Scheduler } from "@sericite/protocol";
import { UsageError } from "@sericite/protocol";
import type { Address } from "../address.ts";
import type { ConnectOptions } from "../options.ts";
import type { Platform } from "../platform.ts";
import { Alarm } from "./alarm.ts";
import { dialWebSocket } from "./web-socket.ts";

/** Turns by messages: a browser holds back the timers of a page that is not seen, but no messages. */
class BrowserScheduler implements Scheduler {
  readonly #alarm = new Alarm();
  readonly #channel = new MessageChannel();
  #callbacks: (() => void)[] = [];

  constructor() {
    this.#channel.port1.onmessage = () => {
      const callbacks = this.#callbacks;
      this.#callbacks = [];
      for (const callback of callbacks) callback();
    };
  }

  endOfTurn(callback: () => void): void {
    this.nextTurn(callback);
  }

  nextTurn(callback: () => void): void {
    if (this.#callbacks.push(callback) === 1) this.#channel.port2.postMessage(0);
  }

  setAlarm(delayMs: number, callback: () => void): void {
    this.#alarm.set(delayMs, callback);
  }

  clearAlarm(): void {
    this.#alarm.clear();
  }
}

/** What a client needs of a browser, in a page or in a Worker. */
export const browserPlatform: Platform = {
  clock: { now: () => performance.now(), wallTime: () => Date.now() },
  random: Math.random,
  dial,
  createScheduler: () => new BrowserScheduler(),
  stayAwake: () => () => {},
  onWake,
  reportError: (error) => console.error(error),
};

function dial(address: Address, options: ConnectOptions): Dial {
  const { scheme, url } = address;
  const { headers, subprotocols } = options.webSocket ?? {};
  if (scheme !== "ws" && scheme !== "wss")
    throw new UsageError("ERR_USAGE", `${url}: a browser reaches servers by ws:// and wss:// only`);
  if (options.tls !== undefined || headers !== undefined)
    throw new UsageError("ERR_USAGE", "a browser lets nobody choose tls or webSocket.headers");
  return dialWebSocket({ url, subprotocols, timeoutMs: options.connectTimeoutMs });
}

/** The network is back; the page is seen again, or comes back from where it slept. */
function onWake(listener: () => void): () => void {
  const page = typeof document === "undefined" ? undefined : document;
  const onVisible = (): void => {
    if (page?.visibilityState === "visible") listener();
  };
  addEventListener("online", listener);
  addEventListener("pageshow", listener);
  page?.addEventListener("visibilitychange", onVisible);
  return () => {
    removeEventListener("online", listener);
    removeEventListener("pageshow", listener);
    page?.removeEventListener("visibilitychange", onVisible);
  };
}
