import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "@sericite/protocol";
import type { ClientIdentity } from "../engine/hooks.ts";
import { Acl } from "./acl.ts";
import { AclRules } from "./acl-file.ts";
import { rightsOfLists } from "./acl-rights.ts";

function client(username: string | undefined, clientId = "c"): ClientIdentity {
  return {
    clientId,
    username,
    protocolVersion: 5,
    peer: { listener: "tcp:1883", transport: "tcp" },
  };
}

/** What a client may do with a topic: `p` publish, `s` subscribe to it as a filter, `r` receive. */
function may(acl: Acl, who: ClientIdentity, topic: string): string {
  const { hooks } = acl;
  const publish = { topicName: topic, qos: 0, retain: false, isWill: false } as const;
  const delivery = { topicName: topic, qos: 0, retain: false, publisher: "" } as const;
  return [
    hooks.authorizePublish!(who, publish) === true ? "p" : "",
    hooks.authorizeSubscribe!(who, { topicFilter: topic, qos: 0 }) === true ? "s" : "",
    hooks.authorizeDelivery!(who, delivery) === true ? "r" : "",
  ].join("");
}

const file = `
# for clients without a username, as in mosquitto
topic read public/#

user bob
topic own/bob
topic read news/+
topic write log
topic deny news/secret

user "two words" role sensor
user carol role sensor ops
topic deny sensors/c/private

anonymous role ops
topic write inbox

role sensor
pattern readwrite sensors/%c/#
pattern read by-name/%u/in-%c

role ops
topic readwrite ops/#
topic deny-write ops/config
topic deny-read ops/keys

everybody
topic read all/#
pattern write to/%u
pattern deny all/%c/x
`;
const acl = new Acl(file);
const bob = client("bob");
const carol = client("carol");

for (const [who, topic, expected] of [
  [bob, "own/bob", "psr"],
  [bob, "own/bob/x", ""],
  [bob, "news/a", "sr"],
  [bob, "news/secret", ""],
  [bob, "log", "p"],
  [bob, "public/a", ""],
  [bob, "inbox", ""],
  [bob, "to/bob", "p"],
  [bob, "to/carol", ""],
  [bob, "ops/a", ""],
  [carol, "sensors/c", "psr"],
  [carol, "sensors/c/temperature", "psr"],
  [carol, "sensors/c/private", ""],
  [carol, "sensors/d/temperature", ""],
  [carol, "by-name/carol/in-c", "sr"],
  [carol, "by-name/bob/in-c", ""],
  [carol, "ops/a", "psr"],
  [carol, "ops/config", "sr"],
  [carol, "ops/keys", "p"],
  [client("two words"), "sensors/c/a", "psr"],
  [client("two words"), "ops/a", ""],
  [client(undefined), "public/a", "sr"],
  [client(undefined), "inbox", "p"],
  [client(undefined), "ops/a", "psr"],
  [client(undefined), "to/", ""],
  [client(undefined), "all/a", "sr"],
  [client("nobody"), "all/a", "sr"],
  [client("nobody"), "all/c/x", ""],
  [client("nobody"), "to/nobody", "p"],
  [client("nobody"), "own/bob", ""],
  [client(""), "to/", ""],
] as const) {
  test(`${who.username ?? "a client without a username"} may ${expected === "" ? "nothing" : expected} with ${topic}`, () => {
    assert.equal(may(acl, who, topic), expected);
    assert.equal(may(acl, who, topic), expected, "and a second time, from memory");
  });
}

for (const [rule, filter, covered] of [
  ["a/#", "a/#", true],
  ["a/#", "a", true],
  ["a/#", "a/+", true],
  ["a/#", "a/+/b/#", true],
  ["a/#", "#", false],
  ["a/#", "+/b", false],
  ["a/+", "a/+", true],
  ["a/+", "a/b", true],
  ["a/+", "a/#", false],
  ["a/+", "a", false],
  ["a/+/c", "a/b/c", true],
  ["a/+/c", "a/+/+", false],
  ["+/#", "a/b", true],
  ["+/#", "#", false],
  ["#", "#", true],
  ["#", "+/+", true],
  ["#", "$SYS/#", false], // [MQTT5-4.7.2-1]
  ["+/uptime", "$SYS/uptime", false],
  ["$SYS/#", "$SYS/broker/+", true],
  ["a/b", "$share/g/a/b", true],
  ["a/b", "$queue/a/b", true],
  ["a/b", "$share/a/b", false], // of the group `a` to `b`
] as const) {
  test(`a Topic Filter is granted if one rule covers it whole: read ${rule} ${covered ? "covers" : "does not cover"} ${filter}`, () => {
    const one = new Acl(`user u\ntopic read ${rule}`);
    assert.equal(
      one.hooks.authorizeSubscribe!(client("u"), { topicFilter: filter, qos: 0 }),
      covered,
    );
  });
}

test("what is denied within a Topic Filter does not refuse the filter; what covers it does", () => {
  const one = new Acl("user u\ntopic read #\ntopic deny secret/#");
  assert.equal(may(one, client("u"), "#"), "sr");
  assert.equal(may(one, client("u"), "secret/#"), "");
  assert.equal(may(one, client("u"), "secret/a"), "");
});

for (const clientId of ["a/b", "+", "#", "a#", ""]) {
  test(`a pattern gives nothing to the Client Identifier ${JSON.stringify(clientId)}, and takes all that it denies`, () => {
    const one = new Acl("pattern of/%c/#\npattern read in/#\npattern deny in/%c/x\ntopic x");
    const who = client("u", clientId);
    assert.equal(may(one, who, `of/${clientId}`), "");
    assert.equal(may(one, who, `of/${clientId}/x`), "");
    assert.equal(may(one, who, "in"), "sr");
    assert.equal(may(one, who, "in/z/x"), "");
  });
}

test("a username cannot lead a pattern into $-topics", () => {
  const one = new Acl("pattern read %u/#");
  assert.equal(may(one, client("$SYS"), "$SYS/uptime"), "");
  assert.equal(may(one, client("u"), "u/x"), "sr");
});

test("other rules count from the next question on, and rules that cannot be read change nothing", () => {
  const one = new Acl("user u\ntopic read a");
  const who = client("u");
  assert.equal(may(one, who, "a"), "sr");
  one.reload("user u\ntopic write a");
  assert.equal(may(one, who, "a"), "p");
  assert.throws(() => one.reload("topik a"), UsageError);
  assert.equal(may(one, who, "a"), "p");
});

test("a Will is confirmed by the rules of the moment", () => {
  const one = new Acl("pattern write wills/%u/%c");
  const will = { topicName: "wills/u/c", qos: 0, retain: false, isWill: true } as const;
  const owner = { clientId: "c", username: "u" };
  assert.equal(one.hooks.confirmWill!(owner, will), true);
  assert.equal(one.hooks.confirmWill!({ clientId: "d", username: "u" }, will), false);
  one.reload("pattern read wills/%u/%c");
  assert.equal(one.hooks.confirmWill!(owner, will), false);
});

test("more Topic Names than are remembered are answered right all the same", () => {
  const one = new Acl("pattern write of/%c/+\npattern write all/+");
  const who = client("u");
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 200; i++) {
      assert.equal(may(one, who, `of/c/${i}`), "p");
      assert.equal(may(one, who, `of/d/${i}`), "");
    }
  }
});

for (const [what, text, message] of [
  ["an unknown word", "topik a", 'f:1: found "topik a", expected user, role, anonymous, ever'],
  ["a line without a filter", "user u\ntopic read", 'f:2: found "read", expected [read|write|'],
  ["an empty rule", "topic", 'f:1: found "", expected [read|write|'],
  ["a user without a name", "\r\nuser\r\n", 'f:2: found "user", expected user NAME'],
  ["a wrong filter", "# a\n\ntopic a/#/b", 'f:3: Topic Filter "a/#/b" has a # before its last'],
  ["everybody with a name", "everybody x", 'f:1: found "everybody x", expected everybody, and'],
  ["a role of two words", "role a b", 'f:1: found "role a b", expected role NAME, in one word'],
  ["a role that there is not", "user u role x", 'f:1: there is no role "x"'],
  ["anonymous with a name", "anonymous bob", 'f:1: found "anonymous bob", expected anonymous'],
  ["a bad quotation", 'user "\\x"', "f:1: found"],
  [
    "a share",
    "topic read $share/g/a",
    'f:1: found "$share/g/a", expected the Topic Filter without',
  ],
  ["a delay", "topic write $delayed/1/a", 'f:1: found "$delayed/1/a", expected the topic behind'],
  ["%c in a topic", "topic a/%c", 'f:1: found "a/%c", expected pattern in place of topic'],
] as const) {
  test(`${what} is told with file and line, what was found and what was expected`, () => {
    const one = new Acl("topic a");
    assert.throws(
      () => one.reload(AclRules.parse(text, "f")),
      (error) =>
        error instanceof UsageError &&
        error.code === "ERR_ACL" &&
        (error.message.startsWith(message) || assert.fail(error.message)),
    );
  });
}

test("rights by lists: what is listed and not denied, with the client's names filled in", () => {
  const rights = rightsOfLists(
    { publish: ["of/%c/#"], subscribe: ["in/#", "%u"], deny: ["in/secret", "of/+/x"] },
    { clientId: "c", username: "u" },
  );
  assert.equal(rights.mayPublish!("of/c/a", 0, false), true);
  assert.equal(rights.mayPublish!("of/c/x", 0, false), false);
  assert.equal(rights.mayPublish!("in/a", 0, false), false);
  assert.equal(rights.maySubscribe!("$share/g/in/#", 0), true);
  assert.equal(rights.maySubscribe!("#", 0), false);
  assert.equal(rights.mayReceive!("in/a"), true);
  assert.equal(rights.mayReceive!("in/secret"), false);
  assert.equal(rights.mayReceive!("u"), true);
  assert.throws(() => rightsOfLists({ publish: ["a#"] }, { clientId: "c", username: "u" }));
});

test("what a rule says of one client's name is not taken for what it says of another's", () => {
  const one = new Acl("pattern of/%c/+\ntopic of/all/+\ntopic deny of/all/secret");
  for (let round = 0; round < 2; round++) {
    for (const clientId of ["c", "d"]) {
      const who = client(undefined, clientId);
      for (const topic of ["of/c/x", "of/d/x"])
        assert.equal(may(one, who, topic), topic === `of/${clientId}/x` ? "psr" : "");
      assert.equal(may(one, who, "of/all/x"), "psr");
      assert.equal(may(one, who, "of/all/secret"), "");
    }
  }
});

test("more Topic Names than are remembered are answered all the same", () => {
  const one = new Acl("pattern write of/%c/+\ntopic read all/+");
  const who = client("u");
  for (let round = 0; round < 2; round++)
    for (let index = 0; index < 20_000; index++) {
      const own = {
        topicName: `of/${index % 2 === 0 ? "c" : "d"}/${index}`,
        qos: 0,
        retain: false,
      };
      assert.equal(
        one.hooks.authorizePublish!(who, { ...own, qos: 0, isWill: false }),
        index % 2 === 0,
      );
    }
});
