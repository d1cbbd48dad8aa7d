import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, test } from "node:test";
import { startBroker } from "../testing/run-command.test-support.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-systemd-"));
after(() => rmSync(folder, { recursive: true }));
const skip = process.platform === "win32" && "there is no systemd";
const told = join(folder, "told");

/** Stands for systemd-notify, which only the service manager's own machine has a socket for. */
const program = join(folder, "systemd-notify");
writeFileSync(program, `#!/bin/sh\necho "$NOTIFY_SOCKET $@" >> "${told}"\n`);
chmodSync(program, 0o755);
const path = `${folder}${delimiter}${process.env["PATH"]}`;

test(
  "systemd is told of readiness, reloads, the end, and meanwhile that the broker is alive",
  { skip },
  async () => {
    const { command } = await startBroker([], {
      env: { PATH: path, NOTIFY_SOCKET: "/run/n", WATCHDOG_USEC: "100000" },
    });
    const lines = (): string[] =>
      existsSync(told) ? readFileSync(told, "utf8").trimEnd().split("\n") : [];
    const until = async (pattern: RegExp): Promise<void> => {
      while (!lines().some((line) => pattern.test(line))) await new Promise(setImmediate);
    };
    await until(/WATCHDOG=1/);
    command.process.kill("SIGHUP");
    await command.output(/"reloaded"/);
    assert.equal((await command.stop()).code, 0);
    const all = lines();
    assert.match(all[0]!, /^\/run\/n READY=1 STATUS=.*mqtt:\/\/127/);
    assert.deepEqual(
      all
        .slice(1)
        .map((line) => line.split(" ")[1])
        .filter((word) => word !== "WATCHDOG=1"),
      ["RELOADING=1", "READY=1", "STOPPING=1"],
    );
    assert.match(
      all.findLast((line) => line.includes("READY=1"))!,
      /READY=1 STATUS=listens on mqtt:\/\/127/,
    );
    assert.match(
      all.find((line) => line.includes("RELOADING"))!,
      /MONOTONIC_USEC=\d+$/,
    );
  },
);

test("a broker that cannot tell systemd says so once and goes on", { skip }, async () => {
  const { command } = await startBroker([], {
    env: { PATH: join(folder, "none"), NOTIFY_SOCKET: "/run/n", WATCHDOG_USEC: "100000" },
  });
  await command.output(/systemd-notify cannot be started/);
  const { code, stdout } = await command.stop();
  assert.equal(code, 0);
  assert.equal(stdout.toString().split('"systemd-not-told"').length, 2);
});
