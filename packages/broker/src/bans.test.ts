import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createBroker } from "./broker.ts";
import type { BrokerOptions } from "./broker-options.ts";
import { RawSocket } from "./raw-socket.test-support.ts";
import { MemoryStore } from "./store/memory.ts";

const directory = mkdtempSync(join(tmpdir(), "sericite-bans-"));
after(() => rmSync(directory, { recursive: true }));

const keeping = (name: string): BrokerOptions => ({
  settings: { store: { durability: "strict", dataDir: join(directory, name) } },
});

/** Bans, tells that the promises settled, and waits for its end. */
const CHILD = `
  import { createBroker } from ${JSON.stringify(new URL("index.js", import.meta.url).href)};
  const broker = await createBroker(JSON.parse(process.argv[1]));
  await broker.ban("clientId", "c", { reason: "abuse" });
  await broker.ban("address", "2001:DB8::/32", { expiresInMs: 3_600_000 });
  await broker.ban("username", "u");
  await broker.unban("username", "u");
  process.stdout.write("kept");
  setInterval(() => undefined, 1000);
`;

test("bans are there again after the process was killed", async () => {
  const options = keeping("killed");
  const child = spawn(process.execPath, [
    "--input-type=module",
    "--eval",
    CHILD,
    JSON.stringify(options),
  ]);
  child.stderr.pipe(process.stderr);
  const [told] = await once(child.stdout, "data");
  assert.equal(String(told), "kept");
  child.kill("SIGKILL");
  await once(child, "close");
  await using broker = await createBroker(options);
  const [first, second, ...more] = await broker.bans();
  assert.deepEqual(first, {
    kind: "clientId",
    value: "c",
    expiresInMs: Infinity,
    reason: "abuse",
  });
  assert.equal(second?.value, "2001:db8::/32");
  assert.ok(second.expiresInMs > 3_000_000 && second.expiresInMs <= 3_600_000);
  assert.deepEqual(more, []);
});

test("over a socket, who is banned gets DISCONNECT 0x98, and CONNACK 0x8A when it comes again", async () => {
  await using broker = await createBroker();
  const { port } = await broker.listen({ port: 0 });
  const raw = await RawSocket.connect(port, "c");
  await broker.ban("clientId", "c");
  assert.deepEqual(await raw.untilClosed(), ["DISCONNECT 0x98", "CLOSED"]);
  const again = await RawSocket.open(port);
  again.sendConnect("c");
  assert.deepEqual(await again.untilClosed(), ["CONNACK 0x8a", "CLOSED"]);
  assert.equal(await broker.unban("clientId", "c"), true);
  assert.equal(await broker.unban("clientId", "c"), false);
  (await RawSocket.connect(port, "c")).destroy();
});

test("a ban that could not be kept has no effect", async () => {
  class Refusing extends MemoryStore {
    override readonly isVolatile = false;
    override readonly state = "refusing";
  }
  await using broker = await createBroker({ store: new Refusing() });
  await assert.rejects(broker.ban("clientId", "c"), { code: "ERR_STORE_REFUSING" });
  assert.deepEqual(await broker.bans(), []);
});

test("a ban that nobody can be meant by is refused", async () => {
  await using broker = await createBroker();
  for (const ban of [
    () => broker.ban("address", "here"),
    () => broker.ban("clientId", ""),
    () => broker.ban("clientId", "c", { expiresInMs: 0 }),
    () => broker.ban("name" as "clientId", "c"),
  ])
    await assert.rejects(ban, { code: "ERR_USAGE" });
  assert.deepEqual(await broker.bans(), []);
});

test("bans of the options are in force while they are configured, at each reconfiguration as a whole, and are not stored", async () => {
  const options = keeping("configured");
  {
    await using broker = await createBroker({
      ...options,
      bans: [
        { kind: "clientId", value: "c", reason: "abuse" },
        { kind: "address", value: "192.0.2.0/24" },
      ],
    });
    const { port } = await broker.listen({ port: 0 });
    const refused = await RawSocket.open(port, 4);
    refused.sendConnect("c");
    assert.deepEqual(await refused.untilClosed(), ["CONNACK 0x05", "CLOSED"]);
    const there = await RawSocket.connect(port, "d");
    const bans = [{ kind: "address", value: "127.0.0.0/8" }] as const;
    assert.deepEqual((await broker.reconfigure({}, { bans })).changed, ["bans"]);
    assert.deepEqual(await there.untilClosed(), ["DISCONNECT 0x98", "CLOSED"]);
    assert.deepEqual((await broker.reconfigure({ limits: { topicLevels: 9 } })).changed, [
      "limits.topicLevels",
    ]);
    const again = await RawSocket.open(port, 5);
    again.sendConnect("d");
    assert.deepEqual(await again.untilClosed(), ["CONNACK 0x8a", "CLOSED"]);
    await broker.reconfigure({}, { bans: [] });
    (await RawSocket.connect(port, "c")).destroy();
    assert.deepEqual(await broker.bans(), []);
    await broker.reconfigure({}, { bans: [{ kind: "clientId", value: "c" }] });
  }
  await using broker = await createBroker(options);
  const { port } = await broker.listen({ port: 0 });
  (await RawSocket.connect(port, "c")).destroy();
});

test("a ban that is kept and one that is configured are two", async () => {
  await using broker = await createBroker({ bans: [{ kind: "clientId", value: "c" }] });
  const { port } = await broker.listen({ port: 0 });
  await broker.ban("clientId", "c");
  await broker.unban("clientId", "c");
  const refused = await RawSocket.open(port, 5);
  refused.sendConnect("c");
  assert.deepEqual(await refused.untilClosed(), ["CONNACK 0x8a", "CLOSED"]);
});

test("a configured ban by which nobody could be kept out is refused, and changes nothing", async () => {
  const bans = [{ kind: "address", value: "nowhere" }] as const;
  await assert.rejects(createBroker({ bans }), /bans\[0\]\.value: expected an address/);
  await using broker = await createBroker();
  await assert.rejects(broker.reconfigure({ limits: { topicLevels: 9 } }, { bans }), {
    code: "ERR_USAGE",
  });
  assert.equal(broker.settings.limits.topicLevels, 128);
});
