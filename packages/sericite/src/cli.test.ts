import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commands } from "./cli.ts";
import { runCommand, startCommand } from "./testing/run-command.test-support.ts";
import { version } from "./version.ts";

test("version tells the version, help lists the commands", async () => {
  assert.equal((await runCommand(["--version"])).stdout.toString(), `sericite ${version}\n`);
  const { code, stdout } = await runCommand(["--help"]);
  assert.equal(code, 0);
  for (const { name } of commands) assert.match(stdout.toString(), new RegExp(`^  ${name} `, "m"));
});

for (const [argv, message] of [
  [[], /^Usage: sericite COMMAND/],
  [["brokr"], /there is no command brokr; did you mean broker\?/],
  [["zzzzz"], /there is no command zzzzz; `sericite help` lists/],
] as const) {
  test(`"sericite ${argv.join(" ")}" ends with exit code 2`, async () => {
    const { code, stderr } = await runCommand(argv);
    assert.equal(code, 2);
    assert.match(stderr, message);
  });
}

for (const { name } of commands) {
  test(`\`sericite ${name} --help\` shows how it is used, with examples`, async () => {
    const { code, stdout } = await runCommand([name, "--help"]);
    assert.equal(code, 0);
    assert.match(stdout.toString(), new RegExp(`^Usage: sericite ${name} [\\s\\S]*Examples:\n  `));
    for (const line of stdout.toString().split("\n")) assert.ok(line.length <= 110, line);
  });
}

test("a Node that is too old is told so, before anything newer is loaded", () => {
  const old = "Object.defineProperty(process, 'versions', { value: { node: '18.20.0' } })";
  const bin = fileURLToPath(new URL("../bin/sericite.js", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [
    "--import",
    `data:text/javascript,${old}`,
    bin,
    "version",
  ]);
  assert.equal(status, 2);
  assert.equal(stderr.toString(), "sericite: needs Node 20.19 or newer, and this is 18.20.0\n");
});

test("help that is not read to its end is no failure", async () => {
  const command = startCommand(["help"]);
  command.process.stdout!.destroy();
  const { code, stderr } = await command.ended;
  assert.deepEqual([code, stderr], [0, ""]);
});
