import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../checkout.mjs";
import { readExports } from "./declarations.mjs";
import { code } from "./markdown.mjs";

const CLIENT = join(ROOT, "packages/client");
/** A constant that is longer is a table of its own elsewhere. Characters. */
const LONGEST_CONSTANT = 1500;

/** `docs/client/API.md`: all that the doors of the client give. */
export function apiPage() {
  const { exports } = JSON.parse(readFileSync(join(CLIENT, "package.json"), "utf8"));
  const parts = [head];
  const shown = new Set();
  for (const [door, { types }] of Object.entries(exports)) {
    const found = readExports(join(CLIENT, types), (name) =>
      name === "@sericite/protocol" ? join(ROOT, "packages/protocol/dist/index.d.ts") : undefined,
    );
    parts.push(`## ${code(join("@sericite/client", door))}`);
    const known = [...found.keys()].filter((name) => shown.has(name) && isSame(found, name));
    if (known.length > 0) parts.push(`As above: ${known.map(code).join(", ")}.`);
    for (const { title, kinds } of sections) {
      const names = [...found.keys()]
        .filter((name) => kinds.includes(found.get(name)[0]?.kind) && !known.includes(name))
        .toSorted((a, b) => a.localeCompare(b, "en"));
      if (names.length === 0) continue;
      parts.push(`### ${title}`, ...names.map((name) => entry(name, found.get(name))));
    }
    for (const [name, declarations] of found) {
      shown.add(name);
      texts.set(name, declarations[0]?.text);
    }
  }
  return `${parts.join("\n\n")}\n`;
}

/** The declarations that were shown, by name: a door may have another one of the same name. */
const texts = new Map();

function isSame(found, name) {
  return texts.get(name) === found.get(name)[0]?.text;
}

const sections = [
  { title: "Functions", kinds: ["function"] },
  { title: "Classes", kinds: ["class"] },
  { title: "Constants", kinds: ["constant"] },
  { title: "Options and types", kinds: ["interface", "type"] },
];

function entry(name, declarations) {
  const parts = [`#### ${name}`];
  for (const { kind, text, doc, extended, members } of declarations) {
    parts.push(described(doc));
    if (extended !== "") parts.push(`Has also what ${code(oneLine(extended))} has.`);
    if (kind === "interface" || kind === "class") parts.push(memberList(members));
    else if (kind !== "constant" || text.length <= LONGEST_CONSTANT) parts.push(block(text));
  }
  return parts.filter((part) => part !== "").join("\n\n");
}

function memberList(members) {
  return members
    .filter(({ text, doc }) => !doc.startsWith("Made by") && !(text.startsWith("[") && doc === ""))
    .map(({ text, doc }) => {
      const lines = [code(signature(text)), ...(doc === "" ? [] : ["", described(doc)])];
      return `- ${lines.join("\n").replaceAll(/\n(?=.)/g, "\n  ")}`;
    })
    .join("\n");
}

/** A member in one line, without what goes without saying. */
function signature(text) {
  return oneLine(text)
    .replace(/^(?:override )?(?:readonly )?/, "")
    .replace(/(?<=\?: .*) \| undefined$/, "");
}

function oneLine(text) {
  return text
    .replaceAll(/\/\*\*.*?\*\//gs, "")
    .replaceAll(/\s+/g, " ")
    .trim();
}

function block(text) {
  return `\`\`\`ts\n${text.replaceAll("    ", "  ")}\n\`\`\``;
}

/** A doc comment as Markdown; its tags as a list. */
function described(doc) {
  const [text = "", ...tags] = doc.split(/(?:^|\s)@(?=(?:param|returns|throws|typeParam)\b)/);
  const list = tags.map((tag) => {
    const [, kind, rest] = /^(\w+)\s*(.*)$/s.exec(oneParagraph(tag));
    if (kind === "param" || kind === "typeParam") {
      const [, name, what] = /^(\S+)\s*(.*)$/s.exec(rest);
      return `- ${code(name)}: ${what}`;
    }
    return `- ${kind}: ${rest}`;
  });
  return [withoutStatements(text.trim()), list.join("\n")]
    .filter((part) => part !== "")
    .join("\n\n");
}

function oneParagraph(text) {
  return withoutStatements(text.replaceAll(/\s+/g, " ").trim());
}

/** Tags of conformance statements are for the reader of the source. */
function withoutStatements(text) {
  return text.replaceAll(/ *\[(?:MQTT[35]|X)-[^\]]*\]/g, "");
}

const head = `# API reference of the client

<!-- Made by \`npm run docs\` from the doc comments of the code. Do not edit. -->

All functions, classes, options and types of \`@sericite/client\`. How to use them: [the guide](README.md).`;
