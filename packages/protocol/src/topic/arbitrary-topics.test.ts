import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { parseTopicFilter } from "./topic-filter.ts";
import { topicNameFault } from "./topic-name.ts";

const text = fc.constantFrom("", "a", "b", "ab", "$x", "a level of more than twelve characters");

/** Topic Names of few different levels, so that Topic Filters meet them. */
export const topicNames = fc
  .array(text, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join("/"))
  .filter((topicName) => topicName !== "");

/** Topic Filters of the same levels and wildcards. */
export const topicFilters = fc
  .tuple(fc.array(fc.oneof(text, fc.constant("+")), { maxLength: 5 }), fc.boolean())
  .map(([levels, isRest]) => (isRest ? [...levels, "#"] : levels).join("/"))
  .filter((topicFilter) => topicFilter !== "");

test("the topics that properties are tried with are valid", () => {
  fc.assert(
    fc.property(topicNames, (topicName) => assert.equal(topicNameFault(topicName), undefined)),
  );
  fc.assert(
    fc.property(topicFilters, (topicFilter) =>
      assert.equal(parseTopicFilter(topicFilter).topicFilter, topicFilter),
    ),
  );
});
