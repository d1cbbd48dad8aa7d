/**
 * Puts statements, code and tests together, and says what is missing. Knows no files.
 */

/** Who is bound by a statement that binds a broker among others. */
const BINDS_A_SERVER = new Set(["server", "both", "sender", "receiver"]);
const BINDS_A_CLIENT = new Set(["client", "both", "sender", "receiver"]);

/**
 * One row a statement.
 *
 * @param statements  `{ tag, version, section, binds, observable, summary }`
 * @param citations  `{ code: { tag, file, name }[], tests: { tag, file }[] }`
 * @param cases  `{ id, versions: { version, tags }[] }`: the cases over the wire, with what each version shows
 * @param reasons  By tag: why there is no test, or no code.
 */
export function makeRows(statements, citations, cases, reasons) {
  const code = groupBy(citations.code, ({ tag }) => tag);
  const tests = groupBy(citations.tests, ({ tag }) => tag);
  const shown = new Map();
  for (const { id, versions } of cases)
    for (const { version, tags } of versions)
      for (const tag of tags) push(shown, tag, { id, version });
  return statements.map((statement) => {
    const { tag, binds, observable } = statement;
    const own = tests.get(tag) ?? [];
    const row = {
      ...statement,
      code: code.get(tag) ?? [],
      cases: shown.get(tag) ?? [],
      tests: own,
      reason: reasons.get(tag),
      bindsServer: BINDS_A_SERVER.has(binds),
      // On a client's row "wire" means that a broker's answer to the breach can be shown.
      needsCase: observable.includes("wire"),
      bindsClient: BINDS_A_CLIENT.has(binds) && observable.includes("wire-client"),
      clientTests: own.filter(({ file }) => /packages\/(client|protocol)\//.test(file)),
    };
    row.isOpen = row.bindsClient && row.clientTests.length === 0 && row.reason === undefined;
    return row;
  });
}

/** What is wrong with the rows, as sentences. */
export function faultsOf(rows, citations, cases, reasons) {
  const faults = [];
  const known = new Set(rows.map(({ tag }) => tag));
  for (const row of rows) {
    if (row.reason !== undefined) continue;
    const { tag } = row;
    if (row.needsCase && row.cases.length === 0)
      faults.push(`${tag}: no case over the wire shows it, and no reason is given`);
    if (row.code.length === 0 && (row.bindsServer || !row.isOpen))
      faults.push(`${tag}: no code cites it, and no reason is given`);
    if (!row.needsCase && !row.bindsClient && row.tests.length === 0)
      faults.push(`${tag}: no test names it, and no reason is given`);
    if (row.isOpen) faults.push(`${tag}: no test of the client shows it`);
  }
  for (const { tag, file } of [...citations.code, ...citations.tests])
    if (!known.has(tag)) faults.push(`${file}: ${tag} is no statement`);
  for (const { id, versions } of cases)
    for (const { tags } of versions)
      for (const tag of tags)
        if (!known.has(tag)) faults.push(`case ${id}: ${tag} is no statement`);
  for (const tag of reasons.keys())
    if (!known.has(tag)) faults.push(`reasons.tsv: ${tag} is no statement`);
  return faults;
}

/**
 * What the last run of the tests does not bear out.
 *
 * @param resultOf  Gives the tests `{ name, passed, skipped }` that a source file reported, or
 * `undefined` where it was not run since it was built.
 */
export function unprovedOf(rows, caseFile, resultOf) {
  const faults = [];
  const files = new Map();
  const result = (file) => {
    if (!files.has(file)) {
      files.set(file, resultOf(file));
      if (files.get(file) === undefined) faults.push(`${file}: did not run since it was built`);
    }
    return files.get(file);
  };
  const seen = new Set();
  for (const row of rows) {
    for (const { id, version } of row.cases) {
      const name = caseName(id, version);
      if (seen.has(name)) continue;
      seen.add(name);
      const tests = result(caseFile);
      if (tests === undefined) continue;
      // Names of suites stand before that of the test.
      const own = tests.filter((test) =>
        test.name.split(" > ").some((part) => part.startsWith(`${name}:`)),
      );
      judge(faults, `case ${name}`, own);
    }
    for (const { tag, file } of row.tests) {
      const tests = result(file);
      if (tests === undefined) continue;
      const own = tests.filter((test) => test.name.includes(`[${tag}]`));
      judge(faults, `${file}: ${tag}`, own);
    }
  }
  return faults;
}

function judge(faults, what, tests) {
  if (tests.length === 0) faults.push(`${what}: no test of that name ran`);
  else if (tests.some(({ passed }) => !passed)) faults.push(`${what}: failed`);
  else if (tests.every(({ skipped }) => skipped)) faults.push(`${what}: was skipped`);
}

/** How a case is named in a version, before its colon. */
export function caseName(id, version) {
  return `${id} ${{ 3: "3.1", 4: "3.1.1", 5: "5.0" }[version]}`;
}

function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) push(groups, keyOf(item), item);
  return groups;
}

function push(groups, key, item) {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [item]);
  else group.push(item);
}
