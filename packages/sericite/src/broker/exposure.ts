import { BlockList, isIP } from "node:net";
import { brokerSettings, namesAuthentication } from "@sericite/broker";
import type { EntrySettings } from "@sericite/broker";
import { usageError } from "../errors.ts";
import type { ConfiguredListener } from "../settings/listener-list.ts";
import { portOff } from "../settings/setting-value.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether only programs of this machine can reach what listens on a host. Other names than `localhost` count as not. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === "localhost") return true;
  const family = isIP(host);
  if (family === 0) return false;
  return loopback.check(host, family === 4 ? "ipv4" : "ipv6");
}

/** Where a broker listens: a host, ports by name, and perhaps a Unix socket. */
export interface ListenSettings {
  readonly host: string;
  readonly unix: string;
  readonly [name: string]: unknown;
}

/** The settings that decide who can reach the broker, and who may enter. */
export interface ExposureSettings extends EntrySettings {
  readonly listen: ListenSettings;
}

/** Names of the ports that are not switched off. */
export function openPorts(listen: ListenSettings): string[] {
  const ports = Object.entries(brokerSettings.listen).filter(([, row]) => row.type === "port");
  return ports.map(([name]) => name).filter((name) => listen[name] !== portOff);
}

/**
 * Whether clients without a username are let in: where it is asked for by name, and on loopback as
 * long as nothing says who may enter.
 *
 * @throws UsageError ERR_EXPOSED where other machines could reach the broker and nothing says who
 * may enter; ERR_SETTING for a user without a password or the reverse.
 */
export function letsAnonymousIn({ listen, ...entry }: ExposureSettings): boolean {
  const { auth } = entry;
  checkUser(auth);
  if (auth.allowAnonymous) return true;
  if (namesAuthentication(entry)) return false;
  if (isLoopback(listen.host) || openPorts(listen).length === 0) return true;
  const advice = [
    `host ${listen.host} can be reached from other machines, and nothing says who may enter. Choose one:`,
    "  - name users: --password-file FILE; `sericite passwd FILE add NAME` makes one",
    "  - set one user: auth.username and auth.password in the config file, or in the environment",
    "    SERICITE_AUTH_USERNAME and SERICITE_AUTH_PASSWORD",
    "  - take certificates (auth.certificate), tokens (--jwt-key-file), or what a web service says",
    "    (auth.callbackUrl)",
    "  - let everybody in: --allow-anonymous",
    "  - stay on this machine: --host 127.0.0.1 (the default)",
  ];
  throw usageError("ERR_EXPOSED", advice.join("\n"));
}

/**
 * The same of all listeners together, those of the list in the config file included.
 *
 * @throws UsageError as `letsAnonymousIn` does.
 */
export function letsAnonymousInAnywhere(
  { listen, ...entry }: ExposureSettings,
  listeners: readonly ConfiguredListener[],
): boolean {
  checkUser(entry.auth);
  const hasOwn = openPorts(listen).length > 0 || listen.unix !== "";
  const answers = hasOwn ? [letsAnonymousIn({ listen, ...entry })] : [];
  for (const { options } of listeners) {
    const host = ("host" in options ? options.host : undefined) ?? listen.host;
    const port = options.transport === "unix" ? portOff : 1;
    const { allowAnonymous, methods } = options.auth ?? {};
    answers.push(
      allowAnonymous ??
        // Where it names the ways to enter, this is none of them.
        (methods === undefined &&
          letsAnonymousIn({ listen: { ...everyPortOff, host, unix: "", port }, ...entry })),
    );
  }
  return answers.includes(true);
}

const everyPortOff = Object.fromEntries(
  Object.entries(brokerSettings.listen)
    .filter(([, row]) => row.type === "port")
    .map(([name]) => [name, portOff]),
);

/** @throws UsageError ERR_SETTING for a user without a password or the reverse. */
function checkUser(auth: EntrySettings["auth"]): void {
  if ((auth.username === "") !== (auth.password === "")) {
    const missing = auth.username === "" ? "auth.username" : "auth.password";
    throw usageError(
      "ERR_SETTING",
      `${missing} is missing: a user needs both auth.username and auth.password`,
    );
  }
}
