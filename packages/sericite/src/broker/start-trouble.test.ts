import assert from "node:assert/strict";
import { test } from "node:test";
import { createSettings } from "@sericite/broker";
import { ConnectionError } from "@sericite/protocol";
import { listenTrouble } from "./start-trouble.ts";

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
