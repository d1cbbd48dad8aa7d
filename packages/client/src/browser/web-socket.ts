import type { Dial } from "@sericite/protocol";
import { ConnectionError } from "@sericite/protocol";
import type { WebSocketLike } from "../link/web-socket-link.ts";
import { WebSocketLink } from "../link/web-socket-link.ts";
import type { WebSocketOptions } from "../transport-options.ts";

/** Where a WebSocket server is. */
export interface WebSocketDialOptions extends Pick<WebSocketOptions, "subprotocols"> {
  /** `ws://HOST[:PORT][/PATH]` or `wss://…`. */
  readonly url: string;
  /** Time for the connection to be made. Milliseconds. Default: the browser's. */
  readonly timeoutMs?: number | undefined;
}

/** A `Dial` over the platform's WebSocket: of browsers, Node 22, and other runtimes that have one. */
export function dialWebSocket(options: WebSocketDialOptions): Dial {
  const { url, timeoutMs, subprotocols = ["mqtt"] } = options; // [MQTT5-6.0.0-3] [MQTT3-6.0.0-3]
  return (handler) =>
    new Promise((resolve, reject) => {
      // Structurally the same, but for what its handlers are given.
      const webSocket = new WebSocket(url, [...subprotocols]) as unknown as WebSocketLike;
      // A page that is not seen has slow timers; what is due at once waits for none.
      const after = (delayMs: number, callback: () => void): void =>
        delayMs === 0 ? queueMicrotask(callback) : void setTimeout(callback, delayMs);
      const link = new WebSocketLink(handler, webSocket, url, after, (cause) => {
        clearTimeout(timer);
        if (cause === undefined) resolve(link);
        else reject(cause);
      });
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              const message = `${url} did not answer within ${timeoutMs} ms`;
              reject(new ConnectionError("ERR_CONNECT_TIMEOUT", message));
              link.destroy();
            }, timeoutMs);
    });
}
