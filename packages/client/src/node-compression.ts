import { promisify } from "node:util";
import * as zlib from "node:zlib";
import type { Compression, CompressionAlgorithm, CompressionOptions } from "./compression.ts";
import { makeCompression } from "./compression.ts";

export type { Compression, CompressionAlgorithm, CompressionOptions } from "./compression.ts";

type Function = (bytes: Uint8Array, options: object) => Promise<Uint8Array>;

function algorithm(
  name: string,
  compress: Function | undefined,
  decompress: Function | undefined,
  options: object = {},
): CompressionAlgorithm {
  const run = async (function_: Function | undefined, bytes: Uint8Array, with_: object) => {
    const { buffer, byteOffset, length } = await function_!(bytes, with_);
    return new Uint8Array(buffer, byteOffset, length);
  };
  return {
    name,
    isSupported: compress !== undefined && decompress !== undefined,
    compress: (bytes) => run(compress, bytes, options),
    decompress: (bytes, maximumBytes) => run(decompress, bytes, { maxOutputLength: maximumBytes }),
  };
}

function promised(name: string): Function | undefined {
  const function_ = (zlib as unknown as Record<string, unknown>)[name];
  return typeof function_ === "function" ? (promisify(function_) as Function) : undefined;
}

/** gzip, which every platform has. */
export const gzip: CompressionAlgorithm = algorithm("gzip", promised("gzip"), promised("gunzip"));

/** Brotli at a quality that is as quick as gzip, and packs better. */
export const brotli: CompressionAlgorithm = algorithm(
  "br",
  promised("brotliCompress"),
  promised("brotliDecompress"),
  { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } },
);

const zstdCompress = promised("zstdCompress");
const zstdDecompress = promised("zstdDecompress");

/** Frames that say how long their content is. */
const sizedZstd: Function | undefined =
  zstdCompress && ((bytes) => zstdCompress(bytes, { pledgedSrcSize: bytes.length }));

/** Node says nothing where a frame of Zstandard is cut off: its length tells, where it is in there. */
const wholeZstd: Function | undefined =
  zstdDecompress &&
  (async (bytes, options) => {
    const decompressed = await zstdDecompress(bytes, options);
    const declared = zstdContentSize(bytes);
    if (declared !== undefined && declared !== decompressed.length)
      throw new Error(`the frame is cut off: ${decompressed.length} of ${declared} bytes`);
    return decompressed;
  });

/** Frame_Content_Size of a frame (RFC 8878 §3.1.1.1); `undefined` where it has none. */
function zstdContentSize(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  switch (descriptor >> 6) {
    case 0:
      return isSingleSegment ? view.getUint8(at) : undefined;
    case 1:
      return view.getUint16(at, true) + 256;
    case 2:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}

/** Zstandard: Node 22.15 and newer. */
export const zstd: CompressionAlgorithm = algorithm("zstd", sizedZstd, wholeZstd);

/**
 * Compresses payloads (option `compression` of `connect`). MQTT 5.0: each compressed message bears a
 * User Property `content-encoding`; before it there is no place for the mark, and nothing is
 * compressed.
 *
 * ```ts
 * const client = await connect(url, { compression: compression({ topics: { "logs/#": gzip } }) });
 * ```
 *
 * @throws UsageError where the platform has not what is asked for, or a Topic Filter is none.
 */
export function compression(options: CompressionOptions = {}): Compression {
  return makeCompression(options, [gzip, brotli, zstd]);
}
