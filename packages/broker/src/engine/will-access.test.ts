import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolVersion, QoS } from "@sericite/protocol";
import { bytesOf, hexOf, utf8 } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { TestBrokerOptions } from "../test-broker.test-support.ts";
import type { Rights } from "./ports.ts";

/** When a Will is due, and of which versions it can be so. */
const times = {
  "when its connection ends": VERSIONS,
  "after its delay": [5],
  "when its session ends before its delay": [5],
  "when its client begins a new session": [5],
  "after a restart": VERSIONS,
} as const satisfies Record<string, readonly ProtocolVersion[]>;

/** What answers when it is due, by which way. `permission` is what it says then; at CONNECT it says yes. */
const ways: Readonly<Record<string, (permission: { answer: () => boolean }) => TestBrokerOptions>> =
  {
    "the rights that it came in with": (permission) => ({
      authenticator: {
        authenticate: () => ({
          accepted: true,
          rights: { mayPublish: () => permission.answer() } satisfies Rights,
        }),
      },
    }),
    "the hook confirmWill": (permission) => ({
      hooks: {
        confirmWill: ({ clientId, username }, request) => {
          assert.deepEqual([clientId, username], ["c", "u"]);
          // Always the topic that is meant.
          assert.equal(request.topicName, "a/w");
          assert.equal(request.isWill, true);
          return permission.answer();
        },
      },
    }),
  };

/** Bytes that an observer of 5.0 at QoS 2 gets of the Will, whose number is `number`. */
function willBytes(qos: QoS, number: number): string {
  const identifier = number.toString(16).padStart(4, "0");
  const spelled = [
    "30 07 0003'a/w' 00'x'",
    `32 09 0003'a/w' ${identifier} 00'x'`,
    `34 09 0003'a/w' ${identifier} 00'x'`,
  ][qos]!;
  return hexOf(bytesOf(spelled));
}

function play(
  time: keyof typeof times,
  version: ProtocolVersion,
  qos: QoS,
  options: TestBrokerOptions,
  whenDue: () => void,
): { broker: TestBroker; told: string } {
  const isRestarted = time === "after a restart";
  let broker = new TestBroker({
    ...options,
    durable: isRestarted,
    rewrite: [{ action: "all", from: "old/#", pattern: "^old/(.*)$", to: "$1" }],
  });
  const observe = () => {
    const observer = broker.connect("observer", 5, {
      username: "u",
      cleanStart: false,
      properties: { sessionExpiryInterval: 1000 },
    });
    if (!isRestarted || observer.connack?.sessionPresent !== true) observer.subscribe("a/#", 2);
    return observer;
  };
  let observer = observe();
  const sessionExpiryInterval = time.includes("connection ends") ? 0 : 60;
  const willDelayInterval = { "after its delay": 30, "after a restart": 10 }[time as string] ?? 0;
  const isLongDelay = /session/.test(time);
  const will = {
    topicName: "old/a/w",
    payload: utf8("x"),
    qos,
    retain: false,
    ...(version === 5 && {
      properties: { willDelayInterval: isLongDelay ? 900 : willDelayInterval },
    }),
  };
  const connect = {
    username: "u",
    cleanStart: false,
    ...(version === 5 && { properties: { sessionExpiryInterval } }),
  };
  const client = broker.connect("c", version, { ...connect, will });
  broker.settle();
  whenDue();
  if (isRestarted) {
    broker = broker.restart({ lasts: 100_000 });
    observer = observe();
    broker.settle();
  } else {
    client.drop();
    if (time === "when its client begins a new session")
      broker.connect("c", version, { ...connect, cleanStart: true });
    broker.advance(100_000);
  }
  const told = observer.takeHex();
  observer.sendAcknowledgement("pubrec", 1);
  return { broker, told };
}

for (const [time, versions] of Object.entries(times) as [keyof typeof times, ProtocolVersion[]][]) {
  for (const version of versions) {
    for (const [way, optionsOf] of Object.entries(ways)) {
      // A restart forgets what an authenticator said: nobody can be asked then.
      const isForgotten = time === "after a restart" && way.startsWith("the rights");
      test(`${NAME_OF_VERSION[version]}: ${way} ${isForgotten ? "cannot be" : "may be"} asked about a Will again ${time}, at every QoS`, () => {
        for (const qos of [0, 1, 2] as const) {
          for (const [answer, comesTo] of [
            [() => true, "published"],
            [() => false, "refused"],
            [
              (): never => {
                throw new Error("broken");
              },
              "refused",
            ],
            [() => Promise.resolve(true) as unknown as boolean, "refused"],
          ] as const) {
            const permission: { answer: () => boolean } = { answer: () => true };
            const { broker, told } = play(time, version, qos, optionsOf(permission), () => {
              permission.answer = answer;
            });
            const isPublished = comesTo === "published" || isForgotten;
            // Published before anybody is let in again: QoS 0 waits for nobody.
            const isSeen = isPublished && (qos > 0 || time !== "after a restart");
            assert.equal(told, isSeen ? willBytes(qos, 1) : "", `${qos} ${String(answer)}`);
            assert.equal(broker.engine.counters.willsPublished, isPublished ? 1 : 0);
            assert.equal(broker.engine.drops["publish-denied"], isPublished ? 0 : 1);
            // Neither now nor later, nor after another restart.
            broker.advance(1_000_000);
            assert.equal(broker.engine.counters.willsPublished, isPublished ? 1 : 0);
          }
        }
      });
    }
  }
}
