/**
 * Temporary checkouts: a place to build other sources with the tools that are installed here.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/** The root of this repository. */
export const ROOT = join(import.meta.dirname, "..");

/** An empty folder in the system's folder for temporary files; the caller removes it. */
export function temporaryFolder(name) {
  return realpathSync(mkdtempSync(join(tmpdir(), `sericite-${name}-`)));
}

/**
 * Copies the sources of this checkout, changes that are not committed included: no build output,
 * no installed packages, nothing of git.
 */
export function copySources(to) {
  cpSync(ROOT, to, {
    recursive: true,
    filter: (path) =>
      !["node_modules", "dist", ".git", "loadgen", "peers", "services"].includes(basename(path)) &&
      !path.endsWith(".tsbuildinfo"),
  });
}

/**
 * Gives a checkout this one's installed packages by links. The workspace's own packages become
 * links into that checkout, so that it never reads the build output of this one.
 */
export function linkModules(checkout) {
  const from = join(ROOT, "node_modules");
  const to = join(checkout, "node_modules");
  mkdirSync(join(to, "@sericite"), { recursive: true });
  for (const name of readdirSync(from)) {
    if (name === "@sericite" || name === "sericite" || name === ".package-lock.json") continue;
    symlinkSync(join(from, name), join(to, name));
  }
  for (const name of readdirSync(join(checkout, "packages"))) {
    const link = name === "sericite" ? name : join("@sericite", name);
    symlinkSync(join(checkout, "packages", name), join(to, link));
  }
}
