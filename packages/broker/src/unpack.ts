import * as zlib from "node:zlib";
import type { Unpack } from "./engine/unpacking.ts";

type Decompress = (bytes: Uint8Array, options: zlib.ZlibOptions) => Uint8Array;

/** Zstandard came with Node 22.15. */
const { zstdDecompressSync } = zlib as { readonly zstdDecompressSync?: Decompress };

const algorithms: ReadonlyMap<string, Decompress | undefined> = new Map([
  ["gzip", zlib.gunzipSync as Decompress],
  ["br", zlib.brotliDecompressSync as Decompress],
  ["zstd", zstdDecompressSync],
]);

/** Reads what clients compress: gzip, Brotli, and Zstandard where Node has it. */
export const unpack: Unpack = (encoding, bytes, maximumBytes) => {
  try {
    return algorithms.get(encoding)?.(bytes, { maxOutputLength: maximumBytes });
  } catch {
    // Broken, or too large: the receiver gets the message as it is, and it is counted.
    return undefined;
  }
};
