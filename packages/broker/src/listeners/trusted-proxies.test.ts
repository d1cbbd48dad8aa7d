import assert from "node:assert/strict";
import { test } from "node:test";
import { forwardedFor, TrustedProxies } from "./trusted-proxies.ts";

const trusted = new TrustedProxies(["10.0.0.0/8", "192.0.2.7", "fd00::/8", "2001:db8::7"]);

for (const [address, expected] of [
  ["10.1.2.3", true],
  ["::ffff:10.1.2.3", true], // What a socket for both families gives.
  ["11.1.2.3", false],
  ["192.0.2.7", true],
  ["192.0.2.8", false],
  ["fd12::1", true],
  ["2001:db8::7", true],
  ["2001:db8::8", false],
  ["fe80::1%eth0", false],
  [undefined, false], // A Unix socket.
  ["", false],
] as const) {
  test(`${address} is ${expected ? "trusted" : "not trusted"}`, () =>
    assert.equal(trusted.includes(address), expected));
}

test("a Unix socket is trusted where it is named", () => {
  assert.equal(new TrustedProxies(["unix"]).includes(undefined), true);
  assert.equal(new TrustedProxies(["unix"]).includes("127.0.0.1"), false);
});

for (const entry of [
  "localhost",
  "10.0.0.0/33",
  "10.0.0.0/",
  "10.0.0.0/8/8",
  "fd00::/129",
  "10.0.0",
  "/8",
  "",
]) {
  test(`"${entry}" is no entry of proxy.trusted`, () => {
    assert.throws(() => new TrustedProxies([entry]), { code: "ERR_SETTING" });
  });
}

for (const [header, from, expected, why] of [
  [
    "198.51.100.1",
    "10.0.0.1",
    { address: "198.51.100.1", port: undefined },
    "the proxy's word counts",
  ],
  ["198.51.100.1", "198.51.100.2", undefined, "a stranger's word does not"],
  [
    "6.6.6.6, 198.51.100.1",
    "10.0.0.1",
    { address: "198.51.100.1", port: undefined },
    "what the client wrote does not",
  ],
  [
    "198.51.100.1, 10.0.0.2",
    "10.0.0.1",
    { address: "198.51.100.1", port: undefined },
    "behind two proxies",
  ],
  [
    "10.0.0.3, 10.0.0.2",
    "10.0.0.1",
    { address: "10.0.0.3", port: undefined },
    "where all are trusted, the first",
  ],
  ["198.51.100.1:5678", "10.0.0.1", { address: "198.51.100.1", port: 5678 }, "with a port"],
  ["[2001:db8::1]:5678", "10.0.0.1", { address: "2001:db8::1", port: 5678 }, "IPv6 with a port"],
  ["2001:db8::1", "10.0.0.1", { address: "2001:db8::1", port: undefined }, "IPv6"],
  [
    "198.51.100.1:99999",
    "10.0.0.1",
    { address: "198.51.100.1", port: undefined },
    "a port that is none",
  ],
  ["unknown", "10.0.0.1", undefined, "a word that is no address"],
  ["fe80::1%eth0", "10.0.0.1", undefined, "a zone of another machine"],
  [
    "198.51.100.1, unknown, 10.0.0.2",
    "10.0.0.1",
    { address: "10.0.0.2", port: undefined },
    "up to what cannot be read",
  ],
  ["", "10.0.0.1", undefined, "empty"],
  [undefined, "10.0.0.1", undefined, "absent"],
] as const) {
  test(`X-Forwarded-For "${header}" from ${from}: ${why}`, () => {
    assert.deepEqual(forwardedFor(header, from, trusted), expected);
  });
}
