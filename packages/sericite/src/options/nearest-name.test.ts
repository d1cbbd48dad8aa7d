import assert from "node:assert/strict";
import { test } from "node:test";
import { editDistance, nearestName } from "./nearest-name.ts";

for (const [from, to, distance] of [
  ["port", "port", 0],
  ["prot", "port", 1],
  ["port", "sport", 1],
  ["host", "port", 2],
  ["", "abc", 3],
  ["abc", "", 3],
] as const) {
  test(`from "${from}" to "${to}" are ${distance} edits`, () => {
    assert.equal(editDistance(from, to), distance);
    assert.equal(editDistance(to, from), distance);
  });
}

for (const [name, nearest] of [
  ["prot", "port"],
  ["HOST", "host"],
  ["alow-anonymous", "allow-anonymous"],
  ["xyz", undefined],
] as const) {
  test(`nearest to "${name}" is ${nearest ?? "nothing"}`, () => {
    assert.equal(nearestName(name, ["host", "port", "allow-anonymous"]), nearest);
  });
}
