import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { ProtocolVersion } from "@sericite/protocol";
import { hashPassword, makeScramVerifier } from "./passwords.ts";
import { RawSocket } from "./raw-socket.test-support.ts";

/** A folder that is gone when the tests of the file are through. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sericite-entry-"));
  after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Writes a password file of these users. @param ln  What a hash costs; as it is they are fast. */
export async function passwordFile(
  file: string,
  users: Readonly<Record<string, string>>,
  isScram = false,
  ln = 4,
): Promise<string> {
  const lines: string[] = [];
  for (const [user, password] of Object.entries(users)) {
    lines.push(`${user}:${await hashPassword(Buffer.from(password), { ln, r: 8, p: 1 })}\n`);
    if (!isScram) continue;
    for (const digest of ["sha256", "sha1"] as const)
      lines.push(
        `${user}:${String(await makeScramVerifier(Buffer.from(password), digest, 4096))}\n`,
      );
  }
  writeFileSync(file, lines.join(""));
  return file;
}

/** Connects and gives CONNACK as a line. */
export async function answer(
  port: number,
  version: ProtocolVersion,
  username?: string,
  password?: string,
  clientId = "c",
): Promise<string> {
  const socket = await RawSocket.open(port, version);
  const credentials = {
    username,
    password: password === undefined ? undefined : Buffer.from(password),
  };
  socket.sendConnect(clientId, credentials);
  await socket.until(() => socket.told.length > 0);
  socket.socket.destroy();
  return socket.told[0]!;
}
