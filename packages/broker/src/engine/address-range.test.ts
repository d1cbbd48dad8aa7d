import assert from "node:assert/strict";
import { test } from "node:test";
import { AddressRange, parseAddress } from "./address-range.ts";

for (const [text, expected] of [
  ["192.0.2.7", "192.0.2.7"],
  ["192.0.2.7/24", "192.0.2.0/24"],
  ["192.0.2.7/32", "192.0.2.7"],
  ["0.0.0.0/0", "0.0.0.0/0"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["::FFFF:c000:207", "192.0.2.7"],
  ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
  ["2001:db8::1/33", "2001:db8::/33"],
  ["::", "::"],
  ["::/0", "::/0"],
  ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
  ["fe80::1%eth0", "fe80::1"],
  ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
] as const)
  test(`${text} is the range ${expected}`, () =>
    assert.equal(AddressRange.parse(text)?.text, expected));

for (const text of [
  "",
  "a",
  "192.0.2",
  "192.0.2.256",
  "192.0.2.07",
  "192.0.2.7/33",
  "192.0.2.7/",
  "192.0.2.7/1/2",
  "::/129",
  ":",
  "1::2::3",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7::8:9",
  "12345::",
  "1.2.3.4::",
])
  test(`"${text}" is no address and no range`, () =>
    assert.equal(AddressRange.parse(text), undefined));

for (const [range, address, expected] of [
  ["192.0.2.0/24", "192.0.2.255", true],
  ["192.0.2.0/24", "192.0.3.0", false],
  ["192.0.2.0/24", "::ffff:192.0.2.1", true],
  ["192.0.2.1", "192.0.2.1", true],
  ["0.0.0.0/0", "203.0.113.9", true],
  ["0.0.0.0/0", "2001:db8::1", false],
  ["::/0", "2001:db8::1", true],
  ["2001:db8::/33", "2001:db8:7fff::1", true],
  ["2001:db8::/33", "2001:db8:8000::1", false],
] as const)
  test(`${address} is ${expected ? "" : "not "}in ${range}`, () =>
    assert.equal(AddressRange.parse(range)!.includes(parseAddress(address)!), expected));
