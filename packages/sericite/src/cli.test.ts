import assert from "node:assert/strict";
import { test } from "node:test";
import { commands } from "./cli.ts";
import { runCommand } from "./testing/run-command.test-support.ts";
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
