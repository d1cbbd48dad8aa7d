import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConnectRequest } from "../engine/ports.ts";
import { AuthenticatorChain } from "./chain.ts";
import { HashQueue } from "./hash-queue.ts";
import type { PasswordUsers } from "./password-file.ts";
import type { PasswordHash } from "./password-hash.ts";
import { PasswordMemory } from "./password-memory.ts";
import { PasswordAuthenticator } from "./passwords.ts";

const request = (username: string | undefined, password?: string): ConnectRequest => ({
  clientId: "c",
  username,
  password: password === undefined ? undefined : Buffer.from(password),
  protocolVersion: 5,
  cleanStart: true,
  userProperties: [],
  peer: { listener: "tcp:1883", transport: "tcp", address: "192.0.2.1", port: 1 },
});

/** Hashes whose work is counted, and held up where asked. */
class World {
  readonly hashed: string[] = [];
  readonly counters = { passwordsHashed: 0, passwordsRemembered: 0, passwordsLate: 0 };
  readonly log: string[] = [];
  readonly queue: HashQueue;
  gate: Promise<void> = Promise.resolve();

  constructor(deadlineMs = 60_000) {
    this.queue = new HashQueue({ deadlineMs, waiting: 100 });
  }

  users(passwords: Readonly<Record<string, string>>): PasswordUsers {
    const users = Object.entries(passwords).map(([name, password]) => {
      const hash: PasswordHash = {
        text: password,
        method: "plain",
        verify: (given) => {
          this.hashed.push(name);
          return Buffer.from(given).toString() === password;
        },
      };
      return [name, { name, hash, scram: new Map() }] as const;
    });
    return new Map(users);
  }

  authenticator(passwords: Readonly<Record<string, string>>): PasswordAuthenticator {
    const { queue, counters } = this;
    const thread = {
      verify: async (hash: PasswordHash, password: Uint8Array) => {
        const isRight = hash.verify(password);
        await this.gate;
        return isRight;
      },
    };
    const log = {
      enabled: () => true,
      write: (_level: string, event: string) => void this.log.push(event),
    };
    return new PasswordAuthenticator(this.users(passwords), { queue, thread, counters, log });
  }
}

/** What it comes to: true, or the Reason Code of the refusal. */
async function codeOf(answer: unknown): Promise<unknown> {
  const settled = (await answer) as { accepted: boolean; reasonCode?: number } | "next";
  return settled === "next" ? settled : settled.accepted ? true : settled.reasonCode;
}

test("right passwords enter, wrong ones and none are refused with 0x86, others are the next one's", async () => {
  const passwords = new World().authenticator({ alice: "a", bob: "b" });
  for (const [username, password, expected] of [
    ["alice", "a", true],
    ["alice", "b", 0x86],
    ["alice", "", 0x86],
    ["alice", undefined, 0x86],
    ["bob", "b", true],
    ["carol", "c", "next"],
    [undefined, undefined, "next"],
  ] as const) {
    const answer = await codeOf(passwords.authenticate(request(username, password)));
    assert.equal(answer, expected, `${username}: ${password}`);
  }
});

test("a password that was checked costs no second hash, right or wrong, until the users change", async () => {
  const world = new World();
  const passwords = world.authenticator({ alice: "a" });
  for (let i = 0; i < 3; i++) {
    assert.equal(await codeOf(passwords.authenticate(request("alice", "a"))), true);
    assert.equal(await codeOf(passwords.authenticate(request("alice", "b"))), 0x86);
  }
  assert.deepEqual(world.counters, {
    passwordsHashed: 2,
    passwordsRemembered: 4,
    passwordsLate: 0,
  });
  passwords.load(world.users({ alice: "b" }));
  assert.equal(await codeOf(passwords.authenticate(request("alice", "a"))), 0x86);
  assert.equal(await codeOf(passwords.authenticate(request("alice", "b"))), true);
  assert.equal(world.counters.passwordsHashed, 4);
});

test("whoever shows the same password at the same time waits for the same hash", async () => {
  const world = new World();
  const passwords = world.authenticator({ alice: "a" });
  const answers = Array.from({ length: 50 }, () =>
    codeOf(passwords.authenticate(request("alice", "a"))),
  );
  assert.deepEqual(new Set(await Promise.all(answers)), new Set([true]));
  assert.equal(world.counters.passwordsHashed, 1);
});

test("a user whom nobody knows costs a hash as a known one does, and is refused with the same code", async () => {
  const world = new World();
  const passwords = world.authenticator({ alice: "a", bob: "b" });
  const chain = new AuthenticatorChain([passwords], () => false);
  assert.equal(await codeOf(chain.authenticate(request("nobody", "x"))), 0x86);
  assert.equal(world.hashed.length, 1);
  // A second time it is remembered, as a known one is.
  assert.equal(await codeOf(chain.authenticate(request("nobody", "x"))), 0x86);
  assert.equal(world.hashed.length, 1);
  // Even the password of the user by whose hash it was checked does not let it in.
  for (const password of ["a", "b"])
    assert.equal(await codeOf(chain.authenticate(request("nobody", password))), 0x86);
});

test("in a file without users one whom nobody knows costs a hash too", async () => {
  const world = new World();
  const chain = new AuthenticatorChain([world.authenticator({})], () => false);
  assert.equal(await codeOf(chain.authenticate(request("nobody", "x"))), 0x86);
  assert.equal(world.counters.passwordsHashed, 1);
});

test("what waits past the deadline is told to come again with 0x89; a remembered password is let in meanwhile", async () => {
  const world = new World(20);
  const passwords = world.authenticator({ alice: "a", bob: "b", carol: "c", dave: "d" });
  assert.equal(await codeOf(passwords.authenticate(request("alice", "a"))), true);
  let open!: () => void;
  world.gate = new Promise((resolve) => (open = resolve));
  const first = codeOf(passwords.authenticate(request("bob", "b")));
  const late = [
    codeOf(passwords.authenticate(request("carol", "c"))),
    codeOf(passwords.authenticate(request("dave", "d"))),
  ];
  assert.equal(await codeOf(passwords.authenticate(request("alice", "a"))), true);
  assert.deepEqual(await Promise.all(late), [0x89, 0x89]);
  assert.equal(world.counters.passwordsLate, 2);
  assert.deepEqual(world.log, ["passwords-late"]);
  open();
  assert.equal(await first, true);
  assert.equal(await codeOf(passwords.authenticate(request("carol", "c"))), true);
});

test("a password that was right before the users changed, while it was checked, is not let in and not remembered", async () => {
  const world = new World();
  const passwords = world.authenticator({ alice: "a" });
  let open!: () => void;
  world.gate = new Promise((resolve) => (open = resolve));
  const answer = codeOf(passwords.authenticate(request("alice", "a")));
  passwords.load(world.users({ alice: "b" }));
  open();
  assert.equal(await answer, 0x86);
  assert.equal(await codeOf(passwords.authenticate(request("alice", "a"))), 0x86);
});

test("the memory is bounded: it forgets what was not asked for longest, and wrong ones push no right one out", () => {
  const memory = new PasswordMemory(2);
  const keys = ["1", "2", "3"].map((password) => memory.keyOf("u", Buffer.from(password)));
  memory.remember(keys[0]!, true);
  memory.remember(keys[1]!, true);
  assert.equal(memory.recall(keys[0]!), true);
  memory.remember(keys[2]!, true);
  assert.deepEqual(
    keys.map((key) => memory.recall(key)),
    [true, undefined, true],
  );
  for (let i = 0; i < 10; i++) memory.remember(memory.keyOf("u", Buffer.from(`wrong ${i}`)), false);
  assert.deepEqual(
    keys.map((key) => memory.recall(key)),
    [true, undefined, true],
  );
});

test("username and password cannot run into each other in the memory", () => {
  const memory = new PasswordMemory();
  assert.notEqual(memory.keyOf("ab", Buffer.from("c")), memory.keyOf("a", Buffer.from("bc")));
});

test("a chain asks in order until one knows the user; anonymous clients come last", async () => {
  const knows = (name: string, answer: boolean) => ({
    authenticate: ({ username }: ConnectRequest) =>
      username !== name
        ? ("next" as const)
        : answer
          ? { accepted: true as const }
          : { accepted: false as const, reasonCode: 0x8a },
  });
  const late = {
    authenticate: async ({ username }: ConnectRequest) =>
      username === "late" ? { accepted: true as const } : ("next" as const),
  };
  const links = [knows("a", true), knows("b", false), late, knows("b", true), knows("c", true)];
  const open = new AuthenticatorChain(links, () => true);
  const closed = new AuthenticatorChain(links, () => false);
  for (const [username, password, expected] of [
    ["a", "x", true],
    ["b", "x", 0x8a],
    ["late", "x", true],
    ["c", "x", true],
    ["nobody", "x", 0x86],
    [undefined, "x", 0x86],
  ] as const) {
    assert.equal(await codeOf(open.authenticate(request(username, password))), expected);
    assert.equal(await codeOf(closed.authenticate(request(username, password))), expected);
  }
  assert.equal(await codeOf(open.authenticate(request(undefined))), true);
  assert.equal(await codeOf(closed.authenticate(request(undefined))), 0x87);
});
