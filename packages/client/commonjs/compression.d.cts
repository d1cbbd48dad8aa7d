// Made by `npm run docs` from what the ES module exports. Do not edit.
export type * from "../dist/node-compression.js" with { "resolution-mode": "import" };
import type * as door from "../dist/node-compression.js" with { "resolution-mode": "import" };
export declare const brotli: typeof door.brotli;
export declare const compression: typeof door.compression;
export declare const gzip: typeof door.gzip;
export declare const zstd: typeof door.zstd;
