import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ProtocolVersion } from "@sericite/protocol";
import type { Case } from "./wire/case.ts";

/** One statement of the standard, or a rule that clients rely on. See conformance/statements/README.md. */
export interface Statement {
  /** As it is cited: `MQTT5-3.3.1-2`, `MQTT3-3.3.1-2`, `X-7`. */
  readonly tag: string;
  /** The version that it is of; `undefined`: practice, of no standard. */
  readonly version: ProtocolVersion | undefined;
  readonly section: string;
  readonly binds: "server" | "client" | "both" | "sender" | "receiver" | "network" | "none";
  /** `wire`, `wire-client`, `internal`, `none`. */
  readonly observable: readonly string[];
  readonly summary: string;
}

const FOLDER = join(import.meta.dirname, "../statements");

/** Reads the lists of statements, in their order. */
export function readStatements(): readonly Statement[] {
  return [
    ...readList("mqtt-5.0.tsv", () => 5, "MQTT5-"),
    ...readList("mqtt-3.1.1.tsv", () => 4, "MQTT3-"),
    ...readList("extra.tsv", versionOfSection, "X-"),
  ];
}

function readList(
  file: string,
  versionOf: (section: string) => ProtocolVersion | undefined,
  prefix: string,
): Statement[] {
  return readRows(file).map(([id, section, binds, observable, summary]) => ({
    tag: id!.replace(/^(MQTT|X)-/, prefix),
    version: versionOf(section!),
    section: section!,
    binds: binds as Statement["binds"],
    observable: observable!.split(","),
    summary: summary!,
  }));
}

/** Rows of a tab-separated file of the statements' folder, without its header line. */
export function readRows(file: string): string[][] {
  return readFileSync(join(FOLDER, file), "utf8")
    .split("\n")
    .slice(1)
    .filter((line) => line !== "")
    .map((line) => line.split("\t"));
}

/** In extra.tsv the section begins with its version. */
function versionOfSection(section: string): ProtocolVersion | undefined {
  if (section.startsWith("5.0 ")) return 5;
  if (section.startsWith("3.1.1 ")) return 4;
  if (section.startsWith("3.1 ")) return 3;
  return undefined;
}

const versions = new Map(readStatements().map(({ tag, version }) => [tag, version]));

/** The tags that a run of a case shows: those of the run's version, and practice in each. */
export function shownBy(one: Case, version: ProtocolVersion): readonly string[] {
  return one.shows.filter((tag) => {
    if (!versions.has(tag)) throw new Error(`case ${one.id} shows ${tag}, which does not exist`);
    const own = versions.get(tag);
    return own === undefined || own === version;
  });
}
