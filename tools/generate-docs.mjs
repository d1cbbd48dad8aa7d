/**
 * Writes the pages of `docs/`, and other files, that are made from the code: its tables, its exports and their
 * doc comments.
 *
 *     npm run docs                            write them
 *     node tools/generate-docs.mjs --check    only say which are stale; exit code 1 if any is
 *
 * It reads the built output: build first.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "./checkout.mjs";
import { apiPage } from "./docs/api-page.mjs";
import { commandPage } from "./docs/command-page.mjs";
import {
  commonjsAliyunTypes,
  commonjsCompressionTypes,
  commonjsTypes,
} from "./docs/commonjs-types.mjs";
import { configurationPage } from "./docs/configuration-page.mjs";
import { interopPage } from "./docs/interop-page.mjs";
import { mosquittoPage } from "./docs/mosquitto-page.mjs";
import { referencePage } from "./docs/reference-page.mjs";

/** Generated pages: path in the checkout, and what makes its text. */
export const pages = [
  { path: "docs/CONFIGURATION.md", render: configurationPage },
  { path: "docs/COMMAND.md", render: commandPage },
  { path: "docs/client/API.md", render: apiPage },
  { path: "docs/INTEROP.md", render: interopPage },
  { path: "docs/MOSQUITTO.md", render: mosquittoPage },
  { path: "docs/REFERENCE.md", render: referencePage },
  { path: "packages/client/commonjs/index.d.cts", render: commonjsTypes },
  { path: "packages/client/commonjs/aliyun.d.cts", render: commonjsAliyunTypes },
  { path: "packages/client/commonjs/compression.d.cts", render: commonjsCompressionTypes },
];

/** Paths of the pages whose text is not what the tables give. */
export function stalePages() {
  return pages.filter(({ path, render }) => readPage(path) !== render()).map(({ path }) => path);
}

function readPage(path) {
  try {
    return readFileSync(join(ROOT, path), "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv.includes("--check")) {
    const stale = stalePages();
    for (const path of stale) console.error(`${path} is stale: \`npm run docs\` writes it anew`);
    process.exitCode = stale.length > 0 ? 1 : 0;
  } else {
    for (const { path, render } of pages) writeFileSync(join(ROOT, path), render());
  }
}
