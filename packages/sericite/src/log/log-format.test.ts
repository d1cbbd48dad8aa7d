import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonFormat, textFormat } from "./log-format.ts";

const time = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6));
const plain = textFormat(false);

test("a JSON line has time, level and event first, then the fields", () => {
  const line = jsonFormat(time, "info", "client-connected", {
    clientId: "a",
    port: 5,
    nothing: undefined,
  });
  assert.equal(
    line,
    '{"time":"2026-01-02T03:04:05.006Z","level":"info","event":"client-connected","clientId":"a","port":5}\n',
  );
});

test("a field cannot take the place of time, level or event", () => {
  assert.match(
    jsonFormat(time, "info", "real", { event: "forged" }),
    /"event":"real","event_":"forged"/,
  );
});

test("a text line has time, level, event in words, then the fields", () => {
  assert.equal(
    plain(time, "warn", "slow-consumer", { clientId: "a b", bytes: 5, none: undefined }),
    '03:04:05.006 warn  slow consumer clientId="a b" bytes=5\n',
  );
});

test("an event with a message is that message alone, for people", () => {
  assert.equal(
    plain(time, "info", "started", { message: "all is well", pid: 1 }),
    "03:04:05.006 info  all is well\n",
  );
});

for (const name of ["password", "auth.password", "authenticationData", "clientSecret"]) {
  test(`the value of a field called ${name} is never written`, () => {
    for (const format of [plain, jsonFormat]) {
      const line = format(time, "info", "x", { [name]: "hunter2" });
      assert.ok(!line.includes("hunter2") && line.includes("(hidden)"), line);
    }
  });
}

test("a Client Identifier with control characters can neither forge a line nor move the cursor", () => {
  const line = plain(time, "info", "client-connected", {
    clientId: "a\n12:00 info  forged\u001b[2J\u009b",
  });
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.ok(!line.includes("\u001b") && !line.includes("\u009b"), line);
  assert.equal(jsonFormat(time, "info", "x", { clientId: "a\nb" }).split("\n").length, 2);
});

test("errors are written by their message, bytes by their number", () => {
  assert.match(
    jsonFormat(time, "error", "x", { error: new Error("gone"), payload: new Uint8Array(3) }),
    /"error":"gone","payload":"3 bytes"/,
  );
});

test("colours come only where they are asked for", () => {
  assert.ok(textFormat(true)(time, "error", "x", {}).includes("\u001b[31m"));
  assert.ok(!plain(time, "error", "x", {}).includes("\u001b"));
});
