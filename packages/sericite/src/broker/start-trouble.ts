import { brokerSettings } from "@sericite/broker";
import type { SettingSection } from "@sericite/broker";
import { ConnectionError, UsageError } from "@sericite/protocol";
import { usageError } from "../errors.ts";
import type { CommandErrorCode } from "../errors.ts";
import type { ConfiguredListener } from "../settings/listener-list.ts";
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

/** The same with the place in the config file, where it is about a listener of the list there. */
export function listedTrouble(error: unknown, listeners: readonly ConfiguredListener[]): Error {
  const { message } = error as Error;
  const [, index] = /^listeners\[(\d+)\]: /.exec(message) ?? [];
  if (index === undefined) return error as Error;
  const told = `${listeners[Number(index)]!.place}: ${message}`;
  if (error instanceof UsageError) return new UsageError(error.code, told, { cause: error });
  return new ConnectionError((error as ConnectionError).code, told, { cause: error });
}

/**
 * What keeps the store from opening, with what to do about it.
 *
 * @param error  What `createBroker` threw.
 * @param directory  Where the store is kept.
 */
export function storeTrouble(error: unknown, directory: string): Error {
  if (!(error instanceof ConnectionError)) return error as Error;
  const { code, message } = error;
  const trouble = (advice: string): ConnectionError =>
    new ConnectionError(code, `${message}${advice}`, { cause: error });
  switch (code) {
    case "ERR_STORE_LOCKED":
      return trouble(
        ": perhaps a broker that was started before. Stop it, or give this one a directory and a port of its own: " +
          "--data-dir DIR --port 2883",
      );
    case "ERR_STORE_READ_ONLY":
      return trouble(
        `: ${systemCode(error)}. Let this user write there, or name another directory: --data-dir DIR. ` +
          "Or keep nothing: --durability memory",
      );
    case "ERR_STORE_DISK_FULL":
      return trouble(
        `: the disk of ${directory} is full. Nothing is lost meanwhile. Free some space and start again`,
      );
    case "ERR_STORE_DAMAGED":
      return trouble(
        `. The file is in ${directory}; nothing there was changed. ` +
          `\`sericite store check --data-dir ${directory}\` says what is lost and what can be saved`,
      );
    case "ERR_STORE_NEWER":
      return trouble(
        `. It is in ${directory}; nothing there was changed. Start the version that wrote it, ` +
          "or name another directory: --data-dir DIR",
      );
    case "ERR_STORE_DISK":
      if (!["ENOTDIR", "EEXIST"].includes(systemCode(error))) return trouble(` (in ${directory})`);
      return usageError(
        "ERR_SETTING",
        `store.dataDir is ${directory}, which is a file or lies below one; expected a directory: --data-dir DIR`,
        error,
      );
    default:
      return error;
  }
}

/** What keeps a broker from ending in good order. */
export function closeTrouble(error: unknown): Error {
  if (!(error instanceof ConnectionError) || !error.code.startsWith("ERR_STORE_"))
    return error as Error;
  return new ConnectionError(
    error.code,
    `the store could not write all it had taken: ${error.message}. ` +
      "What is not written was not acknowledged: its publishers will send it again",
    { cause: error },
  );
}

function systemCode(error: Error): string {
  return (error.cause as NodeJS.ErrnoException | undefined)?.code ?? "";
}

/** Flag of the listener that a port belongs to. */
function flagOf(port: number, listen: ListenSettings): string {
  const rows: SettingSection = brokerSettings.listen;
  const name = Object.keys(rows).find((key) => listen[key] === port);
  return `--${name === undefined ? "port" : (rows[name]!.flag ?? `listen.${name}`)}`;
}
