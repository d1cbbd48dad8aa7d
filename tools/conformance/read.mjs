/**
 * Reads what the conformance table is made of. The cases and the lists of statements are read by
 * the compiled code of `conformance/`: build first.
 */
import { cases as allCases } from "../../conformance/dist/cases/index.js";
import { readRows, readStatements, shownBy } from "../../conformance/dist/statements.js";
import { findCitations } from "./citations.mjs";
import { makeRows } from "./table.mjs";

/** Where the cases are run. */
export const CASE_FILE = "conformance/src/conformance.test.ts";

/** Everything, read once. */
export function readConformance() {
  const cases = allCases.map((one) => ({
    id: one.id,
    about: one.about,
    versions: one.versions.map((version) => ({ version, tags: shownBy(one, version) })),
  }));
  const reasons = new Map(readRows("reasons.tsv").map(([tag, reason]) => [tag, reason]));
  const citations = findCitations();
  const rows = makeRows(readStatements(), citations, cases, reasons);
  return { cases, reasons, citations, rows };
}
