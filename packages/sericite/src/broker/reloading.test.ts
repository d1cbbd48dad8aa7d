import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect } from "@sericite/client";
import { startBroker, startCommand } from "../testing/run-command.test-support.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-reload-"));
after(() => rmSync(folder, { recursive: true }));

test(
  "SIGHUP takes what changed, says what waits for a restart, and drops no connection; a broken file changes nothing and is told with its place",
  { skip: process.platform === "win32" && "there is no SIGHUP" },
  async () => {
    const file = join(folder, "sericite.yaml");
    writeFileSync(file, "auth:\n  username: ada\n  password: pass-1\n");
    const { command, port } = await startBroker(["--config", file]);
    const url = `mqtt://127.0.0.1:${port}`;
    const enters = async (password: string): Promise<boolean> => {
      try {
        await (await connect(url, { username: "ada", password, reconnect: false })).disconnect();
        return true;
      } catch {
        return false; // Refused, as the caller asks to know.
      }
    };
    const there = await connect(url, { username: "ada", password: "pass-1", reconnect: false });

    writeFileSync(
      file,
      "auth:\n  username: ada\n  password: pass-2\nlisten:\n  backlog: 99\nlog:\n  level: warn\n",
    );
    command.process.kill("SIGHUP");
    // The level that is set by the reload leaves its own line in.
    const [, changed, waiting] = await command.output(
      /"event":"reloaded".*"changed":(\[[^\]]*\]),"needRestart":(\[[^\]]*\])/,
    );
    assert.deepEqual(JSON.parse(changed!), ["auth.password", "log.level"]);
    assert.deepEqual(JSON.parse(waiting!), ["listen.backlog"]);
    assert.deepEqual([await enters("pass-1"), await enters("pass-2")], [false, true]);

    writeFileSync(file, "auth:\n  username: ada\n  password: pass-3\nmqtt:\n  maximumQos: 7\n");
    command.process.kill("SIGHUP");
    const [, problem] = await command.output(/"event":"reload-failed".*"error":"([^"]*)"/);
    assert.match(problem!, /sericite\.yaml:5:15: mqtt\.maximumQos is 7; expected .*0 to 2/);
    assert.deepEqual([await enters("pass-3"), await enters("pass-2")], [false, true]);

    await there.publish("still/here", "x", { qos: 1 });
    await there.disconnect();
    const { code, stdout } = await command.stop();
    assert.equal(code, 0);
    assert.doesNotMatch(stdout.toString(), /pass-/);
  },
);

const hasPipes = spawnSync("mkfifo", ["--version"]).status === 0;

test(
  "a SIGHUP that comes while the broker starts does not end it, and is obeyed once it is started",
  { skip: !hasPipes && "there is no mkfifo" },
  async () => {
    const file = join(folder, "pipe.yaml");
    execFileSync("mkfifo", [file]);
    // Reading such a file waits for its writer: the broker gets no further.
    const write = async (level: string, meanwhile: () => void): Promise<void> => {
      const pipe = await open(file, "w");
      meanwhile();
      await pipe.writeFile(`listen: { port: 0 }\nlog: { level: ${level} }\n`);
      await pipe.close();
    };
    const command = startCommand(["broker", "--config", file]);
    await write("info", () => command.process.kill("SIGHUP"));
    await command.output(/"event":"started"/);
    await write("warn", () => {});
    const [, changed] = await command.output(/"event":"reloaded".*"changed":(\[[^\]]*\])/);
    assert.deepEqual(JSON.parse(changed!), ["log.level"]);
    assert.equal((await command.stop()).code, 0);
  },
);

test("--trace-client logs each packet of the client, whatever the level of the log", async () => {
  const { command, port } = await startBroker(["--trace-client", "pump", "--log-level", "warn"]);
  const url = `mqtt://127.0.0.1:${port}`;
  await (await connect(url, { clientId: "pump", password: "hunter2", username: "u" })).disconnect();
  await (await connect(url, { clientId: "other" })).disconnect();
  await command.output(/DISCONNECT/);
  const { stdout } = await command.stop();
  const lines = stdout
    .toString()
    .split("\n")
    .filter((line) => line.includes('"packet"'));
  assert.equal(lines.length, 3, lines.join("\n"));
  assert.match(lines[0]!, /"direction":"received","clientId":"pump",.*CONNECT .*\(hidden\)/);
  assert.doesNotMatch(stdout.toString(), /hunter2/);
});
