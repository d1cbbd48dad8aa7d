import assert from "node:assert/strict";
import test from "node:test";
import { topicNameFault } from "./topic-name.ts";

for (const [topicName, fault] of [
  ["sport/tennis/player1", undefined],
  ["/", undefined],
  ["/finance", undefined],
  ["a//b/", undefined],
  ["with a space", undefined],
  ["$SYS/uptime", undefined],
  ["日本/🌡", undefined],
  ["", "is empty"], // [MQTT5-4.7.3-1] [MQTT3-4.7.3-1]
  ["a/+", "holds the wildcard +"], // [MQTT5-4.7.0-1] [MQTT3-4.7.1-1]
  ["a#", "holds the wildcard #"],
  ["a\0b", "holds U+0000"], // [MQTT5-4.7.3-2] [MQTT3-4.7.3-2]
  ["a/\ud83c", "holds a lone surrogate"],
  ["\udf21/a", "holds a lone surrogate"],
  ["\ud83c\ud83c\udf21", "holds a lone surrogate"],
] as const)
  test(`${JSON.stringify(topicName)} ${fault ?? "is a Topic Name"}`, () => {
    assert.equal(topicNameFault(topicName), fault);
  });

test("[MQTT5-4.7.3-3] [MQTT3-4.7.3-3] a Topic Name has 65535 bytes of UTF-8 at most", () => {
  assert.equal(topicNameFault("a".repeat(65_535)), undefined);
  assert.equal(topicNameFault("a".repeat(65_536)), "has 65536 bytes, more than 65535");
  assert.equal(topicNameFault("é".repeat(32_767)), undefined);
  assert.equal(topicNameFault("é".repeat(32_768)), "has 65536 bytes, more than 65535");
  assert.equal(topicNameFault("日".repeat(21_845)), undefined);
  assert.equal(topicNameFault("🌡".repeat(16_384)), "has 65536 bytes, more than 65535");
});

test("a Topic Name has no more levels than are allowed", () => {
  assert.equal(topicNameFault("a/b/c", 3), undefined);
  assert.equal(topicNameFault("a/b/c/", 3), "has 4 levels, more than 3");
});
