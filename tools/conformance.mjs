/**
 * The conformance table: every statement of the standard, where it is obeyed, and what shows it.
 *
 *     npm run conformance              writes docs/CONFORMANCE.md
 *     npm run conformance -- --check   says what is missing, stale, or not borne out by the last run of the
 *                                      tests; exit code 1 if anything is
 *     --static                         with --check: without the last run of the tests
 *
 * It reads the built output and the results that `npm test` wrote down: build and test first.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./checkout.mjs";
import { CASE_FILE, readConformance } from "./conformance/read.mjs";
import { faultsOf, unprovedOf } from "./conformance/table.mjs";
import { conformancePage, conformancePagePath } from "./docs/conformance-page.mjs";
import { readResults } from "./test-results.mjs";

const isCheck = process.argv.includes("--check");
const conformance = readConformance();
const { rows, citations, cases, reasons } = conformance;
const faults = faultsOf(rows, citations, cases, reasons);
const page = conformancePage(conformance);
const path = join(ROOT, conformancePagePath);

if (!isCheck) writeFileSync(path, page);
else {
  if (readFileSync(path, "utf8") !== page)
    faults.push(`${conformancePagePath} is stale: \`npm run conformance\` writes it anew`);
  if (!process.argv.includes("--static")) faults.push(...unprovedOf(rows, CASE_FILE, readResults));
}
for (const fault of faults) console.error(fault);

const open = rows.filter(({ isOpen }) => isOpen).length;
console.log(
  `${rows.length} statements, ${open} open on the client's side, ${faults.length} faults`,
);
process.exitCode = faults.length > 0 ? 1 : 0;
