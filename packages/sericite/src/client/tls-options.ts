import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { TlsOptions } from "@sericite/client";
import { usageError } from "../errors.ts";
import { lastOption } from "../options/option.ts";
import type { CommandLine, OptionRow } from "../options/option.ts";

const tls = "TLS";

/** Options of TLS, with the names that mosquitto's clients gave them. Each of them asks for TLS. */
export const tlsOptions: readonly OptionRow[] = [
  {
    name: "cafile",
    value: "FILE",
    group: tls,
    text: "Authorities that vouch for the broker, as PEM, in place of the well-known ones.",
  },
  {
    name: "capath",
    value: "DIR",
    group: tls,
    text: "Directory of such files; those ending in .pem, .crt or .cer are read.",
  },
  {
    name: "cert",
    value: "FILE",
    group: tls,
    text: "Client certificate, as PEM. Needs --key.",
  },
  { name: "key", value: "FILE", group: tls, text: "Its key, as PEM." },
  {
    name: "insecure",
    group: tls,
    text: "Take a certificate of any name. Whoever has one of the same authority can then pose as the broker.",
  },
  {
    name: "tls-alpn",
    value: "PROTOCOL",
    group: tls,
    text: "Protocol to offer (ALPN). Default mqtt.",
  },
];

/**
 * Reads the options of TLS, and their files.
 *
 * @returns `undefined` where none of them is given.
 * @throws UsageError for a file that cannot be read, and for a certificate or a key alone.
 */
export function readTls(line: CommandLine): TlsOptions | undefined {
  const word = (name: string): string | undefined => lastOption(line, name)?.words[0];
  if (!tlsOptions.some(({ name }) => lastOption(line, name) !== undefined)) return undefined;
  const cert = readPem(word("cert"), "--cert");
  const key = readPem(word("key"), "--key");
  if ((cert === undefined) !== (key === undefined))
    throw usageError("ERR_OPTION_VALUE", "--cert and --key need each other");
  const ca = [readPem(word("cafile"), "--cafile") ?? [], readFolder(word("capath"))].flat();
  const alpn = word("tls-alpn");
  return {
    ca: ca.length === 0 ? undefined : ca,
    cert,
    key,
    checksName: lastOption(line, "insecure") === undefined,
    ...(alpn === undefined ? {} : { alpnProtocols: [alpn] }),
  };
}

function readPem(file: string | undefined, option: string): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw unreadable(option, cause);
  }
}

function readFolder(folder: string | undefined): string[] {
  if (folder === undefined) return [];
  try {
    const names = readdirSync(folder).filter((name) => /\.(pem|crt|cer)$/.test(name));
    if (names.length === 0)
      throw usageError("ERR_OPTION_VALUE", `--capath: ${folder} holds no file of certificates`);
    return names.map((name) => readFileSync(join(folder, name), "utf8"));
  } catch (cause) {
    throw unreadable("--capath", cause);
  }
}

function unreadable(option: string, cause: unknown): Error {
  // What is said about the folder itself.
  if (!(cause instanceof Error) || !("syscall" in cause)) return cause as Error;
  return usageError("ERR_OPTION_VALUE", `${option}: ${cause.message}`, cause);
}
