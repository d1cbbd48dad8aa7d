import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { UsageError } from "@sericite/protocol";
import {
  parsePasswordFile,
  readPasswordFile,
  usernameFault,
  withoutUser,
  withUser,
  writePasswordText,
} from "./password-file.ts";
import { hashPassword, parsePasswordHash } from "./password-hash.ts";
import { makeScramVerifier } from "./scram-verifier.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-passwords-"));
after(() => rmSync(folder, { recursive: true }));

const bytes = (text: string): Buffer => Buffer.from(text);
/** Fast, for tests. */
const cheap = { ln: 4, r: 8, p: 1 };

test("a password is right by its own hash only", async () => {
  for (const make of [
    () => hashPassword(bytes("secret"), cheap),
    async () => String(await makeScramVerifier(bytes("secret"), "sha256", 4096)),
    async () => String(await makeScramVerifier(bytes("secret"), "sha1", 4096)),
  ]) {
    const hash = parsePasswordHash(await make());
    assert.ok(typeof hash !== "string", String(hash));
    assert.equal(hash.verify(bytes("secret")), true, hash.method);
    for (const wrong of ["", "Secret", "secret ", "secre"])
      assert.equal(hash.verify(bytes(wrong)), false, `${hash.method}: ${wrong}`);
  }
});

test("two hashes of one password differ by their salts, and say what they cost", async () => {
  const [one, other] = [
    await hashPassword(bytes("x"), cheap),
    await hashPassword(bytes("x"), cheap),
  ];
  assert.notEqual(one, other);
  assert.match(one, /^\$scrypt\$ln=4,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
});

test("the SCRAM keys of RFC 7677's example are made of its password", async () => {
  const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
  const verifier = await makeScramVerifier(bytes("pencil"), "sha256", 4096, salt);
  assert.equal(
    String(verifier),
    "$scram-sha-256$i=4096$W22ZaJ0SNY7soEsUEjb6gQ$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU",
  );
});

test("files of mosquitto_passwd are read as they are", async (t) => {
  const file = join(folder, "mosquitto");
  writeFileSync(file, "");
  chmodSync(file, 0o600);
  try {
    execFileSync("mosquitto_passwd", ["-b", file, "new", "secret"], { stdio: "pipe" });
    execFileSync("mosquitto_passwd", ["-H", "sha512", "-b", file, "old", "secret"], {
      stdio: "pipe",
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return t.skip("mosquitto_passwd is not installed");
  }
  const users = readPasswordFile(file);
  assert.match(users.get("new")!.hash.text, /^\$7\$/);
  assert.match(users.get("old")!.hash.text, /^\$6\$/);
  for (const name of ["new", "old"]) {
    assert.equal(users.get(name)!.hash.verify(bytes("secret")), true, name);
    assert.equal(users.get(name)!.hash.verify(bytes("wrong")), false, name);
  }
});

const SCRYPT = "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA";
const SCRAM =
  "$scram-sha-256$i=4096$W22ZaJ0SNY7soEsUEjb6gQ$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU";

test("comments, empty lines and line ends of Windows are no users; a user may have a line of each kind", () => {
  const users = parsePasswordFile(`# users\r\n\r\na:${SCRAM}\r\na:${SCRYPT}\r\nb:${SCRYPT}`, "f");
  assert.deepEqual([...users.keys()], ["a", "b"]);
  assert.equal(users.get("a")!.hash.text, SCRYPT);
  assert.deepEqual([...users.get("a")!.scram.keys()], ["sha256"]);
  assert.equal(users.get("b")!.scram.size, 0);
});

for (const [text, says] of [
  ["a", "users:1: expected name:hash"],
  ["# x\na:secret", "users:2: a hash is expected here"],
  [`:${SCRYPT}`, "users:1: the name is empty"],
  [`a:${SCRYPT}\na:${SCRYPT}`, "users:2: a has a line of this kind already"],
  ["a:$argon2id$v=19$m=1$x$y", "$argon2id$ are not supported"],
  ["a:$scrypt$ln=4,r=8$x$y", "no hash of the form $scrypt$"],
  ["a:$scrypt$ln=24,r=8,p=1$c2FsdA$aGFzaA", "out of bounds"],
  ["a:$scrypt$ln=4,r=8,p=1$c2FsdA$", "no hash of the form"],
  ["a:$7$0$c2FsdA==$aGFzaA==", "0 iterations are out of bounds"],
  ["a:$7$99999999$c2FsdA==$aGFzaA==", "out of bounds"],
  ["a:$6$c2FsdA==$aGFzaA==", "no hash of the form $6$"],
  ["a:$scram-sha-256$i=1$c2FsdA$aGFzaA$aGFzaA", "1 iterations are out of bounds"],
  ["a:$scram-sha-256$i=4096$c2FsdA$aGFzaA$aGFzaA", "do not have the 32 bytes"],
] as const) {
  test(`a file with ${JSON.stringify(text.slice(0, 40))} is refused: ${says}`, () => {
    assert.throws(
      () => parsePasswordFile(text, "users"),
      (error) =>
        error instanceof UsageError &&
        error.code === "ERR_PASSWORD_FILE" &&
        error.message.includes(says) &&
        !/secret|aGFzaA/.test(error.message),
    );
  });
}

for (const [name, fault] of [
  ["a:b", "colon"],
  ["a\nb", "control"],
  ["#a", "#"],
  ["", "empty"],
] as const) {
  test(`${JSON.stringify(name)} is no name for the file`, () =>
    assert.match(usernameFault(name) ?? "", new RegExp(fault)));
}

test("a user's lines change in their place, and everything else stays as it was", () => {
  const before = `# our users\na:1\nb:2\n\nb:3\nc:4\n`;
  assert.equal(withUser(before, "b", ["5", "6"]), "# our users\na:1\nb:5\nb:6\n\nc:4\n");
  assert.equal(withUser(before, "d", ["7"]), `${before}d:7\n`);
  assert.equal(withoutUser(before, "b"), "# our users\na:1\n\nc:4\n");
  assert.equal(withUser("a:1", "b", ["2"]), "a:1\nb:2\n");
});

test("a new file is its owner's only; one that is replaced keeps its permissions; nothing is left beside it", async () => {
  const inside = join(folder, "write");
  const file = join(folder, "write-users");
  await writePasswordText(file, "one\n");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  chmodSync(file, 0o640);
  await writePasswordText(file, "two\n");
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.equal(readFileSync(file, "utf8"), "two\n");
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith("write-users")),
    ["write-users"],
  );
  await assert.rejects(
    writePasswordText(join(inside, "missing", "users"), "x"),
    /cannot be written/,
  );
});

test("a file that is not there is told with its name", () =>
  assert.throws(() => readPasswordFile(join(folder, "none")), /there is no file .*none/));
