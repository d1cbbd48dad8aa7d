import * as client from "@sericite/client";

/** Constants of the client whose name is also that of a type. */
const ALSO_TYPES = ["ReasonCode"];

/**
 * `packages/client/commonjs/index.d.cts`: the types that a program in CommonJS gets. A compiler for
 * Node 16 or 18 does not know that `require` takes an ES module, and so refuses its types there.
 */
export function commonjsTypes() {
  const lines = [
    "// Made by `npm run docs` from what the ES module exports. Do not edit.",
    'export type * from "../dist/index.js" with { "resolution-mode": "import" };',
    'import type * as client from "../dist/index.js" with { "resolution-mode": "import" };',
  ];
  for (const [name, value] of Object.entries(client)) {
    lines.push(`export declare const ${name}: typeof client.${name};`);
    if (isClass(value) || ALSO_TYPES.includes(name))
      lines.push(`export type ${name} = client.${name};`);
  }
  return `${lines.join("\n")}\n`;
}

function isClass(value) {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}
