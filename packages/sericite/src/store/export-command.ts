import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import type { LogRecord, StoreContent, StoreReport } from "@sericite/broker";
import { ConnectionError } from "@sericite/protocol";
import { ExitCode } from "../exit-code.ts";
import { lastOption } from "../options/option.ts";
import type { CommandLine } from "../options/option.ts";
import { writeOutput } from "../standard-output.ts";
import { version } from "../version.ts";
import { counted } from "./byte-count.ts";
import { lossLines } from "./content-text.ts";
import { countsOf, endLine, headerLine, recordLine } from "./export-format.ts";
import { ProgressLine } from "./progress-line.ts";
import { doWork, openStopped, storeDirectory } from "./store-directory.ts";

/** Lines are gathered up to this length before they are written. Characters. */
const gathered = 1 << 18;

/** `sericite store export`. @returns exit code. */
export async function exportCommand(line: CommandLine): Promise<number> {
  const isQuiet = lastOption(line, "quiet") !== undefined;
  const { store, disk } = await openStopped(await storeDirectory(line));
  const output = new ExportOutput(lastOption(line, "output")?.words[0]);
  const progress = new ProgressLine("reading", isQuiet, () => disk.reading.bytes);
  const save = (record: LogRecord): void => output.line(recordLine(record));
  let content: StoreContent;
  let report: StoreReport | undefined;
  try {
    output.line(headerLine(version));
    content = await doWork("the export is not complete", async (signal) => {
      const work = {
        signal,
        progress: ({ step, ...done }: { step: string; bytes: number; ofBytes: number }): void =>
          progress.tell(done, step === "copy" ? "exporting" : "checking"),
      };
      if (!lastOption(line, "salvage")) return store.export(save, work);
      report = await store.check({ ...work, save });
      return report;
    });
    output.line(endLine(countsOf(content)));
    output.end();
  } catch (error) {
    output.discard();
    throw error;
  } finally {
    progress.end();
  }
  const lost = report === undefined ? [] : lossLines(report.lost);
  if (lost.length > 0) process.stderr.write(`Lost:\n${lost.join("\n")}\n`);
  if (!isQuiet) process.stderr.write(`exported ${summary(content)}\n`);
  return ExitCode.ok;
}

/** What an export or an import has in it, in a few words. */
export function summary(content: {
  readonly sessions: number;
  readonly messages: number;
  readonly retained: number;
}): string {
  const { sessions, messages, retained } = content;
  return `${counted(sessions, "session")}, ${counted(messages, "message")}, ${retained} of them retained`;
}

/** Where an export goes: standard output, or a file that appears when it is whole. */
class ExportOutput {
  readonly #file: string | undefined;
  readonly #fd: number | undefined;
  #lines = "";

  constructor(file: string | undefined) {
    this.#file = file;
    if (file !== undefined)
      this.#fd = attempt(`write ${file}`, () => openSync(`${file}.part`, "w", 0o600));
  }

  /** Adds a line; returns when there is room for it. */
  line(text: string): void {
    this.#lines += `${text}\n`;
    if (this.#lines.length >= gathered) this.#flush();
  }

  /** All lines are there. */
  end(): void {
    this.#flush();
    const file = this.#file;
    const fd = this.#fd;
    if (file === undefined || fd === undefined) return;
    attempt(`write ${file}`, () => {
      fsyncSync(fd);
      closeSync(fd);
      renameSync(`${file}.part`, file);
    });
  }

  /** There will be no export. */
  discard(): void {
    if (this.#file !== undefined) rmSync(`${this.#file}.part`, { force: true });
  }

  #flush(): void {
    const bytes = Buffer.from(this.#lines);
    this.#lines = "";
    const fd = this.#fd;
    attempt(`write ${this.#file ?? "standard output"}`, () => {
      if (fd === undefined) writeOutput(bytes);
      else for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    });
  }
}

/** @throws ConnectionError ERR_OUTPUT in place of what the system says. */
function attempt<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw new ConnectionError("ERR_OUTPUT", `cannot ${what}: ${(cause as Error).message}`, {
      cause,
    });
  }
}
