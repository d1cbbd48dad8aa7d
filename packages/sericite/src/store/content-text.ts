import type { StoreContent, StoreLoss } from "@sericite/broker";
import { counted, formatBytes } from "./byte-count.ts";

/** Lines of a list that are shown; `--json` has all. */
const shownLines = 20;
/** Members of a list within a line that are shown. */
const shownNames = 10;

/** How much of what a store keeps, as lines of a table. */
export function contentLines(content: StoreContent): string[] {
  const { sessions, attached, queued, messages, messageBytes } = content;
  return rows([
    [
      "sessions",
      `${sessions}${attached === 0 ? "" : `, ${attached} of them connected at the end`}`,
    ],
    ["subscriptions", `${content.subscriptions}`],
    ["queued", `${queued}`],
    ["messages", `${messages}, ${formatBytes(messageBytes)}`],
    ["retained", `${content.retained}`],
    ["delayed", `${content.delayed}`],
    ["Wills", `${content.wills}`],
    ["bans", `${content.bans}`],
  ]);
}

/** What damage took away, as lines; none where nothing that is wanted is lost. */
export function lossLines(lost: StoreLoss): string[] {
  const { messages, entries, queues, retained, delayed, sessions, batches } = lost;
  const lines: string[] = [];
  if (messages.length > 0) {
    const numbers = names(messages.map(String));
    lines.push(`${counted(messages.length, "message")}, by number: ${numbers}`);
  }
  if (entries > 0)
    lines.push(`${counted(entries, "entry", "entries")} of ${counted(queues, "queue")}`);
  if (retained.length > 0)
    lines.push(`${counted(retained.length, "retained message")}: ${names(retained)}`);
  if (delayed > 0) lines.push(counted(delayed, "delayed message"));
  if (sessions.length > 0) {
    const keys = names(sessions.map(String));
    lines.push(
      `${counted(sessions.length, "session")} whose beginning is gone, by number: ${keys}`,
    );
  }
  if (batches.length > 0) {
    const count = batches.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const ranges = names(
      batches.map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`)),
    );
    lines.push(
      `${counted(count, "batch", "batches")} (${ranges}): what else they said, nobody knows`,
    );
  }
  return lines.map((line) => `  ${line}`);
}

/** Names and values, the values below each other. */
export function rows(pairs: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length)) + 2;
  return pairs.map(([name, value]) => `  ${name.padEnd(width)}${value}`);
}

/** Lines of a list; a long one is cut. */
export function list(lines: readonly string[]): string[] {
  const shown = lines.slice(0, shownLines).map((line) => `  ${line}`);
  if (lines.length > shownLines)
    shown.push(`  and ${lines.length - shownLines} more; --json tells all`);
  return shown;
}

function names(all: readonly string[]): string {
  const shown = all.slice(0, shownNames).map(printable).join(", ");
  return all.length > shownNames ? `${shown} and ${all.length - shownNames} more` : shown;
}

/** A text that comes from a client, without what a terminal would obey. */
export function printable(text: string): string {
  return text.replaceAll(
    /\p{Cc}/gu,
    (control) => `\\x${(control.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`,
  );
}
