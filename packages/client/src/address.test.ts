import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "./address.ts";

for (const [url, expected] of [
  ["mqtt://example.com", "mqtt example.com 1883 - -"],
  ["tcp://10.0.0.1:1234/", "mqtt 10.0.0.1 1234 / -"],
  ["MQTTS://[::1]", "mqtts ::1 8883 - -"],
  ["ssl://example.com:1", "mqtts example.com 1 - -"],
  ["ws://example.com/mqtt?a=b", "ws example.com 80 /mqtt?a=b -"],
  ["wss://u:p@example.com?x", "wss example.com 443 ?x u:p"],
  ["mqtt://a%40b:c%3Ad@h", "mqtt h 1883 - a@b:c:d"],
  ["mqtt://token@h", "mqtt h 1883 - token:undefined"],
  ["mqtt://:secret@h", "mqtt h 1883 - undefined:secret"],
  ["unix:/run/mqtt.sock", "unix  0 /run/mqtt.sock -"],
  ["unix:///run/mqtt.sock", "unix  0 /run/mqtt.sock -"],
  ["mqtt+unix://u:p@/run/mqtt.sock", "unix  0 /run/mqtt.sock u:p"],
] as const) {
  test(`${url} is read`, () => {
    const { scheme, host, port, path, username, password } = parseAddress(url);
    const credentials =
      username === undefined && password === undefined ? "-" : `${username}:${password}`;
    assert.equal(`${scheme} ${host} ${port} ${path === "" ? "-" : path} ${credentials}`, expected);
  });
}

test("what is shown of an address holds no password, and its port", () => {
  assert.equal(parseAddress("wss://u:p@[::1]/a?b").url, "wss://[::1]:443/a?b");
  assert.equal(parseAddress("mqtt+unix://u:p@/a").url, "unix:/a");
});

for (const url of [
  "",
  "example.com:1883",
  "mqtt:",
  "mqtt://",
  "mqtt://:1883",
  "mqtt://h:0",
  "mqtt://h:65536",
  "mqtt://h:x",
  "mqtt://h/path",
  "http://h",
  "constructor://h",
  "unix://host/run/mqtt.sock",
  "unix:",
  "mqtt://a%zz@h",
  "mqtt://[::1",
  "ws://h/#fragment",
]) {
  test(`${JSON.stringify(url)} is refused`, () => {
    assert.throws(() => parseAddress(url), { code: "ERR_USAGE" });
  });
}

test("the message about a wrong address leaves the password out", () => {
  assert.throws(
    () => parseAddress("mqtt://u:secret@h:99999"),
    (error: Error) => !error.message.includes("secret"),
  );
});
