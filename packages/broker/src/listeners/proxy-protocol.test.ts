import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readProxyHeader } from "./proxy-protocol.ts";

const text = (line: string): Buffer => Buffer.from(line, "latin1");
const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(" ", ""), "hex");
const SIGNATURE = "0d0a0d0a 000d0a51 5549540a";
/** Version 2 with its length filled in. */
const binary = (command: string, addresses: string): Buffer => {
  const length = hex(addresses).length.toString(16).padStart(4, "0");
  return hex(`${SIGNATURE} ${command} ${length} ${addresses}`);
};

const V4 = "c0000207 7f000001 162e 075b"; // 192.0.2.7:5678 to 127.0.0.1:1883
const V6 = "20010db8000000000000000000000007 00000000000000000000000000000001 162e 075b";
const TLV = "04 0003 616263"; // NOOP with three bytes

const headers: readonly [string, Buffer, { address: string; port: number } | undefined][] = [
  [
    "PROXY TCP4",
    text("PROXY TCP4 192.0.2.7 127.0.0.1 5678 1883\r\n"),
    { address: "192.0.2.7", port: 5678 },
  ],
  [
    "PROXY TCP6",
    text("PROXY TCP6 2001:db8::7 ::1 5678 1883\r\n"),
    { address: "2001:db8::7", port: 5678 },
  ],
  ["PROXY UNKNOWN", text("PROXY UNKNOWN\r\n"), undefined],
  [
    "PROXY UNKNOWN with whatever follows, at its greatest length",
    text("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535".padEnd(105, "x") + "\r\n"),
    undefined,
  ],
  ["version 2 over IPv4", binary("21 11", V4), { address: "192.0.2.7", port: 5678 }],
  [
    "version 2 over IPv4 with TLVs",
    binary("21 11", V4 + TLV + TLV),
    { address: "192.0.2.7", port: 5678 },
  ],
  ["version 2 over IPv6", binary("21 21", V6), { address: "2001:db8::7", port: 5678 }],
  ["version 2 LOCAL", binary("20 00", ""), undefined],
  ["version 2 LOCAL with addresses, which do not count", binary("20 11", V4 + TLV), undefined],
  ["version 2 of a Unix socket", binary("21 31", "00".repeat(216)), undefined],
  ["version 2 of datagrams", binary("21 12", V4), undefined],
  ["version 2 of an unknown family", binary("21 00", ""), undefined],
];

for (const [name, bytes, source] of headers) {
  test(`${name}: the source, however the header is cut, and nothing of what follows`, () => {
    for (let i = 0; i < bytes.length; i += 1) {
      assert.equal(readProxyHeader(bytes.subarray(0, i)), "incomplete", `after ${i} bytes`);
    }
    const more = Buffer.concat([bytes, hex("10 0c 0004")]);
    for (const whole of [bytes, more]) {
      assert.deepEqual(readProxyHeader(whole), { length: bytes.length, source });
    }
  });
}

for (const [name, bytes] of [
  ["an MQTT CONNECT", hex("10 0c 0004 4d515454")],
  ["a TLS ClientHello", hex("16 0301 0200")],
  ["an HTTP request", text("GET / HTTP/1.1\r\n")],
  ["a line without an end in 107 bytes", text(`PROXY UNKNOWN ${"x".repeat(93)}`)],
  ["a line that ends in LF alone", text("PROXY TCP4 192.0.2.7 127.0.0.1 5678 1883\n")],
  ["lower case", text("proxy TCP4 192.0.2.7 127.0.0.1 5678 1883\r\n")],
  ["an unknown family", text("PROXY TCP5 192.0.2.7 127.0.0.1 5678 1883\r\n")],
  ["an address of the other family", text("PROXY TCP4 2001:db8::7 127.0.0.1 5678 1883\r\n")],
  ["an address with a zone", text("PROXY TCP6 fe80::1%eth0 ::1 5678 1883\r\n")],
  ["a destination that is no address", text("PROXY TCP4 192.0.2.7 broker 5678 1883\r\n")],
  ["a port above 65535", text("PROXY TCP4 192.0.2.7 127.0.0.1 65536 1883\r\n")],
  ["a port with a leading zero", text("PROXY TCP4 192.0.2.7 127.0.0.1 05678 1883\r\n")],
  ["a missing port", text("PROXY TCP4 192.0.2.7 127.0.0.1 5678\r\n")],
  ["a word too many", text("PROXY TCP4 192.0.2.7 127.0.0.1 5678 1883 x\r\n")],
  ["two blanks", text("PROXY  TCP4 192.0.2.7 127.0.0.1 5678 1883\r\n")],
  ["a signature with a wrong byte", hex("0d0a0d0a 000d0a51 5549540b 2111 000c")],
  ["version 3", binary("31 11", V4)],
  ["an unknown command", binary("22 11", V4)],
  ["an unknown address family", binary("21 41", V4)],
  ["an unknown transport", binary("21 13", V4)],
  ["IPv4 without room for its addresses", binary("21 11", "c0000207")],
  ["IPv6 without room for its addresses", binary("21 21", V4)],
] as const) {
  test(`malformed: ${name}`, () => assert.equal(readProxyHeader(bytes), "malformed"));
}

for (const [words, expected] of [
  ["0000 0000 0000 0000 0000 0000 0000 0000", "::"],
  ["0000 0000 0000 0000 0000 0000 0000 0001", "::1"],
  ["2001 0db8 0000 0000 0001 0000 0000 0001", "2001:db8::1:0:0:1"],
  ["2001 0db8 0001 0000 0001 0001 0001 0001", "2001:db8:1:0:1:1:1:1"],
  ["fe80 0000 0000 0000 0000 0000 0000 0000", "fe80::"],
  ["0000 0000 0000 0000 0000 ffff c000 0207", "192.0.2.7"],
] as const) {
  test(`version 2 gives the IPv6 address ${expected} in its one form`, () => {
    const reading = readProxyHeader(binary("21 21", `${words} ${"00".repeat(16)} 0001 0002`));
    assert.ok(typeof reading === "object");
    assert.deepEqual(reading.source, { address: expected, port: 1 });
  });
}

test("whatever the bytes, the answer is one of three, and a header lies within them", () => {
  const start = fc.constantFrom(
    hex(SIGNATURE),
    text("PROXY "),
    text("PROXY TCP4 "),
    Buffer.alloc(0),
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), (first, rest) => {
      const reading = readProxyHeader(Buffer.concat([first, rest]));
      if (typeof reading === "string") return;
      assert.ok(reading.length <= first.length + rest.length);
    }),
  );
});
