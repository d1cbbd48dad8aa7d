import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createBroker } from "./broker.ts";
import type { BrokerOptions } from "./broker.ts";
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
