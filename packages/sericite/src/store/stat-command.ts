import type { StoreFigures } from "@sericite/broker";
import { wholeNumber } from "../client/property-options.ts";
import { ExitCode } from "../exit-code.ts";
import { lastOption } from "../options/option.ts";
import type { CommandLine } from "../options/option.ts";
import { counted, formatBytes } from "./byte-count.ts";
import { contentLines, printable, rows } from "./content-text.ts";
import { ProgressLine } from "./progress-line.ts";
import type { Print } from "./store-command.ts";
import { doWork, openStopped, storeDirectory } from "./store-directory.ts";

/** `sericite store stat`. @returns exit code. */
export async function statCommand(line: CommandLine, print: Print): Promise<number> {
  const directory = await storeDirectory(line);
  const given = lastOption(line, "largest")?.words[0];
  const largest = given === undefined ? 10 : wholeNumber(given, 1_000_000, "--largest", 0);
  const { store, disk } = await openStopped(directory);
  const progress = new ProgressLine(
    "reading",
    lastOption(line, "quiet") !== undefined,
    () => disk.reading.bytes,
  );
  let figures: StoreFigures;
  try {
    figures = await doWork("nothing was changed", () => store.figures(largest));
  } finally {
    progress.end();
  }
  print(
    lastOption(line, "json")
      ? `${JSON.stringify({ directory, ...figures }, null, 2)}\n`
      : `${textOf(directory, figures).join("\n")}\n`,
  );
  return ExitCode.ok;
}

function textOf(directory: string, figures: StoreFigures): string[] {
  const { segments, segmentBytes, liveShare, largestQueues, time } = figures;
  const lines = [
    `${directory}: ${counted(figures.files, "file")}, ${formatBytes(figures.bytes)}`,
    ...rows([
      [
        "segments",
        `${segments.length}, ${formatBytes(segmentBytes)}, ${Math.round(100 * liveShare)} % of it wanted`,
      ],
      ["checkpoints", formatBytes(figures.checkpointBytes)],
      ["indexes", formatBytes(figures.indexBytes)],
      ["last batch", `${figures.lastBatch}`],
      ["last mark", time === undefined ? "none" : new Date(time.wallTime).toISOString()],
    ]),
    "",
    ...contentLines(figures),
  ];
  if (largestQueues.length > 0) lines.push("", "Largest queues:");
  for (const { clientId, count, bytes } of largestQueues)
    lines.push(`  ${counted(count, "message")}, ${formatBytes(bytes)}: ${printable(clientId)}`);
  return lines;
}
