import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { getPriority } from "node:os";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { HashThread } from "./hash-thread.ts";
import { hashPassword, parsePasswordHash } from "./password-hash.ts";
import type { PasswordHash } from "./password-hash.ts";
import { makeScramVerifier } from "./scram-verifier.ts";

const bytes = (text: string): Buffer => Buffer.from(text);
const parsed = (text: string): PasswordHash => parsePasswordHash(text) as PasswordHash;
const cheap = { ln: 4, r: 8, p: 1 };

const thread = new HashThread();
after(() => thread.close());

test("each password gets the answer to its own question, whatever the kind of the hash", async () => {
  const scrypt = parsed(await hashPassword(bytes("a"), cheap));
  const scram = parsed(String(await makeScramVerifier(bytes("b"), "sha256", 4096)));
  const answers = await Promise.all([
    thread.verify(scrypt, bytes("a")),
    thread.verify(scrypt, bytes("b")),
    thread.verify(scram, bytes("a")),
    thread.verify(scram, bytes("b")),
  ]);
  assert.deepEqual(answers, [true, false, false, true]);
});

test("event loop and thread pool, which flushes the store, go on while passwords are hashed", async () => {
  const hash = parsed(await hashPassword(bytes("a"), { ln: 15, r: 8, p: 4 }));
  const own = new HashThread();
  let answers = 0;
  const count = (): void => void answers++;
  // As many as the pool has threads.
  for (let i = 0; i < 4; i++) own.verify(hash, bytes("a")).then(count, count);
  await stat(".");
  assert.equal(answers, 0);
  own.close();
});

/** `undefined`: the thread has ended, as one of an earlier test may just now. */
function statOfThread(number: string): string | undefined {
  try {
    return readFileSync(`/proc/self/task/${number}/stat`, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

test("on Linux the thread has a lower priority than all others of the process", async (t) => {
  if (process.platform !== "linux") return t.skip("priorities of threads are Linux's");
  await thread.verify(parsed(await hashPassword(bytes("a"), cheap)), bytes("a"));
  const priorities = readdirSync("/proc/self/task").flatMap((number) => {
    const stat = statOfThread(number);
    return stat === undefined ? [] : [Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16])];
  });
  const lower = Math.min(19, getPriority() + 10);
  assert.deepEqual(
    priorities.filter((priority) => priority !== getPriority()),
    lower === getPriority() ? [] : [lower],
  );
});

test("a thread without work ends, and the next password begins another one", async () => {
  const own = new HashThread(1);
  const hash = parsed(await hashPassword(bytes("a"), cheap));
  for (let round = 0; round < 2; round++) {
    assert.equal(await own.verify(hash, bytes("a")), true);
    while (own.isRunning) await sleep(1);
  }
});

test("a thread that fails, or is ended, fails what it was asked; the next password is checked by another one", async () => {
  const own = new HashThread();
  const good = parsed(await hashPassword(bytes("a"), cheap));
  const broken: PasswordHash = { text: "no hash", method: "", verify: () => false };
  await assert.rejects(own.verify(broken, bytes("a")), /a hash is expected/);
  assert.equal(await own.verify(good, bytes("a")), true);
  const given = own.verify(good, bytes("a"));
  own.close();
  await assert.rejects(given, /was ended/);
  assert.equal(await own.verify(good, bytes("a")), true);
  own.close();
});
