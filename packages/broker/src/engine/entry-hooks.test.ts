import assert from "node:assert/strict";
import { test } from "node:test";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import { Answer } from "../testing/index.ts";
import type { ConnectIntent } from "./hooks.ts";
import { joinHooks } from "./hooks.ts";

/** The ways of saying no. */
const refusals: Readonly<Record<string, (broker: TestBroker) => boolean | Promise<boolean>>> = {
  "at once": () => false,
  late: ({ process }) => Answer.after(process, 500, () => false),
  "by throwing": () => {
    throw new Error("the hook is broken");
  },
  "by rejecting": ({ process }) =>
    Answer.after(process, 500, (): never => {
      throw new Error("the hook is broken");
    }),
  "by never answering": ({ process }) => new Answer(process),
  "by answering neither true nor false": () => "yes" as unknown as boolean,
};
const settings = { limits: { hookTimeout: 2000 } };

function checkFailure(broker: TestBroker, how: string, hook: string): void {
  const { hookErrors, hookTimeouts, internalErrors } = broker.engine.counters;
  assert.equal(hookErrors, /throwing|rejecting/.test(how) ? 1 : 0);
  assert.equal(hookTimeouts, /never/.test(how) ? 1 : 0);
  assert.equal(internalErrors, 0);
  for (const line of [...broker.logged("hook-failed"), ...broker.logged("hook-timed-out")])
    assert.equal(line.fields["hook"], hook);
}

for (const [how, answer] of Object.entries(refusals)) {
  test(`a connection that a hook refuses ${how} is cut off without a word, and nothing of it is handled`, () => {
    const broker = new TestBroker({
      settings,
      hooks: (self) => ({ authorizeConnection: () => answer(self) }),
    });
    const refused = broker.listen("clientRefused");
    const client = broker.dial();
    client.sendConnect("c");
    broker.advance(3000);
    assert.deepEqual(client.told(), ["CLOSED"]);
    assert.equal(broker.engine.counters.connectionsRefused, 1);
    assert.equal(broker.engine.connections.size, 0);
    assert.equal(broker.engine.sessions.size, 0);
    assert.deepEqual(refused, []);
    checkFailure(broker, how, "authorizeConnection");
  });

  for (const version of VERSIONS) {
    test(`${NAME_OF_VERSION[version]}: a client that a hook does not let in ${how} is told so, and takes nobody over`, () => {
      let isAsked = false;
      const broker = new TestBroker({
        settings,
        hooks: (self) => ({ authorizeConnect: () => (isAsked ? answer(self) : true) }),
      });
      const first = broker.connect("c", version);
      isAsked = true;
      const refused = broker.listen("clientRefused");
      const client = broker.dial(version);
      client.sendConnect("c");
      broker.advance(3000);
      assert.deepEqual(client.told(), [`CONNACK ${version === 5 ? "0x87" : "0x05"}`, "CLOSED"]);
      assert.equal(first.isClosed, false);
      assert.deepEqual(
        refused.map(({ clientId, reason }) => `${clientId}: ${reason}`),
        ["c: not let in by a hook"],
      );
      checkFailure(broker, how, "authorizeConnect");
    });
  }
}

test("while a hook is asked about a connection, what it sends waits, and goes on when the answer is yes", () => {
  const broker = new TestBroker({
    hooks: ({ process }) => ({
      authorizeConnection: () => Answer.after(process, 500, () => true),
    }),
  });
  const client = broker.dial(4);
  client.sendConnect("c");
  client.sendSubscribe([["a", 0]]);
  client.sendPublish("a", "x");
  broker.advance(400);
  assert.deepEqual(client.told(), []);
  broker.advance(200);
  assert.deepEqual(client.told(), ["CONNACK 0x00", "SUBACK 1 [0]", "PUBLISH a 'x' qos0"]);
});

test("a client that breaks the protocol while a hook is asked about its connection is refused after it", () => {
  const broker = new TestBroker({
    hooks: ({ process }) => ({
      authorizeConnection: () => Answer.after(process, 500, () => true),
    }),
  });
  const client = broker.dial();
  client.send({ type: "pingreq" });
  broker.advance(600);
  assert.deepEqual(client.told(), ["CLOSED"]);
  assert.equal(broker.engine.counters.protocolErrors, 1);
});

test("a hook knows where a connection comes from", () => {
  const seen: unknown[] = [];
  const broker = new TestBroker({
    hooks: { authorizeConnection: ({ address, transport }) => seen.push([address, transport]) > 0 },
  });
  broker.connect("c");
  assert.deepEqual(seen, [["192.0.2.1", "tcp"]]);
});

test("a hook knows who comes in: as the authenticator named it, with what it asks for", () => {
  const seen: [string, string | undefined, ConnectIntent][] = [];
  const broker = new TestBroker({
    authenticator: { authenticate: () => ({ accepted: true, clientId: "unique", username: "u" }) },
    hooks: {
      authorizeConnect: ({ clientId, username }, connect) =>
        seen.push([clientId, username, connect]) > 0,
    },
  });
  broker.connect("c", 5, {
    keepAlive: 9,
    properties: { sessionExpiryInterval: 7, userProperties: [["a", "b"]] },
  });
  assert.deepEqual(seen, [
    [
      "unique",
      "u",
      {
        cleanStart: true,
        keepAlive: 9,
        sessionExpiryInterval: 7,
        userProperties: [["a", "b"]],
      },
    ],
  ]);
});

test("the embedding program's own links are asked about by nobody", () => {
  const broker = new TestBroker({
    hooks: { authorizeConnection: () => false, authorizeConnect: () => false },
  });
  const client = broker.connect("c", 5, { isTrusted: true });
  assert.equal(client.isClosed, false);
});

test("several sets are asked in order until one refuses", () => {
  const asked: string[] = [];
  const set = (name: string, answer: boolean) => ({
    authorizeConnect: () => {
      asked.push(name);
      return answer;
    },
  });
  const broker = new TestBroker({
    hooks: joinHooks([set("a", true), set("b", false), set("c", true)]),
  });
  const client = broker.dial();
  client.sendConnect("c");
  assert.deepEqual(client.told(), ["CONNACK 0x87", "CLOSED"]);
  assert.deepEqual(asked, ["a", "b"]);
});
