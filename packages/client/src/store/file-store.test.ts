import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MemoryStore } from "../testing/memory-store.ts";
import { sessionStoreContract } from "../testing/session-store.contract.ts";
import { fileStore, removeFileStore } from "./file-store.ts";

function ground() {
  const directory = mkdtempSync(join(tmpdir(), "sericite-session-"));
  const path = join(directory, "session");
  return { path, remove: () => rmSync(directory, { recursive: true }) };
}

for (const flush of [true, false]) {
  sessionStoreContract(`file, flush ${flush}`, () => {
    const { path, remove } = ground();
    return { open: () => fileStore(path, { flush }), remove };
  });
}

sessionStoreContract("memory of a test", () => {
  const records = new Map<string, Uint8Array>();
  return { open: () => new MemoryStore(records), remove: () => undefined };
});

const one = Uint8Array.of(1);

/** A store with `a` and then `b`. @returns where `b` begins. */
async function written(path: string): Promise<number> {
  const store = fileStore(path);
  await store.open();
  await store.write([{ key: "a", value: one }]);
  const { size } = statSync(path);
  await store.write([{ key: "b", value: one }]);
  await store.close();
  return size;
}

test("a record that was cut off anywhere is left out, and what follows is kept", async () => {
  const { path, remove } = ground();
  const start = await written(path);
  const whole = readFileSync(path);
  for (let size = 0; size <= whole.length; size++) {
    writeFileSync(path, whole);
    truncateSync(path, size);
    const store = fileStore(path);
    const keys = [...(await store.open()).keys()];
    const expected = size === whole.length ? ["a", "b"] : size >= start ? ["a"] : [];
    assert.deepEqual(keys, expected, `cut at ${size} of ${whole.length}`);
    await store.write([{ key: "c", value: one }]);
    await store.close();
    const next = fileStore(path);
    assert.deepEqual([...(await next.open()).keys()], [...expected, "c"]);
    await next.close();
  }
  remove();
});

test("a record with a wrong checksum ends the log", async () => {
  const { path, remove } = ground();
  const start = await written(path);
  const bytes = readFileSync(path);
  bytes[start + 9]! ^= 1;
  writeFileSync(path, bytes);
  const store = fileStore(path);
  assert.deepEqual([...(await store.open()).keys()], ["a"]);
  await store.close();
  remove();
});

test("a file that is no session store is left as it is", async () => {
  const { path, remove } = ground();
  appendFileSync(path, "a diary of mine");
  await assert.rejects(fileStore(path).open(), {
    name: "UsageError",
    message: /is not a session store/,
  });
  assert.equal(readFileSync(path, "utf8"), "a diary of mine");
  assert.equal(existsSync(`${path}.lock`), false);
  remove();
});

test("a file that cannot be opened is told with what to do, and leaves no lock", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sericite-"));
  for (const [path, advice] of [
    [directory, /: it is a directory; give the name of a file in it$/],
    [join(directory, "missing", "file"), /: its directory is not there; make it first$/],
  ] as const) {
    await assert.rejects(fileStore(path).open(), {
      name: "ConnectionError",
      code: "ERR_STORE_FAILED",
      message: advice,
    });
    assert.equal(existsSync(`${path}.lock`), false);
  }
  rmSync(directory, { recursive: true });
});

test("a store that is opened twice goes on, and keeps its lock", async () => {
  const { path, remove } = ground();
  const store = fileStore(path);
  await store.open();
  await assert.rejects(store.open(), { name: "UsageError" });
  assert.equal(existsSync(`${path}.lock`), true);
  await store.write([{ key: "a", value: Uint8Array.of(1) }]);
  await store.close();
  assert.deepEqual([...(await fileStore(path).open()).keys()], ["a"]);
  remove();
});

test("the log is written anew when most of it is out of date", async () => {
  const { path, remove } = ground();
  const store = fileStore(path, { flush: false });
  await store.open();
  const value = new Uint8Array(64 * 1024);
  for (let round = 0; round < 200; round++) await store.write([{ key: "a", value }]);
  assert.ok(statSync(path).size < 2 * 1024 * 1024, `${statSync(path).size} bytes`);
  await store.write([{ key: "b", value: one }]);
  await store.close();
  const next = fileStore(path);
  assert.deepEqual([...(await next.open()).keys()].sort(), ["a", "b"]);
  await next.close();
  remove();
});

test("one process at a time has a store; the lock of one that is gone does not count", async () => {
  const { path, remove } = ground();
  const store = fileStore(path);
  await store.open();
  await assert.rejects(fileStore(path).open(), {
    name: "UsageError",
    message: /has the session store/,
  });
  await store.close();
  // The parent of this process runs.
  writeFileSync(`${path}.lock`, `${process.ppid}`);
  await assert.rejects(fileStore(path).open(), { name: "UsageError" });
  for (const stale of ["4194303", "", "what"]) {
    writeFileSync(`${path}.lock`, stale);
    const next = fileStore(path);
    await next.open();
    await next.close();
  }
  removeFileStore(path);
  assert.equal(existsSync(path), false);
  remove();
});
