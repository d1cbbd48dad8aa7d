import { readFileSync } from "node:fs";
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Node, YAMLMap, YAMLParseError, YAMLWarning } from "yaml";
import { usageError } from "../errors.ts";
import { fileLists } from "./file-lists.ts";
import type { FileList } from "./file-lists.ts";

/** One key of a config file with its value. */
export interface FileEntry {
  readonly section: string;
  readonly key: string;
  /** As YAML read it; an object where a list or a further level stands. */
  readonly value: unknown;
  /** `file:line:column` of the key. */
  readonly keyPlace: string;
  /** `file:line:column` of the value. */
  readonly valuePlace: string;
}

/** One entry of a list of a config file. */
export interface ListItem {
  /** `file:line:column`. */
  readonly place: string;
  /** Its keys; those of a further level with a point: `tls.key`. */
  readonly entries: readonly ItemEntry[];
}

/** One key of an entry of a list, with its value. */
export type ItemEntry = Omit<FileEntry, "section">;

/** A config file, taken apart and not yet compared with any table. */
export interface ConfigFile {
  readonly name: string;
  /** Sections with the `file:line:column` of each. */
  readonly sections: ReadonlyMap<string, string>;
  readonly entries: readonly FileEntry[];
  /** Entries of each list that there is. */
  readonly lists: ReadonlyMap<FileList, readonly ListItem[]>;
  /** What is wrong with its form, each with its place first. */
  readonly problems: readonly string[];
}

/**
 * Read a config file: YAML 1.2, of which JSON is a subset.
 *
 * @throws UsageError where it is missing or may not be read.
 */
export function readConfigFile(name: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(name, "utf8");
  } catch (cause) {
    throw usageError("ERR_CONFIG_FILE", unreadable(name, cause as NodeJS.ErrnoException), cause);
  }
  return parseConfigFile(text, name);
}

/** Take the text of a config file apart. Never throws: what is wrong stands in `problems`. */
export function parseConfigFile(text: string, name: string): ConfigFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, logLevel: "silent" });
  const placeAt = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const placeOf = (node: Node | null | undefined, otherwise: number): string =>
    placeAt(node?.range?.[0] ?? otherwise);

  const sections = new Map<string, string>();
  const entries: FileEntry[] = [];
  const faults = [...document.errors, ...document.warnings];
  const problems = faults.map((fault) => `${placeAt(fault.pos[0])}: ${faultText(fault)}`);
  const lists = new Map<FileList, readonly ListItem[]>();
  const file: ConfigFile = { name, sections, entries, lists, problems };
  // What YAML made of a text that it could not read would only give more to complain about.
  if (faults.some((fault) => fault.code !== "DUPLICATE_KEY")) return file;

  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) return file;
  if (!isMap(root)) {
    problems.push(
      `${placeOf(root, 0)}: expected sections with their keys, such as "mqtt:" and below it "  maximumQos: 1"`,
    );
    return file;
  }
  const resolve = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);
  const entriesOf = (map: YAMLMap, prefix: string, offset: number): ItemEntry[] =>
    map.items.flatMap((pair) => {
      const keyOffset = (pair.key as Node).range?.[0] ?? offset;
      const key = prefix + (isScalar(pair.key) ? String(pair.key.value) : "?");
      const value = resolve(pair.value);
      if (prefix === "" && isMap(value)) return entriesOf(value, `${key}.`, keyOffset);
      return {
        key,
        value: isScalar(value) ? value.value : value,
        keyPlace: placeAt(keyOffset),
        valuePlace: placeOf(pair.value as Node | null, keyOffset),
      };
    });
  const itemsOf = (listName: FileList, list: unknown, offset: number): ListItem[] => {
    const example = fileLists[listName];
    // As of a section: all that stood in it may be a remark now.
    if (list === null || (isScalar(list) && list.value === null)) return [];
    if (!isSeq(list)) {
      problems.push(
        `${placeOf(list as Node | null, offset)}: ${listName} is a list: expected entries such as "  - ${example}"`,
      );
      return [];
    }
    return list.items.flatMap((node, index) => {
      const item = resolve(node);
      const place = placeOf(node as Node | null, offset);
      if (isMap(item)) return { place, entries: entriesOf(item, "", offset) };
      problems.push(
        `${place}: ${listName}[${index}]: expected keys with values, such as "${example}"`,
      );
      return [];
    });
  };
  for (const section of root.items) {
    const sectionNode = section.key as Node;
    const sectionOffset = sectionNode.range?.[0] ?? 0;
    const sectionName = isScalar(section.key) ? String(section.key.value) : "?";
    if (Object.hasOwn(fileLists, sectionName)) {
      const listName = sectionName as FileList;
      lists.set(listName, itemsOf(listName, resolve(section.value), sectionOffset));
      continue;
    }
    sections.set(sectionName, placeAt(sectionOffset));
    const keys = resolve(section.value);
    if (keys === null || (isScalar(keys) && keys.value === null)) continue;
    if (!isMap(keys)) {
      problems.push(
        `${placeOf(section.value as Node, sectionOffset)}: ${sectionName} is a section: expected keys with values below it`,
      );
      continue;
    }
    for (const pair of keys.items) {
      const keyOffset = (pair.key as Node).range?.[0] ?? sectionOffset;
      const value = resolve(pair.value);
      entries.push({
        section: sectionName,
        key: isScalar(pair.key) ? String(pair.key.value) : "?",
        value: isScalar(value) ? value.value : value,
        keyPlace: placeAt(keyOffset),
        valuePlace: placeOf(pair.value as Node | null, keyOffset),
      });
    }
  }
  return file;
}

/** What is wrong with the form, without the text itself: it may be a password. */
function faultText(fault: YAMLParseError | YAMLWarning): string {
  switch (fault.code) {
    case "DUPLICATE_KEY":
      return "this key is here for the second time";
    case "BAD_ALIAS":
      return "a value that begins with * or & must stand in quotes";
    case "BAD_SCALAR_START":
      return `a value that begins with ${fault.message.at(-1)} must stand in quotes`;
    case "TAG_RESOLVE_FAILED":
      return "a value that begins with ! must stand in quotes";
    default:
      return fault.message;
  }
}

function unreadable(name: string, cause: NodeJS.ErrnoException): string {
  switch (cause.code) {
    case "ENOENT":
      return `config file ${name}: there is no such file; give its path with --config, or leave it out to start with defaults`;
    case "EACCES":
      return `config file ${name}: this user may not read it; change its owner or its mode`;
    case "EISDIR":
      return `config file ${name}: this is a directory; name the file in it`;
    default:
      return `config file ${name}: ${cause.message}`;
  }
}
