import assert from "node:assert/strict";
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Step } from "../store/log/disk.ts";
import { diskError } from "./disk-error.ts";
import { NodeDisk } from "./node-disk.ts";

if (process.send !== undefined) {
  // The child of a test below: holds a directory until it is killed.
  const disk = new NodeDisk(process.argv[2] as string);
  disk.promise(disk.lock()).then(
    () => process.send?.("locked"),
    (error: { code: string }) => process.send?.(error.code),
  );
  setInterval(() => undefined, 1000);
} else declareTests();

function declareTests(): void {
  const directories: string[] = [];
  const children: ChildProcess[] = [];
  after(() => {
    for (const child of children) child.kill("SIGKILL");
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });
  const fresh = (): string => {
    const directory = mkdtempSync(join(tmpdir(), "sericite-disk-"));
    directories.push(directory);
    return directory;
  };
  /** Starts another process that takes the directory. @returns what it says. */
  const other = async (directory: string): Promise<{ child: ChildProcess; said: unknown }> => {
    const child = fork(fileURLToPath(import.meta.url), [directory]);
    children.push(child);
    const [said] = (await once(child, "message")) as [unknown];
    return { child, said };
  };
  const done = <T>(disk: NodeDisk, step: Step<T>): Promise<T> => disk.promise(step);

  test("a directory that cannot be made is an error at once, wherever it is", async () => {
    const file = join(fresh(), "file");
    writeFileSync(file, "");
    const places = [file, join(file, "below"), join(file, "two", "below")];
    if (process.platform === "linux") places.push("/proc/nothing", "/proc/nothing/below");
    for (const place of places) {
      const disk = new NodeDisk(place);
      await assert.rejects(done(disk, disk.lock()), { code: /^ERR_STORE_/ }, place);
    }
  });

  test("a directory is made, and what is written to a file can be read", async () => {
    const directory = join(fresh(), "made", "here");
    const disk = new NodeDisk(directory);
    await done(disk, disk.lock());
    const file = await done(disk, disk.create("a"));
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index);
    assert.equal(await done(disk, file.write(0, bytes)), bytes.length);
    await done(disk, file.flush());
    await done(disk, disk.flushDirectory());
    assert.deepEqual(await done(disk, file.read(10, 20)), bytes.subarray(10, 30));
    assert.deepEqual(await done(disk, file.read(99_990, 20)), bytes.subarray(99_990), "to the end");
    assert.equal((await done(disk, file.read(100_000, 20))).length, 0);
    await done(disk, file.close());
    const entries = await done(disk, disk.list());
    assert.ok(entries.some(({ name, size }) => name === "a" && size === 100_000));
    assert.ok((await done(disk, disk.freeBytes())) > 0);
    await done(disk, disk.unlink("a"));
    await done(disk, disk.unlink("a"));
    await done(disk, disk.unlock());
    assert.deepEqual(readdirSync(directory), []);
  });

  test("a directory that is named from where the process is gets made too", async () => {
    const disk = new NodeDisk(relative(process.cwd(), join(fresh(), "made", "here")));
    await done(disk, disk.lock());
    assert.ok((await done(disk, disk.list())).length > 0);
    await done(disk, disk.unlock());
  });

  test("a crowd of reads is answered, each with its own, and one that fails holds up no other", async () => {
    const directory = fresh();
    const disk = new NodeDisk(directory);
    const file = await done(disk, disk.create("a"));
    // Can be opened, but not read.
    mkdirSync(join(directory, "b"));
    const bad = await done(disk, disk.open("b"));
    await done(
      disk,
      file.write(
        0,
        Uint8Array.from({ length: 200 }, (_, index) => index),
      ),
    );
    const reads = Array.from({ length: 200 }, (_, index) =>
      done(disk, (index % 50 === 49 ? bad : file).read(index, 1)).then(
        (bytes) => bytes[0],
        (error: { code: string }) => error.code,
      ),
    );
    assert.deepEqual(
      await Promise.all(reads),
      reads.map((_, index) => (index % 50 === 49 ? "ERR_STORE_DISK" : index)),
    );
    await done(disk, file.close());
    await done(disk, bad.close());
  });

  test("errors of the system come with a code of the store's", async () => {
    const disk = new NodeDisk(fresh());
    await assert.rejects(done(disk, disk.open("missing")), {
      code: "ERR_STORE_DISK",
      message: /missing: ENOENT/,
    });
    const file = await done(disk, disk.create("twice"));
    await assert.rejects(done(disk, disk.create("twice")), { code: "ERR_STORE_DISK" });
    await done(disk, file.close());
    const readOnly = await done(disk, disk.open("twice"));
    await assert.rejects(done(disk, readOnly.write(0, Uint8Array.of(1))), {
      name: "ConnectionError",
    });
    await done(disk, readOnly.close());
    const inFile = new NodeDisk(join(disk.name, "twice", "below"));
    await assert.rejects(done(inFile, inFile.lock()), { code: "ERR_STORE_DISK" });
  });

  for (const [system, code] of [
    ["ENOSPC", "ERR_STORE_DISK_FULL"],
    ["EDQUOT", "ERR_STORE_DISK_FULL"],
    ["EROFS", "ERR_STORE_READ_ONLY"],
    ["EACCES", "ERR_STORE_READ_ONLY"],
    ["EPERM", "ERR_STORE_READ_ONLY"],
    ["EIO", "ERR_STORE_DISK"],
  ] as const)
    test(`${system} is told as ${code}`, () => {
      const cause = Object.assign(new Error("as the system says it"), { code: system });
      const error = diskError(cause, "write a file");
      assert.equal(error.code, code);
      assert.equal(error.cause, cause);
      assert.match(error.message, /write a file/);
    });

  test("the lock names its process and is refused to another one, and to this one again", async () => {
    const directory = fresh();
    const { child, said } = await other(directory);
    assert.equal(said, "locked");
    const disk = new NodeDisk(directory);
    await assert.rejects(done(disk, disk.lock()), {
      code: "ERR_STORE_LOCKED",
      message: `${directory} is in use by process ${child.pid} on ${hostname()}`,
    });
    child.kill("SIGKILL");
    await once(child, "exit");
    await done(disk, disk.lock());
    const twin = new NodeDisk(directory);
    await assert.rejects(done(twin, twin.lock()), { code: "ERR_STORE_LOCKED" });
    assert.equal((await other(directory)).said, "ERR_STORE_LOCKED");
    await done(disk, disk.unlock());
    await done(twin, twin.lock());
    await done(twin, twin.unlock());
  });

  for (const [name, content] of [
    ["of a process number that another process has now", { pid: process.ppid, began: "1" }],
    ["of this process's number, from before a restart of the machine", { pid: process.pid }],
    ["that is torn", undefined],
  ] as const)
    test(`a lock ${name} is taken over`, async () => {
      const directory = fresh();
      const disk = new NodeDisk(directory);
      await done(disk, disk.lock());
      const own = JSON.parse(readFileSync(join(directory, "lock"), "utf8")) as object;
      await done(disk, disk.unlock());
      const text = content === undefined ? '{"pid":1' : JSON.stringify({ ...own, ...content });
      writeFileSync(join(directory, "lock"), text);
      await done(disk, disk.lock());
      await done(disk, disk.unlock());
      assert.deepEqual(readdirSync(directory), []);
    });

  test("a lock of another machine holds as long as somebody touches it", async () => {
    const directory = fresh();
    const path = join(directory, "lock");
    writeFileSync(path, JSON.stringify({ pid: 1, host: "elsewhere", boot: "b", began: "1" }));
    let touches = 0;
    const timer = setInterval(() => {
      touches += 1;
      utimesSync(path, new Date(), new Date(1e12 + 1000 * touches));
    }, 20);
    const disk = new NodeDisk(directory, { lockSilentMs: 100 });
    await assert.rejects(done(disk, disk.lock()), {
      code: "ERR_STORE_LOCKED",
      message: /process 1 on elsewhere/,
    });
    clearInterval(timer);
    await done(disk, disk.lock());
    await done(disk, disk.unlock());
  });
}
