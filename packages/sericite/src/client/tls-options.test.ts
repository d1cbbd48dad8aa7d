import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { UsageError } from "@sericite/protocol";
import { parseOptions } from "../options/option.ts";
import { readTls, tlsOptions } from "./tls-options.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-"));
after(() => rmSync(folder, { recursive: true }));
for (const name of ["a.pem", "b.crt", "notes.txt"]) writeFileSync(join(folder, name), name);

const read = (...argv: string[]) => readTls(parseOptions(tlsOptions, argv, "pub"));
const file = (name: string): string => join(folder, name);

test("without an option of TLS there is none", () => assert.equal(read(), undefined));

test("files are read, those of a directory too", () => {
  const options = read(
    "--cafile",
    file("a.pem"),
    "--capath",
    folder,
    "--cert",
    file("a.pem"),
    "--key",
    file("b.crt"),
  );
  assert.deepEqual(options, {
    ca: ["a.pem", "a.pem", "b.crt"],
    cert: "a.pem",
    key: "b.crt",
    checksName: true,
  });
  assert.equal(readFileSync(file("notes.txt"), "utf8"), "notes.txt");
});

test("--insecure leaves out the check of the name, and --tls-alpn says what is offered", () => {
  const options = read("--insecure", "--tls-alpn", "x-amzn-mqtt-ca");
  assert.equal(options?.checksName, false);
  assert.deepEqual(options?.alpnProtocols, ["x-amzn-mqtt-ca"]);
  assert.equal(options?.ca, undefined);
});

for (const [argv, message] of [
  [["--cafile", "/no/such/file"], /--cafile: ENOENT/],
  [["--capath", "/no/such/folder"], /--capath: ENOENT/],
  [["--cert", file("a.pem")], /--cert and --key need each other/],
  [["--key", file("a.pem")], /--cert and --key need each other/],
] as const) {
  test(`${argv[0]} ${argv[1].replace(folder, "")} is refused`, () => {
    assert.throws(
      () => read(...argv),
      (error) => error instanceof UsageError && message.test(error.message),
    );
  });
}

test("a directory without certificates is refused", () => {
  const empty = mkdtempSync(join(folder, "empty-"));
  assert.throws(() => read("--capath", empty), {
    code: "ERR_OPTION_VALUE",
    message: /holds no file/,
  });
});
