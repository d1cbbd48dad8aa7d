import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect } from "@sericite/client";
import { runCommand, startBroker } from "../testing/run-command.test-support.ts";
import { auditEvents } from "./audit-events.ts";
import { AuditFile } from "./audit-file.ts";
import { AuditRate } from "./audit-rate.ts";
import { AuditRepetitions } from "./audit-repetitions.ts";

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

test("what one client does again and again is told once, then once in a period with its number", () => {
  const told: string[] = [];
  const repetitions = new AuditRepetitions((event, fields) =>
    told.push(`${event} ${JSON.stringify(fields)}`),
  );
  const event = "audit-publish-refused";
  for (let i = 0; i < 1000; i++) repetitions.tell(event, "c", { clientId: "c", i });
  repetitions.tell(event, "d", { clientId: "d" });
  repetitions.endPeriod();
  repetitions.tell(event, "c", { clientId: "c", i: 1000 });
  repetitions.endPeriod();
  repetitions.endPeriod();
  repetitions.tell(event, "c", { clientId: "c", i: 1001 });
  repetitions.endPeriod();
  assert.deepEqual(told, [
    `${event} {"clientId":"c","i":0}`,
    `${event} {"clientId":"d"}`,
    `${event} {"clientId":"c","i":999,"count":999}`,
    `${event} {"clientId":"c","i":1000,"count":1}`,
    // It had stopped meanwhile.
    `${event} {"clientId":"c","i":1001}`,
  ]);
});

test("a file that is large is moved away in place of the one before, so that both together have a bound", async () => {
  const place = join(folder, "large");
  mkdirSync(place);
  const path = join(place, "audit.log");
  writeFileSync(path, "x".repeat(50));
  const file = new AuditFile(path);
  file.maximumSize = 100;
  for (let i = 0; i < 20; i++) file.write(`${String(i).padStart(29, "0")}\n`);
  await file.end();
  assert.deepEqual(readdirSync(place), ["audit.log", "audit.log.1"]);
  const numbers = (name: string): number[] =>
    readFileSync(join(place, name), "utf8").trim().split("\n").map(Number);
  // Two lines went behind what was there, then four at a time.
  assert.deepEqual(numbers("audit.log.1"), [14, 15, 16, 17]);
  assert.deepEqual(numbers("audit.log"), [18, 19]);
  file.close();
});

test("a file that cannot be moved away is written on", async () => {
  const place = join(folder, "stuck");
  mkdirSync(join(place, "audit.log.1", "full"), { recursive: true });
  const path = join(place, "audit.log");
  const file = new AuditFile(path);
  file.maximumSize = 10;
  assert.throws(() => file.write("0123456789\n"), { code: "EISDIR" });
  file.write("end\n");
  await file.end();
  assert.equal(readFileSync(path, "utf8"), "0123456789\nend\n");
  file.close();
});

test("docs/OPERATION.md lists every event", () => {
  const page = readFileSync(new URL("../../../../docs/OPERATION.md", import.meta.url), "utf8");
  for (const event of Object.keys(auditEvents)) assert.ok(page.includes(`| \`${event}\` |`), event);
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

test("who may not publish, subscribe or get a message is told with the reason, and a flood of it is a few lines", async () => {
  const rules = join(folder, "access.conf");
  writeFileSync(
    rules,
    "user ada\ntopic write open/#\nuser eve\ntopic read #\ntopic deny open/secret\ntopic write nothing\n",
  );
  const config = join(folder, "rules.yaml");
  // What nobody asked for is no refusal: ada may not subscribe to it either.
  writeFileSync(
    config,
    `auth: { aclFile: ${rules} }\nlimits: { connections: 2 }\nautoSubscribe: [{ topicFilter: news }]\n`,
  );
  const { command, port } = await startBroker(["--config", config, "--audit", "log"]);
  const url = `mqtt://127.0.0.1:${port}`;
  const ada = await connect(url, { clientId: "a", username: "ada", password: "p" });
  const eve = await connect(url, {
    clientId: "e",
    username: "eve",
    password: "p",
    protocolVersion: 4,
  });
  await assert.rejects(connect(url, { clientId: "one-too-many", reconnect: false }));
  await eve.subscribe("#");
  await assert.rejects(ada.subscribe("#"));
  await ada.publish("open/secret", "x", { qos: 1 });
  for (let i = 0; i < 200; i++) await eve.publish("forbidden", "x", { qos: 1 });
  await Promise.all([ada.disconnect(), eve.disconnect()]);
  const { stdout } = await command.stop();
  const refusals = linesOf(stdout.toString())
    .filter(({ event }) => (event as string).endsWith("refused"))
    .map(({ time: _time, level: _level, port: _port, ...rest }) => JSON.stringify(rest));
  const from = `"listener":"tcp:${port}","address":"127.0.0.1"`;
  const flood = `{"event":"audit-publish-refused","clientId":"e","username":"eve",${from},"topicName":"forbidden","qos":1,"retain":false,"isWill":false,"reason":"publish-denied"`;
  assert.deepEqual(refusals, [
    `{"event":"audit-refused","clientId":"one-too-many",${from},"reasonCode":151,"reason":"too many connections: limits.connections"}`,
    `{"event":"audit-subscription-refused","clientId":"a","username":"ada",${from},"topicFilter":"#","reasonCode":135}`,
    `{"event":"audit-delivery-refused","clientId":"e","username":"eve",${from},"topicName":"open/secret","qos":0,"publisher":"a"}`,
    `${flood}}`,
    `${flood},"count":199}`,
  ]);
});
