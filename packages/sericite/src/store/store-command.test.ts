import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LogStore, NodeDisk } from "@sericite/broker";
import { collectRecovery } from "@sericite/broker/testing";
import { runCommand, startCommand } from "../testing/run-command.test-support.ts";
import { exitCodeOfError } from "../exit-code.ts";
import { contentOf, filledStore, freshDirectory } from "./filled-store.test-support.ts";
import { run } from "./store-command.ts";
import { storeActions } from "./store-options.ts";

/** What an action said, and its exit code. */
interface Said {
  readonly code: number | string;
  readonly out: string;
  readonly err: string;
}

/** Runs `sericite store` as a process of its own. */
async function command(args: readonly string[], input?: string | Uint8Array): Promise<Said> {
  const options = input === undefined ? {} : { input };
  const { code, stdout, stderr } = await runCommand(["store", ...args], options);
  return { code, out: stdout.toString(), err: stderr };
}

/** Does what `sericite store` does, in this process: to start one takes long. */
async function store(args: readonly string[]): Promise<Said> {
  let out = "";
  try {
    const code = await run(args, (text) => {
      out += text;
    });
    return { code, out, err: "" };
  } catch (error) {
    return { code: exitCodeOfError(error), out, err: (error as Error).message };
  }
}

/** Exports a store. @returns the lines. */
async function exported(directory: string): Promise<string> {
  const file = join(freshDirectory(), "store.ndjson");
  const { code, err } = await store(["export", "--quiet", "--data-dir", directory, "-o", file]);
  assert.equal(code, 0, err);
  return readFileSync(file, "utf8");
}

/** Imports lines into a directory. */
function imported(directory: string, lines: string): Promise<Said> {
  const file = join(freshDirectory(), "store.ndjson");
  writeFileSync(file, lines);
  return store(["import", "--quiet", "--data-dir", directory, "-i", file]);
}

/** Every file of a directory but its lock, with its bytes. */
function bytesOf(directory: string): Map<string, string> {
  const files = readdirSync(directory).filter((name) => !name.startsWith("lock"));
  return new Map(files.map((name) => [name, readFileSync(join(directory, name)).toString("hex")]));
}

function copyOf(directory: string): string {
  const copy = freshDirectory();
  cpSync(directory, copy, { recursive: true });
  return copy;
}

function filesOf(directory: string, kind: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(kind))
    .sort();
}

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] as number) ^ 4;
  writeFileSync(path, bytes);
}

for (const action of storeActions)
  test(`\`sericite store ${action} --help\` shows how it is used, with examples`, async () => {
    const { code, out } = await store([action, "--help"]);
    assert.equal(code, 0);
    assert.match(out, new RegExp(`^Usage: sericite store ${action} [\\s\\S]*Examples:\n  `));
    for (const line of out.split("\n")) assert.ok(line.length <= 110, line);
  });

test("`sericite help store check` says what `sericite store check --help` says", async () => {
  const { stdout } = await runCommand(["help", "store", "check"]);
  assert.equal(stdout.toString(), (await store(["check", "--help"])).out);
});

for (const [args, message] of [
  [[], /what to do with the store\? One of check, stat, export, import, compact/],
  [["chekc"], /there is no `sericite store chekc`; did you mean check\?/],
  [["check", "here"], /"here" is no option of `sericite store check`/],
  [["check", "--salvage"], /has no option --salvage/],
  [["stat", "--largest", "many"], /--largest/],
] as const)
  test(`"sericite store ${args.join(" ")}" ends with exit code 2`, async () => {
    const { code, err } = await store(args);
    assert.equal(code, 2);
    assert.match(err, message);
  });

test("where there is no store, nothing is made, and the directory is named", async () => {
  const missing = join(freshDirectory(), "missing");
  for (const action of ["check", "stat", "export", "compact"]) {
    const { code, err } = await store([action, "--data-dir", missing]);
    assert.equal(code, 1);
    assert.match(err, new RegExp(`there is no store in ${missing}; --data-dir`));
  }
  assert.equal(existsSync(missing), false);
});

test("where no flag names the directory, it is the broker's: of the environment, or of --config", async () => {
  const directory = await filledStore({ queued: 1 });
  const env = { SERICITE_STORE_DATA_DIR: directory, SERICITE_STORE_DURABILITY: "strict" };
  const { code, stdout, stderr } = await runCommand(["store", "check"], { env });
  assert.equal(code, 0, stderr);
  assert.ok(stdout.toString().startsWith(`${directory} is whole`));
  const file = join(freshDirectory(), "sericite.yaml");
  writeFileSync(file, `store: { dataDir: "${directory}" }\n`);
  assert.ok((await store(["check", "-c", file])).out.startsWith(`${directory} is whole`));
  writeFileSync(file, "store: { durability: memory }\n");
  const memory = await store(["check", "-c", file]);
  assert.equal(memory.code, 2);
  assert.match(memory.err, /durability is memory: .*--data-dir/);
});

test("a whole store is checked, shown and exported, and is not changed by it", async () => {
  const directory = await filledStore();
  const before = bytesOf(directory);
  const checked = await store(["check", "--data-dir", directory]);
  assert.equal(checked.code, 0, checked.err);
  assert.match(checked.out, /is whole: \d+ files, .*\n {2}sessions +5, 5 of them connected/);
  assert.match(checked.out, /queued +300\n {2}messages +62, /);
  const { out } = await store(["check", "--json", "--data-dir", directory]);
  const { whole, damage, lost, sessions } = JSON.parse(out) as Record<string, unknown>;
  assert.deepEqual([whole, damage, sessions], [true, [], 5]);
  assert.deepEqual((lost as { messages: unknown }).messages, []);
  const shown = await store(["stat", "--data-dir", directory, "--largest", "2"]);
  assert.match(shown.out, /segments +\d+, .*, \d+ % of it wanted/);
  assert.match(shown.out, /Largest queues:\n(?: {2}60 messages, .*: client-\d\n){2}$/);
  const stat = JSON.parse((await store(["stat", "--json", "--data-dir", directory])).out) as {
    segments: { file: string; liveBytes: number }[];
    largestQueues: unknown[];
    bytes: number;
  };
  assert.deepEqual(
    stat.segments.map(({ file }) => file),
    filesOf(directory, "log"),
  );
  assert.equal(stat.largestQueues.length, 5);
  assert.ok(stat.bytes >= 62 * 400);
  await exported(directory);
  assert.deepEqual(bytesOf(directory), before);
  const quiet = await command(["check", "--quiet", "--data-dir", directory]);
  assert.deepEqual(quiet, { code: 0, out: "", err: "" });
});

test("what was exported makes an equal store, by files and by pipes", async () => {
  const directory = await filledStore();
  const folder = freshDirectory();
  const file = join(folder, "store.ndjson");
  const written = await command(["export", "--data-dir", directory, "-o", file]);
  assert.deepEqual([written.code, written.out], [0, ""]);
  assert.match(written.err, /^exported 5 sessions, 62 messages, 1 of them retained\n$/);
  assert.equal(statSync(file).mode & 0o77, 0, "nobody else may read it");
  assert.deepEqual(readdirSync(folder), ["store.ndjson"]);
  const { out } = await command(["export", "--data-dir", directory, "--quiet"]);
  assert.equal(out, readFileSync(file, "utf8"));

  const fromFile = join(freshDirectory(), "made", "here");
  assert.equal((await imported(fromFile, out)).code, 0);
  const fromPipe = freshDirectory();
  const piped = await command(["import", "--data-dir", fromPipe], out);
  assert.equal(piped.code, 0, piped.err);
  assert.match(piped.err, /^imported 5 sessions, 62 messages/);
  assert.ok(readdirSync(fromPipe).every((name) => /^\d+\.(log|idx|ckp)$/.test(name)));
  const content = await contentOf(directory);
  assert.equal(content.queues.flat().length, 300);
  assert.deepEqual(await contentOf(fromFile), content);
  assert.deepEqual(await contentOf(fromPipe), content);
});

test("an export has a line for its format, one for each record, and one for its end", async () => {
  const directory = await filledStore({ sessions: 1, queued: 1, bytes: 3 });
  const lines = (await exported(directory))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual([lines[0]?.["format"], lines[0]?.["version"]], ["sericite-store", 1]);
  assert.deepEqual(lines.at(-1), {
    ...{ type: "end", sessions: 1, subscriptions: 1, queued: 1, messages: 3 },
    ...{ retained: 1, wills: 1, delayed: 1, bans: 1 },
  });
  const begin = lines.find(({ type }) => type === "session-begin");
  assert.equal(begin?.["username"], null);
  const messages = lines.filter(({ type }) => type === "message");
  assert.deepEqual(
    messages.map(({ message }) => (message as { payload: unknown }).payload),
    [{ base64: "AQEB" }, { base64: "AgIC" }, { base64: "AwMD" }],
  );
  const ban = lines.find(({ type }) => type === "ban");
  assert.deepEqual(ban?.["until"], { number: "Infinity" });
});

test("what is no export, or not a whole one, is not imported, and the line is named", async () => {
  const lines = (await exported(await filledStore({ queued: 3 }))).trimEnd().split("\n");
  const end = lines.length - 1;
  const without = (at: number): string[] => lines.filter((_line, index) => index !== at);
  const changed = (at: number, change: (line: string) => string): string[] =>
    lines.map((line, index) => (index === at ? change(line) : line));
  const find = (type: string): number =>
    lines.findIndex((line) => line.includes(`"type":"${type}"`));
  for (const [what, content, message] of [
    ["nothing", [], /cut off/],
    ["another file", ["hello"], /line 1 is not a JSON object/],
    ["another format", ['{"a":1}'], /line 1 is not the first line of an export/],
    ["a newer format", changed(0, (line) => line.replace(":1,", ":9,")), /of version 1 .* of 9/],
    ["a file that was cut off", lines.slice(0, -3), /cut off/],
    ["half a line", [...lines.slice(0, 4), "{"], /line 5 is not a JSON object/],
    [
      "a field that is missing",
      changed(find("enqueue"), (line) => line.replace(/"share":"[^"]*",?/, "").replace(",}", "}")),
      /is not a record of a store/,
    ],
    [
      "a field of another type",
      changed(find("enqueue"), (line) => line.replace(/"sequence":\d+/, '"sequence":1e999')),
      /is not a record of a store/,
    ],
    [
      "bytes that are none",
      changed(find("message"), (line) => line.replace(/base64":"/, 'base64":"!!')),
      /is not a record of a store/,
    ],
    [
      "a record of no known type",
      changed(1, () => '{"type":"wish"}'),
      /line 2 is not a record of a store/,
    ],
    ["a session too few", without(find("session-begin")), /do not fit together/],
    ["a message too few", without(find("message")), /damaged|do not fit together/],
    ["more behind the end", [...lines, lines[1] as string], /stands behind the end/],
  ] as const) {
    const directory = freshDirectory();
    const { code, err } = await imported(directory, content.map((line) => `${line}\n`).join(""));
    assert.ok(code === 1 || code === 6, what);
    assert.match(err, message, what);
    assert.deepEqual(readdirSync(directory), [], what);
  }
  assert.ok(end > 10);
});

test("an import goes into an empty directory only, and after a failed one too", async () => {
  const directory = await filledStore({ queued: 2 });
  const out = await exported(directory);
  const full = freshDirectory();
  writeFileSync(join(full, "notes.txt"), "mine");
  for (const target of [directory, full]) {
    const before = bytesOf(target);
    const { code, err } = await imported(target, out);
    assert.equal(code, 1);
    assert.match(err, /is not empty: it holds .*empty directory/);
    assert.deepEqual(bytesOf(target), before);
  }
  // What an import that was killed leaves behind.
  const killed = freshDirectory();
  mkdirSync(join(killed, "importing"));
  writeFileSync(join(killed, "importing", "00000001.log"), "half");
  assert.equal((await imported(killed, out)).code, 0);
  assert.deepEqual(await contentOf(killed), await contentOf(directory));
});

test("a damaged store is told by file and offset, with what is lost, and the rest is saved", async () => {
  const directory = await filledStore();
  const whole = await contentOf(directory);
  const [first, second] = filesOf(directory, "log") as [string, string];
  for (const [what, damage] of [
    ["a bit turned", (copy: string) => flip(join(copy, first), 3000)],
    ["a file cut off", (copy: string) => truncateSync(join(copy, second), 2000)],
    ["a file missing", (copy: string) => rmSync(join(copy, second))],
  ] as const) {
    const copy = copyOf(directory);
    damage(copy);
    const before = bytesOf(copy);
    const { code, out } = await store(["check", "--data-dir", copy]);
    assert.equal(code, 1, what);
    assert.match(out, /is damaged: /, what);
    if (what !== "a file missing") assert.match(out, /\n {2}0000\d+\.log at byte \d+: /, what);
    assert.match(out, /\nLost:\n {2}\d+ messages?, by number: /, what);
    const { lost, queued } = JSON.parse(
      (await store(["check", "--json", "--data-dir", copy])).out,
    ) as { lost: { entries: number; messages: number[] }; queued: number };
    assert.equal(lost.entries + queued, 300, what);

    const file = join(freshDirectory(), "saved.ndjson");
    const refused = await store(["export", "--data-dir", copy, "-o", file]);
    assert.equal(refused.code, 6, what);
    assert.match(refused.err, /damaged at byte .*export --salvage/, what);
    const saved = await command(["export", "--salvage", "--data-dir", copy, "-o", file]);
    assert.equal(saved.code, 0, what);
    assert.match(saved.err, /^Lost:\n/, what);
    assert.deepEqual(bytesOf(copy), before, what);

    const target = freshDirectory();
    const made = await store(["import", "--quiet", "--data-dir", target, "-i", file]);
    assert.equal(made.code, 0, made.err);
    const content = await contentOf(target);
    const kept = whole.queues.map((queue) =>
      queue.filter(({ message }) => !lost.messages.includes(message.number)),
    );
    assert.deepEqual(content.queues, kept, what);
  }
});

test("an export to a file that fails leaves no file", async () => {
  const directory = await filledStore();
  flip(join(directory, filesOf(directory, "log")[0] as string), 3000);
  const folder = freshDirectory();
  const { code } = await store(["export", "--data-dir", directory, "-o", join(folder, "a")]);
  assert.equal(code, 6);
  assert.deepEqual(readdirSync(folder), []);
  const nowhere = join(folder, "missing", "a");
  const { err } = await store(["export", "--data-dir", directory, "-o", nowhere]);
  assert.match(err, /cannot write .*missing.a: ENOENT/);
});

test("compacting makes a store smaller and loses nothing", async () => {
  const directory = await filledStore({ queued: 200, wanted: 10 });
  const before = await contentOf(directory);
  const { code, out } = await store(["compact", "--data-dir", directory]);
  assert.equal(code, 0);
  const [, from, to] = /\((\d+) and (\d+) bytes\)/.exec(out) ?? [];
  assert.ok(Number(to) < Number(from) * 0.6, out);
  assert.deepEqual(await contentOf(directory), before);
  assert.equal((await store(["check", "--data-dir", directory])).code, 0);
});

test("compacting leaves a damaged segment alone, and says so", async () => {
  const directory = await filledStore({ queued: 200, wanted: 10 });
  const { queues } = await contentOf(directory);
  const [first] = filesOf(directory, "log") as [string];
  const bytes = readFileSync(join(directory, first));
  flip(join(directory, first), bytes.indexOf(Buffer.alloc(100, queues[0]?.[0]?.message.number)));
  const { code, err } = await command(["compact", "--data-dir", directory]);
  assert.equal(code, 1);
  assert.match(err, new RegExp(`${first} is damaged at byte \\d+.*it was left as it is`));
  assert.ok(existsSync(join(directory, first)));
});

test("a directory that a process has is refused by all, and told who has it", async () => {
  const directory = await filledStore();
  const running = new LogStore(new NodeDisk(directory));
  await running.open(collectRecovery());
  try {
    for (const action of ["check", "stat", "export", "compact"]) {
      const { code, err } = await store([action, "--data-dir", directory]);
      assert.equal(code, 1);
      assert.match(err, new RegExp(`in use by process ${process.pid} on .*stop it first`));
    }
  } finally {
    await running.close();
  }
});

test("Ctrl-C ends an import that waits for its input, and leaves nothing behind", async () => {
  const out = await exported(await filledStore({ queued: 2 }));
  const directory = freshDirectory();
  const running = startCommand(["store", "import", "--data-dir", directory], { keepsInput: true });
  running.process.stdin?.write(out.slice(0, -100));
  while (!existsSync(join(directory, "importing", "lock")))
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  const { code, stderr } = await running.stop("SIGINT");
  assert.equal(code, 1);
  assert.equal(stderr, "sericite: stopped by SIGINT: nothing was imported\n");
  assert.deepEqual(readdirSync(directory), []);
});
