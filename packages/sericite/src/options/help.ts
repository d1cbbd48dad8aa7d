import type { OptionRow } from "./option.ts";

/** What help says of a command besides its options. */
export interface HelpText {
  /** Lines that show how it is called. */
  readonly usage: readonly string[];
  /** What it does, in a few sentences. */
  readonly summary: string;
  /** Command lines that work, each with what it does. */
  readonly examples: readonly (readonly [commandLine: string, text: string])[];
  /** Closing lines. */
  readonly notes?: readonly string[];
}

const width = 100;
const indent = 30;

/** Help of a command as text, at most 100 columns wide where words allow. */
export function renderHelp(help: HelpText, rows: readonly OptionRow[]): string {
  const lines = [
    ...help.usage.map((usage, i) => (i === 0 ? `Usage: ${usage}` : `       ${usage}`)),
    "",
  ];
  lines.push(...wrap(help.summary, width), "");
  lines.push("Examples:");
  for (const [commandLine, text] of help.examples) lines.push(`  ${commandLine}`, `      ${text}`);
  for (const [group, members] of groupOptions(rows)) {
    lines.push("", `${group}:`);
    for (const row of members) lines.push(...optionLines(row));
  }
  if (help.notes) lines.push("", ...help.notes.flatMap((note) => wrap(note, width)));
  return `${lines.join("\n")}\n`;
}

/** Options by the heading they stand under, in the order of the table. */
export function groupOptions(rows: readonly OptionRow[]): Map<string, OptionRow[]> {
  const groups = new Map<string, OptionRow[]>();
  for (const row of rows) {
    const group = row.group ?? "Options";
    const members = groups.get(group);
    if (members) members.push(row);
    else groups.set(group, [row]);
  }
  return groups;
}

/** How an option is written: `-p, --port PORT`. */
export function optionSyntax(row: OptionRow): string {
  const short = row.short === undefined ? "" : `-${row.short}, `;
  const value =
    row.value === undefined ? "" : row.optionalValues ? ` [${row.value}]` : ` ${row.value}`;
  return `${short}--${row.name}${value}`;
}

function optionLines(row: OptionRow): string[] {
  const left = `  ${row.short === undefined ? "    " : ""}${optionSyntax(row)}`;
  const text =
    row.later === undefined
      ? row.text
      : `${row.text} Reserved: this version does not have ${row.later} yet.`;
  const right = wrap(text, width - indent);
  if (left.length > indent - 2) return [left, ...right.map((line) => " ".repeat(indent) + line)];
  return right.map((line, i) => (i === 0 ? left.padEnd(indent) : " ".repeat(indent)) + line);
}

/** Breaks a text between words. A word longer than the width keeps a line to itself. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}
