import assert from "node:assert/strict";
import { test } from "node:test";
import { brokerSettings, createSettings, usableMemory } from "@sericite/broker";
import type { SettingTable } from "@sericite/broker";
import { UsageError } from "@sericite/protocol";
import { parseConfigFile } from "./config-file.ts";
import { printSettings } from "./print-settings.ts";
import { joinTables, resolveSettings } from "./resolve-settings.ts";
import type { SettingSources } from "./resolve-settings.ts";
import { environmentName, settingsIn } from "./setting-name.ts";
import { readSettingValue } from "./setting-value.ts";

const table = {
  mqtt: {
    maximumQos: {
      type: "integer",
      default: 2,
      minimum: 0,
      maximum: 2,
      live: true,
      text: "Highest QoS.",
    },
    retry: { type: "milliseconds", default: 10_000, live: true, text: "Wait." },
  },
  auth: {
    username: { type: "string", default: "", live: true, text: "Name." },
    password: { type: "string", default: "", live: true, secret: true, text: "Password." },
    allowAnonymous: {
      type: "boolean",
      default: false,
      live: true,
      flag: "allow-anonymous",
      text: "Anybody.",
    },
  },
} as const satisfies SettingTable;

const file = (text: string) => parseConfigFile(text, "c.yaml");
const problemsOf = (sources: SettingSources): string[] => {
  try {
    resolveSettings(table, sources);
  } catch (error) {
    assert.ok(error instanceof UsageError);
    assert.equal(error.code, "ERR_SETTING");
    return error.message.split("\n");
  }
  return assert.fail("nothing was refused");
};

test("a flag wins over the environment, that over the file, that over the default", () => {
  const sources = {
    file: file("mqtt:\n  maximumQos: 1\n  retry: 1s\nauth:\n  username: file\n"),
    environment: { SERICITE_MQTT_RETRY: "2s", SERICITE_AUTH_USERNAME: "environment" },
    flags: [{ path: "auth.username", written: "--auth.username", text: "flag" }],
  };
  const { settings, origins } = resolveSettings(table, sources);
  assert.deepEqual(settings, {
    mqtt: { maximumQos: 1, retry: 2000 },
    auth: { username: "flag", password: "", allowAnonymous: false },
  });
  assert.deepEqual(Object.fromEntries(origins), {
    "mqtt.maximumQos": "c.yaml:2:15",
    "mqtt.retry": "SERICITE_MQTT_RETRY",
    "auth.username": "--auth.username",
    "auth.password": "default",
    "auth.allowAnonymous": "default",
  });
  assert.ok(Object.isFrozen(settings) && Object.isFrozen(settings.mqtt));
});

test("without any source all defaults of the broker's table hold", () => {
  const expected = createSettings({}, undefined, usableMemory());
  assert.deepEqual(resolveSettings(brokerSettings, {}).settings, expected);
});

for (const [name, sources, expected] of [
  [
    "an unknown key, by place, type and nearest name",
    { file: file("mqtt:\n  maximumQoss: 1\n") },
    [
      "c.yaml:2:3: there is no setting mqtt.maximumQoss; did you mean mqtt.maximumQos (a whole number, 0 to 2)?",
    ],
  ],
  [
    "a key in the wrong section",
    { file: file("mqtt:\n  username: me\n") },
    [
      "c.yaml:2:3: there is no setting mqtt.username; did you mean auth.username (a text; in a config file in quotes where it looks like a number)?",
    ],
  ],
  [
    "a key that is like no other",
    { file: file("mqtt:\n  zzzzzzzzzzzz: 1\n") },
    ["c.yaml:2:3: there is no setting mqtt.zzzzzzzzzzzz; mqtt has maximumQos, retry"],
  ],
  [
    "an unknown section",
    { file: file("mqt: {}\n") },
    ["c.yaml:1:1: there is no section mqt; did you mean mqtt?"],
  ],
  [
    "a wrong value, by the place of the value",
    { file: file("mqtt:\n  maximumQos: 3\n") },
    ["c.yaml:2:15: mqtt.maximumQos is 3; expected a whole number, 0 to 2"],
  ],
  [
    "an empty value",
    { file: file("mqtt:\n  maximumQos:\n") },
    ["c.yaml:2:14: mqtt.maximumQos is empty; expected a whole number, 0 to 2"],
  ],
  [
    "a key that is there twice",
    { file: file("mqtt:\n  maximumQos: 1\n  maximumQos: 2\n") },
    ["c.yaml:3:3: this key is here for the second time"],
  ],
  [
    "a wrong secret, without showing it",
    { file: file("auth:\n  password: 12345\n") },
    [
      "c.yaml:2:13: auth.password is not of its type (hidden); expected a text; in a config file in quotes where it looks like a number",
    ],
  ],
  [
    "all that is wrong, of every source",
    {
      environment: { SERICITE_MQTT_MAXIMUM_QOS: "9" },
      flags: [{ path: "auth.allowAnonymous", written: "--allow-anonymous", text: "maybe" }],
    },
    [
      'SERICITE_MQTT_MAXIMUM_QOS: mqtt.maximumQos is "9"; expected a whole number, 0 to 2',
      '--allow-anonymous: auth.allowAnonymous is "maybe"; expected true or false',
    ],
  ],
  [
    "a name in the environment that is near a setting's",
    { environment: { SERICITE_MQTT_MAXIMUM_QSO: "1" } },
    [
      "SERICITE_MQTT_MAXIMUM_QSO: there is no such setting; did you mean SERICITE_MQTT_MAXIMUM_QOS?",
    ],
  ],
  [
    "a name in the environment that was made of a flag's",
    { environment: { SERICITE_ALLOW_ANONYMOUS: "true" } },
    [
      "SERICITE_ALLOW_ANONYMOUS: there is no such setting; did you mean SERICITE_AUTH_ALLOW_ANONYMOUS?",
    ],
  ],
] as const satisfies readonly (readonly [string, SettingSources, readonly string[]])[]) {
  test(`refused is ${name}`, () => assert.deepEqual(problemsOf(sources), expected));
}

test("what Kubernetes puts into the environment for a service called sericite is left alone", () => {
  const environment = {
    SERICITE_SERVICE_HOST: "10.0.0.1",
    SERICITE_SERVICE_PORT: "1883",
    SERICITE_SERVICE_PORT_MQTT: "1883",
    SERICITE_PORT: "tcp://10.0.0.1:1883",
    SERICITE_PORT_1883_TCP: "tcp://10.0.0.1:1883",
    SERICITE_PORT_1883_TCP_ADDR: "10.0.0.1",
    SERICITE_MQTT_PORT_1883_TCP_PROTO: "tcp",
  };
  assert.deepEqual(resolveSettings(table, { environment }).ignored, []);
});

test("a name of another program in the environment is reported and does no harm", () => {
  assert.deepEqual(
    resolveSettings(table, { environment: { SERICITE_REQUIRE_ZZZZ: "1" } }).ignored,
    ["SERICITE_REQUIRE_ZZZZ"],
  );
});

test("two parts cannot describe one section", () => {
  assert.throws(() => joinTables(table, { mqtt: {} }), /section mqtt is described twice/);
});

test("settings that are printed are a config file that gives the same settings", () => {
  const sources = { file: file("mqtt:\n  retry: 90s\nauth:\n  username: 'a \"b\": #c'\n") };
  const first = resolveSettings(table, sources);
  const second = resolveSettings(table, {
    file: parseConfigFile(printSettings(table, first), "p.yaml"),
  });
  assert.deepEqual(second.settings, first.settings);
});

test("defaults that are shares of the memory follow limits.memory, say so when they are printed, and do not touch what is given", () => {
  const flags = [
    { path: "limits.memory", written: "--limits.memory", text: "256MiB" },
    { path: "limits.retainedBytes", written: "--limits.retainedBytes", text: "100MiB" },
  ];
  const resolved = resolveSettings(brokerSettings, { flags });
  const { limits, store } = resolved.settings;
  assert.deepEqual(
    [limits.connections, limits.queuedBytes, limits.retainedBytes, store.cacheBytes],
    [4000, 64 * 2 ** 20, 100 * 2 ** 20, 4 * 2 ** 20],
  );
  const printed = printSettings(brokerSettings, resolved);
  assert.match(printed, /^# Shares are of 256 MiB of memory\.$/m);
  assert.match(
    printed,
    /^ {2}windowsBytes: 16MiB +# default: 1\/16 of the memory, 4MiB to 64MiB$/m,
  );
  assert.match(printed, /^ {2}connections: 4000 +# default: one for each 64KiB of memory, /m);
  assert.match(printed, /^ {2}retainedBytes: 100MiB +# --limits.retainedBytes$/m);
  const again = resolveSettings(brokerSettings, { file: parseConfigFile(printed, "p.yaml") });
  assert.deepEqual(again.settings, resolved.settings);
});

test("a secret is not printed, and its source is", () => {
  const printed = printSettings(
    table,
    resolveSettings(table, { environment: { SERICITE_AUTH_PASSWORD: "hunter2" } }),
  );
  assert.ok(!printed.includes("hunter2"));
  assert.match(printed, /# password: \(hidden\) +# SERICITE_AUTH_PASSWORD/);
});

test("every setting of the broker has a name of its own in the environment", () => {
  const names = settingsIn(brokerSettings).map(({ path }) => environmentName(path));
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^SERICITE(_[A-Z0-9]+)+$/);
});

test("every default of the broker's table is a value that its row accepts", () => {
  for (const { path, row } of settingsIn(brokerSettings)) {
    if (row.type === "port") continue; // `off` is written with its word, not its number.
    assert.deepEqual(
      readSettingValue(row, row.default === "" ? "" : row.default),
      { ok: true, value: row.default },
      path,
    );
  }
});
