/**
 * Reads what a package exports, with its doc comments, from the declarations that the compiler made.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseSync } from "oxc-parser";

const files = new Map();

/**
 * The exports of a declaration file, those that it hands on included.
 *
 * @param resolvePackage  Gives the declaration file of a package, or `undefined` to leave its names out.
 * @returns a Map from each name to its declarations, several for overloads and for a constant and a
 * type of one name: `{ kind, text, doc, extended, members }`.
 */
export function readExports(path, resolvePackage) {
  const { program, source, comments } = parsed(path);
  const found = new Map();
  const local = declarationsIn(program, source, comments);
  const add = (name, declarations) =>
    found.set(name, [...(found.get(name) ?? []), ...declarations]);
  for (const node of program.body) {
    if (node.type === "ExportNamedDeclaration" && node.declaration !== null)
      for (const name of namesOf(node.declaration)) found.set(name, local.get(name));
    else if (node.type === "ExportAllDeclaration" || node.type === "ExportNamedDeclaration") {
      const other =
        node.source === null ? local : exportsOf(node.source.value, path, resolvePackage);
      if (other === undefined) continue;
      if (node.type === "ExportAllDeclaration") for (const [name, all] of other) add(name, all);
      else
        for (const { local: from, exported } of node.specifiers)
          add(exported.name, other.get(from.name) ?? []);
    }
  }
  return found;
}

function exportsOf(specifier, path, resolvePackage) {
  if (!specifier.startsWith(".")) {
    const file = resolvePackage(specifier);
    return file === undefined ? undefined : readExports(file, resolvePackage);
  }
  const file = join(dirname(path), specifier.replace(/\.[jt]s$/, ".d.ts"));
  return readExports(file, resolvePackage);
}

function parsed(path) {
  const known = files.get(path);
  if (known !== undefined) return known;
  const source = readFileSync(path, "utf8");
  const { program, comments, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  const result = { program, source, comments };
  files.set(path, result);
  return result;
}

function declarationsIn(program, source, comments) {
  const found = new Map();
  for (const node of program.body) {
    const isExport = node.type === "ExportNamedDeclaration" && node.declaration !== null;
    const declaration = isExport ? node.declaration : node;
    for (const name of namesOf(declaration)) {
      const one = {
        kind: kinds[declaration.type],
        text: textOf(node, source),
        doc: docBefore(node, source, comments),
        extended: extendedBy(declaration, source),
        members: membersOf(declaration, source, comments),
      };
      found.set(name, [...(found.get(name) ?? []), one]);
    }
  }
  return found;
}

const kinds = {
  ClassDeclaration: "class",
  FunctionDeclaration: "function",
  TSDeclareFunction: "function",
  TSInterfaceDeclaration: "interface",
  TSTypeAliasDeclaration: "type",
  VariableDeclaration: "constant",
};

function namesOf(declaration) {
  if (declaration.type === "VariableDeclaration")
    return declaration.declarations.map(({ id }) => id.name);
  return kinds[declaration.type] === undefined ? [] : [declaration.id.name];
}

function textOf({ start, end }, source) {
  return source
    .slice(start, end)
    .replace(/^export /, "")
    .replace(/^declare /, "");
}

/** What stands after `extends`, or nothing. */
function extendedBy({ body, start, type, id, typeParameters }, source) {
  if (type !== "TSInterfaceDeclaration" && type !== "ClassDeclaration") return "";
  const head = source.slice((typeParameters ?? id ?? { end: start }).end, body.start);
  return /\bextends\s+(.*?)\s*(?:\bimplements\b.*)?$/s.exec(head)?.[1].trim() ?? "";
}

/** The public members: `{ text, doc }`, in the order of the declaration. */
function membersOf({ type, body }, source, comments) {
  if (type !== "TSInterfaceDeclaration" && type !== "ClassDeclaration") return [];
  return body.body
    .filter(({ key }) => key?.type !== "PrivateIdentifier")
    .map((node) => ({
      text: textOf(node, source).replace(/;$/, ""),
      doc: docBefore(node, source, comments),
    }))
    .filter(({ text }) => !/^(private|protected)\b/.test(text));
}

/** The doc comment that ends where the node begins, without its frame; or nothing. */
function docBefore({ start }, source, comments) {
  const comment = comments.findLast(
    ({ end, value }) =>
      end <= start && value.startsWith("*") && source.slice(end, start).trim() === "",
  );
  if (comment === undefined) return "";
  return comment.value
    .slice(1)
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
    .join("\n")
    .trim();
}
