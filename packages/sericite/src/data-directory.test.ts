import assert from "node:assert/strict";
import { isAbsolute } from "node:path";
import { test } from "node:test";
import { defaultDataDirectory } from "./data-directory.ts";

for (const [who, world, expected] of [
  ["root", { uid: 0, env: { XDG_STATE_HOME: "/x" }, home: "/root" }, "/var/lib/sericite"],
  ["a user", { uid: 7, env: {}, home: "/home/ann" }, "/home/ann/.local/state/sericite"],
  [
    "a user with XDG_STATE_HOME",
    { uid: 7, env: { XDG_STATE_HOME: "/x/state" }, home: "/home/ann" },
    "/x/state/sericite",
  ],
  [
    "a user whose XDG_STATE_HOME is relative",
    { uid: 7, env: { XDG_STATE_HOME: "state" }, home: "/home/ann" },
    "/home/ann/.local/state/sericite",
  ],
  [
    "a user whose XDG_STATE_HOME is empty",
    { uid: 7, env: { XDG_STATE_HOME: "" }, home: "/home/ann" },
    "/home/ann/.local/state/sericite",
  ],
] as const)
  test(`the data directory of ${who} is ${expected}`, () => {
    assert.equal(defaultDataDirectory(world), expected);
  });

test("the data directory of this process is absolute", () => {
  assert.ok(isAbsolute(defaultDataDirectory()));
});
