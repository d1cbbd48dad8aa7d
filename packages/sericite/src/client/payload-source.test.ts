import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { splitLines } from "./payload-source.ts";

async function* chunksOf(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

const linesOf = async (chunks: readonly Uint8Array[]): Promise<string[]> => {
  const lines: string[] = [];
  for await (const line of splitLines(chunksOf(chunks)))
    lines.push(Buffer.from(line).toString("latin1"));
  return lines;
};

for (const [text, expected] of [
  ["a\nb\n", ["a", "b"]],
  ["a\n\nb", ["a", "", "b"]],
  ["\n", [""]],
  ["", []],
] as const) {
  test(`${JSON.stringify(text)} has the lines ${JSON.stringify(expected)}`, async () => {
    assert.deepEqual(await linesOf([Buffer.from(text)]), expected);
  });
}

test("lines are the same however the bytes are cut into chunks", async () => {
  const chunk = fc
    .uint8Array({ maxLength: 8 })
    .map((bytes) => bytes.map((byte) => (byte < 64 ? 10 : byte)));
  await fc.assert(
    fc.asyncProperty(fc.array(chunk), async (chunks) => {
      assert.deepEqual(await linesOf(chunks), await linesOf([Buffer.concat(chunks)]));
    }),
    { numRuns: 200 },
  );
});
