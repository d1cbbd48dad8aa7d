/**
 * What the figures were measured on.
 */
import { spawnSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

/** The machine, and the versions of what runs on it. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly go: string;
  readonly java: string;
  /** Of this checkout, with a `+` if it has changes that are not committed. */
  readonly commit: string;
}

/** @param root The root of this checkout. */
export function describeMachine(root: string): Machine {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version.slice(1),
    go: /go(\d\S*)/.exec(said("go", ["version"]))?.[1] ?? "none",
    java: /version "([^"]+)"/.exec(said("java", ["-version"]))?.[1] ?? "none",
    commit: commitOf(root),
  };
}

function commitOf(root: string): string {
  const commit = said("git", ["-C", root, "rev-parse", "--short=10", "HEAD"]).trim();
  const changes = said("git", ["-C", root, "status", "--porcelain"]).trim();
  return commit === "" ? "unknown" : `${commit}${changes === "" ? "" : "+"}`;
}

/** What a program prints; nothing if it is not there. */
function said(program: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return `${stdout ?? ""}${stderr ?? ""}`;
}
