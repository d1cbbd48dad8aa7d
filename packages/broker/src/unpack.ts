import * as zlib from "node:zlib";
import type { Unpack } from "./engine/unpacking.ts";

type Decompress = (bytes: Uint8Array, options: zlib.ZlibOptions) => Uint8Array;

// Without Zstandard: Node does not tell where a frame of it is cut off.
const algorithms: ReadonlyMap<string, Decompress> = new Map([
  ["gzip", zlib.gunzipSync as Decompress],
  ["br", zlib.brotliDecompressSync as Decompress],
]);

/** Reads what clients compress by gzip or Brotli. */
export const unpack: Unpack = (encoding, bytes, maximumBytes) => {
  try {
    return algorithms.get(encoding)?.(bytes, { maxOutputLength: maximumBytes });
  } catch {
    // Broken, or too large: the receiver gets the message as it is, and it is counted.
    return undefined;
  }
};
