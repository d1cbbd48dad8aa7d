import assert from "node:assert/strict";
import test from "node:test";
import { ProtocolError } from "../errors.ts";
import { matchExamples } from "./match-examples.test.ts";
import { parseTopicFilter, topicFilterMatches } from "./topic-filter.ts";

for (const [text, topicFilter, shareName, levels, hasWildcard] of [
  ["sport/tennis", "sport/tennis", undefined, 2, false],
  ["#", "#", undefined, 1, true],
  ["+", "+", undefined, 1, true],
  ["/", "/", undefined, 2, false],
  ["+/tennis/#", "+/tennis/#", undefined, 3, true],
  ["a/+/+/b", "a/+/+/b", undefined, 4, true],
  ["$SYS/#", "$SYS/#", undefined, 2, true],
  ["$share/consumer/sport/+", "sport/+", "consumer", 2, true],
  ["$share/c//finance", "/finance", "c", 2, false],
  ["$share/日本/#", "#", "日本", 1, true],
  ["$queue/a/b", "a/b", "$queue", 2, false],
  ["$queue//", "/", "$queue", 2, false],
  ["$share", "$share", undefined, 1, false],
  ["$shared/a", "$shared/a", undefined, 2, false],
  ["$queue", "$queue", undefined, 1, false],
] as const)
  test(`${text} is a Topic Filter`, () => {
    assert.deepEqual(parseTopicFilter(text), { topicFilter, shareName, levels, hasWildcard });
  });

for (const [text, fault] of [
  ["", "is empty"], // [MQTT5-4.7.3-1] [MQTT3-4.7.3-1]
  ["sport/tennis#", "has a # that does not fill a level"], // [MQTT5-4.7.1-1] [MQTT3-4.7.1-2]
  ["sport/#/ranking", "has a # before its last level"],
  ["#/", "has a # before its last level"],
  ["##", "has a # that does not fill a level"],
  ["sport+", "has a + that does not fill a level"], // [MQTT5-4.7.1-2] [MQTT3-4.7.1-3]
  ["+a/b", "has a + that does not fill a level"],
  ["a/+#", "has a + that does not fill a level"],
  ["a\0", "holds U+0000"], // [MQTT5-4.7.3-2] [MQTT3-4.7.3-2]
  ["a/\udf21", "holds a lone surrogate"],
  ["$share/", "is a Shared Subscription without a Topic Filter"],
  ["$share/c", "is a Shared Subscription without a Topic Filter"], // [MQTT5-4.8.2-2]
  ["$share/c/", "is empty"], // [MQTT5-4.8.2-2]
  ["$share//a", "has an empty ShareName"], // [MQTT5-4.8.2-1]
  ["$share/c+/a", "has a wildcard in its ShareName"], // [MQTT5-4.8.2-2]
  ["$share/#/a", "has a wildcard in its ShareName"],
  ["$share/c\0/a", "holds U+0000"],
  ["$queue/", "is empty"],
] as const)
  test(`${JSON.stringify(text)} is refused as a Topic Filter: it ${fault}`, () => {
    assert.throws(
      () => parseTopicFilter(text),
      (error) =>
        error instanceof ProtocolError &&
        error.code === "ERR_TOPIC_FILTER" &&
        error.reasonCode === 0x8f &&
        error.message === `Topic Filter ${JSON.stringify(text)} ${fault}`,
    );
  });

test("[MQTT5-4.7.3-3] [MQTT3-4.7.3-3] a Topic Filter has 65535 bytes at most, its share prefix counted", () => {
  assert.equal(parseTopicFilter("a".repeat(65_535)).levels, 1);
  assert.throws(() => parseTopicFilter("a".repeat(65_536)), /has 65536 bytes/);
  const prefix = "$share/é🌡/";
  assert.equal(parseTopicFilter(prefix + "a".repeat(65_535 - 14)).levels, 1);
  assert.throws(() => parseTopicFilter(prefix + "a".repeat(65_535 - 13)), /has 65536 bytes/);
});

test("a Topic Filter has no more levels than are allowed, its share prefix not counted", () => {
  assert.equal(parseTopicFilter("$share/c/a/b/#", 3).levels, 3);
  assert.throws(() => parseTopicFilter("a/b/c/#", 3), /has 4 levels, more than 3/);
});

test("the message shows no more of a long Topic Filter than its beginning", () => {
  assert.throws(
    () => parseTopicFilter(`${"a".repeat(1000)}#`),
    (error) => error instanceof Error && error.message.length < 200,
  );
});

for (const [topicFilter, topicName, expected] of matchExamples)
  test(`${topicFilter} ${expected ? "matches" : "does not match"} ${topicName}`, () => {
    assert.equal(topicFilterMatches(topicFilter, topicName), expected);
  });
