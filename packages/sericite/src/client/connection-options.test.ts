import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "@sericite/protocol";
import { parseOptions } from "../options/option.ts";
import { connectionOptions, readConnection } from "./connection-options.ts";

const read = (...argv: string[]) =>
  readConnection(parseOptions(connectionOptions, argv, "pub"), false);

test("without options: localhost, port 1883, MQTT 3.1.1, a clean session", () => {
  const { url, client } = read();
  assert.equal(url, "mqtt://localhost:1883");
  assert.equal(client.protocolVersion, 4);
  assert.equal(client.cleanStart, true);
  assert.equal(client.sessionExpiryInterval, 0);
  assert.equal(client.keepAlive, 60);
});

for (const [argv, url, topic, username, password] of [
  ["-L mqtt://h/t/1", "mqtt://h:1883", "t/1", undefined, undefined],
  ["-L mqtt://h:2883", "mqtt://h:2883", undefined, undefined, undefined],
  ["-L mqtt://u:p%40:x@[::1]:1/t", "mqtt://[::1]:1", "t", "u", "p@:x"],
  ["-L mqtt://u@h/t -u other -p 5 -h g", "mqtt://g:5", "t", "other", undefined],
  ["-h ::1 -p 7", "mqtt://[::1]:7", undefined, undefined, undefined],
  ["-L mqtts://u@h/t", "mqtts://h:8883", "t", "u", undefined],
  ["-L ws://h/t", "ws://h:80/mqtt", "t", undefined, undefined],
  ["-L wss://h:1 --ws-path /a?b", "wss://h:1/a?b", undefined, undefined, undefined],
  ["-h h --insecure", "mqtts://h:8883", undefined, undefined, undefined],
  ["-L ws://h --insecure", "wss://h:443/mqtt", undefined, undefined, undefined],
  ["-L wss://h --insecure", "wss://h:443/mqtt", undefined, undefined, undefined],
  ["--unix /run/mqtt.sock -u u", "unix:/run/mqtt.sock", undefined, "u", undefined],
] as const) {
  test(`${argv} connects to ${url}`, () => {
    const request = read(...argv.split(" "));
    assert.deepEqual(
      [request.url, request.urlTopic, request.client.username, request.client.password],
      [url, topic, username, password],
    );
  });
}

for (const [argv, version] of [
  ["-V mqttv31", 3],
  ["-V 31", 3],
  ["-V mqttv311", 4],
  ["-V 5", 5],
  ["-V mqttv5", 5],
  ["-x 10", 5],
  ["-D connect receive-maximum 5", 5],
] as const) {
  test(`${argv} speaks protocol level ${version}`, () =>
    assert.equal(read(...argv.split(" ")).client.protocolVersion, version));
}

test("-c keeps the session for ever, -x says how long, and a prefix gets the process number", () => {
  assert.deepEqual(
    [read("-c", "-i", "a").client.cleanStart, read("-c", "-i", "a").client.sessionExpiryInterval],
    [false, 0xffff_ffff],
  );
  assert.equal(read("-c", "-i", "a", "-x", "60").client.sessionExpiryInterval, 60);
  assert.equal(read("-x", "-1").client.sessionExpiryInterval, 0xffff_ffff);
  assert.equal(read("-I", "a-").client.clientId, `a-${process.pid}`);
});

test("a Will and properties of every packet are taken over", () => {
  const { client, properties } = read(
    ..."--will-topic w --will-payload gone --will-qos 1 --will-retain -D will will-delay-interval 5".split(
      " ",
    ),
    ..."-D connect user-property a b -D CONNECT user-property a c -D publish correlation-data x".split(
      " ",
    ),
    ..."-D publish payload-format-indicator 1 -D disconnect session-expiry-interval 0".split(" "),
  );
  assert.deepEqual(client.will, {
    topicName: "w",
    payload: "gone",
    qos: 1,
    retain: true,
    properties: { willDelayInterval: 5 },
  });
  assert.deepEqual(client.userProperties, [
    ["a", "b"],
    ["a", "c"],
  ]);
  assert.deepEqual(properties.publish, {
    correlationData: Buffer.from("x"),
    payloadFormatIndicator: 1,
  });
  assert.deepEqual(properties.disconnect, { sessionExpiryInterval: 0 });
});

for (const [argv, message] of [
  ["-c", /-c needs -i/],
  ["-P x", /-P needs -u/],
  ["-i a -I b", /-i and -I/],
  ["-V 4", /expected mqttv5, mqttv311 or mqttv31/],
  ["-V toString", /expected mqttv5/],
  ["-V 311 -x 5", /another option needs MQTT 5/],
  ["-p 0", /-p is "0", expected a whole number 1 to 65535/],
  ["-k 65536", /-k is "65536"/],
  ["--will-qos 1", /--will-qos needs --will-topic/],
  ["-D will will-delay-interval 5", /needs --will-topic/],
  ["-D publish content-typ x", /did you mean content-type\?/],
  ["-D nothing content-type x", /expected one of connect, publish, will, disconnect/],
  ["-D publish payload-format-indicator 2", /expected a whole number 0 to 1/],
  ["--unix /s -p 1", /--unix needs no other address/],
  ["--unix /s --insecure", /--unix needs no other address/],
  ["--ws-path /a", /--ws-path needs -L ws:/],
  ["-L ws://h --ws-path a", /begins with/],
  ["-L http://h", /expected mqtt:/],
  ["-L mqtt://u:%@h", /no escape/],
  ["--psk x", /does not have this part of TLS yet/],
] as const) {
  test(`${argv} is refused`, () => {
    assert.throws(
      () => read(...argv.split(" ")),
      (error) => error instanceof UsageError && message.test(error.message),
    );
  });
}
