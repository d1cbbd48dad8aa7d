import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect } from "@sericite/client";
import { startBroker } from "../testing/run-command.test-support.ts";
import { banRows, readBans } from "./ban-list.ts";
import { parseConfigFile } from "./config-file.ts";
import { printList } from "./print-settings.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-bans-"));
after(() => rmSync(folder, { recursive: true }));

function read(text: string) {
  const file = parseConfigFile(text, "c.yaml");
  const problems = [...file.problems];
  return { bans: readBans(file.lists.get("bans") ?? [], problems), problems };
}

test("the list is read, and what is printed of it is read back as the same", () => {
  const { bans, problems } = read(
    "bans:\n  - { kind: address, value: 192.0.2.0/24 }\n  - { kind: clientId, value: '7', reason: abuse }\n",
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(bans.entries, [
    { kind: "address", value: "192.0.2.0/24" },
    { kind: "clientId", value: "7", reason: "abuse" },
  ]);
  assert.deepEqual(read(printList("bans", banRows, bans.items)).bans.entries, bans.entries);
});

for (const [text, expected] of [
  ["bans: [{ kind: address, value: here }]", /bans\[0\]\.value is "here": expected an address/],
  ["bans: [{ kind: host, value: here }]", /bans\[0\]\.kind is .*expected one of clientId/],
  ["bans: [{ kind: address }]", /bans\[0\]\.value is missing/],
  ["bans: [{ kind: address, value: 192.0.2.1, until: 5 }]", /there is no bans\[0\]\.until/],
] as const)
  test(`${text} is refused`, () => {
    assert.match(read(text).problems.join("\n"), expected);
  });

test(
  "who is written into the file is kept out after SIGHUP, and who is taken out of it comes in again",
  { skip: process.platform === "win32" && "there is no SIGHUP" },
  async () => {
    const file = join(folder, "sericite.yaml");
    writeFileSync(file, "log:\n  level: info\n");
    const { command, port } = await startBroker(["--config", file]);
    const url = `mqtt://127.0.0.1:${port}`;
    let reloads = 0;
    const reload = async (text: string): Promise<void> => {
      writeFileSync(file, text);
      command.process.kill("SIGHUP");
      await command.output(new RegExp(`("changed":\\["bans[^]*){${++reloads}}`));
    };
    const there = await connect(url, { clientId: "c", reconnect: false });
    const gone = new Promise((resolve) => there.on("closed", resolve));
    await reload("bans:\n  - { kind: clientId, value: c }\n");
    await gone;
    await assert.rejects(connect(url, { clientId: "c", reconnect: false }), { reasonCode: 0x8a });
    await (await connect(url, { clientId: "d", reconnect: false })).disconnect();
    await reload("bans: []\n");
    await (await connect(url, { clientId: "c", reconnect: false })).disconnect();
    assert.equal((await command.stop()).code, 0);
  },
);
