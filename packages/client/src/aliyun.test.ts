import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import type { AliyunDevice } from "./aliyun.ts";
import { aliyun, aliyunCredentials } from "./aliyun.ts";
import { FakeServer } from "./testing/fake-server.ts";

/** The platform's own example of a device. */
const device: AliyunDevice = {
  productKey: "a14Xib5kdYd",
  deviceName: "light1983432",
  deviceSecret: "oLyaKqVxtRvjH284LdhqVgVUx1UPy6zq",
  clientId: "SN1928339",
  timestamp: 1_539_421_321_846,
};

test("a sign-in by HMAC-SHA1 is that of the platform's example", async () => {
  assert.deepEqual(await aliyunCredentials({ ...device, signMethod: "hmacsha1" }, false), {
    clientId: "SN1928339|securemode=3,signmethod=hmacsha1,timestamp=1539421321846|",
    username: "light1983432&a14Xib5kdYd",
    password: "b2488041f64f425016b467ee1c94959ebd592ad1",
  });
});

for (const [signMethod, hash] of [
  ["hmacsha256", "sha256"],
  ["hmacsha1", "sha1"],
  ["hmacmd5", "md5"],
] as const) {
  test(`a sign-in by ${signMethod} is what Node makes of the same text`, async () => {
    const { clientId, password } = await aliyunCredentials({ ...device, signMethod }, true);
    const text =
      "clientIdSN1928339deviceNamelight1983432productKeya14Xib5kdYdtimestamp1539421321846";
    assert.equal(password, createHmac(hash, device.deviceSecret).update(text).digest("hex"));
    assert.equal(
      clientId,
      `SN1928339|securemode=2,signmethod=${signMethod},timestamp=1539421321846|`,
    );
  });
}

/** Lets time pass, the fake one and that of WebCrypto, until there were so many connections. */
async function connections(server: FakeServer, count: number): Promise<void> {
  while (server.connections.length < count || server.connection.received.length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    await server.world.advance(20);
  }
}

test("each attempt signs anew, with the time that it has", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1000 });
  const server = new FakeServer();
  const { timestamp: _, ...now } = device;
  const client = server.open(aliyun({ ...now, url: "mqtt://a" }, { keepAlive: 300 }));
  await connections(server, 1);
  await client;
  const first = server.connection.connect;
  assert.equal(first.protocolVersion, 4);
  assert.equal(first.keepAlive, 300);
  assert.equal(first.clientId, "SN1928339|securemode=3,signmethod=hmacsha256,timestamp=1000|");
  t.mock.timers.setTime(2000);
  server.connection.link.destroy();
  await connections(server, 2);
  const second = server.connection.connect;
  assert.match(second.clientId, /timestamp=2000\|$/);
  assert.notDeepEqual(second.password, first.password);
});

test("the address is the public instance's in the region, over TLS", () => {
  const { url } = aliyun({ ...device, region: "ap-southeast-1" });
  assert.equal(url, "mqtts://a14Xib5kdYd.iot-as-mqtt.ap-southeast-1.aliyuncs.com:1883");
});

for (const [what, change] of [
  ["no secret", { deviceSecret: "" }],
  ["a clientId with |", { clientId: "a|b" }],
  ["another method", { signMethod: "hmacsha512" as never }],
] as const) {
  test(`a device with ${what} is a mistake`, async () => {
    await assert.rejects(aliyunCredentials({ ...device, ...change }, true), { code: "ERR_USAGE" });
  });
}
