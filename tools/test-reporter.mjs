/**
 * Reporter of node:test for `tools/test.mjs`: one JSON line for each finished test, written to
 * file descriptor 3, so that what a test prints stays apart.
 */
import { writeSync } from "node:fs";
import { inspect } from "node:util";

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* report(events) {
  /** Names of the enclosing suites and tests, by nesting. */
  const path = [];
  for await (const { type, data } of events) {
    if (type === "test:start") {
      path.length = data.nesting;
      path.push(data.name);
    } else if (type === "test:pass" || type === "test:fail") {
      const error = data.details.error;
      const line = {
        name: [...path.slice(0, data.nesting), data.name].join(" > "),
        suite: data.details.type === "suite",
        passed: type === "test:pass",
        ms: data.details.duration_ms,
        skip: data.skip,
        todo: data.todo,
        failureType: error?.failureType,
        error: error === undefined ? undefined : inspect(error.cause ?? error, { colors: false }),
      };
      writeSync(3, `${JSON.stringify(line)}\n`);
    }
  }
  // A generator, as node:test asks for; nothing goes to the ordinary output.
  yield "";
}
