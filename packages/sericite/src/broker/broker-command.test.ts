import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { connect, ConnectionError, ReasonCode, UsageError } from "@sericite/client";
import { settingsIn } from "../settings/setting-name.ts";
import {
  runCommand,
  RunningCommand,
  startBroker,
  startCommand,
} from "../testing/run-command.test-support.ts";
import { run } from "./broker-command.ts";
import { brokerCommandSettings, brokerOptions } from "./broker-options.ts";

/** CONNECT of MQTT 3.1.1, Clean Session, no Keep Alive, Client Identifier "raw". */
const connectPacket = Buffer.from("100f00044d5154540402000000037261 77".replace(" ", ""), "hex");
/** SUBSCRIBE with Packet Identifier 1 to "#" at QoS 0. */
const subscribePacket = Buffer.from("82060001000123 00".replace(" ", ""), "hex");

async function rawClient(port: number): Promise<Socket> {
  const socket = connectSocket(port, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  await once(socket, "connect");
  socket.write(connectPacket);
  await once(socket, "data");
  return socket;
}

test("the broker prints where it listens, what it keeps and who may enter, and ends with 0 at SIGTERM", async () => {
  const { command } = await startBroker();
  const { code, stdout, stderr } = await command.stop();
  assert.equal(code, 0);
  assert.equal(stderr, "");
  const lines = stdout
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.map(({ event }) => event),
    ["started", "stopping", "stopped"],
  );
  assert.match(
    String(lines[0]!["message"]),
    /listens on mqtt:\/\/127\.0\.0\.1:\d+; everybody may enter; memory: sessions and messages are lost/,
  );
  assert.equal(lines[1]!["signal"], "SIGTERM");
});

test("clients are told that the broker shuts down", async () => {
  const { command, port } = await startBroker();
  const client = await connect(`mqtt://127.0.0.1:${port}`, { reconnect: false });
  const closed = new Promise<Error | undefined>((resolve) =>
    client.on("closed", ({ error }) => resolve(error)),
  );
  const { code } = await command.stop("SIGINT");
  const error = await closed;
  assert.ok(error instanceof ConnectionError);
  assert.equal(error.reasonCode, ReasonCode.serverShuttingDown);
  assert.equal(code, 0);
});

test("a second signal ends the broker at once, though a client does not take what it is sent", async () => {
  const { command, port } = await startBroker(["--shutdown.timeout", "60s"]);
  const subscriber = await rawClient(port);
  subscriber.write(subscribePacket);
  await once(subscriber, "data");
  subscriber.pause();
  const publisher = await connect(`mqtt://127.0.0.1:${port}`, { reconnect: false });
  publisher.on("closed", () => {});
  for (let i = 0; i < 4; i++) await publisher.publish("a", Buffer.alloc(4_000_000), { qos: 1 });
  command.process.kill("SIGTERM");
  await command.output(/"stopping"/);
  const { code, stdout } = await command.stop("SIGINT");
  subscriber.destroy();
  assert.equal(code, 1);
  assert.match(stdout.toString(), /"stopped-at-once","signal":"SIGINT"/);
});

test("the echo of a signal, as npm makes one of Ctrl-C, does not cut the drain short", async () => {
  const { command } = await startBroker();
  command.process.kill("SIGINT");
  const { code, stdout } = await command.stop("SIGINT");
  assert.equal(code, 0);
  assert.doesNotMatch(stdout.toString(), /stopped-at-once/);
});

test("a port in use is told with its number and what to do", async () => {
  const { command, port } = await startBroker();
  const { code, stderr } = await runCommand(["broker", "--port", String(port)]);
  await command.stop();
  assert.equal(code, 1);
  assert.match(
    stderr,
    new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use.*--port \\d+, or --port 0`),
  );
});

for (const [name, argv, message] of [
  [
    "a host beyond loopback without a user",
    ["--host", "0.0.0.0"],
    /0\.0\.0\.0 can be reached from other machines.*--allow-anonymous/s,
  ],
  ["an unknown option", ["--prot", "1"], /no option --prot; did you mean --port\?/],
  ["a word that is no option", ["now"], /"now" is no option/],
  [
    "a durability that there is not",
    ["--durability", "none"],
    /--durability: store\.durability is "none"; expected one of strict, relaxed, memory/,
  ],
  [
    "a wrong value",
    ["--mqtt.maximumQos", "3"],
    /--mqtt\.maximumQos: mqtt\.maximumQos is "3"; expected a whole number, 0 to 2/,
  ],
  ["a config file that is missing", ["--config", "none.yaml"], /none\.yaml: there is no such file/],
  ["a broker without any listener", ["--port", "off"], /every listener is off/],
  [
    "a wrong name",
    ["--sys.node", "a/b#+", "--check-config"],
    /sys\.node is "a\/b#\+"; expected a name/,
  ],
  ["a wrong mode", ["--listen.unixMode", "9999", "--check-config"], /expected an octal mode/],
  [
    "a wrong proxy",
    ["--proxy.trusted", "notanip", "--check-config"],
    /proxy\.trusted is "notanip"/,
  ],
  ["a wrong origin", ["--websocket.origins", "foo", "--check-config"], /expected origins/],
  ["TLS without files", ["--tls-port", "8883", "--check-config"], /--tls-certificate, --tls-key/],
  [
    "a certificate that is missing",
    ["--wss-port", "0", "--tls-certificate", "/none", "--tls-key", "/none", "--check-config"],
    /tls\.certificate: there is no file \/none/,
  ],
  ["PROXY without proxies", ["--proxy.protocol", "--check-config"], /proxy\.trusted is empty/],
  ["a user without a password", ["--auth.username", "u"], /auth\.password is missing/],
] as const) {
  test(`${name} is refused before anything starts`, async () => {
    await assert.rejects(
      run(argv),
      (error) => error instanceof UsageError && message.test(error.message),
    );
  });
}

test("what is refused ends with exit code 2, and every line of why on standard error", async () => {
  const { code, stdout, stderr } = await runCommand(["broker", "--host", "0.0.0.0"]);
  assert.equal(code, 2);
  assert.match(stderr, /^(sericite: .*\n){8}$/);
  assert.equal(stdout.toString(), "");
});

test("beyond loopback with a user: only that user enters, and no password is ever printed", async () => {
  const env = { SERICITE_AUTH_USERNAME: "me", SERICITE_AUTH_PASSWORD: "hunter2" };
  const { command, port } = await startBroker(["--host", "0.0.0.0", "--log-level", "debug"], {
    env,
  });
  const url = `mqtt://127.0.0.1:${port}`;
  const client = await connect(url, { username: "me", password: "hunter2" });
  await client.disconnect();
  await assert.rejects(connect(url, { username: "me", password: "wrong7" }), {
    reasonCode: ReasonCode.badUserNameOrPassword,
  });
  await assert.rejects(connect(url, {}), { code: "ERR_CONNECT_REFUSED" });
  const { code, stdout, stderr } = await command.stop();
  assert.equal(code, 0);
  const printed =
    stdout.toString() +
    stderr +
    (await runCommand(["broker", "--print-config"], { env })).stdout.toString();
  assert.match(printed, /only the configured users may enter/);
  assert.doesNotMatch(printed, /hunter2|wrong7/);
});

test("a takeover is one line that names both addresses", async () => {
  const { command, port } = await startBroker();
  const url = `mqtt://127.0.0.1:${port}`;
  const first = await connect(url, { clientId: "same", reconnect: false });
  const closed = new Promise((resolve) => first.on("closed", resolve));
  const second = await connect(url, { clientId: "same", reconnect: false });
  await closed;
  await second.disconnect();
  const { stdout } = await command.stop();
  const takeovers = stdout
    .toString()
    .split("\n")
    .filter((line) => line.includes("session-taken-over"));
  assert.equal(takeovers.length, 1);
  assert.match(takeovers[0]!, /127\.0\.0\.1:\d+.*127\.0\.0\.1:\d+/);
});

test("--check-config reads every file that the settings name, and says all that is wrong with them", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sericite-check-"));
  const file = join(directory, "c.yaml");
  const rules = join(directory, "access.conf");
  writeFileSync(rules, "everybdy\n");
  const users = join(directory, "users");
  writeFileSync(users, "no colon\n");
  writeFileSync(
    file,
    `auth: { aclFile: ${rules}, passwordFile: ${users} }
listeners:
  - port: 0
  - transport: tls
    port: 0
    tls: { certificate: /none, key: /none }
`,
  );
  try {
    const { code, stderr } = await runCommand(["broker", "--check-config", "-c", file]);
    assert.equal(code, 2);
    const lines = stderr.trimEnd().split("\n");
    assert.equal(lines.length, 3, stderr);
    assert.match(lines[0]!, /^sericite: auth\.passwordFile: .*users:1: expected name:hash/);
    assert.match(lines[1]!, /^sericite: .*access\.conf:1: found "everybdy"/);
    assert.match(lines[2]!, /^sericite: listeners\[1\]: tls\.certificate: there is no file \/none/);
    writeFileSync(rules, "everybody\ntopic #\n");
    const audit = join(directory, "none", "audit.log");
    for (const [flags, message] of [
      [["--auth.passwordFile", "/none"], /auth\.passwordFile: .*\/none/],
      [["--jwt-key-file", "/none", "--auth.passwordFile", ""], /jwt\.keyFile: .*\/none/],
    ] as const) {
      const ended = await runCommand(["broker", "--check-config", "-c", file, ...flags]);
      assert.match(ended.stderr, message);
      assert.equal(ended.code, 2);
    }
    const audited = await runCommand(["broker", "--check-config", "--audit", audit]);
    assert.match(audited.stderr, /log\.audit: .*audit\.log cannot be opened: ENOENT/);
    assert.equal(audited.code, 2);
    const fine = join(directory, "audit.log");
    assert.equal((await runCommand(["broker", "--check-config", "--audit", fine])).code, 0);
    assert.equal(existsSync(fine), false);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("flags, environment and file are checked and printed together", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sericite-config-"));
  const file = join(directory, "c.yaml");
  writeFileSync(file, "mqtt:\n  maximumQos: 1\nlisten:\n  port: 2883\n");
  try {
    const env = { SERICITE_CONFIG: file, SERICITE_SESSION_QUEUE_FULL: "newest" };
    const printed = await runCommand(["broker", "--print-config", "-p", "off"], { env });
    assert.equal(printed.code, 0, printed.stderr);
    const text = printed.stdout.toString();
    assert.match(text, /maximumQos: 1 +# \S+c\.yaml:2:15/);
    assert.match(text, /queueFull: newest +# SERICITE_SESSION_QUEUE_FULL/);
    assert.match(text, /port: off +# -p/);
    assert.match(text, /level: info +# default/);
    assert.equal((await runCommand(["broker", "--check-config", "-c", file])).code, 0);
    writeFileSync(file, "mqtt:\n  maximumQoss: 1\n");
    const wrong = await runCommand(["broker", "--check-config", "-c", file]);
    assert.equal(wrong.code, 2);
    assert.match(
      wrong.stderr,
      /c\.yaml:2:3: there is no setting mqtt\.maximumQoss; did you mean mqtt\.maximumQos/,
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("help lists every setting and every option", async () => {
  const { code, stdout } = await runCommand(["help", "broker"]);
  assert.equal(code, 0);
  const text = stdout.toString();
  for (const { path } of settingsIn(brokerCommandSettings))
    assert.ok(text.includes(`--${path}`), path);
  for (const { name } of brokerOptions()) assert.ok(text.includes(`--${name}`), name);
});

test("the broker goes on when the reader of its log is gone", async () => {
  const { command, port } = await startBroker();
  command.process.stdout!.destroy();
  for (let i = 0; i < 3; i++) await (await connect(`mqtt://127.0.0.1:${port}`)).disconnect();
  assert.equal((await command.stop()).code, 0);
});

test("the broker serves, and ends, while the reader of its log does not read", async () => {
  const { command, port } = await startBroker();
  command.process.stdout!.pause();
  // Far more than the buffers of a pipe hold.
  const clientId = "x".repeat(20_000);
  const url = `mqtt://127.0.0.1:${port}`;
  for (let i = 0; i < 30; i++) await (await connect(url, { clientId, keepAlive: 0 })).disconnect();
  command.process.kill("SIGTERM");
  const [code, signal] = (await once(command.process, "exit")) as [number | null, string | null];
  command.process.stdout!.resume();
  assert.deepEqual([code, signal], [null, "SIGKILL"]);
});

const withoutTerminal =
  spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0
    ? false
    : "script(1) is not installed";

for (const [name, env, isColoured] of [
  ["in colour", {}, true],
  ["without colour where NO_COLOR is set", { NO_COLOR: "1" }, false],
] as const) {
  test(`on a terminal the log is text for people, ${name}`, { skip: withoutTerminal }, async () => {
    const { process: own } = startCommand(["version"]);
    await once(own, "exit");
    // `exec`: a shell that stayed between would get Ctrl-C too, and some end with 130 by it.
    const shell = `exec ${own.spawnargs
      .slice(0, 2)
      .map((word) => `'${word}'`)
      .join(" ")} broker --port 0`;
    const command = new RunningCommand("script", ["-qec", shell, "/dev/null"], {
      env: { TERM: "xterm", ...env },
      keepsInput: true,
    });
    const [text] = await command.output(/^.*listens on mqtt:.*$/m);
    assert.equal(text.includes("\u001b["), isColoured);
    assert.match(
      stripVTControlCharacters(text),
      /^\d\d:\d\d:\d\d\.\d{3} info  sericite .* listens on/,
    );
    command.process.stdin!.write("\u0003"); // Ctrl-C
    assert.equal((await command.ended).code, 0);
  });
}

test("FORCE_COLOR has text in colour without a terminal", async () => {
  const { command } = await startBroker(["--log-format", "text"], { env: { FORCE_COLOR: "1" } });
  const { stdout } = await command.stop();
  assert.ok(stdout.includes("\u001b["));
});
