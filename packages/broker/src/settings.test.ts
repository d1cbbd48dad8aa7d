import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "@sericite/protocol";
import fc from "fast-check";
import type { SettingRow, SettingTable } from "./engine/settings.ts";
import { brokerSettings, createSettings, settingFault } from "./settings.ts";
import type { PartialSettings } from "./settings.ts";

const rows = Object.entries(brokerSettings as SettingTable).flatMap(([section, table]) =>
  Object.entries(table).map(([key, row]) => [`${section}.${key}`, row] as const),
);

function refusalOf(given: unknown): string {
  try {
    createSettings(given as PartialSettings);
  } catch (error) {
    assert.ok(error instanceof UsageError);
    assert.equal(error.code, "ERR_SETTING");
    return error.message;
  }
  return assert.fail(`${JSON.stringify(given)} was taken`);
}

test("without anything given, all settings have their defaults, and nobody can change them", () => {
  const settings = createSettings();
  for (const [path, row] of rows) {
    const [section, key] = path.split(".") as [keyof typeof settings, string];
    assert.deepEqual((settings[section] as Record<string, unknown>)[key], row.default, path);
  }
  assert.ok(Object.isFrozen(settings));
  for (const section of Object.values(settings)) assert.ok(Object.isFrozen(section));
});

const MiB = 2 ** 20;

for (const [memory, expected] of [
  [64 * MiB, { connections: 1000, queuedBytes: 16, retainedBytes: 4, windowsBytes: 4, cache: 1 }],
  [
    256 * MiB,
    { connections: 4000, queuedBytes: 64, retainedBytes: 16, windowsBytes: 16, cache: 4 },
  ],
  [
    2048 * MiB,
    { connections: 32_700, queuedBytes: 512, retainedBytes: 128, windowsBytes: 64, cache: 16 },
  ],
  [
    Infinity,
    { connections: 1_000_000, queuedBytes: 4096, retainedBytes: 256, windowsBytes: 64, cache: 16 },
  ],
] as const)
  test(`defaults that bound memory are measured by it: ${memory / MiB} MiB`, () => {
    for (const { limits, store } of [
      createSettings({}, undefined, memory),
      ...(memory === Infinity ? [] : [createSettings({ limits: { memory } })]),
    ])
      assert.deepEqual(
        {
          connections: limits.connections,
          queuedBytes: limits.queuedBytes / MiB,
          retainedBytes: limits.retainedBytes / MiB,
          windowsBytes: limits.windowsBytes / MiB,
          cache: store.cacheBytes / MiB,
        },
        expected,
      );
  });

test("the largest of the defaults that bound the bytes of messages, together, leave half of the memory", () => {
  const { delayed, limits, store } = createSettings({ limits: { memory: 256 * MiB } });
  const bytes = [
    delayed.maximumBytes,
    limits.queuedBytes,
    limits.retainedBytes,
    store.cacheBytes,
    store.recentBytes,
    store.slowBytes,
  ].reduce((sum, one) => sum + one);
  assert.ok(bytes <= 128 * MiB, `${bytes / MiB} MiB`);
});

for (const [path, row] of rows) {
  test(`${path}: its default fits, it says what it means, and values around its bounds are judged`, () => {
    assert.equal(settingFault(row, row.default), undefined);
    assert.match(row.text, /^[A-Z].*\.$/);
    if (row.ofMemory !== undefined) {
      assert.equal(settingFault(row, row.ofMemory.least), undefined);
      assert.ok(row.ofMemory.least < (row.default as number));
    }
    if (row.type === "choice") assert.ok(row.choices!.length > 1);
    if (["integer", "bytes", "seconds", "milliseconds"].includes(row.type)) {
      const { minimum = 0, maximum } = row;
      assert.equal(settingFault(row, minimum), undefined);
      assert.notEqual(settingFault(row, minimum - 1), undefined);
      if (maximum !== undefined) {
        assert.equal(settingFault(row, maximum), undefined);
        assert.notEqual(settingFault(row, maximum + 1), undefined);
      }
      for (const value of [1.5, Number.NaN, Infinity, "1", null, true])
        assert.notEqual(settingFault(row, value), undefined, String(value));
    }
  });
}

for (const [given, message] of [
  [{ mqt: {} }, /^mqt: there is no such setting$/],
  [{ mqtt: { recieveMaximum: 1 } }, /^mqtt\.recieveMaximum: there is no such setting$/],
  [{ toString: {} }, /^toString: there is no such setting$/],
  [{ mqtt: { hasOwnProperty: 1 } }, /^mqtt\.hasOwnProperty: there is no such setting$/],
  [{ mqtt: { receiveMaximum: 0 } }, /^mqtt\.receiveMaximum: .*1…65535.*got 0/],
  [{ mqtt: { receiveMaximum: 65_536 } }, /^mqtt\.receiveMaximum: .*got 65536/],
  [{ mqtt: { receiveMaximum: "10" } }, /^mqtt\.receiveMaximum: .*got "10"/],
  [
    { mqtt: { retainAvailable: "yes" } },
    /^mqtt\.retainAvailable: expected true or false, got "yes"/,
  ],
  [
    { session: { queueFull: "random" } },
    /^session\.queueFull: expected one of oldest, newest, got "random"/,
  ],
  [{ listen: { port: 65_536 } }, /^listen\.port: expected a port 0…65535 or off, got 65536/],
  [{ listen: { port: -2 } }, /^listen\.port: /],
  [{ sys: { node: "a/b#+" } }, /^sys\.node: expected a name without \/, \+ and #.*got "a\/b#\+"/],
  [{ sys: { node: "" } }, /^sys\.node: /],
  [{ listen: { unixMode: "9999" } }, /^listen\.unixMode: expected an octal mode.*got "9999"/],
  [{ proxy: { trusted: "10.0.0.1, notanip" } }, /^proxy\.trusted: expected addresses/],
  [{ websocket: { origins: "foo" } }, /^websocket\.origins: expected origins/],
  [{ websocket: { path: "mqtt" } }, /^websocket\.path: expected a path/],
  [{ listen: { host: 5 } }, /^listen\.host: expected a text, got 5/],
] as const) {
  test(`${JSON.stringify(given)} is refused: ${message.source}`, () => {
    assert.match(refusalOf(given), message);
  });
}

test("a secret is never shown, not even where it is wrong", () => {
  assert.equal(refusalOf({ auth: { password: 123_456 } }).includes("123456"), false);
});

test("what is given counts, what is left out or undefined has its default, or what the base has", () => {
  const base = createSettings({ mqtt: { receiveMaximum: 7, maximumQos: 1 } });
  const next = createSettings(
    { mqtt: { receiveMaximum: 8, maximumQos: undefined } } as never,
    base,
  );
  assert.equal(next.mqtt.receiveMaximum, 8);
  assert.equal(next.mqtt.maximumQos, 1);
  assert.equal(next.session.queueFull, "oldest");
  assert.equal(base.mqtt.receiveMaximum, 7);
});

test("false, 0 and an empty text of the base are kept", () => {
  const base = createSettings({
    mqtt: { retainAvailable: false, retryInterval: 0 },
    sys: { interval: 0 },
  });
  const next = createSettings({}, base);
  assert.deepEqual(next, base);
});

test("a port may be off", () => {
  assert.equal(createSettings({ listen: { port: -1 } }).listen.port, -1);
});

test("any value either fits or is told what was expected", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...rows.map(([, row]) => row)),
      fc.anything(),
      (row: SettingRow, value) => {
        const fault = settingFault(row, value);
        assert.ok(fault === undefined || fault.startsWith("expected "));
      },
    ),
  );
});
