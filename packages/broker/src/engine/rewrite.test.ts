import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "@sericite/protocol";
import { utf8 } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { WireClient } from "../wire-client.test-support.ts";
import { TopicRewriter } from "./rewrite.ts";
import type { RewriteRule } from "./rewrite.ts";

const QOS: readonly QoS[] = [0, 1, 2];

/** From old topics to new ones, and each user below a topic of its own. */
const rules: readonly RewriteRule[] = [
  { action: "all", from: "old/#", pattern: "^old/(.+)/x(\\d+)$", to: "new/$2/$1" },
  { action: "publish", from: "up/+", pattern: /^up\/(.*)$/g, to: "in/%u/$1" },
  { action: "subscribe", from: "mine/#", pattern: "^mine/(.*)$", to: "of/%c/$1" },
  { action: "all", from: "broken/#", pattern: "", to: "a+b" },
  { action: "all", from: "later/#", pattern: "^later/(.*)$", to: "$delayed/1/$1" },
  { action: "all", from: "twice", pattern: "", to: "old/a/x1" },
  { action: "all", from: "twice", pattern: "", to: "never" },
];
const user = { clientId: "c", username: "u" };

for (const [action, sent, result] of [
  ["publish", "old/a/x7", "new/7/a"],
  ["publish", "old/a/b/x12", "new/12/a/b"],
  ["publish", "old/a/y", "old/a/y"],
  ["publish", "other", "other"],
  ["publish", "$SYS/old/a/x7", "$SYS/old/a/x7"],
  ["publish", "up/t", "in/u/t"],
  ["publish", "mine/t", "mine/t"],
  ["publish", "twice", "old/a/x1"],
  ["publish", "broken/t", undefined],
  ["publish", "later/t", undefined],
  ["subscribe", "old/a/x7", "new/7/a"],
  ["subscribe", "old/+/x7", "new/7/+"],
  ["subscribe", "old/#", "old/#"],
  ["subscribe", "up/t", "up/t"],
  ["subscribe", "mine/#", "of/c/#"],
  ["subscribe", "$share/g/old/a/x7", "$share/g/new/7/a"],
  ["subscribe", "$queue/mine/+", "$queue/of/c/+"],
  ["subscribe", "broken/t", undefined],
  ["subscribe", "$share/g/broken/t", undefined],
] as const) {
  test(`${action}: ${sent} becomes ${result ?? "nothing"}`, () => {
    const rewriter = new TopicRewriter(rules);
    // Twice: a RegExp with `g` would remember.
    for (let i = 0; i < 2; i++) {
      assert.equal(
        action === "publish"
          ? rewriter.topicName(user, sent, 128)
          : rewriter.topicFilter(user, sent),
        result,
      );
    }
  });
}

for (const username of [undefined, "", "a/b", "+", "#"]) {
  test(`a rule with %u makes nothing for the username ${JSON.stringify(username)}`, () => {
    const rewriter = new TopicRewriter(rules);
    assert.equal(rewriter.topicName({ clientId: "c", username }, "up/t", 128), undefined);
  });
}

test("what a name or a group holds is not filled in again", () => {
  const rewriter = new TopicRewriter([
    { action: "all", from: "#", pattern: "^(.*)$", to: "%u/$1" },
  ]);
  const client = { clientId: "secret", username: "$1%c" };
  assert.equal(rewriter.topicName(client, "%c/$1", 128), "$1%c/%c/$1");
});

test("a result with more levels than are allowed is none", () => {
  const rewriter = new TopicRewriter([{ action: "all", from: "a", pattern: "", to: "a/b/c" }]);
  assert.equal(rewriter.topicName(user, "a", 3), "a/b/c");
  assert.equal(rewriter.topicName(user, "a", 2), undefined);
});

for (const [wrong, says] of [
  [
    { action: "both" },
    /^rewrite\[1\]\.action: expected one of publish, subscribe, all, got "both"/,
  ],
  [{ from: "a/#/b" }, /^rewrite\[1\]\.from: Topic Filter "a\/#\/b" has a # before its last level/],
  [{ from: "$share/g/a" }, /^rewrite\[1\]\.from: expected a Topic Filter without \$share\/g\//],
  [{ pattern: "(" }, /^rewrite\[1\]\.pattern: .*\(/],
  [{ pattern: 1 }, /^rewrite\[1\]\.pattern: expected a regular expression, got 1/],
  [{ to: "" }, /^rewrite\[1\]\.to: expected a text that is not empty/],
  [{ dest: "x" }, /^rewrite\[1\]: there is no dest; there are action, from, pattern, to/],
] as const) {
  test(`a rule with ${JSON.stringify(wrong)} is refused at once`, () => {
    const rule = { action: "all", from: "a", pattern: "", to: "b" } as const;
    assert.throws(() => new TopicRewriter([rule, { ...rule, ...wrong } as RewriteRule]), {
      code: "ERR_REWRITE_RULE",
      message: says,
    });
  });
}

// --- in the broker

/** Lets everything pass but what goes to `denied`, and notes what it was asked. */
function worldOf(denied: string): { broker: TestBroker; all: WireClient; asked: string[] } {
  const asked: string[] = [];
  const broker = new TestBroker({
    rewrite: rules,
    hooks: {
      authorizePublish: (_client, { topicName }) => {
        asked.push(`publish ${topicName}`);
        return topicName !== denied;
      },
      authorizeSubscribe: (_client, { topicFilter }) => {
        asked.push(`subscribe ${topicFilter}`);
        return topicFilter !== denied;
      },
    },
  });
  const all = broker.connect("all", 5, { isTrusted: true });
  all.subscribe("#", 2);
  return { broker, all, asked };
}

for (const version of VERSIONS) {
  for (const qos of QOS) {
    const name = `${NAME_OF_VERSION[version]}, QoS ${qos}`;
    test(`${name}: a PUBLISH goes to the resulting Topic Name, which is what is authorized`, () => {
      const { broker, all, asked } = worldOf("new/2/a");
      const client = broker.connect("c", version);
      client.sendPublish("old/a/x1", "1", { qos, id: 1, retain: true });
      client.sendPublish("old/a/x2", "2", { qos, id: 2, retain: true });
      broker.settle();
      assert.deepEqual(asked, ["publish new/1/a", "publish new/2/a"]);
      assert.deepEqual(
        all.takePublishes().map(({ topicName }) => topicName),
        ["new/1/a"],
      );
      assert.equal(broker.engine.retained.count, 1);
      assert.equal(broker.engine.drops["publish-denied"], 1);
    });

    test(`${name}: a PUBLISH of which no Topic Name can be made has no effect`, () => {
      const { broker, all, asked } = worldOf("");
      const client = broker.connect("c", version);
      client.sendPublish("up/t", "no username", { qos, id: 1, retain: true });
      const code = version === 5 ? " 0x90" : "";
      assert.deepEqual(client.told(), [[], [`PUBACK 1${code}`], [`PUBREC 1${code}`]][qos]!);
      if (qos === 2) client.sendAcknowledgement("pubrel", 1);
      assert.deepEqual(all.takePublishes(), []);
      assert.deepEqual(asked, []);
      assert.equal(broker.engine.retained.count, 0);
      assert.equal(broker.engine.drops["rewrite-failed"], 1);
    });
  }

  test(`${NAME_OF_VERSION[version]}: a SUBSCRIBE gets what its resulting Topic Filters match, which are what is authorized`, () => {
    const { broker, asked } = worldOf("of/c/no");
    const client = broker.connect("c", version);
    client.sendSubscribe([
      ["mine/yes", 0],
      ["mine/no", 0],
      ["broken/t", 0],
      ["$share/g/mine/+/shared", 0],
    ]);
    const denied = { 3: "0", 4: "0x80", 5: "0x87" }[version];
    const broken = { 3: "0", 4: "0x80", 5: "0x8f" }[version];
    assert.deepEqual(client.told(), [`SUBACK 1 [0 ${denied} ${broken} 0]`]);
    assert.deepEqual(asked, [
      "subscribe of/c/yes",
      "subscribe of/c/no",
      "subscribe $share/g/of/c/+/shared",
    ]);
    const publisher = broker.connect("p");
    for (const topicName of ["of/c/yes", "of/c/no", "mine/yes", "broken/t", "of/c/1/shared"])
      publisher.sendPublish(topicName, "x");
    broker.settle();
    assert.deepEqual(
      client.takePublishes().map(({ topicName }) => topicName),
      ["of/c/yes", "of/c/1/shared"],
    );
    client.sendUnsubscribe(["mine/yes", "$share/g/mine/+/shared"]);
    client.told();
    publisher.sendPublish("of/c/yes", "x");
    publisher.sendPublish("of/c/1/shared", "x");
    assert.deepEqual(client.told(), []);
  });

  test(`${NAME_OF_VERSION[version]}: a Will is rewritten and authorized when its client connects`, () => {
    const { broker, all, asked } = worldOf("new/2/a");
    const will = { payload: utf8("gone"), qos: 1, retain: false } as const;
    const client = broker.connect("c", version, { will: { ...will, topicName: "old/a/x1" } });
    client.drop();
    assert.deepEqual(
      all.takePublishes().map(({ topicName }) => topicName),
      ["new/1/a"],
    );
    for (const [topicName, code] of [
      ["old/a/x2", version === 5 ? "0x87" : "0x05"],
      ["up/t", "0x90"],
    ] as const) {
      const refused = broker.dial(version);
      refused.sendConnect("d", { will: { ...will, topicName } });
      // 3.x has no return code for a Topic Name.
      const isTold = version === 5 || topicName !== "up/t";
      assert.deepEqual(refused.told(), isTold ? [`CONNACK ${code}`, "CLOSED"] : ["CLOSED"]);
    }
    assert.deepEqual(asked, ["publish new/1/a", "publish new/2/a"]);
  });
}

test("behind $delayed, a PUBLISH and a Will go to the resulting Topic Name, and a cancel finds it", () => {
  const { broker, all, asked } = worldOf("");
  const will = {
    topicName: "$delayed/5/old/will/x3",
    payload: utf8("w"),
    qos: 0,
    retain: false,
  } as const;
  const client = broker.connect("c", 5, { will });
  client.sendPublish("$delayed/5/old/a/x1", "x");
  client.sendPublish("$delayed/5/old/a/x2", "x");
  client.sendPublish("$delayed/cancel/old/a/x2", "");
  broker.settle();
  client.drop();
  broker.advance(6000);
  assert.deepEqual(
    all.takePublishes().map(({ topicName }) => topicName),
    ["new/1/a", "new/3/will"],
  );
  assert.deepEqual(asked, [
    "publish new/3/will",
    "publish new/1/a",
    "publish new/2/a",
    "publish new/2/a",
  ]);
});

test("a rule may bring clients to a topic that they could not name themselves only where settings allow it", () => {
  const broker = new TestBroker({
    rewrite: [{ action: "publish", from: "a", pattern: "", to: "$SYS/a" }],
  });
  const client = broker.connect("c");
  client.sendPublish("a", "x", { qos: 1, id: 1 });
  assert.deepEqual(client.told(), ["PUBACK 1 0x87"]);
});

test("a client that the broker names is named before its Will is rewritten", () => {
  const broker = new TestBroker({
    rewrite: [{ action: "publish", from: "will", pattern: "", to: "of/%c" }],
  });
  const all = broker.connect("all");
  all.subscribe("#");
  const client = broker.connect("", 5, {
    will: { topicName: "will", payload: utf8("w"), qos: 0, retain: false },
  });
  client.drop();
  const assigned = client.connack?.properties?.assignedClientIdentifier;
  assert.deepEqual(all.told(), [`PUBLISH of/${assigned} 'w' qos0`]);
});

test("a durable session has the rewritten filters after a crash, and loses them by the names that were sent", () => {
  const broker = new TestBroker({ durable: true, rewrite: rules });
  const session = { cleanStart: false, properties: { sessionExpiryInterval: 3600 } };
  broker.connect("c", 5, session).subscribe("mine/a", 1);
  broker.settle();
  const after = broker.restart({ tail: 1 });
  const client = after.connect("c", 5, session);
  const publisher = after.connect("p");
  publisher.sendPublish("of/c/a", "x", { qos: 1 });
  assert.deepEqual(
    client.takePublishes().map(({ topicName }) => topicName),
    ["of/c/a"],
  );
  client.sendUnsubscribe(["mine/a"], 9);
  after.advance(100);
  assert.deepEqual(client.told(), ["UNSUBACK 9 [0]"]);
});

test("Topic Aliases stand for the name that was sent", () => {
  const broker = new TestBroker({ rewrite: rules });
  const all = broker.connect("all");
  all.subscribe("#");
  const client = broker.connect("c");
  client.sendPublish("old/a/x1", "1", { properties: { topicAlias: 1 } });
  client.sendPublish("", "2", { properties: { topicAlias: 1 } });
  assert.deepEqual(all.told(), ["PUBLISH new/1/a '1' qos0", "PUBLISH new/1/a '2' qos0"]);
});
