import type { StoreReport } from "@sericite/broker";
import { ExitCode } from "../exit-code.ts";
import { lastOption } from "../options/option.ts";
import type { CommandLine } from "../options/option.ts";
import { counted, formatBytes } from "./byte-count.ts";
import { contentLines, list, lossLines } from "./content-text.ts";
import { ProgressLine } from "./progress-line.ts";
import type { Print } from "./store-command.ts";
import { doWork, openStopped, storeDirectory } from "./store-directory.ts";

/** `sericite store check`. @returns exit code: 1 where anything is damaged. */
export async function checkCommand(line: CommandLine, print: Print): Promise<number> {
  const directory = await storeDirectory(line);
  const isQuiet = lastOption(line, "quiet") !== undefined;
  const { store, disk } = await openStopped(directory);
  const progress = new ProgressLine("checking", isQuiet, () => disk.reading.bytes);
  let report: StoreReport;
  try {
    report = await doWork("nothing was changed", (signal) =>
      store.check({ signal, progress: (done) => progress.tell(done) }),
    );
  } finally {
    progress.end();
  }
  const isWhole = report.opens && report.damage.length === 0;
  if (lastOption(line, "json")) {
    const { largestQueues: _none, ...rest } = report;
    print(`${JSON.stringify({ directory, whole: isWhole, ...rest }, null, 2)}\n`);
  } else if (!isWhole || !isQuiet) print(`${textOf(directory, report, isWhole).join("\n")}\n`);
  return isWhole ? ExitCode.ok : ExitCode.failure;
}

function textOf(directory: string, report: StoreReport, isWhole: boolean): string[] {
  const { files, bytes, batches, damage, lost } = report;
  const read = `${counted(files, "file")}, ${formatBytes(bytes)}, ${counted(batches, "batch", "batches")}`;
  if (isWhole) return [`${directory} is whole: ${read}`, ...contentLines(report)];
  const losses = lossLines(lost);
  return [
    `${directory} is damaged: ${read}`,
    report.refusal === undefined
      ? "A broker starts on it all the same."
      : `A broker does not start on it: ${report.refusal}`,
    "",
    "Damaged:",
    ...list(damage.map(({ file, offset, what }) => `${file} at byte ${offset}: ${what}`)),
    "",
    ...(losses.length === 0 ? ["Nothing that is wanted is lost."] : ["Lost:", ...losses]),
    "",
    "Can be saved, by `sericite store export --salvage`:",
    ...contentLines(report),
  ];
}
