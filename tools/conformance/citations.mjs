/**
 * Where the conformance statements are cited: `[MQTT5-3.3.1-2]`, `[MQTT3-…]`, `[X-7]`, in the code that
 * obeys them and in the names of the tests that show them.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { ROOT } from "../checkout.mjs";

/** The packages whose code obeys the standard. */
const PACKAGES = ["protocol", "client", "broker", "sericite"];

const TAG = /\[((?:MQTT[35]|X)-[0-9][0-9.]*(?:-[0-9]+)?)\]/g;

/** Tags of a text, without brackets. */
export function tagsOf(text) {
  return [...text.matchAll(TAG)].map(([, tag]) => tag);
}

/**
 * All citations.
 *
 * @returns `code`: `{ tag, file, name }`, the function or declaration that obeys; `tests`:
 * `{ tag, file }`, a file with tests that name the statement.
 */
export function findCitations() {
  const code = [];
  const tests = [];
  for (const name of PACKAGES) {
    const folder = `packages/${name}/src`;
    if (!existsSync(join(ROOT, folder))) continue;
    const files = readdirSync(join(ROOT, folder), { recursive: true })
      .map((file) => `${folder}/${file.split(sep).join("/")}`)
      .filter((file) => file.endsWith(".ts"))
      .toSorted();
    for (const file of files) {
      const text = readFileSync(join(ROOT, file), "utf8");
      if (file.endsWith(".test.ts")) tests.push(...testCitations(file, text));
      else if (!isTestSupport(file)) code.push(...codeCitations(file, text));
    }
  }
  return { code, tests };
}

/** Simulation, ledger and contract suites judge the code; they do not obey. */
function isTestSupport(file) {
  return file.includes("/testing/") || file.endsWith(".test-support.ts");
}

/** Citations of one source file: each tag once for each declaration. */
export function codeCitations(file, text) {
  const lines = text.split("\n");
  const found = new Map();
  lines.forEach((line, index) => {
    for (const tag of tagsOf(line)) {
      const name = declarationAt(lines, index);
      found.set(`${tag} ${name}`, { tag, file, name });
    }
  });
  return [...found.values()];
}

/** Citations of one test file: tags that stand in strings, as names do, not in comments. */
export function testCitations(file, text) {
  const tags = new Set();
  for (const line of text.split("\n")) {
    if (/^\s*(\/\/|\*|\/\*)/.test(line)) continue;
    const withoutComment = line.replace(/\s\/\/ .*$/, "");
    for (const tag of tagsOf(withoutComment)) tags.add(tag);
  }
  return [...tags].map((tag) => ({ tag, file }));
}

const TOP =
  /^(?:export )?(?:default )?(?:abstract )?(?:async )?(?:function\*?|class|const|let|interface|type|enum) (\w+)/;
const MEMBER =
  /^ {2}(?:(?:public|private|protected|static|readonly|override|async|get|set|declare) )*(#?\w+)(?:\?|!)?(?=[(:=<;]| =)/;
const KEYWORDS = new Set(["if", "for", "while", "switch", "return", "catch", "throw", "else"]);

/** The name of what a line belongs to: a method with its class, a function, a table; "" at the top. */
export function declarationAt(lines, index) {
  const isComment = /^\s*(\/\*\*|\*|\/\/)/.test(lines[index]);
  let member;
  if (isComment) {
    // A comment is about what comes below it, if it stands before a declaration.
    let next = index;
    while (next < lines.length && /^\s*(\/\*\*|\*|\/\/)/.test(lines[next])) next++;
    const line = lines[next] ?? "";
    const top = TOP.exec(line);
    if (top !== null) return top[1];
    member = memberOf(line);
  }
  for (let at = index; at >= 0; at--) {
    const line = lines[at];
    const top = TOP.exec(line);
    if (top !== null) {
      // Members of a class or a table that is still open.
      const isContainer = /^(?:export )?(?:abstract )?class /.test(line);
      return member !== undefined && isContainer ? `${top[1]}.${member}` : top[1];
    }
    member ??= memberOf(line);
  }
  return "";
}

function memberOf(line) {
  const name = MEMBER.exec(line)?.[1];
  return name === undefined || KEYWORDS.has(name) ? undefined : name;
}
