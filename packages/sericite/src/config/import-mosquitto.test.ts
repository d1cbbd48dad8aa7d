import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parse } from "yaml";
import { brokerCommandSettings } from "../broker/broker-options.ts";
import { parseConfigFile } from "../settings/config-file.ts";
import { readListeners } from "../settings/listener-list.ts";
import { resolveSettings } from "../settings/resolve-settings.ts";
import { runCommand } from "../testing/run-command.test-support.ts";
import { importMosquitto } from "./import-mosquitto.ts";
import { mosquittoMapping } from "./mosquitto-mapping.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-import-"));
after(() => rmSync(folder, { recursive: true }));

const usual = `# a comment
persistence true
persistence_location /var/lib/mosquitto/
allow_anonymous false
password_file /etc/mosquitto/passwd
max_queued_messages 5000
max_inflight_messages 0
persistent_client_expiration 2w
log_dest syslog

listener 1883 127.0.0.1
listener 8883
certfile /c.pem
keyfile /k.pem
cafile /ca.pem
require_certificate true
max_connections 50
listener 8084
protocol websockets
certfile /c.pem
keyfile /k.pem
listener 0 /run/m.sock

connection up
address up.example:1883
topic # both
remote_password hunter2
strange_word 1
`;

/** What our own readers say of a config file. */
function problemsOf(text: string): string[] {
  const file = parseConfigFile(text, "made.yaml");
  const problems = [...file.problems];
  readListeners(file.lists.get("listeners") ?? [], problems);
  try {
    resolveSettings(brokerCommandSettings, { file });
  } catch (error) {
    problems.push((error as Error).message);
  }
  return problems;
}

test("a mosquitto.conf becomes a config file that is right, and what has no counterpart is told with its line, without values", () => {
  const { text, notes } = importMosquitto(usual, "m.conf");
  assert.deepEqual(parse(text), {
    store: { durability: "strict", dataDir: "/var/lib/mosquitto/sericite" },
    auth: { allowAnonymous: false, passwordFile: "/etc/mosquitto/passwd" },
    session: { queueMaximumMessages: 5000, maximumExpiryInterval: 1_209_600 },
    listeners: [
      { host: "127.0.0.1", port: 1883 },
      {
        transport: "tls",
        host: "0.0.0.0",
        port: 8883,
        tls: { certificate: "/c.pem", key: "/k.pem", ca: "/ca.pem", requestCertificate: "require" },
        limits: { connections: 50 },
      },
      {
        transport: "wss",
        host: "0.0.0.0",
        port: 8084,
        tls: { certificate: "/c.pem", key: "/k.pem" },
      },
      { transport: "unix", path: "/run/m.sock" },
    ],
  });
  assert.deepEqual(problemsOf(text), []);
  assert.deepEqual(
    notes.map((note) => note.split(": ").slice(0, 2).join(" ")),
    [
      "m.conf:3 persistence_location",
      "m.conf:7 max_inflight_messages",
      "m.conf:9 log_dest",
      "m.conf:24 connection",
      "m.conf:28 strange_word",
    ],
  );
  assert.doesNotMatch(text, /hunter2/);
});

test("settings per listener go to their listener, and what is one for all is said", () => {
  const { text, notes } = importMosquitto(
    "per_listener_settings true\nlistener 1\nallow_anonymous true\nlistener 2\npassword_file p\n",
    "m",
  );
  assert.deepEqual(parse(text), {
    auth: { passwordFile: "p" },
    listeners: [
      { host: "0.0.0.0", port: 1, auth: { allowAnonymous: true } },
      { host: "0.0.0.0", port: 2 },
    ],
  });
  assert.deepEqual(notes, [
    "m:5: password_file: auth.passwordFile is one for all listeners; where there are several, the last counts",
  ]);
});

for (const [types, level] of [
  [["error", "warning"], "warn"],
  [["warning", "error"], "warn"],
  [["error", "notice", "warning"], "info"],
  [["all"], "debug"],
  [["error"], "error"],
] as const)
  test(`log_type ${types.join(" and ")} is the level ${level}`, () => {
    const lines = types.map((type) => `log_type ${type}\n`).join("");
    const { text, notes } = importMosquitto(lines, "m");
    assert.deepEqual(parse(text), { log: { level } });
    assert.deepEqual(notes, []);
  });

const valueOf = (keyword: string): string => {
  if (keyword === "persistent_client_expiration") return "1d";
  if (keyword === "tls_version") return "tlsv1.2";
  if (keyword === "log_type") return "notice";
  if (/^max_qos$/.test(keyword)) return "1";
  if (/max_|limit|interval|alias|keepalive/.test(keyword)) return "5000";
  if (/file|path|location/.test(keyword)) return "/x";
  return keyword === "websockets_origin" ? "https://a.example" : "true";
};

for (const keyword of Object.keys(mosquittoMapping)) {
  test(`what becomes of ${keyword} is a config file that is right`, () => {
    const listener = "listener 1\nprotocol websockets\ncertfile /c\nkeyfile /k\n";
    const { text } = importMosquitto(`${listener}${keyword} ${valueOf(keyword)}\n`, "m");
    assert.deepEqual(problemsOf(text), []);
  });
}

test("sericite config import-mosquitto writes the file to standard output and the notes to standard error", async () => {
  const file = join(folder, "mosquitto.conf");
  writeFileSync(file, "listener 0 /run/x.sock\nuser mosquitto\n");
  const { code, stdout, stderr } = await runCommand(["config", "import-mosquitto", file]);
  assert.equal(code, 0);
  assert.match(stderr, /mosquitto\.conf:2: user: /);
  const made = join(folder, "made.yaml");
  writeFileSync(made, stdout);
  const checked = await runCommand(["broker", "--config", made, "--check-config"]);
  assert.equal(checked.code, 0, checked.stderr);
});

for (const argv of [[], ["import-mosquitto"], ["import", "x"]]) {
  test(`sericite config ${argv.join(" ")} says what is expected`, async () => {
    const { code, stderr } = await runCommand(["config", ...argv]);
    assert.equal(code, 2);
    assert.match(stderr, /import-mosquitto FILE/);
  });
}
