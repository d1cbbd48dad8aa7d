import assert from "node:assert/strict";
import { test } from "node:test";
import type { SettingRow } from "@sericite/broker";
import fc from "fast-check";
import {
  byteUnits,
  durationUnits,
  formatSettingValue,
  portOff,
  readSettingValue,
} from "./setting-value.ts";

const row = (more: Pick<SettingRow, "type"> & Partial<SettingRow>): SettingRow => ({
  default: 0,
  text: "",
  live: true,
  ...more,
});

const rows = {
  integer: row({ type: "integer", minimum: 1, maximum: 10 }),
  bytes: row({ type: "bytes" }),
  seconds: row({ type: "seconds" }),
  milliseconds: row({ type: "milliseconds", minimum: 100 }),
  boolean: row({ type: "boolean" }),
  string: row({ type: "string" }),
  port: row({ type: "port" }),
  choice: row({ type: "choice", choices: ["oldest", "newest"] }),
};

for (const [type, written, value] of [
  ["integer", "7", 7],
  ["integer", 7, 7],
  ["integer", " 7 ", 7],
  ["integer", "0", undefined],
  ["integer", "11", undefined],
  ["integer", 11, undefined],
  ["integer", 1.5, undefined],
  ["integer", "1.5", undefined],
  ["integer", "-1", undefined],
  ["integer", "0x5", undefined],
  ["integer", "", undefined],
  ["integer", true, undefined],
  ["integer", null, undefined],
  ["bytes", "65536", 65536],
  ["bytes", "64KiB", 65536],
  ["bytes", "64 KiB", 65536],
  ["bytes", "1KB", 1000],
  ["bytes", "1.5MiB", 1_572_864],
  ["bytes", "1kib", undefined],
  ["bytes", "1.5B", undefined],
  ["bytes", "-1KiB", undefined],
  ["bytes", "99999999GiB", undefined],
  ["seconds", "90", 90],
  ["seconds", "2m", 120],
  ["seconds", "7d", 604_800],
  ["seconds", "1500ms", undefined],
  ["seconds", "2000ms", 2],
  ["milliseconds", "10s", 10_000],
  ["milliseconds", "0.5s", 500],
  ["milliseconds", "99", undefined],
  ["milliseconds", "1toString", undefined],
  ["boolean", "true", true],
  ["boolean", "No", false],
  ["boolean", true, true],
  ["boolean", "1", undefined],
  ["boolean", 1, undefined],
  ["boolean", "toString", undefined],
  ["string", "x", "x"],
  ["string", " x ", " x "],
  ["string", "", ""],
  ["string", 5, undefined],
  ["port", "off", portOff],
  ["port", "0", 0],
  ["port", 65535, 65535],
  ["port", "65536", undefined],
  ["port", -1, undefined],
  ["port", "-1", undefined],
  ["choice", "newest", "newest"],
  ["choice", "new", undefined],
  ["choice", 1, undefined],
] as const) {
  test(`${type} ${JSON.stringify(written)} is ${value === undefined ? "refused" : JSON.stringify(value)}`, () => {
    const reading = readSettingValue(rows[type], written);
    assert.equal(reading.ok, value !== undefined);
    if (reading.ok) assert.equal(reading.value, value);
    else assert.ok(reading.expected.length > 0);
  });
}

test("every number that is written out is read back as the same number", () => {
  const types = fc.constantFrom("integer", "bytes", "seconds", "milliseconds", "port" as const);
  const unit = fc.constantFrom(1, ...Object.values(byteUnits), ...Object.values(durationUnits));
  fc.assert(
    fc.property(types, fc.nat(1_000_000), unit, (type, count, size) => {
      const value = type === "port" ? count % 65536 : count * size;
      const of = row({ type });
      assert.deepEqual(readSettingValue(of, formatSettingValue(of, value)), { ok: true, value });
    }),
  );
});

for (const [type, value, text] of [
  ["bytes", 10 * 1024 * 1024, "10MiB"],
  ["bytes", 1000, "1000"],
  ["seconds", 604_800, "7d"],
  ["seconds", 61, "61s"],
  ["milliseconds", 10_000, "10s"],
  ["milliseconds", 1500, "1500ms"],
  ["port", portOff, "off"],
] as const) {
  test(`${type} ${value} is written ${text}`, () =>
    assert.equal(formatSettingValue(rows[type], value), text));
}
