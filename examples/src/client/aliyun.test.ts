import assert from "node:assert/strict";
import { test } from "node:test";
import { start, tell } from "./aliyun.ts";

const device = { productKey: "a1", deviceName: "lamp", deviceSecret: "secret" };

for (const signMethod of ["hmacsha256", "hmacsha1", "hmacmd5"] as const) {
  test(`a device signs in by ${signMethod}; one with another secret is refused`, async () => {
    await using broker = await start(new Map([["lamp&a1", "secret"]]));
    const { port } = await broker.listen({ port: 0 });
    const url = `mqtt://127.0.0.1:${port}`;
    const told = await broker.subscribe("/sys/#");
    await using client = await tell({ ...device, url, signMethod }, 21.5);
    assert.equal(client.state, "connected");
    const { value } = await told[Symbol.asyncIterator]().next();
    assert.equal(value?.topicName, "/sys/a1/lamp/thing/event/property/post");
    await assert.rejects(tell({ ...device, url, signMethod, deviceSecret: "another" }, 0), {
      code: "ERR_CONNECT_REFUSED",
    });
  });
}
