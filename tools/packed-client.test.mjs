/**
 * Shows that the client works as it is published: packed, unpacked into an empty project, and used from there.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { ROOT, temporaryFolder } from "./checkout.mjs";

let project = "";

before(() => {
  project = temporaryFolder("packed");
  for (const name of ["protocol", "client"]) {
    const folder = join(project, "node_modules/@sericite", name);
    mkdirSync(folder, { recursive: true });
    const packed = execFileSync(
      "npm",
      ["pack", "--silent", "--pack-destination", project, "-w", `packages/${name}`],
      { cwd: ROOT, encoding: "utf8" },
    );
    execFileSync("tar", [
      "-xzf",
      join(project, packed.trim()),
      "-C",
      folder,
      "--strip-components=1",
    ]);
  }
});

after(() => rmSync(project, { recursive: true, force: true }));

function run(file, source, ...args) {
  writeFileSync(join(project, file), source);
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args, file], {
    cwd: project,
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout + stderr);
  return stdout.trim();
}

const use = `connect("mqtt://127.0.0.1:1", { reconnect: false }).catch(({ code }) => console.log(code));`;

test("an ES module imports it", () => {
  const source = `import { connect } from "@sericite/client";\n${use}`;
  assert.equal(run("use.mjs", source), "ERR_CONNECTION_REFUSED");
});

test("a CommonJS module requires it", () => {
  const source = `const { connect } = require("@sericite/client");\n${use}`;
  assert.equal(run("use.cjs", source), "ERR_CONNECTION_REFUSED");
});

test("a bundler for browsers finds what is for browsers, and nothing of Node", async () => {
  const { metafile } = await build({
    stdin: { contents: 'export * from "@sericite/client";', resolveDir: project },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    metafile: true,
  });
  const inputs = Object.keys(metafile.inputs).map((path) => path.split("@sericite/").at(-1));
  assert.ok(inputs.includes("client/dist/browser/index.js"));
  assert.ok(!inputs.some((path) => /client\/dist\/(node|transport|store)/.test(path)));
});

for (const [how, options] of [
  ["Node", ["--module", "nodenext", "--types", "node"]],
  [
    "a browser",
    ["--module", "esnext", "--moduleResolution", "bundler", "--customConditions", "browser"],
  ],
]) {
  test(`its types hold in a program for ${how}`, () => {
    writeFileSync(
      join(project, "use.mts"),
      `import { connect, type Message } from "@sericite/client";
       const client = await connect("ws://127.0.0.1/mqtt", { reconnect: { maxDelayMs: 1 } });
       await client.subscribe("a", (message: Message) => message.topicName);
       // @ts-expect-error: a Topic Name is a string
       await client.publish(1, "x");\n`,
    );
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        join(ROOT, "node_modules/typescript/bin/tsc"),
        ...["--noEmit", "--strict", "--target", "es2022", "--lib", "es2023,esnext.disposable,dom"],
        ...["--typeRoots", join(ROOT, "node_modules/@types"), ...options, "use.mts"],
      ],
      { cwd: project, encoding: "utf8" },
    );
    assert.equal(status, 0, stdout);
  });
}

test("nothing of the tests is in it", () => {
  const names = readdirSync(join(project, "node_modules/@sericite/client/dist"), {
    recursive: true,
  });
  assert.deepEqual(
    names.filter((name) => /\.test\.|\.test-support\.|^testing\b/.test(name)),
    [],
  );
});
