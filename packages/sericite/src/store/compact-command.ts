import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { LogStore, NodeDisk } from "@sericite/broker";
import { ExitCode } from "../exit-code.ts";
import { lastOption } from "../options/option.ts";
import type { CommandLine } from "../options/option.ts";
import { formatBytes } from "./byte-count.ts";
import { ProgressLine } from "./progress-line.ts";
import { recoverNothing } from "./recover-nothing.ts";
import type { Print } from "./store-command.ts";
import { doWork, requireStore, storeDirectory } from "./store-directory.ts";

/** `sericite store compact`. @returns exit code. */
export async function compactCommand(line: CommandLine, print: Print): Promise<number> {
  const directory = await storeDirectory(line);
  const isQuiet = lastOption(line, "quiet") !== undefined;
  await requireStore(directory);
  const disk = new NodeDisk(directory);
  const progress = new ProgressLine("reading", isQuiet, () => disk.reading.bytes);
  const store = new LogStore(disk);
  const troubles: string[] = [];
  store.onTrouble = ({ message }) => void troubles.push(message);
  const before = await bytesIn(directory);
  try {
    await doWork("what was compacted so far stays, and nothing is lost", async (signal) => {
      await store.open(recoverNothing);
      try {
        signal.throwIfAborted();
        await store.compact({ signal, progress: (done) => progress.tell(done, "compacting") });
      } finally {
        await store.close();
      }
    });
  } finally {
    progress.end();
  }
  for (const message of troubles)
    process.stderr.write(`sericite: ${message}; it was left as it is\n`);
  const after = await bytesIn(directory);
  if (!isQuiet)
    print(
      `${directory}: ${formatBytes(before)} before, ${formatBytes(after)} after (${before} and ${after} bytes)\n`,
    );
  return troubles.length === 0 ? ExitCode.ok : ExitCode.failure;
}

/** Of the store's files. */
async function bytesIn(directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(directory))
    if (/^\d+\.(log|idx|ckp)$/.test(name)) bytes += (await stat(join(directory, name))).size;
  return bytes;
}
