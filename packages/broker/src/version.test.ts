import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createBroker } from "./broker.ts";
import { version } from "./version.ts";

test("the version is that of package.json, and $SYS tells it", async () => {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  assert.equal(version, (JSON.parse(manifest) as { version: string }).version);
  await using broker = await createBroker({ settings: { sys: { interval: 1 } } });
  const subscription = await broker.subscribe("$SYS/broker/version");
  for await (const message of subscription) {
    assert.equal(Buffer.from(message.payload).toString(), `sericite ${version}`);
    break;
  }
});
