import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect } from "@sericite/client";
import { runCommand, startBroker } from "../testing/run-command.test-support.ts";
import { AuditRate } from "./audit-log.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-audit-"));
after(() => rmSync(folder, { recursive: true }));

const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .split("\n")
    .filter((line) => line.includes('"audit-'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test("in a flood so many lines of each event are written, then how many were left out", () => {
  const written: string[] = [];
  const rate = new AuditRate(2, (event, fields) =>
    written.push(`${event} ${JSON.stringify(fields)}`),
  );
  for (let i = 0; i < 5; i++) rate.tell("audit-refused", { i });
  rate.tell("audit-connected", {});
  rate.endSecond();
  rate.tell("audit-refused", { i: 5 });
  rate.endSecond();
  assert.deepEqual(written, [
    'audit-refused {"i":0}',
    'audit-refused {"i":1}',
    "audit-connected {}",
    'audit-left-out {"left":"audit-refused","count":3}',
    'audit-refused {"i":5}',
  ]);
});

test("who came, who was refused and why stands in the file, without a password; a file that was moved away is begun anew at SIGHUP", async () => {
  const file = join(folder, "audit.log");
  const { command, port } = await startBroker(["--audit", file, "--log-level", "error"], {
    env: { SERICITE_AUTH_USERNAME: "ada", SERICITE_AUTH_PASSWORD: "hunter2" },
  });
  const url = `mqtt://127.0.0.1:${port}`;
  const enter = async (clientId: string, password: string): Promise<void> => {
    const client = await connect(url, { clientId, username: "ada", password, reconnect: false });
    await client.disconnect();
  };
  await enter("good", "hunter2");
  await assert.rejects(enter("bad", "hunter3"));
  while (linesOf(readFileSync(file, "utf8")).length < 3) await new Promise(setImmediate);
  const moved = join(folder, "audit.1");
  renameSync(file, moved);
  command.process.kill("SIGHUP");
  await command.output(/"reloaded"/);
  await enter("late", "hunter2");
  const { code, stdout } = await command.stop();
  assert.equal(code, 0);
  const shown = (name: string): unknown[] =>
    linesOf(readFileSync(name, "utf8")).map(({ event, clientId, username, reasonCode }) => [
      event,
      clientId,
      username,
      reasonCode,
    ]);
  assert.deepEqual(shown(moved), [
    ["audit-connected", "good", "ada", undefined],
    ["audit-disconnected", "good", "ada", 0],
    ["audit-refused", "bad", "ada", 0x86],
  ]);
  assert.deepEqual(shown(file), [
    ["audit-connected", "late", "ada", undefined],
    ["audit-disconnected", "late", "ada", 0],
  ]);
  assert.doesNotMatch(readFileSync(moved, "utf8") + stdout.toString(), /hunter/);
});

test("with --audit log the lines stand in the log, whatever its level", async () => {
  const { command, port } = await startBroker(["--audit", "log", "--log-level", "error"]);
  await (await connect(`mqtt://127.0.0.1:${port}`, { clientId: "c" })).disconnect();
  await command.output(/audit-disconnected/);
  const { stdout } = await command.stop();
  assert.deepEqual(
    linesOf(stdout.toString()).map(({ event }) => event),
    ["audit-connected", "audit-disconnected"],
  );
});

test("an audit log that cannot be opened keeps the broker from starting", async () => {
  const { code, stderr } = await runCommand(["broker", "--port", "0", "--audit", folder]);
  assert.equal(code, 2);
  assert.match(stderr, /log\.audit: .* cannot be opened: EISDIR/);
});
