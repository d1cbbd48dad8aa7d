import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolVersion } from "../packet.ts";
import { bytesOf, faultOf, packetsOf, parserFor, reasonCodesOf } from "./fixtures.test.ts";
import type { Sender } from "./fixed-header.ts";

type Case = readonly [
  tag: string,
  what: string,
  from: Sender,
  version: ProtocolVersion,
  spelled: (code: string) => string,
  allowed: readonly number[],
];

const cases: readonly Case[] = [
  ["[X-9]", "CONNACK", "server", 5, (code) => `20 03 00 ${code} 00`, reasonCodesOf["connack"]!],
  ["[X-101]", "CONNACK of 3.1.1", "server", 4, (code) => `20 02 00 ${code}`, [0, 1, 2, 3, 4, 5]],
  ["[X-114]", "CONNACK of 3.1", "server", 3, (code) => `20 02 00 ${code}`, [0, 1, 2, 3, 4, 5]],
  ...(["client", "server"] as const).flatMap((from): Case[] => [
    [
      "[X-10]",
      `PUBACK from the ${from}`,
      from,
      5,
      (code) => `40 03 0001 ${code}`,
      reasonCodesOf[`puback from ${from}`]!,
    ],
    [
      "[X-10]",
      `PUBREC from the ${from}`,
      from,
      5,
      (code) => `50 04 0001 ${code} 00`,
      reasonCodesOf[`puback from ${from}`]!,
    ],
    [
      "[X-11]",
      `PUBREL from the ${from}`,
      from,
      5,
      (code) => `62 03 0001 ${code}`,
      reasonCodesOf["pubrel"]!,
    ],
    [
      "[X-11]",
      `PUBCOMP from the ${from}`,
      from,
      5,
      (code) => `70 03 0001 ${code}`,
      reasonCodesOf["pubrel"]!,
    ],
    [
      from === "client" ? "[X-15]" : "[X-14]",
      `DISCONNECT from the ${from}`,
      from,
      5,
      (code) => `e0 01 ${code}`,
      reasonCodesOf[`disconnect from ${from}`]!,
    ],
    [
      "[X-17]",
      `AUTH from the ${from}`,
      from,
      5,
      (code) => `f0 06 ${code} 04 15 0001'm'`,
      reasonCodesOf[`auth from ${from}`]!,
    ],
  ]),
  ["[X-12]", "SUBACK", "server", 5, (code) => `90 05 0001 00 00 ${code}`, reasonCodesOf["suback"]!],
  [
    "[MQTT3-3.9.3-2]",
    "SUBACK of 3.1.1",
    "server",
    4,
    (code) => `90 04 0001 01 ${code}`,
    [0, 1, 2, 0x80],
  ],
  ["[X-124]", "SUBACK of 3.1", "server", 3, (code) => `90 03 0001 ${code}`, [0, 1, 2]],
  [
    "[X-13]",
    "UNSUBACK",
    "server",
    5,
    (code) => `b0 05 0001 00 00 ${code}`,
    reasonCodesOf["unsuback"]!,
  ],
];

for (const [tag, what, from, version, spelled, allowed] of cases) {
  test(`${tag} ${what} may have the codes of its table and no other`, () => {
    for (let code = 0; code < 256; code++) {
      const bytes = bytesOf(spelled(code.toString(16).padStart(2, "0")));
      if (allowed.includes(code)) {
        assert.equal(packetsOf(parserFor({ from, version }), bytes).length, 1, `code ${code}`);
      } else {
        assert.equal(faultOf([bytes], { from, version }).reasonCode, 0x82, `code ${code}`);
      }
    }
  });
}
