import { readFileSync } from "node:fs";
import { usageError } from "../errors.ts";
import { ExitCode } from "../exit-code.ts";
import { renderHelp } from "../options/help.ts";
import type { HelpText } from "../options/help.ts";
import { lastOption, parseOptions } from "../options/option.ts";
import type { OptionRow } from "../options/option.ts";
import { printText } from "../standard-output.ts";
import { importMosquitto } from "./import-mosquitto.ts";

/** Options of `sericite config`. */
export const configOptions: readonly OptionRow[] = [{ name: "help", text: "Print this." }];

/** Help of `sericite config` besides its options. */
export const configHelp: HelpText = {
  usage: ["sericite config import-mosquitto FILE"],
  summary:
    "Makes a config file of a mosquitto.conf, and writes it to standard output. What has no counterpart, or needs a look, is told on standard error and stands at the head of the file, with its line.",
  examples: [
    [
      "sericite config import-mosquitto /etc/mosquitto/mosquitto.conf > sericite.yaml",
      "makes the file",
    ],
    ["sericite broker --config sericite.yaml --check-config", "says whether it can be used"],
  ],
  notes: [],
};

/**
 * `sericite config`.
 *
 * @returns exit code.
 * @throws UsageError for options, and for a file that cannot be read.
 */
export async function run(argv: readonly string[]): Promise<number> {
  const line = parseOptions(configOptions, argv, "config");
  if (lastOption(line, "help")) {
    printText(renderHelp(configHelp, configOptions));
    return ExitCode.ok;
  }
  const [task, file, ...more] = line.positionals;
  if (task !== "import-mosquitto" || file === undefined || more.length > 0)
    throw usageError("ERR_OPTION_VALUE", "expected: sericite config import-mosquitto FILE");
  const { text, notes } = importMosquitto(read(file), file);
  for (const note of notes) process.stderr.write(`${note}\n`);
  printText(text);
  return ExitCode.ok;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw usageError("ERR_CONFIG_FILE", `${file}: ${(cause as Error).message}`, cause);
  }
}
