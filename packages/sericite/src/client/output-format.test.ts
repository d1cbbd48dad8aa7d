import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "@sericite/protocol";
import { compileFormat, formatParameters, topicAndPayload } from "./output-format.ts";
import type { PrintedMessage } from "./output-format.ts";
import { strftime, timeLetters } from "./strftime.ts";

const time = new Date(2026, 0, 2, 15, 4, 5, 678);
const message: PrintedMessage = {
  topicName: "a/b",
  payload: Buffer.from('h"i\u00e9'),
  qos: 1,
  retain: true,
  properties: {
    contentType: "text/plain",
    responseTopic: "r/t",
    correlationData: Buffer.from("abc"),
    messageExpiryInterval: 60,
    payloadFormatIndicator: 0,
    subscriptionIdentifiers: [5],
    userProperties: [
      ["k", "v"],
      ["k2", "v2"],
    ],
  },
};
const print = (format: string, of: PrintedMessage = message): string =>
  Buffer.from(compileFormat(format, false)(of, time)).toString();

// Widths and flags: what mosquitto_sub 2.0.11 printed.
for (const [format, expected] of [
  ["%t", "a/b"],
  ["%p", 'h"i\u00e9'],
  ["%x|%X", "682269c3a9|682269C3A9"],
  ["%l %q %r", "5 1 1"],
  ["%10t|", "       a/b|"],
  ["%-10t|", "a/b       |"],
  ["%010l|", "0000000005|"],
  ["%-5l|", "5    |"],
  ["%5.2t|%.2t|", "   a/|a/|"],
  ["%012x|", "00682269c3a9|"],
  ["%C %R %D %E %F %S", "text/plain r/t abc 60 0 5"],
  ["%P", "k:v k2:v2"],
  ["%A", ""],
  ["%%|@@|\\\\", "%|@|\\"],
  ["a\\tb\\n\\e\\0", "a\tb\n\u001b\0"],
  ["@Y-@m-@d @H:@M:@S.@N @j @a @b @p @y @e", "2026-01-02 15:04:05.678000000 002 Fri Jan PM 26  2"],
  ["", ""],
] as const) {
  test(`format ${JSON.stringify(format)} prints ${JSON.stringify(expected)}`, () =>
    assert.equal(print(format), expected));
}

test("a message without properties prints nothing for them", () => {
  assert.equal(print("%C%R%D%E%F%S%P|%05E|", { ...message, properties: undefined }), "|00000|");
});

test("payload bytes are printed as they are", () => {
  const payload = Uint8Array.of(0xff, 0, 10, 0x80);
  const of = { ...message, payload };
  assert.deepEqual([...compileFormat("%p", false)(of, time)], [...payload]);
  assert.deepEqual([...topicAndPayload(of, time)], [...Buffer.from("a/b "), ...payload]);
});

test("%j is a JSON object with the payload as text, %J with the payload as JSON", () => {
  const object = JSON.parse(print("%j")) as Record<string, unknown>;
  assert.match(String(object["tst"]), /^2026-01-02T15:04:05\.678000[+-]\d{4}$/);
  delete object["tst"];
  assert.deepEqual(object, {
    topic: "a/b",
    qos: 1,
    retain: 1,
    payloadlen: 5,
    properties: {
      "subscription-identifier": 5,
      "user-properties": { k: "v", k2: "v2" },
      "content-type": "text/plain",
      "correlation-data": "abc",
      "response-topic": "r/t",
      "payload-format-indicator": 0,
      "message-expiry-interval": 60,
    },
    payload: 'h"i\u00e9',
  });
  const inside = JSON.parse(
    print("%J", { ...message, payload: Buffer.from('{"x":[1]}') }),
  ) as Record<string, unknown>;
  assert.deepEqual(inside["payload"], { x: [1] });
  assert.throws(() => print("%J"), /the payload on a\/b is no JSON/);
});

test("a User Property that is there twice keeps both values in %j", () => {
  const properties = {
    userProperties: [
      ["k", "1"],
      ["k", "2"],
    ] as const,
  };
  const object = JSON.parse(print("%j", { ...message, properties })) as {
    properties: Record<string, unknown>;
  };
  assert.deepEqual(object.properties["user-properties"], { k: ["1", "2"] });
});

for (const format of ["%z", "%", "%-", "%5", "@", "@!", "\\q", "\\", "%m"]) {
  test(`format ${JSON.stringify(format)} is refused`, () =>
    assert.throws(() => compileFormat(format, false), UsageError));
}

test("every documented parameter is one", () => {
  for (const sequence of Object.keys(formatParameters))
    assert.doesNotThrow(() => compileFormat(sequence, false), sequence);
});

test("the first and the last day of a leap year have their numbers", () => {
  assert.equal(strftime(new Date(2024, 0, 1), "j"), "001");
  assert.equal(strftime(new Date(2024, 11, 31), "j"), "366");
  assert.equal(strftime(new Date(2024, 0, 1, 0, 30), "I"), "12");
  for (const letter of timeLetters) assert.equal(typeof strftime(time, letter), "string");
});
