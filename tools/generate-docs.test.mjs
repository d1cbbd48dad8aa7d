import assert from "node:assert/strict";
import { test } from "node:test";
import { stalePages } from "./generate-docs.mjs";

test("the generated pages of docs/ are what the tables give (npm run docs writes them)", () => {
  assert.deepEqual(stalePages(), []);
});
