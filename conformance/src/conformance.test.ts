/**
 * Every case over the wire, in every version that it is about, against our own broker: one set up
 * as each profile asks, all in this process.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { cases } from "./cases/index.ts";
import { shownBy } from "./statements.ts";
import type { Case, Profile } from "./wire/case.ts";
import { startOwnBroker } from "./wire/profiles.ts";
import type { OwnBroker } from "./wire/profiles.ts";
import { runCase, stepsOf } from "./wire/runner.ts";

/** Cases under way at the same time: most of their time is waiting. */
const AT_ONCE = 32;

const brokers = new Map<Profile, Promise<OwnBroker>>();

before(async () => {
  for (const { profile = "default" } of cases)
    if (!brokers.has(profile)) brokers.set(profile, startOwnBroker(profile));
  await Promise.all(brokers.values());
});

after(async () => {
  for (const own of brokers.values()) await (await own)[Symbol.asyncDispose]();
});

test("each case has an id of its own", () => {
  const ids = cases.map(({ id }) => id);
  assert.deepEqual(ids, [...new Set(ids)]);
});

describe("over the wire", { concurrency: AT_ONCE }, () => {
  for (const one of cases) {
    for (const version of one.versions) {
      const tags = shownBy(one, version).map((tag) => `[${tag}]`);
      test(`${one.id} ${{ 3: "3.1", 4: "3.1.1", 5: "5.0" }[version]}: ${one.about} ${tags.join(" ")}`, async () => {
        const outcome = await run(one, version);
        if (outcome.result !== "passed") assert.fail(outcome.reason);
      });
    }
  }
});

/** A case that shuts its broker down gets one for itself. */
async function run(one: Case, version: 3 | 4 | 5): ReturnType<typeof runCase> {
  const profile = one.profile ?? "default";
  if (!stepsOf(one, version).some((step) => "broker" in step && step.broker === "close"))
    return runCase(one, version, (await brokers.get(profile)!).target);
  await using own = await startOwnBroker(profile);
  return await runCase(one, version, own.target);
}
