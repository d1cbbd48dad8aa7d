import { INSPECTOR_LINE } from "./garbage-collection.ts";

/** Warnings that belong to attacks: what they are there for. */
const EXPECTED_WARNINGS: ReadonlySet<string> = new Set([
  "limit-reached",
  "messages-dropped",
  "overload",
  "retries-exhausted",
  "slow-consumer",
]);

/**
 * The lines of a broker's log, as JSON, that attacks are no reason for: errors, warnings that it gives
 * for other reasons, and what is no line of the log, such as a warning of Node.
 */
export function unexpectedLines(printed: string): string[] {
  const unexpected: string[] = [];
  for (const line of printed.split("\n")) {
    if (line.trim() === "" || INSPECTOR_LINE.test(line)) continue;
    const { level, event } = readLine(line);
    const isExpected = level === "warn" ? EXPECTED_WARNINGS.has(event) : level === "info";
    if (!isExpected) unexpected.push(`in the log: ${line.slice(0, 500)}`);
  }
  return unexpected;
}

function readLine(line: string): { level: string; event: string } {
  try {
    return JSON.parse(line) as { level: string; event: string };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { level: "", event: "" };
  }
}
