import * as aliyun from "@sericite/client/aliyun";
import * as client from "@sericite/client";
import * as compression from "@sericite/client/compression";

/** Constants of the client whose name is also that of a type. */
const ALSO_TYPES = ["ReasonCode"];

/** `packages/client/commonjs/index.d.cts`. */
export const commonjsTypes = () => typesOf("index", client);

/** `packages/client/commonjs/aliyun.d.cts`. */
export const commonjsAliyunTypes = () => typesOf("aliyun", aliyun);

/** `packages/client/commonjs/compression.d.cts`. */
export const commonjsCompressionTypes = () => typesOf("node-compression", compression);

/**
 * The types of a door of the client that a program in CommonJS gets. A compiler for Node 16 or 18 does
 * not know that `require` takes an ES module, and so refuses its types there.
 */
function typesOf(file, door) {
  const lines = [
    "// Made by `npm run docs` from what the ES module exports. Do not edit.",
    `export type * from "../dist/${file}.js" with { "resolution-mode": "import" };`,
    `import type * as door from "../dist/${file}.js" with { "resolution-mode": "import" };`,
  ];
  for (const [name, value] of Object.entries(door)) {
    lines.push(`export declare const ${name}: typeof door.${name};`);
    if (isClass(value) || ALSO_TYPES.includes(name))
      lines.push(`export type ${name} = door.${name};`);
  }
  return `${lines.join("\n")}\n`;
}

function isClass(value) {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}
