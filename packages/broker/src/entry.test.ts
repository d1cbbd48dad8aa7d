import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createBroker } from "./broker.ts";
import type { ChainAnswer } from "./auth/chain.ts";
import type { ConnectRequest } from "./engine/ports.ts";
import { answer, passwordFile, temporaryFolder } from "./entry.test-support.ts";
import { RawSocket } from "./raw-socket.test-support.ts";
import { NAME_OF_VERSION, VERSIONS } from "./test-broker.test-support.ts";

const folder = temporaryFolder();
const passwords = (
  name: string,
  users: Readonly<Record<string, string>>,
  ...more: [isScram?: boolean, ln?: number]
): Promise<string> => passwordFile(join(folder, name), users, ...more);

for (const version of VERSIONS) {
  test(`${NAME_OF_VERSION[version]}: the users of a password file enter, others are refused, anonymous ones where they may`, async () => {
    const auth = { passwordFile: await passwords("users", { alice: "secret", bob: "b" }) };
    const bad = version === 5 ? "CONNACK 0x86" : "CONNACK 0x04";
    for (const [allowAnonymous, anonymous] of [
      [false, version === 5 ? "CONNACK 0x87" : "CONNACK 0x05"],
      [true, "CONNACK 0x00"],
    ] as const) {
      await using broker = await createBroker({ settings: { auth: { ...auth, allowAnonymous } } });
      const { port } = await broker.listen({ port: 0 });
      assert.equal(await answer(port, version, "alice", "secret"), "CONNACK 0x00");
      assert.equal(await answer(port, version, "bob", "b"), "CONNACK 0x00");
      assert.equal(await answer(port, version, "alice", "b"), bad);
      assert.equal(await answer(port, version, "mallory", "secret"), bad);
      assert.equal(await answer(port, version, "alice"), bad);
      assert.equal(await answer(port, version), anonymous);
    }
  });

  test(`${NAME_OF_VERSION[version]}: a password that waits too long for its hash is told to come again, and is let in when it does`, async () => {
    const users = { alice: "a", bob: "b" };
    const passwordFile = await passwords("slow", users, false, 15);
    await using broker = await createBroker({
      settings: { auth: { passwordFile, hashDeadline: 5 } },
    });
    const { port } = await broker.listen({ port: 0 });
    const answers = await Promise.all([
      answer(port, version, "alice", "a", "1"),
      answer(port, version, "bob", "b", "2"),
    ]);
    assert.deepEqual(answers.sort(), [
      "CONNACK 0x00",
      version === 5 ? "CONNACK 0x89" : "CONNACK 0x03",
    ]);
    for (const [user, password] of Object.entries(users))
      assert.equal(await answer(port, version, user, password), "CONNACK 0x00");
    assert.equal(broker.counters.passwordsHashed, 2);
  });
}

test("the password file is read again by a reconfiguration: who is there stays, who comes is judged by the new one; a broken one changes nothing", async () => {
  const file = await passwords("changing", { alice: "old" });
  await using broker = await createBroker({ settings: { auth: { passwordFile: file } } });
  const { port } = await broker.listen({ port: 0 });
  const there = await RawSocket.open(port, 5);
  there.sendConnect("there", { username: "alice", password: Buffer.from("old") });
  await there.until(() => there.told.length > 0);

  await passwords("changing", { alice: "new" });
  await broker.reconfigure({});
  assert.equal(await answer(port, 5, "alice", "old"), "CONNACK 0x86");
  assert.equal(await answer(port, 5, "alice", "new"), "CONNACK 0x00");
  there.send({ type: "pingreq" });
  await there.until(() => there.told.length > 1);
  assert.deepEqual(there.told, ["CONNACK 0x00", "PINGRESP"]);
  there.socket.destroy();

  writeFileSync(file, "alice:plain\n");
  await assert.rejects(broker.reconfigure({ session: { inflightMaximum: 5 } }), {
    code: "ERR_PASSWORD_FILE",
  });
  assert.notEqual(broker.settings.session.inflightMaximum, 5);
  assert.equal(await answer(port, 5, "alice", "new"), "CONNACK 0x00");
});

test("the user of the settings can be changed, and a second source added, without a restart", async () => {
  await using broker = await createBroker({
    settings: { auth: { username: "one", password: "1" } },
  });
  const { port } = await broker.listen({ port: 0 });
  assert.equal(await answer(port, 5, "one", "1"), "CONNACK 0x00");
  await broker.reconfigure({
    auth: {
      username: "two",
      password: "2",
      passwordFile: await passwords("second", { alice: "a" }),
    },
  });
  assert.equal(await answer(port, 5, "one", "1"), "CONNACK 0x86");
  assert.equal(await answer(port, 5, "two", "2"), "CONNACK 0x00");
  assert.equal(await answer(port, 5, "two", "1"), "CONNACK 0x86");
  assert.equal(await answer(port, 5, "alice", "a"), "CONNACK 0x00");
});

test("authenticators of the program are asked in order, before those of the settings", async () => {
  const asked: string[] = [];
  const link =
    (name: string, answers: Readonly<Record<string, ChainAnswer | boolean>>) =>
    ({ username = "" }: ConnectRequest) => {
      asked.push(`${name}:${username}`);
      return answers[username] ?? "next";
    };
  await using broker = await createBroker({
    settings: { auth: { passwordFile: await passwords("third", { alice: "a", bob: "b" }) } },
    authenticators: [
      link("first", { eve: false, ada: { accepted: true, clientId: "ada-1" } }),
      { authenticate: (request) => (request.username === "bob" ? { accepted: false } : "next") },
    ],
  });
  const { port } = await broker.listen({ port: 0 });
  assert.equal(await answer(port, 5, "ada", "x"), "CONNACK 0x00");
  assert.equal(await answer(port, 5, "eve", "x"), "CONNACK 0x86");
  assert.equal(await answer(port, 5, "bob", "b"), "CONNACK 0x86");
  assert.equal(await answer(port, 5, "alice", "a"), "CONNACK 0x00");
  assert.deepEqual(asked, ["first:ada", "first:eve", "first:bob", "first:alice"]);
});

test("an authenticator that decides alone, and a chain, exclude each other", () =>
  assert.rejects(createBroker({ authenticator: () => true, authenticators: [] }), {
    code: "ERR_USAGE",
  }));

test("a broker that would be open to all beyond loopback is not reconfigured to be", async () => {
  await using broker = await createBroker({
    settings: { auth: { username: "u", password: "p" } },
  });
  await broker.listen({ host: "0.0.0.0", port: 0 });
  await assert.rejects(broker.reconfigure({ auth: { username: "" } }), {
    code: "ERR_ANONYMOUS_BEYOND_LOOPBACK",
  });
  await broker.reconfigure({ auth: { username: "", allowAnonymous: true } });
});
