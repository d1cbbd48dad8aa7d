/**
 * What must be true of the files of the repository as such.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { ROOT } from "./checkout.mjs";

const read = (file) => readFileSync(join(ROOT, file), "utf8");

/** The files under version control; of a checkout without git the test knows nothing. */
const inGit = existsSync(join(ROOT, ".git"));
const skip = inGit ? false : "not a git checkout";
const files = inGit
  ? execFileSync("git", ["ls-files", "-z"], { cwd: ROOT, encoding: "utf8" })
      .split("\0")
      .filter((file) => file !== "" && existsSync(join(ROOT, file)))
  : [];

/** Identifiers of all conformance statements, as they are cited. */
function statements() {
  const known = new Set();
  for (const [list, prefix] of [
    ["mqtt-5.0", "MQTT5"],
    ["mqtt-3.1.1", "MQTT3"],
    ["extra", "X"],
  ]) {
    for (const line of read(`conformance/statements/${list}.tsv`).split("\n").slice(1)) {
      const [id] = line.split("\t");
      if (id !== undefined && id !== "") known.add(id.replace(/^(MQTT|X)/, prefix));
    }
  }
  return known;
}

test("every cited conformance statement exists", { skip }, () => {
  const known = statements();
  assert.equal(known.size, 141 + 251 + 131);
  const wrong = [];
  for (const file of files.filter((name) => /\.(ts|mjs|md)$/.test(name))) {
    if (file.startsWith("conformance/statements/") || file.startsWith("tools/")) continue;
    read(file)
      .split("\n")
      .forEach((line, index) => {
        for (const [, id] of line.matchAll(/\[((?:MQTT\d?|X)-[0-9][^\]\s]*)\]/g)) {
          if (!known.has(id)) wrong.push(`${file}:${index + 1}: ${id}`);
        }
      });
  }
  assert.deepEqual(wrong, []);
});

test("no file names a folder of the machine it was written on", { skip }, () => {
  const parents = [dirname(ROOT), homedir()].filter((folder) => folder.length > 2);
  const named = files.filter((file) => parents.some((folder) => read(file).includes(`${folder}/`)));
  assert.deepEqual(named, []);
});

test("the lockfile names no registry", () => {
  assert.doesNotMatch(read("package-lock.json"), /"resolved": "https?:/);
});

test("protocol and client depend on nothing foreign, the broker on jose and ws alone", () => {
  for (const [name, allowed] of [
    ["protocol", []],
    ["client", ["@sericite/protocol"]],
    ["broker", ["@sericite/client", "@sericite/protocol", "jose", "ws"]],
  ]) {
    const {
      dependencies = {},
      optionalDependencies = {},
      peerDependencies = {},
    } = JSON.parse(read(`packages/${name}/package.json`));
    const all = { ...dependencies, ...optionalDependencies, ...peerDependencies };
    assert.deepEqual(Object.keys(all).toSorted(), allowed, name);
  }
});

test("every dependency has its reason in docs/DEPENDENCIES.md", () => {
  const page = read("docs/DEPENDENCIES.md");
  for (const folder of [
    ".",
    "packages/protocol",
    "packages/client",
    "packages/broker",
    "packages/sericite",
  ]) {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(
      read(join(folder, "package.json")),
    );
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
      assert.ok(page.includes(`\`${name}\``), `${name} of ${folder}`);
    }
  }
});

test("all packages have one version and one licence", () => {
  const { version } = JSON.parse(read("package.json"));
  for (const folder of JSON.parse(read("package.json")).workspaces) {
    const manifest = JSON.parse(read(join(folder, "package.json")));
    assert.equal(manifest.version, version, folder);
    assert.equal(manifest.license, "Apache-2.0", folder);
    for (const [name, range] of Object.entries(manifest.dependencies ?? {})) {
      if (/^(@sericite\/|sericite$)/.test(name)) assert.equal(range, version, `${folder}: ${name}`);
    }
  }
});

test("every file that a page links to exists", { skip }, () => {
  const missing = [];
  for (const file of files.filter((name) => name.endsWith(".md"))) {
    for (const [, target] of read(file).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      if (!existsSync(join(ROOT, dirname(file), target))) missing.push(`${file}: ${target}`);
    }
  }
  assert.deepEqual(missing, []);
});
