import assert from "node:assert/strict";
import { test } from "node:test";
import { createSettings } from "@sericite/broker";
import { UsageError } from "@sericite/protocol";
import { isLoopback, letsAnonymousIn, openPorts } from "./exposure.ts";

for (const [host, expected] of [
  ["127.0.0.1", true],
  ["127.8.9.10", true],
  ["localhost", true],
  ["LOCALHOST", true],
  ["::1", true],
  ["::ffff:127.0.0.1", true],
  ["0.0.0.0", false],
  ["::", false],
  ["192.168.1.5", false],
  ["", false],
  ["127.example.com", false],
  ["localhost.example.com", false],
] as const) {
  test(`"${host}" ${expected ? "is" : "is not"} loopback`, () =>
    assert.equal(isLoopback(host), expected));
}

const { listen, auth: authDefaults, ...entry } = createSettings();
const listenOn = (host: string) => ({ ...listen, host });

const none = authDefaults;
const user = { ...none, username: "u", password: "p" };

for (const [host, auth, expected] of [
  ["127.0.0.1", none, true],
  ["127.0.0.1", user, false],
  ["127.0.0.1", { ...user, allowAnonymous: true }, true],
  ["0.0.0.0", user, false],
  ["0.0.0.0", { ...none, allowAnonymous: true }, true],
] as const) {
  test(`on ${host} with ${JSON.stringify(auth)} anonymous clients ${expected ? "may" : "may not"} enter`, () => {
    assert.equal(letsAnonymousIn({ ...entry, listen: listenOn(host), auth }), expected);
  });
}

test("a host beyond loopback without a user or --allow-anonymous is refused with what to do", () => {
  assert.throws(
    () => letsAnonymousIn({ ...entry, listen: listenOn("0.0.0.0"), auth: none }),
    (error) =>
      error instanceof UsageError &&
      error.code === "ERR_EXPOSED" &&
      /0\.0\.0\.0/.test(error.message) &&
      /--allow-anonymous/.test(error.message) &&
      /SERICITE_AUTH_PASSWORD/.test(error.message),
  );
});

for (const auth of [
  { ...none, username: "u" },
  { ...none, password: "p" },
]) {
  test(`a user with only ${auth.username === "" ? "a password" : "a name"} is refused`, () => {
    assert.throws(
      () => letsAnonymousIn({ ...entry, listen: listenOn("127.0.0.1"), auth }),
      /needs both auth\.username and auth\.password/,
    );
  });
}

test("a port that is off is not open, and a broker on a Unix socket alone is not exposed", () => {
  const onlyUnix = { ...listen, host: "0.0.0.0", port: -1, unix: "/run/sericite.sock" };
  assert.deepEqual(openPorts(listen), ["port"]);
  assert.deepEqual(openPorts(onlyUnix), []);
  assert.equal(letsAnonymousIn({ ...entry, listen: onlyUnix, auth: none }), true);
});
