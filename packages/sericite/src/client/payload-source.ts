import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { ConnectionError } from "@sericite/protocol";
import { usageError } from "../errors.ts";
import { lastOption } from "../options/option.ts";
import type { CommandLine } from "../options/option.ts";

/** What `pub` publishes: one payload, perhaps several times, or a payload for each line. */
export type PayloadSource =
  | { readonly kind: "single"; readonly read: () => Promise<Uint8Array> }
  | { readonly kind: "lines"; readonly lines: () => AsyncIterable<Uint8Array> };

/** Largest payload that an MQTT packet can carry, about: the packet has its Topic Name besides. Bytes. */
const largestPayload = 268_435_455;

/**
 * Find out what is to be published.
 *
 * @throws UsageError unless exactly one of -m, -f, -s, -l and -n is given.
 */
export function payloadSource(line: CommandLine): PayloadSource {
  const modes = ["message", "file", "stdin-file", "stdin-line", "null-message"];
  const given = modes.filter((name) => lastOption(line, name));
  const [mode] = given;
  if (mode === undefined)
    throw usageError("ERR_OPTION_VALUE", "there is no message: give one of -m, -f, -s, -l and -n");
  if (given.length > 1)
    throw usageError(
      "ERR_OPTION_VALUE",
      `only one of -m, -f, -s, -l and -n: --${given.join(" and --")} are given`,
    );
  const word = lastOption(line, mode)!.words[0];
  switch (mode) {
    case "message":
      return { kind: "single", read: () => Promise.resolve(Buffer.from(word!)) };
    case "null-message":
      return { kind: "single", read: () => Promise.resolve(Buffer.alloc(0)) };
    case "file":
      return { kind: "single", read: () => readWhole(word!) };
    case "stdin-file":
      return { kind: "single", read: () => readStream(process.stdin) };
    default:
      return { kind: "lines", lines: () => splitLines(process.stdin) };
  }
}

async function readWhole(path: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ConnectionError("ERR_INPUT", `cannot read ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
  return checkLength(bytes, path);
}

async function readStream(stream: Readable): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk as Uint8Array);
  return checkLength(Buffer.concat(chunks), "standard input");
}

function checkLength(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes.length <= largestPayload) return bytes;
  throw new ConnectionError(
    "ERR_INPUT",
    `${name} has ${bytes.length} bytes; a message has at most ${largestPayload}`,
  );
}

/** Lines of a stream as bytes, without their line feed; a last one without it counts too. */
export async function* splitLines(stream: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let begun: Uint8Array[] = [];
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const part = chunk.subarray(start, end);
      yield begun.length === 0 ? part : Buffer.concat([...begun, part]);
      begun = [];
      start = end + 1;
    }
    if (start < chunk.length) begun.push(chunk.subarray(start));
  }
  if (begun.length > 0) yield Buffer.concat(begun);
}
