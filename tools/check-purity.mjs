/**
 * Refuses what would make a pure layer depend on anything but its inputs: time, chance, waiting,
 * the machine. The compiler already refuses most of it there (`types: []`); this check adds what
 * the language itself brings along (`Date`, `Math.random`, `await`, …) and foreign imports.
 *
 *     node tools/check-purity.mjs [ROOT]      exit code 1 and file:line for each fault
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The pure layers, and the packages that each may import. */
export const PURE_LAYERS = [
  { folder: "packages/protocol/src", mayImport: [] },
  { folder: "packages/broker/src/engine", mayImport: ["@sericite/protocol"] },
];

const CLOCK = "time comes from the Clock port";
const TIMER = "waiting is done on the timing wheel";
const TURN = "turns come from the Scheduler port";
const WAIT = "nothing waits here: compare positions, or park the connection";
const MACHINE = "the machine is behind a port";
const COLLECTOR = "what the garbage collector does is not an input";

/** Names that are refused wherever they stand, except behind a dot. */
const REFUSED_NAMES = new Map([
  ["Date", CLOCK],
  ["performance", CLOCK],
  ["setTimeout", TIMER],
  ["setInterval", TIMER],
  ["clearTimeout", TIMER],
  ["clearInterval", TIMER],
  ["setImmediate", TURN],
  ["clearImmediate", TURN],
  ["queueMicrotask", TURN],
  ["await", WAIT],
  ["async", WAIT],
  ["Atomics", WAIT],
  ["process", MACHINE],
  ["Buffer", MACHINE],
  ["console", "logs go to the Log port"],
  ["crypto", "chance comes from the Random port"],
  ["require", MACHINE],
  ["globalThis", MACHINE],
  ["eval", MACHINE],
  ["Intl", "the language of the machine is not an input"],
  ["WeakRef", COLLECTOR],
  ["FinalizationRegistry", COLLECTOR],
]);

/**
 * Splits TypeScript into the tokens that this check needs: names, strings (with their text),
 * numbers, and punctuation one character at a time. Comments vanish, except for directives
 * (`/// <reference`); the code inside `${}` of a template stays.
 *
 * @param {string} source
 * @returns {{ kind: "name" | "string" | "number" | "template" | "regex" | "directive" | "punctuation", text: string, line: number }[]}
 */
export function tokenize(source) {
  const tokens = [];
  /** For each open `${`: how many braces are open inside it. */
  const templates = [];
  let line = 1;
  let at = 0;

  const push = (kind, text, atLine = line) => tokens.push({ kind, text, line: atLine });
  const skipTo = (end) => {
    for (; at < end; at++) if (source.charCodeAt(at) === 10) line++;
  };
  /** From behind a backtick or behind the `}` of a substitution, up to the next `${` or backtick. */
  const template = () => {
    const start = line;
    let end = at;
    while (end < source.length) {
      if (source[end] === "\\") end += 2;
      else if (source[end] === "`") break;
      else if (source.startsWith("${", end)) break;
      else end++;
    }
    if (source[end] === "$") {
      skipTo(end + 2);
      templates.push(0);
      // An operand must follow, as after any opening bracket.
      push("punctuation", "${", start);
    } else {
      skipTo(Math.min(end + 1, source.length));
      push("template", "", start);
    }
  };

  while (at < source.length) {
    const c = source[at];
    if (c === "\n") {
      line++;
      at++;
    } else if (/\s/.test(c)) {
      at++;
    } else if (source.startsWith("//", at)) {
      const newline = source.indexOf("\n", at);
      const end = newline < 0 ? source.length : newline;
      if (/^\/\/\/\s*<reference/.test(source.slice(at, end)))
        push("directive", source.slice(at, end));
      at = end;
    } else if (source.startsWith("/*", at)) {
      const end = source.indexOf("*/", at + 2);
      skipTo(end < 0 ? source.length : end + 2);
    } else if (c === '"' || c === "'") {
      let end = at + 1;
      while (end < source.length && source[end] !== c && source[end] !== "\n") {
        end += source[end] === "\\" ? 2 : 1;
      }
      push("string", source.slice(at + 1, end));
      skipTo(Math.min(end + 1, source.length));
    } else if (c === "`") {
      at++;
      template();
    } else if (c === "}" && templates.length > 0 && templates.at(-1) === 0) {
      templates.pop();
      at++;
      template();
    } else if (/[\p{ID_Start}$_#]/u.test(c)) {
      const [text] = /^[\p{ID_Start}$_#][\p{ID_Continue}$]*/u.exec(source.slice(at, at + 200)) ?? [
        c,
      ];
      push("name", text);
      at += text.length;
    } else if (/[0-9]/.test(c)) {
      const [text] = /^[0-9][0-9a-zA-Z_.]*/.exec(source.slice(at, at + 100)) ?? [c];
      push("number", text);
      at += text.length;
    } else if (c === "/" && operandExpected(tokens.at(-1))) {
      let end = at + 1;
      for (let inClass = false; end < source.length && source[end] !== "\n"; end++) {
        if (source[end] === "\\") end++;
        else if (source[end] === "[") inClass = true;
        else if (source[end] === "]") inClass = false;
        else if (source[end] === "/" && !inClass) break;
      }
      at = Math.min(end + 1, source.length);
      push("regex", "");
    } else {
      if (templates.length > 0 && c === "{") templates[templates.length - 1]++;
      if (templates.length > 0 && c === "}") templates[templates.length - 1]--;
      push("punctuation", c);
      at++;
    }
  }
  return tokens;
}

/** Whether a `/` after this token begins a regular expression, not a division. */
function operandExpected(previous) {
  if (previous === undefined) return true;
  if (previous.kind === "punctuation") return ![")", "]", "}"].includes(previous.text);
  return (
    previous.kind === "name" &&
    /^(return|typeof|case|in|of|do|else|void|delete|throw|new|instanceof|yield)$/.test(
      previous.text,
    )
  );
}

/**
 * The faults of one file.
 *
 * @param {string} source
 * @param {readonly string[]} mayImport Packages that may be imported beside relative files.
 * @returns {{ line: number, message: string }[]}
 */
export function findImpurities(source, mayImport) {
  const faults = [];
  const tokens = tokenize(source);
  tokens.forEach((token, index) => {
    const refuse = (message) => faults.push({ line: token.line, message });
    const previous = tokens[index - 1];
    const next = tokens[index + 1];
    if (token.kind === "directive") {
      refuse("a reference directive would bring the machine's types in");
    } else if (token.kind === "string" && isSpecifier(tokens, index)) {
      if (!token.text.startsWith(".") && !mayImport.includes(token.text)) {
        refuse(
          `import of "${token.text}": ${mayImport.join(", ") || "nothing foreign"} may be imported here`,
        );
      }
    } else if (token.kind === "name") {
      const member = previous?.text === "." && tokens[index - 2]?.text !== ".";
      if (member) {
        if (/^(toLocale|localeCompare)/.test(token.text)) {
          refuse(`${token.text}: the language of the machine is not an input`);
        }
      } else if (REFUSED_NAMES.has(token.text)) {
        refuse(`${token.text}: ${REFUSED_NAMES.get(token.text)}`);
      } else if (
        token.text === "Math" &&
        (next?.text !== "." || tokens[index + 2]?.text === "random")
      ) {
        refuse("Math.random: chance comes from the Random port");
      } else if (token.text === "import" && next?.text === ".") {
        refuse(`import.meta: ${MACHINE}`);
      } else if (
        token.text === "import" &&
        next?.text === "(" &&
        tokens[index + 2]?.kind !== "string"
      ) {
        refuse("import of a computed name");
      }
    }
  });
  return faults;
}

/** Whether the string at `index` names a module. */
function isSpecifier(tokens, index) {
  const previous = tokens[index - 1];
  if (previous?.kind === "name") return previous.text === "from" || previous.text === "import";
  return previous?.text === "(" && tokens[index - 2]?.text === "import";
}

/**
 * All faults in the pure layers below a folder.
 *
 * @param {string} root
 * @returns {{ file: string, line: number, message: string }[]}
 */
export function checkPurity(root) {
  const faults = [];
  for (const { folder, mayImport } of PURE_LAYERS) {
    let files = 0;
    for (const name of readdirSync(join(root, folder), { recursive: true })) {
      if (!name.endsWith(".ts") || name.endsWith(".test.ts")) continue;
      files++;
      const path = join(root, folder, name);
      for (const fault of findImpurities(readFileSync(path, "utf8"), mayImport)) {
        faults.push({ file: relative(root, path), ...fault });
      }
    }
    // A check that finds nothing to check must not be green.
    if (files === 0) faults.push({ file: folder, line: 0, message: "holds no source files" });
  }
  return faults;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const faults = checkPurity(resolve(process.argv[2] ?? join(import.meta.dirname, "..")));
  for (const { file, line, message } of faults) console.error(`${file}:${line}: ${message}`);
  if (faults.length > 0) process.exit(1);
}
