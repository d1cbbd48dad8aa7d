import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect } from "@sericite/client";
import { runCommand, startCommand } from "../testing/run-command.test-support.ts";
import { parseConfigFile } from "./config-file.ts";
import { listChanges } from "./list-item.ts";
import { listenerRows, readListeners } from "./listener-list.ts";
import { printList } from "./print-settings.ts";

const folder = mkdtempSync(join(tmpdir(), "sericite-listeners-"));
after(() => rmSync(folder, { recursive: true }));

function read(text: string) {
  const file = parseConfigFile(text, "c.yaml");
  const problems = [...file.problems];
  return { listeners: readListeners(file.lists.get("listeners") ?? [], problems), problems };
}

const all = `listeners:
  - port: 1884
    auth: { allowAnonymous: true, methods: "password, http" }
    limits: { connections: 5 }
    mqtt: { maximumPacketSize: 4KiB }
  - transport: wss
    host: 0.0.0.0
    port: 0
    path: /mqtt
    tls:
      certificate: a.pem
      key: a.key
      keyPassphrase: hidden-1
      requestCertificate: ask
    websocket: { origins: "https://a.example, https://b.example" }
    proxy: { protocol: on, trusted: 10.0.0.0/8 }
  - transport: unix
    path: /run/x.sock
    mode: "0600"
`;

test("a list of listeners is read into what the broker listens with", () => {
  const { listeners, problems } = read(all);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    listeners.map(({ options }) => options),
    [
      {
        transport: "tcp",
        port: 1884,
        auth: { allowAnonymous: true, methods: ["password", "http"] },
        limits: { connections: 5 },
        mqtt: { maximumPacketSize: 4096 },
      },
      {
        transport: "websocket",
        secure: true,
        host: "0.0.0.0",
        port: 0,
        path: "/mqtt",
        tlsFiles: { certificate: "a.pem", key: "a.key", keyPassphrase: "hidden-1" },
        requestCertificate: "ask",
        origins: ["https://a.example", "https://b.example"],
        proxy: { protocol: true, trusted: ["10.0.0.0/8"] },
      },
      { transport: "unix", path: "/run/x.sock", mode: "0600" },
    ],
  );
});

test("what is printed of the list is read back as the same, but for secrets", () => {
  const { listeners } = read(all);
  const printed = printList("listeners", listenerRows, listeners);
  assert.doesNotMatch(printed, /hidden-1/);
  assert.deepEqual(listChanges("listeners", listenerRows, listeners, read(printed).listeners), [
    "listeners[1].tls.keyPassphrase",
  ]);
});

for (const [text, ...expected] of [
  ["listeners: 5", /c\.yaml:1:12: listeners is a list/],
  ["listeners: [7]", /c\.yaml:1:13: listeners\[0\]: expected keys/],
  [
    "listeners:\n - port: 1\n - port: 70000",
    /c\.yaml:3:10: listeners\[1\]\.port is 70000; expected a port/,
  ],
  ["listeners:\n - port: off", /listeners\[0\]\.port is "off"; expected a port 0 to 65535/],
  [
    "listeners:\n - auth: { methods: 'jwt, custom' }",
    /c\.yaml:2:21: listeners\[0\]\.auth\.methods is "jwt, custom"; expected some of password, scram, certificate, jwt, http/,
  ],
  ["listeners:\n - auth: { methods: '' }", /auth\.methods is ""; expected some of password/],
  ["listeners:\n - prot: 1", /c\.yaml:2:4: there is no listeners\[0\]\.prot; did you mean port\?/],
  [
    "listeners:\n - tls: { key: k }",
    /listeners\[0\]\.tls\.key is for tls, wss, and this one is tcp/,
  ],
  ["listeners:\n - transport: unix", /c\.yaml:2:4: listeners\[0\]\.path is missing/],
  [
    "listeners:\n - transport: tls\n   tls: { keyPassphrase: [x] }",
    /keyPassphrase is not of its type \(hidden\)/,
  ],
] as const) {
  test(`${JSON.stringify(text)} is refused with its place`, () => {
    const { problems } = read(text);
    assert.equal(problems.length, expected.length, problems.join("\n"));
    for (const [index, pattern] of expected.entries()) assert.match(problems[index]!, pattern);
  });
}

test("a broker opens the listeners of its config file, each with what is its own, and the port of the settings only where it is asked for; SIGHUP changes them, or nothing", async () => {
  const file = join(folder, "two.yaml");
  writeFileSync(
    file,
    `auth: { username: u, password: p }
listeners:
  - port: 0
    auth: { allowAnonymous: true }
  - port: 0
`,
  );
  const command = startCommand(["broker", "--config", file]);
  const [, first, second] = await command.output(
    /"listeners":\["mqtt:[^"]*:(\d+)","mqtt:[^"]*:(\d+)"\]/,
  );
  const enters = (port: string | undefined): Promise<boolean> =>
    connect(`mqtt://127.0.0.1:${port}`, { reconnect: false }).then(
      async (client) => (await client.disconnect(), true),
      () => false,
    );
  assert.deepEqual([await enters(first), await enters(second)], [true, false]);

  writeFileSync(
    file,
    `auth: { username: u, password: p }
listeners:
  - { transport: ws, port: 0 }
  - port: 0
    auth: { allowAnonymous: true }
`,
  );
  command.process.kill("SIGHUP");
  const [, changed, urls] = await command.output(
    /"event":"reloaded".*"changed":(\[.*\]),"needRestart":\[\],"listeners":(\[[^\]]*\])/,
  );
  assert.deepEqual(JSON.parse(changed!), [
    "listeners[0].transport",
    "listeners[0].auth.allowAnonymous",
    "listeners[1].auth.allowAnonymous",
  ]);
  assert.deepEqual(JSON.parse(urls!), [`ws://127.0.0.1:${first}`, `mqtt://127.0.0.1:${second}`]);
  assert.equal(await enters(second), true);

  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  writeFileSync(file, `auth: { username: u, password: p }\nlisteners: [{ port: ${port} }]\n`);
  command.process.kill("SIGHUP");
  const [, error] = await command.output(/"event":"reload-failed".*"error":"([^"]*)"/);
  assert.match(
    error!,
    /two\.yaml:2:13: listeners\[0\]: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/,
  );
  taken.close();
  assert.equal(await enters(second), true);
  assert.equal((await command.stop()).code, 0);
});

for (const [name, text, code, message] of [
  [
    "that other machines reach",
    "listeners: [{ host: 0.0.0.0, port: 0 }]",
    2,
    /0\.0\.0\.0 can be reached/,
  ],
  ["without a certificate", "listeners: [{ transport: tls, port: 0 }]", 2, /needs a certificate/],
  [
    "with a way to enter that is not configured",
    "auth: { username: u, password: p }\nlisteners: [{ host: 0.0.0.0, port: 0, auth: { methods: jwt } }]",
    2,
    /listeners\[0\]: auth\.methods names jwt, which is not configured: set jwt\.keyFile/,
  ],
] as const) {
  test(`--check-config finds a listener ${name}`, async () => {
    const file = join(folder, "wrong.yaml");
    writeFileSync(file, text);
    const ended = await runCommand(["broker", "--config", file, "--check-config"]);
    assert.match(ended.stderr, message);
    assert.equal(ended.code, code);
  });
}
