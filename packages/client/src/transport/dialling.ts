import type { Link } from "@sericite/protocol";
import { ConnectionError } from "@sericite/protocol";

/**
 * Waits for a link to be connected.
 *
 * @param listener  The address, for messages.
 * @param timeoutMs  Milliseconds; `undefined`: as long as the system does.
 * @param begin  Begins to connect, and calls `connected` once: with nothing, or with what failed.
 */
export function dialling<L extends Link>(
  listener: string,
  timeoutMs: number | undefined,
  begin: (connected: (cause?: Error) => void) => L,
): Promise<L> {
  return new Promise((resolve, reject) => {
    const link = begin((cause) => {
      clearTimeout(timer);
      if (cause === undefined) resolve(link);
      else reject(connectError(cause, listener));
    });
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            reject(
              new ConnectionError(
                "ERR_CONNECT_TIMEOUT",
                `${listener} did not answer within ${timeoutMs} ms`,
              ),
            );
            link.destroy();
          }, timeoutMs);
  });
}

/** What a caller gets of a transport that could not be opened. */
function connectError(
  cause: Error & { readonly code?: unknown },
  listener: string,
): ConnectionError {
  switch (cause.code) {
    case "ECONNREFUSED":
      return new ConnectionError("ERR_CONNECTION_REFUSED", `no server at ${listener}`, { cause });
    case "ECONNRESET": {
      const message = `${listener} closed the connection at once: perhaps something else is spoken there`;
      return new ConnectionError("ERR_CONNECTION_REFUSED", message, { cause });
    }
    case "ENOENT":
      return new ConnectionError("ERR_CONNECTION_REFUSED", `there is no socket ${listener}`, {
        cause,
      });
    default:
      return new ConnectionError(
        "ERR_CONNECTION_FAILED",
        `cannot connect to ${listener}: ${cause.message}`,
        { cause },
      );
  }
}

/** Host and port as they stand in a URL. */
export function hostAndPort(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
