/**
 * Temporary checkouts: a place to build other sources with the tools that are installed here.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
} from "node:fs";
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

/**
 * Builds a revision, `undefined` for the working tree with its changes, in a new folder.
 *
 * @param folder Where the checkout's folder is made; the caller removes it.
 * @param projects What `tsc -b` is told to build.
 * @returns The folder it stands in.
 * @throws Error with the output of what failed.
 */
export function buildCheckout(revision, folder, name, projects) {
  const checkout = join(folder, name);
  mkdirSync(checkout);
  if (revision === undefined) {
    copySources(checkout);
  } else {
    const archive = execFileSync("git", ["archive", "--format=tar", revision], {
      cwd: ROOT,
      maxBuffer: 1 << 30,
    });
    execFileSync("tar", ["-x", "-C", checkout], { input: archive });
  }
  const sameLock = [ROOT, checkout].map((root) =>
    readFileSync(join(root, "package-lock.json"), "utf8"),
  );
  if (sameLock[0] === sameLock[1]) {
    linkModules(checkout);
  } else {
    run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], checkout);
  }
  run(process.execPath, ["node_modules/typescript/bin/tsc", "-b", ...projects], checkout);
  return checkout;
}

function run(command, args, cwd) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0)
    throw new Error(`${command} ${args.join(" ")} failed in ${cwd}:\n${stdout}${stderr}`);
}
