import { brokerSettings } from "@sericite/broker";
import type { SettingSection } from "@sericite/broker";
import { ConnectionError, UsageError } from "@sericite/protocol";
import type { CommandErrorCode } from "../errors.ts";
import type { ListenSettings } from "./exposure.ts";

/** What Node tells of a failed `listen`. */
interface ListenFailure extends NodeJS.ErrnoException {
  /** Host, or path of a Unix socket. */
  readonly address?: string;
  readonly port?: number;
}

/**
 * What keeps a listener from opening, with what to do about it.
 *
 * @param error  What the broker threw; its cause is what the system said.
 */
export function listenTrouble(error: unknown, listen: ListenSettings): Error {
  if (error instanceof UsageError || !(error instanceof Error)) return error as Error;
  const cause = (error.cause ?? error) as ListenFailure;
  const port = cause.port ?? -1;
  if (port < 0 && cause.syscall === "listen") return error;
  const host = cause.address ?? listen.host;
  const flag = flagOf(port, listen);
  const trouble = (code: CommandErrorCode, message: string): ConnectionError =>
    new ConnectionError(code, message, { cause });
  switch (cause.code) {
    case "EADDRINUSE":
      return trouble(
        "ERR_ADDRESS_IN_USE",
        `port ${port} on ${host} is in use: another program listens there (perhaps another broker; ` +
          `\`ss -ltnp 'sport = :${port}'\` shows which). Stop it, or choose another port: ` +
          `${flag} ${port + 1000 > 65535 ? 2883 : port + 1000}, or ${flag} 0 for a free one`,
      );
    case "EACCES":
    case "EPERM":
      return trouble(
        "ERR_ADDRESS_FORBIDDEN",
        `this user may not listen on port ${port}: ports below 1024 are reserved. Choose one above, such as ${flag} 1883`,
      );
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return trouble(
        "ERR_ADDRESS_UNKNOWN",
        `the name ${listen.host} cannot be resolved to an address. Use an address of this machine in its place, such as --host 127.0.0.1`,
      );
    case "EADDRNOTAVAIL":
      return trouble(
        "ERR_ADDRESS_UNKNOWN",
        `no network interface of this machine has the address ${listen.host}. Use --host 127.0.0.1 for this machine alone, ` +
          "--host 0.0.0.0 for all interfaces, or one of the addresses that `ip address` lists",
      );
    case "EMFILE":
    case "ENFILE":
      return trouble(
        "ERR_FILE_LIMIT",
        "there is no file descriptor left to listen with: raise the limit, `ulimit -n 65536`",
      );
    default:
      return error;
  }
}

/** Flag of the listener that a port belongs to. */
function flagOf(port: number, listen: ListenSettings): string {
  const rows: SettingSection = brokerSettings.listen;
  const name = Object.keys(rows).find((key) => listen[key] === port);
  return `--${name === undefined ? "port" : (rows[name]!.flag ?? `listen.${name}`)}`;
}
