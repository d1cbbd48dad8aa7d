import assert from "node:assert/strict";
import { test } from "node:test";
import { createSettings } from "@sericite/broker";
import { ConnectionError } from "@sericite/protocol";
import { exitCodeOfError } from "../exit-code.ts";
import { closeTrouble, listenTrouble, storeTrouble } from "./start-trouble.ts";

for (const [code, message] of [
  ["ENOTFOUND", /^the name broker\.invalid cannot be resolved/],
  ["EAI_AGAIN", /^the name broker\.invalid cannot be resolved/],
  ["EADDRNOTAVAIL", /^no network interface of this machine has the address broker\.invalid/],
] as const) {
  test(`${code} is told as what it is`, () => {
    const cause = Object.assign(new Error(code), { code, syscall: "getaddrinfo" });
    const { listen } = createSettings({ listen: { host: "broker.invalid" } });
    const failure = new ConnectionError("ERR_LISTEN", "cannot listen", { cause });
    assert.match(listenTrouble(failure, listen).message, message);
  });
}

for (const [code, system, message] of [
  ["ERR_STORE_READ_ONLY", "EACCES", /EACCES\. Let this user write there.*--data-dir DIR/],
  ["ERR_STORE_READ_ONLY", "EROFS", /EROFS\. Let this user write there.*--durability memory/],
  ["ERR_STORE_DISK_FULL", "ENOSPC", /the disk of \/data is full\. Nothing is lost/],
  ["ERR_STORE_DISK", "EIO", /^could not do it \(in \/data\)$/],
] as const) {
  test(`a store that ${system} keeps from opening is told with what to do`, () => {
    const cause = Object.assign(new Error(system), { code: system });
    const told = storeTrouble(new ConnectionError(code, "could not do it", { cause }), "/data");
    assert.equal((told as ConnectionError).code, code);
    assert.match(told.message, message);
    assert.equal(exitCodeOfError(told), 1);
  });
}

test("a broker whose store could not write the rest ends with 1 and says what that means", () => {
  const told = closeTrouble(new ConnectionError("ERR_STORE_DISK_FULL", "no space left"));
  assert.match(told.message, /could not write .*: no space left\. .*was not acknowledged/);
  assert.equal(exitCodeOfError(told), 1);
  const late = new ConnectionError("ERR_DRAIN", "the broker did not drain");
  assert.equal(closeTrouble(late), late);
});
