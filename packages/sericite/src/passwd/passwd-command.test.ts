import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runCommand, startBroker } from "../testing/run-command.test-support.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-passwd-"));
after(() => rmSync(folder, { recursive: true }));

const cheap = ["--cost", "4"];

test("add, change, check, list and remove users of a file that begins as nothing", async () => {
  const file = join(folder, "users");
  const added = await runCommand(["passwd", file, "add", "alice", ...cheap], {
    input: "s e cret\n",
  });
  assert.deepEqual([added.code, added.stdout.toString()], [0, "added alice\n"]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.doesNotMatch(readFileSync(file, "utf8"), /cret/);

  const check = async (input: string) =>
    (await runCommand(["passwd", file, "check", "alice"], { input })).code;
  assert.equal(await check("s e cret\n"), 0);
  assert.equal(await check("s e cret"), 0);
  assert.equal(await check("other\n"), 4);

  const changed = await runCommand(["passwd", file, "add", "alice", "--scram", ...cheap], {
    input: "other\r\n",
  });
  assert.equal(changed.stdout.toString(), "changed alice\n");
  assert.equal(await check("other\n"), 0);
  await runCommand(["passwd", file, "add", "bob", ...cheap], { input: "b\n" });

  const listed = await runCommand(["passwd", file, "list"]);
  assert.equal(
    listed.stdout.toString(),
    "alice\tscrypt, N=2^4, r=8, p=1; scram-sha-256\nbob\tscrypt, N=2^4, r=8, p=1\n",
  );
  assert.equal((await runCommand(["passwd", file, "remove", "alice"])).code, 0);
  const rest = readFileSync(file, "utf8");
  assert.match(rest, /^bob:\S+\n$/);
});

test("a mistake ends with exit code 2 and leaves the file as it was", async () => {
  const file = join(folder, "unchanged");
  const text = "# nobody yet\n";
  writeFileSync(file, text);
  const broken = join(folder, "broken");
  writeFileSync(broken, "alice:plain\n");
  for (const [args, input, says] of [
    [["passwd"], "", /sericite passwd FILE add NAME/],
    [["passwd", file, "frobnicate", "a"], "x\n", /sericite passwd FILE add NAME/],
    [["passwd", file, "add", "a:b"], "x\n", /colon/],
    [["passwd", file, "add", "a"], "", /no password/],
    [["passwd", file, "add", "a"], "\n", /empty/],
    [["passwd", file, "add", "a", "--cost", "30"], "x\n", /out of bounds/],
    [["passwd", file, "add", "a", "--iterations", "1"], "x\n", /4096/],
    [["passwd", file, "remove", "a"], "", /has no user a/],
    [["passwd", file, "check", "a"], "x\n", /has no user a/],
    [["passwd", broken, "add", "b"], "x\n", /broken:1: a hash is expected here/],
    [["passwd", join(folder, "none"), "list"], "", /there is no file .*none/],
  ] as const) {
    const ended = await runCommand(args, { input });
    assert.equal(ended.code, 2, args.join(" "));
    assert.match(ended.stderr, says);
  }
  assert.equal(readFileSync(file, "utf8"), text);
});

test("a broker lets in the users of the file, and nobody else", async () => {
  const file = join(folder, "entry");
  await runCommand(["passwd", file, "add", "alice", ...cheap], { input: "secret\n" });
  const { command, port } = await startBroker(["--password-file", file]);
  assert.match(command.stdout.toString(), /only the configured users may enter/);
  const publish = async (...who: string[]) =>
    (await runCommand(["pub", "-p", String(port), "-t", "a", "-m", "x", "-q", "1", ...who])).code;
  assert.equal(await publish("-u", "alice", "-P", "secret"), 0);
  assert.equal(await publish("-u", "alice", "-P", "wrong"), 4);
  assert.equal(await publish("-u", "mallory", "-P", "secret"), 4);
  assert.equal(await publish(), 5);
  assert.equal(await publish("-V", "5", "-u", "mallory", "-P", "secret"), 0x86);
  assert.equal((await command.stop()).code, 0);
});

test("a broker does not start with a password file that it cannot read", async () => {
  const ended = await runCommand([
    "broker",
    "--port",
    "0",
    "--password-file",
    join(folder, "none"),
  ]);
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /auth\.passwordFile: there is no file .*none/);
});
