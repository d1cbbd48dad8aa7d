import { createReadStream } from "node:fs";
import { link, mkdir, open, readdir, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { LogStore, NodeDisk, StoppedStore } from "@sericite/broker";
import { ConnectionError } from "@sericite/protocol";
import { splitLines } from "../client/payload-source.ts";
import { ExitCode } from "../exit-code.ts";
import { lastOption } from "../options/option.ts";
import type { CommandLine } from "../options/option.ts";
import { summary } from "./export-command.ts";
import { countsOf, readHeader, readLine } from "./export-format.ts";
import type { ExportCounts } from "./export-format.ts";
import { ProgressLine } from "./progress-line.ts";
import { recoverNothing } from "./recover-nothing.ts";
import { doWork, namesIn, storeDirectory } from "./store-directory.ts";

/** Folder of the data directory in which the new store grows. */
const growing = "importing";

/** A batch is closed after so many records, or so many bytes of lines. */
const batchRecords = 1000;
const batchBytes = 256 * 1024;

/** `sericite store import`. @returns exit code. */
export async function importCommand(line: CommandLine): Promise<number> {
  const directory = await storeDirectory(line);
  const file = lastOption(line, "input")?.words[0];
  const isQuiet = lastOption(line, "quiet") !== undefined;
  await refuseFull(directory);
  const input = await openInput(file);
  const progress = new ProgressLine("importing", isQuiet);
  let counts: ExportCounts;
  try {
    counts = await doWork("nothing was imported", (signal) => {
      // Else a pipe that stays silent would be waited for.
      signal.addEventListener("abort", input.close);
      return inDirectory(directory, async (folder) => {
        const read = await grow(folder, input.bytes, (bytes) => {
          signal.throwIfAborted();
          progress.tell({ bytes, ofBytes: input.ofBytes });
        });
        await compare(folder, read);
        return read;
      });
    });
  } finally {
    progress.end();
    input.close();
  }
  if (!isQuiet) process.stderr.write(`imported ${summary(counts)} into ${directory}\n`);
  return ExitCode.ok;
}

interface Input {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** 0: nobody knows. */
  readonly ofBytes: number;
  readonly close: () => void;
}

async function openInput(file: string | undefined): Promise<Input> {
  if (file === undefined)
    return { bytes: process.stdin, ofBytes: 0, close: () => process.stdin.destroy() };
  try {
    const handle = await open(file);
    const { size } = await handle.stat();
    const stream = createReadStream(file, { fd: handle, highWaterMark: 1 << 18 });
    return { bytes: stream, ofBytes: size, close: () => stream.destroy() };
  } catch (cause) {
    const message = `cannot read ${file}: ${(cause as Error).message}`;
    throw new ConnectionError("ERR_INPUT", message, { cause });
  }
}

/** @throws ConnectionError ERR_NOT_EMPTY where anything is in a directory. */
async function refuseFull(directory: string): Promise<void> {
  const name = (await namesIn(directory)).find((one) => one !== growing && !one.startsWith("lock"));
  if (name === undefined) return;
  throw new ConnectionError(
    "ERR_NOT_EMPTY",
    `${directory} is not empty: it holds ${name}. A store is imported into an empty directory`,
  );
}

/**
 * Takes a directory, lets a store grow in a folder of it, and puts the store's files in place.
 * Where anything fails the directory is as it was.
 */
async function inDirectory<T>(directory: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(directory, growing);
  const disk = new NodeDisk(directory);
  await disk.promise(disk.lock());
  try {
    // Another process may have been faster.
    await refuseFull(directory);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { mode: 0o700 });
    const result = await work(folder);
    await placeFiles(folder, directory);
    await disk.promise(disk.flushDirectory());
    return result;
  } finally {
    await rm(folder, { recursive: true, force: true });
    await disk.promise(disk.unlock());
  }
}

/**
 * Reads lines into a new store.
 *
 * @param tell  Is told how many bytes were read; what it throws ends the import.
 */
async function grow(
  folder: string,
  input: AsyncIterable<Uint8Array>,
  tell: (bytes: number) => void,
): Promise<ExportCounts> {
  const store = new LogStore(new NodeDisk(folder));
  await store.open(recoverNothing);
  let counts: ExportCounts;
  try {
    counts = await readInto(store, input, tell);
  } catch (error) {
    // What failed first says more than that the rest cannot be flushed either.
    await Promise.allSettled([store.close()]);
    throw error;
  }
  await store.close();
  return counts;
}

async function readInto(
  store: LogStore,
  input: AsyncIterable<Uint8Array>,
  tell: (bytes: number) => void,
): Promise<ExportCounts> {
  let failure: Error | undefined;
  store.onTrouble = (error) => {
    failure ??= error;
  };
  let counts: ExportCounts | undefined;
  let lines = 0;
  let bytes = 0;
  let records = 0;
  let told = 0;
  for await (const line of splitLines(input)) {
    lines += 1;
    bytes += line.length + 1;
    if (lines === 1) {
      readHeader(line);
      continue;
    }
    if (counts !== undefined)
      throw new ConnectionError("ERR_INPUT", `line ${lines} stands behind the end of the export`);
    const read = readLine(line, lines);
    if (read.kind === "end") {
      counts = read.counts;
      continue;
    }
    store.restore(read.record);
    records += 1;
    if (records < batchRecords && bytes - told < batchBytes) continue;
    records = 0;
    told = bytes;
    store.endTurn();
    tell(bytes);
    while (store.state === "slow" && failure === undefined) await changed(store);
    if (failure !== undefined) throw failure;
  }
  if (counts !== undefined) return counts;
  throw new ConnectionError("ERR_INPUT", "the input ends before its last line: it was cut off");
}

function changed(store: LogStore): Promise<void> {
  return new Promise((resolve) => {
    store.onState = resolve;
    store.onDurable = resolve;
  });
}

/** @throws ConnectionError where a store does not hold what the end of the export says. */
async function compare(folder: string, expected: ExportCounts): Promise<void> {
  const found = countsOf(await new StoppedStore(new NodeDisk(folder)).figures(0));
  for (const name of Object.keys(expected) as (keyof ExportCounts)[]) {
    if (found[name] === expected[name]) continue;
    throw new ConnectionError(
      "ERR_INPUT",
      `the lines do not fit together: the last one says ${name} ${expected[name]}, and they make ${found[name]}`,
    );
  }
}

/**
 * Puts a store's files in place. The last segment comes first and the checkpoint last: where the
 * machine stops in between, what is there is no store that a broker would start on.
 */
async function placeFiles(from: string, to: string): Promise<void> {
  const names = (await readdir(from)).sort().reverse();
  const isCheckpoint = (name: string): boolean => name.endsWith(".ckp");
  const ordered = [
    ...names.filter((name) => !isCheckpoint(name)),
    ...names.filter((name) => isCheckpoint(name)),
  ];
  const placed: string[] = [];
  try {
    for (const name of ordered) {
      await link(join(from, name), join(to, name));
      placed.push(name);
    }
  } catch (cause) {
    for (const name of placed) await unlink(join(to, name));
    const message = `cannot put the new store into ${to}: ${(cause as Error).message}`;
    throw new ConnectionError("ERR_OUTPUT", message, { cause });
  }
}
