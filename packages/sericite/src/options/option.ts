import { parseArgs } from "node:util";
import { usageError } from "../errors.ts";
import { nearestName } from "./nearest-name.ts";

/** One option of a command as data: parsing, help and documentation come from it. */
export interface OptionRow {
  /** Long name, without dashes. */
  readonly name: string;
  /** One letter, without its dash. */
  readonly short?: string | undefined;
  /** What help writes for its value, such as `PORT`. Absent: a switch, which takes none. */
  readonly value?: string | undefined;
  /**
   * How many words it takes, where one is not enough, given the first two of them; the words that
   * follow may begin with a dash.
   */
  readonly words?: ((first: string, second: string | undefined) => number) | undefined;
  /** A switch that may be followed by one of these words all the same. */
  readonly optionalValues?: readonly string[] | undefined;
  /** May be given more than once; elsewhere the last one counts. */
  readonly multiple?: boolean | undefined;
  /** What it does, in a sentence or two. */
  readonly text: string;
  /** Heading under which help lists it. */
  readonly group?: string | undefined;
  /** Reserved: what this version does not have yet. Using the option is refused. */
  readonly later?: string | undefined;
}

/** An option as it was found on the command line. */
export interface GivenOption {
  readonly row: OptionRow;
  /** As it was written: `-p` or `--port`. */
  readonly written: string;
  /** Its words; none for a switch. */
  readonly words: readonly string[];
}

/** What a command line holds: options in the order given, and the rest. */
export interface CommandLine {
  readonly options: readonly GivenOption[];
  readonly positionals: readonly string[];
}

/**
 * Take a command line apart.
 *
 * @param command  Name of the command, for error texts.
 * @throws UsageError for an option that is unknown, reserved, or lacks its value.
 */
export function parseOptions(
  rows: readonly OptionRow[],
  argv: readonly string[],
  command: string,
): CommandLine {
  const options: GivenOption[] = [];
  const positionals: string[] = [];
  const declared = Object.fromEntries(
    rows.map((row) => [
      row.name,
      {
        type:
          row.value === undefined || row.optionalValues
            ? ("boolean" as const)
            : ("string" as const),
        ...(row.short === undefined ? {} : { short: row.short }),
      },
    ]),
  );
  const byName = new Map(rows.map((row) => [row.name, row]));

  // `parseArgs` knows options of no word or one. After an option of several it starts again behind them.
  let start = 0;
  while (start < argv.length) {
    const rest = argv.slice(start);
    const { tokens } = parseArgs({
      args: rest,
      options: declared,
      strict: false,
      allowPositionals: true,
      tokens: true,
    });
    let next = rest.length;
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i]!;
      if (token.kind === "positional") positionals.push(token.value);
      if (token.kind !== "option") continue;
      const argument = rest[token.index]!;
      // Else `-port 2883` were `-p` with the value "ort".
      if (!argument.startsWith("--") && argument.length > 2 && byName.has(argument.slice(1))) {
        throw usageError("ERR_OPTION_UNKNOWN", `long options have two dashes: -${argument}`);
      }
      const row = byName.get(token.name);
      if (!row) throw unknownOption(token.rawName, token.name, rows, command);
      if (row.later !== undefined) {
        throw usageError(
          "ERR_OPTION_LATER",
          `${token.rawName}: this version does not have ${row.later} yet`,
        );
      }
      const words = token.value === undefined ? [] : [token.value];
      if (row.optionalValues) {
        const following = tokens[i + 1];
        if (
          words.length === 0 &&
          following?.kind === "positional" &&
          row.optionalValues.includes(following.value)
        ) {
          words.push(following.value);
          i++;
        }
      } else if (row.value === undefined && words.length > 0) {
        throw usageError(
          "ERR_OPTION_VALUE",
          `${token.rawName} takes no value, and was given "${words[0]}"`,
        );
      } else if (row.value !== undefined && words.length === 0) {
        throw usageError(
          "ERR_OPTION_VALUE",
          `${token.rawName} needs a value: ${token.rawName} ${row.value}`,
        );
      }
      options.push({ row, written: token.rawName, words });
      if (!row.words) continue;
      const wordsAt = token.index + (token.inlineValue ? 1 : 2);
      const missing = row.words(words[0]!, rest[wordsAt]) - 1;
      if (wordsAt + missing > rest.length) {
        throw usageError(
          "ERR_OPTION_VALUE",
          `${token.rawName} needs more words: ${token.rawName} ${row.value}`,
        );
      }
      words.push(...rest.slice(wordsAt, wordsAt + missing));
      next = wordsAt + missing;
      break;
    }
    start += next;
  }
  return { options, positionals };
}

/** Refuse words that belong to no option. */
export function refusePositionals(line: CommandLine, command: string): void {
  const word = line.positionals[0];
  if (word === undefined) return;
  throw usageError(
    "ERR_OPTION_UNKNOWN",
    `"${word}" is no option of \`sericite ${command}\`; options begin with a dash`,
  );
}

/** The last use of an option, or `undefined`. */
export function lastOption(line: CommandLine, name: string): GivenOption | undefined {
  return line.options.findLast((option) => option.row.name === name);
}

function unknownOption(
  written: string,
  name: string,
  rows: readonly OptionRow[],
  command: string,
): Error {
  const nearest = written.startsWith("--")
    ? nearestName(
        name,
        rows.map((row) => row.name),
      )
    : undefined;
  const hint =
    nearest === undefined
      ? `\`sericite ${command} --help\` lists them`
      : `did you mean --${nearest}?`;
  return usageError(
    "ERR_OPTION_UNKNOWN",
    `\`sericite ${command}\` has no option ${written}; ${hint}`,
  );
}
