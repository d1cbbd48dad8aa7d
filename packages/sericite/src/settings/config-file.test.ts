import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { UsageError } from "@sericite/protocol";
import { parseConfigFile, readConfigFile } from "./config-file.ts";

test("YAML and JSON give the same sections, keys and values", () => {
  const yaml = parseConfigFile("mqtt:\n  a: 1\n  b: x # comment\n", "c");
  const json = parseConfigFile('{ "mqtt": { "a": 1, "b": "x" } }', "c");
  const plain = ({ entries }: typeof yaml) =>
    entries.map(({ section, key, value }) => [section, key, value]);
  assert.deepEqual(plain(yaml), [
    ["mqtt", "a", 1],
    ["mqtt", "b", "x"],
  ]);
  assert.deepEqual(plain(json), plain(yaml));
  assert.deepEqual([...yaml.problems, ...json.problems], []);
});

test("JSON may be indented with tabs", () => {
  assert.deepEqual(parseConfigFile('{\n\t"mqtt": {\n\t\t"a": 1\n\t}\n}', "c").problems, []);
});

for (const text of ["", "# nothing\n", "mqtt:\n", "---\n"]) {
  test(`${JSON.stringify(text)} is a config file without settings`, () => {
    const file = parseConfigFile(text, "c");
    assert.deepEqual(file.entries, []);
    assert.deepEqual(file.problems, []);
  });
}

for (const [text, problem] of [
  ["- a\n", /^c:1:1: expected sections with their keys/],
  ["mqtt: 5\n", /^c:1:7: mqtt is a section: expected keys/],
  ["mqtt:\n\ta: 1\n", /^c:2:1: .*[Tt]abs/],
  ["mqtt: {\n", /^c:2:1: /],
  ["auth:\n  password: !hunter2\n", /^c:2:13: a value that begins with ! must stand in quotes$/],
] as const) {
  test(`${JSON.stringify(text)} is refused with its place`, () => {
    const [first] = parseConfigFile(text, "c").problems;
    assert.match(first!, problem);
  });
}

test("an anchor that is used twice gives its value twice", () => {
  const { entries } = parseConfigFile("a: &x\n  k: 1\nb: *x\n", "c");
  assert.deepEqual(
    entries.map(({ section, key, value }) => [section, key, value]),
    [
      ["a", "k", 1],
      ["b", "k", 1],
    ],
  );
});

test("a file that is missing, and one that is a directory, are told apart", () => {
  const directory = mkdtempSync(join(tmpdir(), "sericite-config-"));
  try {
    assert.throws(
      () => readConfigFile(join(directory, "none.yaml")),
      (error) => error instanceof UsageError && /there is no such file/.test(error.message),
    );
    assert.throws(() => readConfigFile(directory), /this is a directory/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
