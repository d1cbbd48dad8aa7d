import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "./checkout.mjs";
import { codeCitations, testCitations } from "./conformance/citations.mjs";
import { readConformance } from "./conformance/read.mjs";
import { faultsOf, makeRows, unprovedOf } from "./conformance/table.mjs";
import { conformancePage, conformancePagePath } from "./docs/conformance-page.mjs";

test("every statement has code and a test, or a reason, and the page says so", () => {
  const conformance = readConformance();
  const { rows, citations, cases, reasons } = conformance;
  assert.deepEqual(faultsOf(rows, citations, cases, reasons), []);
  const page = readFileSync(join(ROOT, conformancePagePath), "utf8");
  assert.ok(page === conformancePage(conformance), "stale: npm run conformance writes it anew");
});

// From here on: the check finds what it is there to find.

const statement = (tag, binds, observable) => ({
  tag,
  version: 5,
  section: "s",
  binds,
  observable: observable.split(","),
  summary: "says so",
});
const oneCase = { id: "one", versions: [{ version: 5, tags: ["MQTT5-1.1.1-1"] }] };
const server = statement("MQTT5-1.1.1-1", "server", "wire");
const cited = { tag: "MQTT5-1.1.1-1", file: "packages/broker/src/a.ts", name: "f" };
const noReasons = new Map();

function faults(statements, citations, cases, reasons = noReasons) {
  const all = { code: [], tests: [], ...citations };
  const rows = makeRows(statements, all, cases, reasons);
  return faultsOf(rows, all, cases, reasons);
}

test("a statement with code and a case has no fault", () => {
  assert.deepEqual(faults([server], { code: [cited] }, [oneCase]), []);
});

test("a statement that binds a server and has no case, or no code, is a fault; a reason stands for both", () => {
  assert.match(faults([server], { code: [cited] }, [])[0], /MQTT5-1.1.1-1: no case/);
  assert.match(faults([server], {}, [oneCase])[0], /MQTT5-1.1.1-1: no code/);
  const reasons = new Map([["MQTT5-1.1.1-1", "it is about nothing"]]);
  assert.deepEqual(faults([server], {}, [], reasons), []);
});

test("a case in another version does not show the statement", () => {
  const other = { id: "one", versions: [{ version: 4, tags: [] }] };
  assert.match(faults([server], { code: [cited] }, [other])[0], /no case/);
});

test("an internal statement needs a test that names it", () => {
  const internal = statement("X-1", "server", "internal");
  const code = [{ tag: "X-1", file: "packages/broker/src/a.ts", name: "f" }];
  assert.match(faults([internal], { code }, [])[0], /X-1: no test/);
  const tests = [{ tag: "X-1", file: "packages/broker/src/a.test.ts" }];
  assert.deepEqual(faults([internal], { code, tests }, []), []);
});

test("a client's statement is open until a test of the client names it", () => {
  const client = statement("MQTT5-1.1.1-1", "client", "wire-client");
  const [fault] = faults([client], {}, []);
  assert.match(fault, /no test of the client/);
  const broker = [{ tag: "MQTT5-1.1.1-1", file: "packages/broker/src/a.test.ts" }];
  assert.equal(faults([client], { code: [cited], tests: broker }, []).length, 1);
  const own = [{ tag: "MQTT5-1.1.1-1", file: "packages/client/src/a.test.ts" }];
  assert.deepEqual(faults([client], { code: [cited], tests: own }, []), []);
});

test("a tag that names no statement is a fault, wherever it stands", () => {
  const wrong = { tag: "MQTT5-9.9.9-9", file: "packages/broker/src/a.ts", name: "f" };
  const cases = [oneCase, { id: "two", versions: [{ version: 5, tags: ["X-999"] }] }];
  const found = faults([server], { code: [cited, wrong] }, cases, new Map([["X-998", "why"]]));
  assert.deepEqual(found, [
    "packages/broker/src/a.ts: MQTT5-9.9.9-9 is no statement",
    "case two: X-999 is no statement",
    "reasons.tsv: X-998 is no statement",
  ]);
});

test("a test that did not run, failed, or was skipped proves nothing", () => {
  const citations = {
    code: [cited],
    tests: [{ tag: "MQTT5-1.1.1-1", file: "packages/broker/src/a.test.ts" }],
  };
  const rows = makeRows([server], citations, [oneCase], noReasons);
  const unproved = (ofCases, ofUnit) =>
    unprovedOf(rows, "cases.test.ts", (file) => (file === "cases.test.ts" ? ofCases : ofUnit));
  const run = (name, passed = true, skipped = false) => ({ name, passed, skipped });
  const goodCase = [run("over the wire > one 5.0: it is so [MQTT5-1.1.1-1]")];
  const goodUnit = [run("[MQTT5-1.1.1-1] it is so")];
  assert.deepEqual(unproved(goodCase, goodUnit), []);
  assert.deepEqual(unproved(undefined, goodUnit), [
    "cases.test.ts: did not run since it was built",
  ]);
  assert.deepEqual(unproved([run("one 3.1.1: it is so")], goodUnit), [
    "case one 5.0: no test of that name ran",
  ]);
  assert.deepEqual(unproved([run("one 5.0: it is so", false)], goodUnit), ["case one 5.0: failed"]);
  assert.deepEqual(unproved(goodCase, [run("[MQTT5-1.1.1-1] it is so", true, true)]), [
    "packages/broker/src/a.test.ts: MQTT5-1.1.1-1: was skipped",
  ]);
  assert.deepEqual(unproved(goodCase, [run("it is so")]), [
    "packages/broker/src/a.test.ts: MQTT5-1.1.1-1: no test of that name ran",
  ]);
});

test("a citation belongs to the declaration that it stands in, or before", () => {
  const text = [
    "/** Makes it so [X-1]. */",
    "export function first(): void {",
    "  if (true) call(); // [X-2]",
    "}",
    "",
    "export class Thing {",
    "  /** Does it [X-3]. */",
    "  method(one: number): void {",
    "    call(); // [X-4] [X-5]",
    "  }",
    "}",
  ].join("\n");
  assert.deepEqual(
    codeCitations("a.ts", text).map(({ tag, name }) => `${tag} ${name}`),
    ["X-1 first", "X-2 first", "X-3 Thing.method", "X-4 Thing.method", "X-5 Thing.method"],
  );
});

test("in a test file names count, comments do not", () => {
  const text = [
    'test("[X-1] it is so", () => {});',
    "// as [X-2] has it",
    "  assert.ok(true); // [X-3]",
    '  ["[X-4] a row", 1],',
  ].join("\n");
  assert.deepEqual(
    testCitations("a.test.ts", text).map(({ tag }) => tag),
    ["X-1", "X-4"],
  );
});
