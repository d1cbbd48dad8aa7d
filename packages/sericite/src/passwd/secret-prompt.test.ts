import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { secretReader } from "./secret-prompt.ts";
import type { SecretSource } from "./secret-prompt.ts";

/** A terminal whose modes are noted. */
function terminal(): { source: PassThrough & SecretSource; modes: boolean[]; shown: string[] } {
  const modes: boolean[] = [];
  const source = Object.assign(new PassThrough(), {
    isTTY: true as const,
    setRawMode(on: boolean) {
      modes.push(on);
      return this as never;
    },
  });
  return { source, modes, shown: [] };
}

for (const [keys, expected] of [
  ["secret\r", "secret"],
  ["secret\n", "secret"],
  ["sexx\u007f\bcret\r", "secret"],
  ["\u007fa\r", "a"],
  ["pässwörd 🔑\r", "pässwörd 🔑"],
  ["a🔑\u007f\r", "a"],
] as const) {
  test(`typed on a terminal, ${JSON.stringify(keys)} is ${JSON.stringify(expected)}, and nothing of it is shown`, async () => {
    const { source, modes, shown } = terminal();
    const reader = secretReader(source, (text) => shown.push(text));
    const read = reader.read("Password: ");
    for (const key of keys) source.write(key);
    assert.equal(await read, expected);
    assert.deepEqual(modes, [true, false]);
    assert.deepEqual(shown, ["Password: ", "\n"]);
    reader.close();
  });
}

test("Ctrl-C gives up, and the terminal echoes again", async () => {
  const { source, modes, shown } = terminal();
  const reader = secretReader(source, (text) => shown.push(text));
  const read = reader.read("Password: ");
  source.write("sec\u0003");
  await assert.rejects(read, { code: "ERR_INPUT" });
  assert.deepEqual(modes, [true, false]);
});

test("from a program lines are read one by one, without a prompt", async () => {
  const source = new PassThrough();
  const shown: string[] = [];
  const reader = secretReader(source, (text) => shown.push(text));
  source.end("one\r\ntwo");
  assert.deepEqual([await reader.read("?"), await reader.read("?")], ["one", "two"]);
  await assert.rejects(reader.read("?"), { code: "ERR_INPUT" });
  assert.deepEqual(shown, []);
});
