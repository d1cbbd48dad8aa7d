import { ConnectionError } from "@sericite/protocol";
import type { CommandErrorCode } from "../errors.ts";

/**
 * What keeps a listener from opening, with what to do about it.
 *
 * @param cause  What the system said.
 */
export function listenTrouble(
  cause: NodeJS.ErrnoException,
  host: string,
  port: number,
): ConnectionError {
  const trouble = (code: CommandErrorCode, message: string): ConnectionError =>
    new ConnectionError(code, message, { cause });
  switch (cause.code) {
    case "EADDRINUSE":
      return trouble(
        "ERR_ADDRESS_IN_USE",
        `port ${port} on ${host} is in use: another program listens there (perhaps another broker; ` +
          `\`ss -ltnp 'sport = :${port}'\` shows which). Stop it, or choose another port: --port 2883, or --port 0 for a free one`,
      );
    case "EACCES":
    case "EPERM":
      return trouble(
        "ERR_ADDRESS_FORBIDDEN",
        `this user may not listen on port ${port}: ports below 1024 are reserved. Choose one above: --port 1883`,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return trouble(
        "ERR_ADDRESS_UNKNOWN",
        `no network interface of this machine has the address ${host}. Use --host 127.0.0.1 for this machine alone, ` +
          "--host 0.0.0.0 for all interfaces, or one of the addresses that `ip address` lists",
      );
    case "EMFILE":
    case "ENFILE":
      return trouble(
        "ERR_FILE_LIMIT",
        "there is no file descriptor left to listen with: raise the limit, `ulimit -n 65536`",
      );
    default:
      return trouble("ERR_LISTEN", `cannot listen on ${host}, port ${port}: ${cause.message}`);
  }
}
