import { usageError } from "../errors.ts";
import { ExitCode } from "../exit-code.ts";
import { renderHelp } from "../options/help.ts";
import { nearestName } from "../options/nearest-name.ts";
import { lastOption, parseOptions, refusePositionals } from "../options/option.ts";
import type { CommandLine } from "../options/option.ts";
import { printText } from "../standard-output.ts";
import { storeActionHelp, storeActions, storeHelp, storeOptions } from "./store-options.ts";
import type { StoreAction } from "./store-options.ts";

/** Where what an action finds out goes. */
export type Print = (text: string) => void;

/** Runs one action. @returns exit code. */
type ActionRun = (line: CommandLine, print: Print) => Promise<number>;

/** What does each action. Its code is loaded only when it is called. */
const actions: Readonly<Record<StoreAction, () => Promise<ActionRun>>> = {
  check: async () => (await import("./check-command.ts")).checkCommand,
  stat: async () => (await import("./stat-command.ts")).statCommand,
  export: async () => (await import("./export-command.ts")).exportCommand,
  import: async () => (await import("./import-command.ts")).importCommand,
  compact: async () => (await import("./compact-command.ts")).compactCommand,
};

/**
 * `sericite store`: works on the store of a broker that does not run.
 *
 * @returns exit code.
 * @throws UsageError for options; ConnectionError where the store cannot be read or written.
 */
export async function run(
  [name, ...rest]: readonly string[],
  print: Print = printText,
): Promise<number> {
  if (name === "--help" || name === "-h" || (name === "help" && rest[0] === undefined)) {
    print(renderHelp(storeHelp, []));
    return ExitCode.ok;
  }
  if (name === "help") return run([rest[0]!, "--help"], print);
  const action = storeActions.find((one) => one === name);
  if (action === undefined) throw unknownAction(name);
  const rows = storeOptions[action];
  const line = parseOptions(rows, rest, `store ${action}`);
  if (lastOption(line, "help")) {
    print(renderHelp(storeActionHelp[action], rows));
    return ExitCode.ok;
  }
  refusePositionals(line, `store ${action}`);
  return (await actions[action]())(line, print);
}

function unknownAction(name: string | undefined): Error {
  const all = storeActions.join(", ");
  if (name === undefined)
    return usageError("ERR_COMMAND_UNKNOWN", `what to do with the store? One of ${all}`);
  const nearest = nearestName(name, storeActions);
  const hint = nearest === undefined ? `it is one of ${all}` : `did you mean ${nearest}?`;
  return usageError("ERR_COMMAND_UNKNOWN", `there is no \`sericite store ${name}\`; ${hint}`);
}
