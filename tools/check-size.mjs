/**
 * Holds the client for browsers to its size: bundled, minified, gzipped.
 *
 *     npm run check:size
 *
 * The limits are what it has now, and a little: they may sink, and rise only with a reason. The exit code is 1 above one.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const client = join(dirname(fileURLToPath(import.meta.url)), "../packages/client");

/** What a page takes of the package, and how many bytes that may be. */
const ENTRIES = [
  {
    what: "connect, and what a client does",
    contents: 'import { connect } from "@sericite/client"; globalThis.connect = connect;',
    limit: 35_600,
  },
  {
    what: "everything",
    contents: 'import * as all from "@sericite/client"; globalThis.all = all;',
    limit: 37_300,
  },
];

let isTooLarge = false;
for (const { what, contents, limit } of ENTRIES) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: client },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    metafile: true,
  });
  const foreign = Object.keys(metafile.inputs).filter((path) => path.includes("node_modules"));
  const { contents: code } = outputFiles[0];
  const size = gzipSync(code, { level: 9 }).length;
  console.log(`${what}: ${code.length} bytes, gzipped ${size} of ${limit}`);
  if (foreign.length > 0) console.error(`foreign code is in it: ${foreign.join(", ")}`);
  if (size > limit) console.error(`${size - limit} bytes too many`);
  if (size > limit || foreign.length > 0) isTooLarge = true;
}
process.exitCode = isTooLarge ? 1 : 0;
