import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ROOT } from "../checkout.mjs";
import { code, plain, table } from "./markdown.mjs";

export const conformancePagePath = "docs/CONFORMANCE.md";

/** Written by hand: what was learnt by putting the cases to other brokers. */
const DIFFERENCES = "conformance/differences.md";

/** Of what has very many places or tests, this many are named. */
const SHOWN = 4;

const LISTS = [
  { title: "MQTT 5.0", has: ({ tag }) => tag.startsWith("MQTT5-") },
  { title: "MQTT 3.1.1", has: ({ tag }) => tag.startsWith("MQTT3-") },
  {
    title: "Rules without a number",
    has: ({ tag }) => tag.startsWith("X-"),
    text: `What clients rely on and the standard says without a number; what MQTT 3.1 says; and what is practice. The
section names the version and the place.`,
  },
];

/** `docs/CONFORMANCE.md`, of what `readConformance` gives. */
export function conformancePage({ rows, cases }) {
  const runs = cases.reduce((sum, { versions }) => sum + versions.length, 0);
  const parts = [
    head,
    `The table has ${rows.length} statements, and ${cases.length} cases over the wire that make ${runs} runs, each in one version.`,
    counts(rows),
    howToRead,
    readFileSync(join(ROOT, DIFFERENCES), "utf8").trim(),
    ...LISTS.flatMap(({ title, has, text }) => [
      `## ${title}`,
      ...(text === undefined ? [] : [text]),
      statementTable(rows.filter(has)),
    ]),
    open(rows.filter(({ isOpen }) => isOpen)),
  ];
  return `${parts.join("\n\n")}\n`;
}

function counts(rows) {
  return table(
    [
      "list",
      "statements",
      "bind a server, or its answer can be seen",
      "of these shown over the wire",
      "bind a client",
      "of these shown by tests of client and codec",
      "with a reason in place of a test",
    ],
    LISTS.map(({ title, has }) => {
      const own = rows.filter(has);
      const count = (test) => own.filter(test).length;
      return [
        title,
        own.length,
        count(({ needsCase }) => needsCase),
        count(({ needsCase, cases }) => needsCase && cases.length > 0),
        count(({ bindsClient }) => bindsClient),
        count(({ bindsClient, clientTests }) => bindsClient && clientTests.length > 0),
        count(({ reason }) => reason !== undefined),
      ];
    }),
  );
}

function statementTable(rows) {
  return table(
    ["statement", "what it says", "binds", "obeyed in", "shown by"],
    rows.map((row) => [
      row.tag,
      `${row.tag.startsWith("X-") ? `*${row.section}*: ` : ""}${plain(row.summary)}`,
      row.binds,
      row.code.length === 0 && row.reason !== undefined ? row.reason : places(row.code),
      shownBy(row),
    ]),
  );
}

function places(code) {
  const named = code.map(({ file, name }) => `[${name || basename(file)}](../${file})`);
  return list([...new Set(named)]);
}

function shownBy({ cases, tests, isOpen }) {
  const ids = [...new Set(cases.map(({ id }) => id))];
  const parts = [
    list(ids.map((id) => code(id))),
    list(tests.map(({ file }) => `[${basename(file)}](../${file})`)),
  ].filter((part) => part !== "");
  if (isOpen) parts.push("client: open");
  return parts.join("; ");
}

/** Some of many. */
function list(items) {
  if (items.length <= SHOWN) return items.join(", ");
  const shown = items.slice(0, SHOWN - 1);
  return `${shown.join(", ")} and ${items.length - shown.length} more`;
}

function open(rows) {
  const heading = "## Open";
  if (rows.length === 0)
    return `${heading}\n\nNothing: every statement that binds a client is shown by a test of the client, too.`;
  return `${heading}

These bind a client as well, and no test of \`@sericite/client\` or of the codec names them yet. The reason is the same for
all: it comes with the client's own release. What they ask of a broker is shown above.

${rows.map(({ tag }) => tag).join(", ")}`;
}

const head = `# Conformance

<!-- Made by \`npm run conformance\` from the statements, the code and the tests. Do not edit. -->

After this page you know, for every statement of MQTT 5.0 and 3.1.1, where it is obeyed and which test shows it, and you
can put the same questions to any other broker.

\`\`\`sh
npm test && npm run conformance -- --check     # is this page true? it asks the last run of the tests
node conformance/dist/run.js 127.0.0.1:1883    # the cases, put to whatever broker listens there
node conformance/dist/run.js 127.0.0.1:1883 --version 5.0 --only will- --json outcome.json
\`\`\``;

const howToRead = `## How to read it

- A **case** (\`connect-second\`) is data in \`conformance/src/cases/\`: the bytes that clients send, step by step, and what
  has to come back. A runner that knows nothing of our broker plays it in each version that it is about. Everything that
  the broker sends is decoded by the rules for a Server: a wrong flag, code or property fails the case that sees it, and so does a
  Packet Identifier that is in use.
- A **file** is a unit or integration test that names the statement.
- A place in the code has the statement's tag in a comment. Search for \`[MQTT5-3.1.0-2]\` to come to the line.
- \`binds\`: whom the statement binds; sender and receiver mean whichever end sends or receives that packet.
- Statements on nothing that can be tested have a reason in place of a test (\`conformance/statements/reasons.tsv\`).

The check fails when a statement has neither code and test nor a reason, when a test that is named here did not run or did
not pass, when a tag names no statement, and when this page is not what the sources give.`;
