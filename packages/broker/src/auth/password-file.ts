import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { chmod, open, rename, unlink } from "node:fs/promises";
import { UsageError } from "@sericite/protocol";
import { parsePasswordHash } from "./password-hash.ts";
import type { PasswordHash } from "./password-hash.ts";
import { parseScramVerifier } from "./scram-verifier.ts";
import type { ScramDigest, ScramVerifier } from "./scram-verifier.ts";
import { unreadable } from "./unreadable.ts";

/** What a password file says of one user. */
export interface PasswordUser {
  readonly name: string;
  /** What a password sent in CONNECT is checked by. */
  readonly hash: PasswordHash;
  readonly scram: ReadonlyMap<ScramDigest, ScramVerifier>;
}

/** The users of a password file, in its order. */
export type PasswordUsers = ReadonlyMap<string, PasswordUser>;

/** Larger files are refused: they are no password files. Bytes. */
const LARGEST = 64 * 1024 * 1024;

/**
 * Reads a password file: lines `name:hash`. A user may have several lines, one for each kind of
 * hash. Empty lines and those that begin with `#` are left alone.
 *
 * @throws UsageError ERR_PASSWORD_FILE names file and line, never a hash.
 */
export function readPasswordFile(path: string): PasswordUsers {
  return parsePasswordFile(readPasswordText(path), path);
}

/** The text of the file, as `readPasswordFile` would read it. @throws UsageError ERR_PASSWORD_FILE. */
export function readPasswordText(path: string): string {
  try {
    if (statSync(path).size > LARGEST) throw fileError(`${path} is above 64 MiB`);
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw fileError(unreadable(path, cause), cause);
  }
}

/** Reads the text of a password file. @param path  For the errors. */
export function parsePasswordFile(text: string, path: string): PasswordUsers {
  const users = new Map<string, PasswordUser & { scram: Map<ScramDigest, ScramVerifier> }>();
  const methods = new Map<string, Set<string>>();
  for (const [index, line] of text.split("\n").entries()) {
    const entry = entryOf(line);
    if (entry === undefined) continue;
    const where = `${path}:${index + 1}`;
    if (entry.hash === undefined) throw fileError(`${where}: expected name:hash`);
    const fault = usernameFault(entry.name);
    if (fault !== undefined) throw fileError(`${where}: ${fault}`);
    const hash = parsePasswordHash(entry.hash);
    if (typeof hash === "string") throw fileError(`${where}: ${hash}`);
    const kind = entry.hash.startsWith("$scram-") ? hash.method : "password";
    const kinds = methods.get(entry.name) ?? new Set();
    methods.set(entry.name, kinds);
    if (kinds.has(kind)) throw fileError(`${where}: ${entry.name} has a line of this kind already`);
    kinds.add(kind);
    const known = users.get(entry.name);
    const scram = known?.scram ?? new Map<ScramDigest, ScramVerifier>();
    if (kind !== "password") {
      const verifier = parseScramVerifier(entry.hash) as ScramVerifier;
      scram.set(verifier.digest, verifier);
    }
    const isBetter = known === undefined || kind === "password";
    users.set(entry.name, { name: entry.name, hash: isBetter ? hash : known.hash, scram });
  }
  return users;
}

/** Puts a user's lines in place of those that it has, or behind all others. */
export function withUser(text: string, name: string, hashes: readonly string[]): string {
  const lines = hashes.map((hash) => `${name}:${hash}`);
  const kept: string[] = [];
  let isPlaced = false;
  for (const line of linesOf(text)) {
    if (entryOf(line)?.name !== name) kept.push(line);
    else if (!isPlaced) {
      kept.push(...lines);
      isPlaced = true;
    }
  }
  if (!isPlaced) kept.push(...lines);
  return kept.map((line) => `${line}\n`).join("");
}

/** Takes a user's lines out. */
export function withoutUser(text: string, name: string): string {
  return withUser(text, name, []);
}

/**
 * Writes a file so that a reader finds the old text or the new one, never a part; it survives a
 * crash from then on. A new file can be read by its owner only, one that is replaced keeps its
 * permissions.
 *
 * @throws UsageError ERR_PASSWORD_FILE.
 */
export async function writePasswordText(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.new`;
  try {
    const mode = modeOf(path);
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(temporary, mode);
    await rename(temporary, path);
  } catch (cause) {
    await unlink(temporary).catch(ignoreMissing);
    throw fileError(`${path} cannot be written: ${(cause as Error).message}`, cause);
  }
}

function modeOf(path: string): number {
  try {
    return statSync(path).mode & 0o777;
  } catch (error) {
    ignoreMissing(error);
    return 0o600;
  }
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}

/** Why a name cannot stand in a password file, or `undefined`. */
export function usernameFault(name: string): string | undefined {
  if (name === "") return "the name is empty";
  if (name.includes(":")) return "a name cannot have a colon";
  if (/[\u0000-\u001f\u007f]/.test(name)) return "a name cannot have control characters";
  if (name.startsWith("#")) return "a name cannot begin with #, as comments do";
  if (Buffer.byteLength(name) > 65_535) return "a name cannot have more than 65535 bytes";
  return undefined;
}

function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Name and hash of a line; `undefined` for a line that says nothing. */
function entryOf(line: string): { name: string; hash: string | undefined } | undefined {
  const plain = line.endsWith("\r") ? line.slice(0, -1) : line;
  if (plain.trim() === "" || plain.startsWith("#")) return undefined;
  const colon = plain.indexOf(":");
  if (colon < 0) return { name: plain, hash: undefined };
  return { name: plain.slice(0, colon), hash: plain.slice(colon + 1).trim() };
}

function fileError(message: string, cause?: unknown): UsageError {
  return new UsageError("ERR_PASSWORD_FILE", message, cause === undefined ? undefined : { cause });
}
