import type { Compression, CompressionAlgorithm, CompressionOptions } from "../compression.ts";
import { makeCompression } from "../compression.ts";

export type { Compression, CompressionAlgorithm, CompressionOptions } from "../compression.ts";

/** Names that the streams of a browser know, by that of the mark. */
function algorithm(name: string, format: string): CompressionAlgorithm {
  return {
    name,
    isSupported: isSupported(format),
    compress: (bytes) =>
      through(bytes, new CompressionStream(format as CompressionFormat), Infinity),
    decompress: (bytes, maximumBytes) =>
      through(bytes, new DecompressionStream(format as CompressionFormat), maximumBytes),
  };
}

function isSupported(format: string): boolean {
  try {
    for (const Stream of [CompressionStream, DecompressionStream])
      void new Stream(format as CompressionFormat);
    return true;
  } catch {
    // There are no such streams, or they know no such format.
    return false;
  }
}

async function through(
  bytes: Uint8Array,
  stream: CompressionStream | DecompressionStream,
  maximumBytes: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const source = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(stream);
  const reader = source.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    chunks.push(next.value);
    length += next.value.length;
    if (length <= maximumBytes) continue;
    await reader.cancel();
    throw new Error(`more than ${maximumBytes} bytes`);
  }
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

/** gzip, which every platform has. */
export const gzip: CompressionAlgorithm = algorithm("gzip", "gzip");

/** Brotli, where the browser has it. */
export const brotli: CompressionAlgorithm = algorithm("br", "brotli");

/** Zstandard, where the browser has it. */
export const zstd: CompressionAlgorithm = algorithm("zstd", "zstd");

/** As in Node: see the other door. */
export function compression(options: CompressionOptions = {}): Compression {
  return makeCompression(options, [gzip, brotli, zstd]);
}
