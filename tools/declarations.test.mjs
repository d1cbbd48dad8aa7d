import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ROOT, temporaryFolder } from "./checkout.mjs";
import { readExports } from "./docs/declarations.mjs";

let folder = "";

before(() => {
  folder = temporaryFolder("declarations");
  writeFileSync(
    join(folder, "index.d.ts"),
    `export * from "./all.ts";
     export { one as two, type Shape } from "./other.ts";
     export { away } from "elsewhere";\n`,
  );
  writeFileSync(
    join(folder, "all.d.ts"),
    `/** Not this. */\n\n/** Opens.\n *\n * @throws Error */\nexport declare function open(path: string): void;
     export declare function open(): void;
     declare const hidden: number;
     /** A class. */
     export declare class Box extends Map<string, number> implements Iterable<number> {
       #private;
       private secret;
       /** How many. */
       readonly size: number;
     }\n`,
  );
  writeFileSync(
    join(folder, "other.d.ts"),
    "/** One. */ export declare const one: 1;\n/** A shape. */ export interface Shape { sides?: number }\n",
  );
});

after(() => rmSync(folder, { recursive: true, force: true }));

test("the exports of a package are those of all files that its door hands on", () => {
  const found = readExports(join(folder, "index.d.ts"), () => undefined);
  assert.deepEqual(
    [...found.keys()].toSorted((a, b) => a.localeCompare(b, "en")),
    ["Box", "open", "Shape", "two"],
  );
  assert.deepEqual(
    found.get("open").map(({ text, doc }) => [text, doc]),
    [
      ["function open(path: string): void;", "Opens.\n\n@throws Error"],
      ["function open(): void;", ""],
    ],
  );
  const [box] = found.get("Box");
  assert.equal(box.extended, "Map<string, number>");
  assert.deepEqual(box.members, [{ text: "readonly size: number", doc: "How many." }]);
  assert.deepEqual(found.get("two")[0].doc, "One.");
  assert.deepEqual(found.get("Shape")[0].members, [{ text: "sides?: number", doc: "" }]);
});

test("everything that the client and the protocol layer export has a doc comment", () => {
  const protocol = join(ROOT, "packages/protocol/dist/index.d.ts");
  const bare = [];
  const { exports } = JSON.parse(readFileSync(join(ROOT, "packages/client/package.json"), "utf8"));
  for (const [door, { types }] of Object.entries(exports)) {
    const path = join(ROOT, "packages/client", types);
    for (const [name, declarations] of readExports(path, () => protocol))
      if (declarations.every(({ doc }) => doc === "")) bare.push(`${door}: ${name}`);
  }
  for (const [name, declarations] of readExports(protocol, () => undefined))
    if (declarations.every(({ doc }) => doc === "")) bare.push(`protocol: ${name}`);
  assert.deepEqual(bare, []);
});
