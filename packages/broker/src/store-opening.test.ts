import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConnectionError, UsageError } from "@sericite/protocol";
import { createBroker } from "./broker.ts";
import type { BrokerOptions } from "./broker-options.ts";
import { MemoryStore } from "./store/memory.ts";

const directory = mkdtempSync(join(tmpdir(), "sericite-opening-"));
after(() => rmSync(directory, { recursive: true }));

/** Options of a broker that keeps what it takes in a directory of this test, and its log. */
function keeping(
  name: string,
  durability = "strict",
): BrokerOptions & { lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const write = (level: string, event: string, fields: object): void =>
    void lines.push({ level, event, ...fields });
  return {
    settings: { store: { durability, dataDir: join(directory, name) } },
    log: { enabled: () => true, write },
    lines,
  };
}

for (const durability of ["strict", "relaxed"])
  test(`with store.durability ${durability} a broker takes its directory, and lets it go when it is closed`, async () => {
    const { lines, ...options } = keeping(durability, durability);
    const broker = await createBroker(options);
    const files = (): string[] => readdirSync(join(directory, durability));
    assert.ok(files().includes("lock"));
    await broker.publish("a", "kept", { qos: 1, retain: true });
    assert.ok(files().some((name) => name.endsWith(".log")));
    await broker.close();
    assert.ok(!files().includes("lock"));
    const opened = lines.find(({ event }) => event === "store-opened");
    assert.equal(opened?.["directory"], join(directory, durability));
    assert.match(String(opened?.["message"]), new RegExp(`${durability} \\(${durability}: .*lost`));
  });

test("where nothing is said, or memory, no directory is used", async () => {
  for (const settings of [{}, { store: { durability: "memory", dataDir: join(directory, "no") } }])
    await (await createBroker({ settings })).close();
  assert.ok(!readdirSync(directory).includes("no"));
});

test("a store that is given wins over the settings", async () => {
  const { lines: _lines, ...options } = keeping("not-this");
  await (await createBroker({ ...options, store: new MemoryStore() })).close();
  assert.ok(!readdirSync(directory).includes("not-this"));
});

test("a durability that needs a directory is refused without one", () =>
  assert.rejects(
    createBroker({ settings: { store: { durability: "strict" } } }),
    (error) =>
      error instanceof UsageError && /store\.dataDir: expected a directory/.test(error.message),
  ));

test("a directory that another broker has is refused, and free when that one is closed", async () => {
  const { lines: _lines, ...options } = keeping("shared");
  const first = await createBroker(options);
  await assert.rejects(
    createBroker(options),
    (error) => error instanceof ConnectionError && error.code === "ERR_STORE_LOCKED",
  );
  await first.close();
  await (await createBroker(options)).close();
});

test("the settings of the store wait for a restart", async () => {
  await using broker = await createBroker();
  const changes = await broker.reconfigure({ store: { slowBytes: 65536 } });
  assert.deepEqual(changes, { changed: [], needRestart: ["store.slowBytes"] });
});

test("a start that takes long says each second how far it is", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const { lines, ...options } = keeping("long");
  const opening = createBroker(options);
  t.mock.timers.tick(2000);
  await (await opening).close();
  const told = lines.filter(({ event }) => event === "store-opening");
  assert.equal(told.length, 2);
  assert.match(
    String(told[1]?.["message"]),
    /^the store is being opened since \d+ s(: \d+ MB read, now .+)?$/,
  );
});

test("a store that cannot write the rest makes close fail with its code", async () => {
  class Failing extends MemoryStore {
    override close(): Promise<void> {
      return Promise.reject(new ConnectionError("ERR_STORE_DISK_FULL", "no space left"));
    }
  }
  const broker = await createBroker({ store: new Failing() });
  await assert.rejects(broker.close(), { code: "ERR_STORE_DISK_FULL" });
});
