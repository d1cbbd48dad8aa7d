/**
 * Shows that the packages work as they are published: packed, installed from the tarballs into an
 * empty project, and used from there.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { build } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { build as buildWithVite } from "vite";
import { ROOT, temporaryFolder } from "./checkout.mjs";

const PACKAGES = ["protocol", "client", "broker", "sericite"];

let project = "";
/** Paths of the tarballs, by the folder of the package. */
const tarballs = new Map();

before(() => {
  project = temporaryFolder("packed");
  const packed = npm(ROOT, "pack", "--pack-destination", project, ...workspaces());
  for (const [index, name] of packed.trim().split("\n").entries())
    tarballs.set(PACKAGES[index], join(project, name));
  writeFileSync(join(project, "package.json"), "{}\n");
  npm(project, "install", "--offline", tarballs.get("protocol"), tarballs.get("client"));
});

after(() => rmSync(project, { recursive: true, force: true }));

function workspaces() {
  return PACKAGES.flatMap((name) => ["-w", `packages/${name}`]);
}

function npm(cwd, command, ...args) {
  return execFileSync("npm", [command, "--silent", "--no-audit", "--no-fund", ...args], {
    cwd,
    encoding: "utf8",
  });
}

/** Runs a program in the project. @returns what it printed; nothing may be on the error output. */
function run(file, source) {
  writeFileSync(join(project, file), source);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], {
    cwd: project,
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout + stderr);
  assert.equal(stderr, "");
  return stdout.trim();
}

const use = `connect("mqtt://127.0.0.1:1", { reconnect: false }).catch(({ code }) => console.log(code));`;

test("an ES module imports the client", () => {
  const source = `import { connect } from "@sericite/client";\n${use}`;
  assert.equal(run("use.mjs", source), "ERR_CONNECTION_REFUSED");
});

test("a CommonJS module requires the client, without a warning", () => {
  const source = `const { connect } = require("@sericite/client");\n${use}`;
  assert.equal(run("use.cjs", source), "ERR_CONNECTION_REFUSED");
});

test("both get the same client", () => {
  const source = `import { createRequire } from "node:module";
    import * as client from "@sericite/client";
    const required = createRequire(import.meta.url)("@sericite/client");
    console.log(Object.keys(client).filter((name) => client[name] !== required[name]).length);`;
  assert.equal(run("both.mjs", source), "0");
});

/** What a page has of the client. */
const page = 'import { connect } from "@sericite/client"; globalThis.connect = connect;';

test("esbuild finds what is for browsers, and nothing of Node", async () => {
  const { metafile } = await build({
    stdin: { contents: page, resolveDir: project },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    metafile: true,
  });
  const inputs = Object.keys(metafile.inputs).map((path) => path.split("@sericite/").at(-1));
  assert.ok(inputs.includes("client/dist/browser/index.js"));
  assertForBrowsers(inputs);
});

test("Vite finds what is for browsers, and nothing of Node", async () => {
  writeFileSync(join(project, "page.mjs"), page);
  const warnings = [];
  const { output } = await buildWithVite({
    root: project,
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      rolldownOptions: { input: join(project, "page.mjs"), onwarn: (one) => warnings.push(one) },
    },
  });
  assert.deepEqual(warnings, []);
  assert.equal(output.length, 1);
  const inputs = output[0].moduleIds.map((path) => path.split("@sericite/").at(-1));
  assert.ok(inputs.includes("client/dist/browser/connect.js"));
  assertForBrowsers(inputs);
  assert.match(output[0].code, /globalThis\.connect/);
});

function assertForBrowsers(inputs) {
  const others = /client\/dist\/(node|transport|store)|__vite-browser-external|^node:/;
  assert.deepEqual(
    inputs.filter((path) => others.test(path)),
    [],
  );
}

const typed = `
  import { connect, RequestError, type Client, type Message } from "@sericite/client";
  export async function main(): Promise<Client> {
    const client = await connect("ws://127.0.0.1/mqtt", { reconnect: { maxDelayMs: 1 } });
    await client.subscribe("a", (message: Message) => message.topicName);
    // @ts-expect-error: a Topic Name is a string
    await client.publish(1, "x").catch((error) => error instanceof RequestError);
    const none: RequestError | undefined = undefined;
    void none;
    return client;
  }
`;
const browser = ["--moduleResolution", "bundler", "--customConditions", "browser"];

for (const [how, files, options] of [
  ["Node", ["use.mts", "use.cts"], ["--module", "nodenext", "--types", "node"]],
  ["Node 16, in CommonJS", ["use.cts"], ["--module", "node16", "--types", "node"]],
  ["a browser", ["use.mts"], ["--module", "esnext", ...browser]],
]) {
  test(`the client's types hold in a program for ${how}`, () => {
    for (const file of files) writeFileSync(join(project, file), typed);
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        join(ROOT, "node_modules/typescript/bin/tsc"),
        ...["--noEmit", "--strict", "--target", "es2022", "--lib", "es2023,esnext.disposable,dom"],
        ...["--typeRoots", join(ROOT, "node_modules/@types"), ...options, ...files],
      ],
      { cwd: project, encoding: "utf8" },
    );
    assert.equal(status, 0, stdout);
  });
}

test("attw finds nothing wrong with the types of the client", async () => {
  const tarball = createPackageFromTarballData(readFileSync(tarballs.get("client")));
  const { problems } = await checkPackage(tarball);
  const { exports } = JSON.parse(readFileSync(join(ROOT, "packages/client/package.json"), "utf8"));
  const found = problems.filter(
    ({ kind, entrypoint, resolutionKind }) =>
      // Before Node 12 there were no doors but the main one.
      !(kind === "NoResolution" && resolutionKind === "node10" && entrypoint !== ".") &&
      // What has no door for `require` is an ES module: Node hands it to `require` all the same.
      !(kind === "CJSResolvesToESM" && exports[entrypoint].require === undefined),
  );
  assert.deepEqual(found, []);
});

for (const name of PACKAGES) {
  test(`publint finds nothing wrong with ${name}`, async () => {
    const tarball = readFileSync(tarballs.get(name));
    const { messages, pkg } = await publint({
      pack: {
        tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.length),
      },
      strict: true,
    });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg, { color: false })),
      [],
    );
  });
}

test("nothing of the tests is in the client", () => {
  const names = readdirSync(join(project, "node_modules/@sericite/client/dist"), {
    recursive: true,
  });
  assert.deepEqual(
    names.filter((name) => /\.test\.|\.test-support\.|^testing\b/.test(name)),
    [],
  );
});
