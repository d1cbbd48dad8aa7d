import { existsSync } from "node:fs";
import {
  defaultScramIterations,
  defaultScryptCost,
  hashPassword,
  makeScramVerifier,
  parsePasswordFile,
  readPasswordText,
  scryptFault,
  usernameFault,
  withoutUser,
  withUser,
  writePasswordText,
} from "@sericite/broker/passwords";
import { usageError } from "../errors.ts";
import { ExitCode } from "../exit-code.ts";
import { renderHelp } from "../options/help.ts";
import type { HelpText } from "../options/help.ts";
import { lastOption, parseOptions } from "../options/option.ts";
import type { CommandLine, OptionRow } from "../options/option.ts";
import { printText } from "../standard-output.ts";
import { secretReader } from "./secret-prompt.ts";

/** Options of `sericite passwd`. */
export const passwdOptions: readonly OptionRow[] = [
  {
    name: "scram",
    text: "add: let the user authenticate by SCRAM-SHA-256 too, which never sends the password.",
  },
  {
    name: "scram-sha-1",
    text: "add: the same by SCRAM-SHA-1, for clients that know no better.",
  },
  {
    name: "iterations",
    value: "N",
    text: `add: rounds that a client of SCRAM has to compute. Default ${defaultScramIterations}.`,
  },
  {
    name: "cost",
    value: "N",
    text: `add: cost of the hash, as a power of two: each step doubles time and memory. Default ${defaultScryptCost.ln}: 16 MiB, some 45 ms.`,
  },
  { name: "help", text: "Print this." },
];

/** Help of `sericite passwd` besides its options. */
export const passwdHelp: HelpText = {
  usage: [
    "sericite passwd FILE add NAME [options]",
    "sericite passwd FILE remove NAME",
    "sericite passwd FILE check NAME",
    "sericite passwd FILE list",
  ],
  summary:
    "Keeps the users of a password file, the one that `auth.passwordFile` names. Passwords are asked for on a terminal, and read from standard input elsewhere, one line each; only hashes of them are kept. " +
    "Files of mosquitto_passwd are taken as they are.",
  examples: [
    ["sericite passwd users add alice", "asks for the password twice; adds alice, or changes her"],
    ["sericite passwd users add sensor-7 < secret.txt", "takes the password from a file"],
    ["sericite passwd users check alice", "tells whether a password is alice's: exit code 0 or 4"],
    ["sericite passwd users list", "the names, and how their passwords are kept"],
    ["sericite broker --password-file users", "lets these users in, and nobody else"],
  ],
  notes: [
    "A new file can be read by you only. The file is replaced as a whole, so a broker that reads it meanwhile finds the old users or the new ones. A running broker takes the new users at SIGHUP.",
  ],
};

/**
 * `sericite passwd`: keeps a password file.
 *
 * @returns exit code.
 * @throws UsageError for options, names and files.
 */
export async function run(argv: readonly string[]): Promise<number> {
  const line = parseOptions(passwdOptions, argv, "passwd");
  if (lastOption(line, "help")) {
    printText(renderHelp(passwdHelp, passwdOptions));
    return ExitCode.ok;
  }
  const [path, action, name, ...rest] = line.positionals;
  if (path === undefined || action === undefined || rest.length > 0) throw wrongWords();
  if (action === "list") {
    if (name !== undefined) throw wrongWords();
    return list(path);
  }
  if (name === undefined) throw wrongWords();
  const fault = usernameFault(name);
  if (fault !== undefined) throw usageError("ERR_OPTION_VALUE", fault);
  switch (action) {
    case "add":
      return add(path, name, line);
    case "remove":
      return remove(path, name);
    case "check":
      return check(path, name);
    default:
      throw wrongWords();
  }
}

function wrongWords(): Error {
  return usageError("ERR_OPTION_VALUE", passwdHelp.usage.join("\n"));
}

async function add(path: string, name: string, line: CommandLine): Promise<number> {
  const ln = numberOf(line, "cost") ?? defaultScryptCost.ln;
  const cost = { ...defaultScryptCost, ln };
  const fault = scryptFault(cost);
  if (fault !== undefined) throw usageError("ERR_OPTION_VALUE", `--cost: ${fault}`);
  const iterations = numberOf(line, "iterations") ?? defaultScramIterations;
  if (iterations < 4096 || iterations > 10_000_000)
    throw usageError("ERR_OPTION_VALUE", `--iterations: expected 4096…10000000, got ${iterations}`);
  // A file that cannot be read is told before anybody types a password.
  const before = existsSync(path) ? readPasswordText(path) : "";
  parsePasswordFile(before, path);
  const password = await newPassword(name);
  const hashes = [await hashPassword(password, cost)];
  if (lastOption(line, "scram"))
    hashes.push(String(await makeScramVerifier(password, "sha256", iterations)));
  if (lastOption(line, "scram-sha-1"))
    hashes.push(String(await makeScramVerifier(password, "sha1", iterations)));
  const isKnown = parsePasswordFile(before, path).has(name);
  await writePasswordText(path, withUser(before, name, hashes));
  printText(`${isKnown ? "changed" : "added"} ${name}\n`);
  return ExitCode.ok;
}

async function remove(path: string, name: string): Promise<number> {
  const before = readPasswordText(path);
  if (!parsePasswordFile(before, path).has(name)) throw unknownUser(path, name);
  await writePasswordText(path, withoutUser(before, name));
  printText(`removed ${name}\n`);
  return ExitCode.ok;
}

async function check(path: string, name: string): Promise<number> {
  const user = parsePasswordFile(readPasswordText(path), path).get(name);
  if (user === undefined) throw unknownUser(path, name);
  const [password] = await passwords([`Password of ${name}: `]);
  const isRight = user.hash.verify(password!);
  printText(isRight ? "right\n" : "wrong\n");
  return isRight ? ExitCode.ok : ExitCode.badUserNameOrPassword;
}

function list(path: string): number {
  const users = parsePasswordFile(readPasswordText(path), path);
  for (const { name, hash, scram } of users.values()) {
    const more = [...scram.keys()].map((digest) => `scram-${digest.replace("sha", "sha-")}`);
    const methods = more.includes(hash.method) ? more : [hash.method, ...more];
    printText(`${name}\t${methods.join("; ")}\n`);
  }
  return ExitCode.ok;
}

function unknownUser(path: string, name: string): Error {
  return usageError("ERR_PASSWORD_FILE", `${path} has no user ${name}`);
}

async function newPassword(name: string): Promise<Uint8Array> {
  const [password, again] = await passwords([`Password of ${name}: `, "The same again: "]);
  if (password!.length === 0) throw usageError("ERR_INPUT", "the password is empty");
  if (password!.length > 65_535)
    throw usageError("ERR_INPUT", "the password has more than the 65535 bytes that MQTT can send");
  if (again !== undefined && Buffer.compare(password!, again) !== 0)
    throw usageError("ERR_INPUT", "the two passwords differ");
  return password!;
}

/** Asks for passwords on a terminal, for each prompt; elsewhere reads one line, whatever is to be typed twice. */
async function passwords(prompts: readonly string[]): Promise<Uint8Array[]> {
  const reader = secretReader(process.stdin, (text) => process.stderr.write(text));
  try {
    const read: Uint8Array[] = [];
    for (const prompt of reader.isTerminal ? prompts : prompts.slice(0, 1))
      read.push(Buffer.from(await reader.read(prompt)));
    return read;
  } finally {
    reader.close();
  }
}

function numberOf(line: CommandLine, name: string): number | undefined {
  const text = lastOption(line, name)?.words[0];
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text))
    throw usageError("ERR_OPTION_VALUE", `--${name}: expected a whole number, got ${text}`);
  return Number(text);
}
