import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect } from "@sericite/client";
import { runCommand, startCommand } from "../testing/run-command.test-support.ts";
import { parseConfigFile } from "./config-file.ts";
import { listChanges } from "./list-item.ts";
import { printList } from "./print-settings.ts";
import { autoSubscribeRows, readAutoSubscribe, readRewrite, rewriteRows } from "./topic-lists.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-topics-"));
after(() => rmSync(folder, { recursive: true }));

function read(text: string) {
  const file = parseConfigFile(text, "c.yaml");
  const problems = [...file.problems];
  const rewrite = readRewrite(file.lists.get("rewrite") ?? [], problems);
  const autoSubscribe = readAutoSubscribe(file.lists.get("autoSubscribe") ?? [], problems);
  return { rewrite, autoSubscribe, problems };
}

const all = `rewrite:
  - { action: publish, from: up/#, pattern: '^up/(\\d+)$', to: "devices/%c/$1" }
  - { from: old/#, pattern: ^old/(.+)$, to: new/$1 }
autoSubscribe:
  - topicFilter: to/%c/#
    qos: 1
  - topicFilter: news
    retainHandling: 2
    noLocal: on
    retainAsPublished: true
`;

test("the lists are read into what the broker is made with", () => {
  const { rewrite, autoSubscribe, problems } = read(all);
  assert.deepEqual(problems, []);
  assert.deepEqual(rewrite.entries, [
    { action: "publish", from: "up/#", pattern: "^up/(\\d+)$", to: "devices/%c/$1" },
    { action: "all", from: "old/#", pattern: "^old/(.+)$", to: "new/$1" },
  ]);
  assert.deepEqual(autoSubscribe.entries, [
    { topicFilter: "to/%c/#", qos: 1 },
    { topicFilter: "news", retainHandling: 2, noLocal: true, retainAsPublished: true },
  ]);
});

test("what is printed of the lists is read back as the same", () => {
  const { rewrite, autoSubscribe } = read(all);
  const printed = [
    printList("rewrite", rewriteRows, rewrite.items),
    printList("autoSubscribe", autoSubscribeRows, autoSubscribe.items),
  ].join("");
  const again = read(printed);
  assert.deepEqual(again.rewrite.entries, rewrite.entries);
  assert.deepEqual(again.autoSubscribe.entries, autoSubscribe.entries);
});

test("lists whose entries are all remarks are empty", () => {
  const { rewrite, autoSubscribe, problems } = read("rewrite:\n  # - from: a\nautoSubscribe: []\n");
  assert.deepEqual([rewrite.entries, autoSubscribe.entries, problems], [[], [], []]);
});

for (const [text, ...expected] of [
  ["rewrite: 5", /c\.yaml:1:10: rewrite is a list: expected entries such as "  - \{ from:/],
  ["autoSubscribe: [to/a]", /c\.yaml:1:17: autoSubscribe\[0\]: expected keys/],
  [
    "rewrite:\n - { from: a, patern: b, to: c }",
    /c\.yaml:2:15: there is no rewrite\[0\]\.patern; did you mean pattern\?/,
    /c\.yaml:2:4: rewrite\[0\]\.pattern is missing; it takes a regular expression/,
  ],
  [
    "rewrite:\n - { source_topic: a, pattern: b, to: c }",
    /there is no rewrite\[0\]\.source_topic; did you mean from\?/,
    /rewrite\[0\]\.from is missing/,
  ],
  [
    "rewrite:\n - { from: a, pattern: b, to: %c/a }",
    /c\.yaml:2:31: a value that begins with % must stand in quotes/,
  ],
  [
    "rewrite:\n - { from: a, pattern: b, to: c }\n - { from: a/#/b, pattern: b, to: c }",
    /c\.yaml:3:6: rewrite\[1\]\.from is "a\/#\/b": /,
  ],
  [
    "rewrite:\n - { from: a, pattern: '(', to: c }",
    /c\.yaml:2:15: rewrite\[0\]\.pattern is "\(": Invalid regular expression/,
  ],
  [
    "rewrite:\n - { action: both, from: a, pattern: b, to: c }",
    /c\.yaml:2:14: rewrite\[0\]\.action is "both"; expected one of publish, subscribe, all/,
  ],
  [
    "rewrite:\n - { from: a, pattern: b, to: '' }",
    /rewrite\[0\]\.to is "": expected a text that is not empty/,
  ],
  [
    "autoSubscribe:\n - { topicFilter: a#, qos: 1 }",
    /c\.yaml:2:6: autoSubscribe\[0\]\.topicFilter is "a#": /,
  ],
  [
    "autoSubscribe:\n - { topicFilter: a, qos: 3 }",
    /c\.yaml:2:27: autoSubscribe\[0\]\.qos is 3; expected a whole number, 0 to 2/,
  ],
  [
    "autoSubscribe:\n - { topicFilter: $share/g/a, noLocal: true }",
    /autoSubscribe\[0\]\.noLocal is true: a Shared Subscription has none/,
  ],
  ["autoSubscribe:\n - qos: 1", /c\.yaml:2:4: autoSubscribe\[0\]\.topicFilter is missing/],
] as const) {
  test(`${JSON.stringify(text)} is refused with its place`, () => {
    const { problems } = read(text);
    assert.equal(problems.length, expected.length, problems.join("\n"));
    for (const [index, pattern] of expected.entries()) assert.match(problems[index]!, pattern);
  });
}

test("what changed in a list is named by entry and key, or as the list where entries came or went", () => {
  const before = read(all).rewrite.items;
  const after = read(all.replace("to: new/$1", "to: newer/$1").replace("'^up", "'^UP")).rewrite;
  assert.deepEqual(listChanges("rewrite", rewriteRows, before, after.items), [
    "rewrite[0].pattern",
    "rewrite[1].to",
  ]);
  assert.deepEqual(listChanges("rewrite", rewriteRows, before, []), ["rewrite"]);
});

test("a misspelt list is answered with the name that is nearest", async () => {
  const file = join(folder, "misspelt.yaml");
  writeFileSync(file, "autosubscribe:\n  - topicFilter: a\n");
  const { code, stderr } = await runCommand(["broker", "--config", file, "--check-config"]);
  assert.equal(code, 2);
  assert.match(stderr, /misspelt\.yaml:1:1: .*did you mean autoSubscribe\?/);
});

test("a broker rewrites and subscribes as its config file says, and otherwise after SIGHUP; a wrong rule changes nothing", async () => {
  const file = join(folder, "sericite.yaml");
  const write = (to: string, more = ""): void =>
    writeFileSync(
      file,
      `listen: { port: 0 }
rewrite: [{ action: publish, from: up/#, pattern: '^up/(.+)$', to: "${to}/%u/$1" }${more}]
autoSubscribe: [{ topicFilter: "${to}/%u/#", qos: 1 }]
`,
    );
  write("one");
  const command = startCommand(["broker", "--config", file]);
  const [, port] = await command.output(/mqtt:\/\/[^\s"]*:(\d+)/);
  /** Topic Names under which the client gets what it publishes to `up/x`, having subscribed to nothing. */
  const received = async (): Promise<string> => {
    const client = await connect(`mqtt://127.0.0.1:${port}`, {
      username: "ada",
      password: "p",
      reconnect: false,
      onUnclaimedMessage: ({ topicName }) => got(topicName),
    });
    let got: (topicName: string) => void = () => {};
    const topicName = new Promise<string>((resolve) => (got = resolve));
    await client.publish("up/x", "m", { qos: 1 });
    try {
      return await topicName;
    } finally {
      await client.disconnect();
    }
  };
  assert.equal(await received(), "one/ada/x");

  write("two");
  command.process.kill("SIGHUP");
  const [, changed] = await command.output(/"event":"reloaded".*"changed":(\[.*?\])(?=,")/);
  assert.deepEqual(JSON.parse(changed!), ["rewrite[0].to", "autoSubscribe[0].topicFilter"]);
  assert.equal(await received(), "two/ada/x");

  write("three", ", { from: a, pattern: '[', to: b }");
  command.process.kill("SIGHUP");
  const [, error] = await command.output(/"event":"reload-failed".*"error":"(.*)"/);
  assert.match(error!, /sericite\.yaml:2:\d+: rewrite\[1\]\.pattern is/);
  assert.equal(await received(), "two/ada/x");
  assert.equal((await command.stop()).code, 0);

  const { stdout } = await runCommand(["broker", "--config", file, "--print-config"]);
  assert.equal(stdout.toString(), "");
  write("four");
  const printed = await runCommand(["broker", "--config", file, "--print-config"]);
  assert.match(
    printed.stdout.toString(),
    /rewrite:\n {2}- # .*sericite\.yaml:2:11\n {4}action: publish\n {4}from: "up\/#"\n/,
  );
  assert.match(printed.stdout.toString(), /autoSubscribe:\n {2}- # .*\n {4}topicFilter: "four/);
});
