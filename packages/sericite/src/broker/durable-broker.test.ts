import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { connect } from "@sericite/client";
import type { Client } from "@sericite/client";
import {
  runCommand,
  RunningCommand,
  startBroker,
  startCommand,
} from "../testing/run-command.test-support.ts";
import type { RunningBroker } from "../testing/run-command.test-support.ts";

const root = mkdtempSync(join(tmpdir(), "sericite-durable-"));
after(() => rmSync(root, { recursive: true }));

const notHere = process.platform === "win32" ? "Windows has no limit on the size of files" : false;

const flags = (name: string): string[] => [
  "--durability",
  "strict",
  "--data-dir",
  join(root, name),
];

const start = (name: string, ...more: string[]): Promise<RunningBroker> =>
  startBroker([...flags(name), ...more]);

/** Connects with a session that outlives its connection. */
const resume = (port: number, clientId: string): Promise<Client> =>
  connect(`mqtt://127.0.0.1:${port}`, {
    clientId,
    cleanStart: false,
    sessionExpiryInterval: 3600,
    reconnect: false,
  });

/** Leaves a store with messages that were acknowledged one after the other. */
async function leaveStore(name: string): Promise<void> {
  const { command, port } = await start(name);
  const client = await connect(`mqtt://127.0.0.1:${port}`);
  for (const topicName of ["a", "b", "c", "d"])
    await client.publish(topicName, "kept ".repeat(20), { qos: 1, retain: true });
  await client.disconnect();
  assert.equal((await command.stop()).code, 0);
}

/** The oldest file of a store that ends so. */
function fileOf(name: string, ending: string): string {
  const [file] = readdirSync(join(root, name))
    .filter((entry) => entry.endsWith(ending))
    .sort();
  return join(root, name, file as string);
}

/** Changes the bytes of a file. */
function change(path: string, edit: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  edit(bytes);
  writeFileSync(path, bytes);
}

test("the start line says where and how sure everything is kept, and the end lets the directory go", async () => {
  const { command } = await start("line");
  const { code, stdout } = await command.stop();
  assert.equal(code, 0);
  const path = join(root, "line");
  assert.ok(
    stdout.toString().includes(`; strict in ${path}: nothing that was acknowledged is lost"`),
    stdout.toString(),
  );
  assert.match(stdout.toString(), /"store-opened".*gave back 0 sessions with 0 waiting messages/);
  assert.ok(!readdirSync(path).includes("lock"));
});

test("strict is the default, and the directory that it comes to is printed", async () => {
  const env = { SERICITE_STORE_DURABILITY: "strict", HOME: root };
  const printed = await runCommand(["broker", "--print-config"], { env });
  assert.match(printed.stdout.toString(), /dataDir: "\/.*\/sericite" +# default/);
  const help = await runCommand(["broker", "--help"]);
  assert.match(
    help.stdout.toString().replaceAll(/\s+/g, " "),
    /nothing outlives the process. Default strict\..*--data-dir.*for root \/var\/lib\/sericite/,
  );
});

test("a second broker on the directory is told which process has it, and the flag", async () => {
  const { command } = await start("twice");
  const second = await runCommand(["broker", "--port", "0", ...flags("twice")]);
  assert.equal(second.code, 1);
  assert.match(
    second.stderr,
    new RegExp(`twice is in use by process ${command.process.pid} on .*--data-dir DIR`),
  );
  assert.equal((await command.stop()).code, 0);
});

test("a file in place of the directory is a wrong setting", async () => {
  writeFileSync(join(root, "file"), "");
  for (const name of ["file", "file/below"]) {
    const { code, stderr } = await runCommand(["broker", "--port", "0", ...flags(name)]);
    assert.equal(code, 2);
    assert.match(stderr, /store\.dataDir is .*file.*expected a directory: --data-dir DIR/);
  }
});

test("a damaged file stops the start with its name and what can be saved, and nothing is changed", async () => {
  await leaveStore("damaged");
  const path = fileOf("damaged", ".log");
  change(path, (bytes) => (bytes[bytes.indexOf("kept ")]! ^= 1));
  const before = readdirSync(join(root, "damaged")).sort();
  const { code, stderr } = await runCommand(["broker", "--port", "0", ...flags("damaged")]);
  assert.equal(code, 6, stderr);
  assert.match(stderr, /\.log is damaged at byte \d+: .*sericite store check --data-dir/);
  assert.deepEqual(readdirSync(join(root, "damaged")).sort(), before);
});

test("a store of a newer version is refused by name, and nothing is changed", async () => {
  await leaveStore("newer");
  const path = fileOf("newer", ".log");
  change(path, (bytes) => {
    bytes.writeUInt32LE(99, 4);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28);
  });
  const { code, stderr } = await runCommand(["broker", "--port", "0", ...flags("newer")]);
  assert.equal(code, 6, stderr);
  assert.match(stderr, /\.log.*newer.*Start the version that wrote it/);
});

test("a disk that is too full is told, and takes no more messages to keep", async () => {
  const { command, port } = await start("full", "--store.minimumFreeBytes", "8000000GB");
  await command.output(/"store-state".*ERR_STORE_DISK_FULL.*Free some/);
  const client = await connect(`mqtt://127.0.0.1:${port}`, { sessionExpiryInterval: 0 });
  await assert.rejects(client.publish("a", "for later", { qos: 1, retain: true }), {
    reasonCode: 0x97,
  });
  await client.publish("a", "for nobody", { qos: 1 });
  await client.disconnect();
  assert.equal((await command.stop()).code, 0);
});

test(
  "a store that cannot write the rest is told at the end, with exit code 1",
  { skip: notHere },
  async () => {
    // A limit on the size of files is a disk that is full, for whatever is larger.
    const { process: own } = startCommand(["version"]);
    await once(own, "exit");
    const words = [...own.spawnargs.slice(0, 2), "broker", "--port", "0", ...flags("limited")];
    const command = new RunningCommand(
      "sh",
      ["-c", 'ulimit -f 1024; exec "$@"', "sh", ...words],
      {},
    );
    const [, port] = await command.output(/mqtt:\/\/[^\s"]*:(\d+)/);
    const client = await connect(`mqtt://127.0.0.1:${port}`, {
      sessionExpiryInterval: 0,
      reconnect: false,
    });
    const refusing = command.output(/"store-state".*"refusing".*ERR_STORE_DISK_FULL/);
    const publishing = client.publish("a", Buffer.alloc(4 << 20), { qos: 1, retain: true });
    const unacknowledged = assert.rejects(publishing);
    await refusing;
    const { code, stderr } = await command.stop();
    await unacknowledged;
    assert.equal(code, 1);
    assert.match(stderr, /the store could not write all it had taken: no space left/);
    const { command: again } = await start("limited");
    assert.equal((await again.stop()).code, 0);
  },
);

for (const signal of ["SIGTERM", "SIGKILL"] as const)
  test(`what was acknowledged is there after ${signal}`, async () => {
    const name = `kept-${signal}`;
    const first = await start(name);
    const subscriber = await resume(first.port, "subscriber");
    await subscriber.subscribe("a/#", () => undefined, { qos: 2 });
    await subscriber.disconnect();
    const publisher = await connect(`mqtt://127.0.0.1:${first.port}`, {
      sessionExpiryInterval: 0,
      reconnect: false,
    });
    publisher.on("closed", () => undefined);
    for (const payload of ["1", "2", "3"])
      await publisher.publish("a/b", payload, { qos: payload === "2" ? 2 : 1 });
    await publisher.publish("retained", "r", { qos: 1, retain: true });
    await first.command.stop(signal);

    const second = await start(name);
    const { stdout } = second.command;
    assert.match(stdout.toString(), /"sessions":1,"queuedMessages":3,"retainedMessages":1/);
    const received: string[] = [];
    let isComplete: () => void;
    const complete = new Promise<void>((resolve) => (isComplete = resolve));
    const again = await connect(`mqtt://127.0.0.1:${second.port}`, {
      clientId: "subscriber",
      cleanStart: false,
      sessionExpiryInterval: 3600,
      reconnect: false,
      onUnclaimedMessage: ({ payload }) => {
        received.push(new TextDecoder().decode(payload));
        if (received.length === 3) isComplete();
      },
    });
    await complete;
    assert.deepEqual(received, ["1", "2", "3"]);
    await again.disconnect();
    assert.equal((await second.command.stop()).code, 0);
  });

test("the settings for a small box are right, and a broker starts with them", async () => {
  const file = fileURLToPath(new URL("../../../../deploy/edge.yaml", import.meta.url));
  const printed = await runCommand(["broker", "--config", file, "--print-config"]);
  assert.equal(printed.code, 0, printed.stderr);
  assert.match(printed.stdout.toString(), /segmentBytes: 8MiB +# .*edge\.yaml:\d+:\d+/);
  const { command } = await start("edge", "--config", file);
  assert.equal((await command.stop()).code, 0);
});
