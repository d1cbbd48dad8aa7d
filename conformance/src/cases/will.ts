import type { ProtocolVersion } from "@sericite/protocol";
import type { Case, Step } from "../wire/case.ts";
import { text } from "../wire/case.ts";
import { closed, connectHex, refused, subscribe, will } from "./steps.ts";

/** The Will arrives. */
const arrives = (fields: Record<string, unknown> = {}): Step => ({
  expect: "sub",
  packet: { type: "publish", topicName: "{t}/will", payload: "w", ...fields },
});

const watch = (qos: 0 | 1 | 2 = 0): Step[] => [
  { connect: "sub" },
  ...subscribe("sub", "{t}/will", { qos }),
];

/** Session Expiry Interval, in 5.0. */
const expiry = (version: ProtocolVersion, seconds: number): object =>
  version === 5 ? { properties: { sessionExpiryInterval: seconds } } : {};

/** The Will Message (§3.1.2.5, §3.1.3.2, §3.14.4). */
export const willCases: readonly Case[] = [
  {
    id: "will-cut",
    about: "a connection that ends without DISCONNECT publishes its Will, once",
    shows: [
      "MQTT5-3.1.2-7",
      "MQTT5-3.1.2-8",
      "MQTT5-3.1.2-10",
      "MQTT3-3.1.2-8",
      "MQTT3-3.1.2-10",
      "X-65",
      "X-117",
    ],
    versions: [3, 4, 5],
    steps: [
      ...watch(),
      { connect: "a", with: will("{t}/will") },
      { cut: "a" },
      arrives({ qos: 0, retain: false }),
      { expectNothing: "sub", ms: 30 },
      { connect: "a" },
      { cut: "a" },
      { expectNothing: "sub", ms: 50 },
    ],
  },
  {
    id: "will-end",
    about: "closing the connection in order, but without DISCONNECT, publishes the Will as well",
    shows: ["MQTT5-3.1.2-8", "MQTT3-3.1.2-8", "X-65"],
    versions: [3, 4, 5],
    steps: [...watch(), { connect: "a", with: will("{t}/will") }, { end: "a" }, arrives()],
  },
  {
    id: "will-disconnect",
    about: "DISCONNECT drops the Will unpublished",
    shows: [
      "MQTT5-3.14.4-3",
      "MQTT5-3.1.2-10",
      "MQTT5-3.1.2-8",
      "MQTT3-3.14.4-3",
      "MQTT3-3.1.2-10",
      "X-117",
      "X-66",
    ],
    versions: [3, 4, 5],
    steps: [
      ...watch(),
      { connect: "a", with: will("{t}/will") },
      { send: "a", packet: { hex: "e0 00" } },
      { expectClosed: "a" },
      { expectNothing: "sub", ms: 50 },
    ],
  },
  {
    id: "will-disconnect-0x04",
    about: "DISCONNECT 0x04 asks for the Will",
    shows: ["X-65", "MQTT5-3.1.2-8"],
    versions: [5],
    steps: [
      ...watch(),
      { connect: "a", with: will("{t}/will") },
      { disconnect: "a", with: { reasonCode: 0x04 } },
      arrives(),
    ],
  },
  {
    id: "will-disconnect-with-an-error",
    about: "DISCONNECT with any other Reason Code than 0x00 publishes the Will",
    shows: ["X-65"],
    versions: [5],
    steps: [
      ...watch(),
      { connect: "a", with: will("{t}/will") },
      { disconnect: "a", with: { reasonCode: 0x83 } },
      arrives(),
    ],
  },
  {
    id: "will-protocol-error",
    about: "the Will is published when the broker closes because of a protocol error",
    shows: ["MQTT5-3.1.2-8", "MQTT3-3.1.2-8", "X-93", "X-65"],
    versions: [3, 4, 5],
    steps: [
      ...watch(),
      { connect: "a", with: will("{t}/will") },
      { send: "a", packet: { hex: "00 00" } },
      closed("a", 0x81),
      arrives(),
    ],
  },
  {
    id: "will-malformed-disconnect",
    about: "a DISCONNECT with reserved flags is no DISCONNECT: the Will is published",
    shows: ["MQTT5-3.14.1-1", "MQTT3-3.14.1-1", "X-65"],
    versions: [4, 5],
    steps: [
      ...watch(),
      { connect: "a", with: will("{t}/will") },
      { send: "a", packet: { hex: "e1 00" } },
      closed("a", 0x81, true),
      arrives(),
    ],
  },
  {
    id: "will-none",
    about: "without Will Flag nothing is published when the connection ends",
    shows: ["MQTT3-3.1.2-12", "X-117"],
    versions: [3, 4, 5],
    steps: [...watch(), { connect: "a" }, { cut: "a" }, { expectNothing: "sub", ms: 50 }],
  },
  {
    id: "will-flags-without-will-3.1",
    about: "3.1: Will QoS and Will Retain are ignored without Will Flag",
    shows: ["X-117"],
    versions: [3],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: connectHex(3, "2a") } },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
    ],
  },
  ...([0, 1, 2] as const).map((qos): Case => ({
    id: `will-qos-${qos}`,
    about: `a Will with QoS ${qos} goes out with QoS ${qos}`,
    shows: ["MQTT3-3.1.2-9", "MQTT3-3.1.2-14", "MQTT5-3.1.2-12", "MQTT5-3.1.2-9"],
    versions: [3, 4, 5],
    steps: [
      ...watch(2),
      { connect: "a", with: will("{t}/will", { qos }) },
      { cut: "a" },
      arrives({ qos }),
    ],
  })),
  {
    id: "will-retain",
    about: "Will Retain 1 retains the published Will",
    shows: ["MQTT5-3.1.2-15", "MQTT3-3.1.2-17"],
    versions: [3, 4, 5],
    needs: ["retained"],
    steps: [
      ...watch(),
      { connect: "a", with: will("{t}/will", { retain: true }) },
      { cut: "a" },
      arrives({ retain: false }),
      { connect: "late" },
      ...subscribe("late", "{t}/will"),
      { expect: "late", packet: { type: "publish", retain: true, payload: "w" } },
      {
        send: "sub",
        packet: {
          type: "publish",
          topicName: "{t}/will",
          payload: text(""),
          qos: 0,
          dup: false,
          retain: true,
        },
      },
    ],
  },
  {
    id: "will-retain-0",
    about: "Will Retain 0 does not retain the published Will",
    shows: ["MQTT5-3.1.2-14", "MQTT3-3.1.2-16"],
    versions: [3, 4, 5],
    steps: [
      ...watch(),
      { connect: "a", with: will("{t}/will") },
      { cut: "a" },
      arrives(),
      { connect: "late" },
      ...subscribe("late", "{t}/will"),
      { expectNothing: "late", ms: 30 },
    ],
  },
  {
    id: "will-properties",
    about: "the properties of a Will go out with it, User Properties in their order",
    shows: ["X-31", "MQTT5-3.1.3-10", "MQTT5-1.5.7-1"],
    versions: [5],
    steps: [
      ...watch(),
      {
        connect: "a",
        with: will("{t}/will", {
          properties: {
            payloadFormatIndicator: 1,
            messageExpiryInterval: 60,
            contentType: "text/plain",
            responseTopic: "{t}/reply",
            correlationData: text("corr"),
            userProperties: [
              ["b", "1"],
              ["a", "2"],
              ["b", "3"],
            ],
          },
        }),
      },
      { cut: "a" },
      arrives({
        properties: {
          payloadFormatIndicator: 1,
          messageExpiryInterval: 60,
          contentType: "text/plain",
          responseTopic: "{t}/reply",
          correlationData: "corr",
          willDelayInterval: null,
          userProperties: [
            ["b", "1"],
            ["a", "2"],
            ["b", "3"],
          ],
        },
      }),
    ],
  },
  {
    id: "will-delay",
    about: "a Will with a Will Delay Interval is published when it has passed",
    shows: ["MQTT5-3.1.2-8", "X-32"],
    versions: [5],
    needs: ["will-delay"],
    steps: [
      ...watch(),
      {
        connect: "a",
        with: {
          ...will("{t}/will", { properties: { willDelayInterval: 1 } }),
          properties: { sessionExpiryInterval: 60 },
        },
      },
      { cut: "a" },
      { expectNothing: "sub", ms: 600 },
      arrives(),
    ],
  },
  {
    id: "will-delay-absent",
    about: "without Will Delay Interval the Will goes at once, though the Session lives on",
    shows: ["X-32", "MQTT5-3.1.2-8", "MQTT3-3.1.2-8"],
    versions: [3, 4, 5],
    steps: (version) => [
      ...watch(),
      {
        connect: "a",
        with: { ...will("{t}/will"), cleanStart: false, ...expiry(version, 60) },
      },
      { cut: "a" },
      arrives(),
    ],
  },
  {
    id: "will-delay-and-session-end",
    about: "the end of the Session publishes the Will though its delay runs on",
    shows: ["MQTT5-3.1.2-8", "X-32"],
    versions: [5],
    needs: ["will-delay"],
    steps: [
      ...watch(),
      {
        connect: "a",
        with: {
          ...will("{t}/will", { properties: { willDelayInterval: 60 } }),
          properties: { sessionExpiryInterval: 1 },
        },
      },
      { cut: "a" },
      { expectNothing: "sub", ms: 500 },
      arrives(),
    ],
  },
  {
    id: "will-delay-without-session",
    about: "with Session Expiry Interval 0 the Will goes at once, whatever its delay",
    shows: ["MQTT5-3.1.2-8", "X-32"],
    versions: [5],
    steps: [
      ...watch(),
      {
        connect: "a",
        with: will("{t}/will", { properties: { willDelayInterval: 60 } }),
      },
      { cut: "a" },
      arrives(),
    ],
  },
  {
    id: "will-delay-resumed",
    about: "a new connection to the Session before the delay has passed: the Will is not sent",
    shows: ["MQTT5-3.1.3-9", "MQTT5-3.1.2-8"],
    versions: [5],
    needs: ["will-delay"],
    steps: [
      ...watch(),
      {
        connect: "a",
        with: {
          ...will("{t}/will", { properties: { willDelayInterval: 1 } }),
          properties: { sessionExpiryInterval: 60 },
        },
      },
      { cut: "a" },
      { wait: 200 },
      {
        connect: "a",
        with: { cleanStart: false, properties: { sessionExpiryInterval: 60 } },
        connack: { sessionPresent: true },
      },
      { expectNothing: "sub", ms: 1500 },
    ],
  },
  {
    id: "will-delay-clean-start",
    about: "Clean Start 1 over a pending Will ends its Session, which publishes it",
    shows: ["X-35", "X-32"],
    versions: [5],
    needs: ["will-delay"],
    steps: [
      ...watch(),
      {
        connect: "a",
        with: {
          ...will("{t}/will", { properties: { willDelayInterval: 60 } }),
          properties: { sessionExpiryInterval: 60 },
        },
      },
      { cut: "a" },
      { expectNothing: "sub", ms: 100 },
      { connect: "a", with: { cleanStart: true } },
      arrives(),
    ],
  },
  {
    id: "will-delay-disconnect",
    about: "DISCONNECT 0x04 with a Will Delay Interval starts the delay",
    shows: ["X-65", "MQTT5-3.1.2-8"],
    versions: [5],
    needs: ["will-delay"],
    steps: [
      ...watch(),
      {
        connect: "a",
        with: {
          ...will("{t}/will", { properties: { willDelayInterval: 1 } }),
          properties: { sessionExpiryInterval: 60 },
        },
      },
      { disconnect: "a", with: { reasonCode: 0x04 } },
      { expectNothing: "sub", ms: 500 },
      arrives(),
    ],
  },
  {
    id: "will-replaced",
    about: "each connection brings its own Will: the one of the connection before is gone",
    shows: ["MQTT5-3.1.2-7", "MQTT3-3.1.2-8", "MQTT5-3.1.3-9"],
    versions: [4, 5],
    steps: (version) => [
      ...watch(),
      {
        connect: "a",
        with: {
          ...will("{t}/will", {
            payload: text("old"),
            properties: version === 5 ? { willDelayInterval: 60 } : undefined,
          }),
          cleanStart: false,
          ...expiry(version, 60),
        },
      },
      version === 5 ? { cut: "a" } : { disconnect: "a" },
      { wait: 50 },
      {
        connect: "a",
        with: { ...will("{t}/will"), cleanStart: false, ...expiry(version, 60) },
        connack: { sessionPresent: true },
      },
      { cut: "a" },
      arrives(),
      { expectNothing: "sub", ms: 50 },
    ],
  },
  ...(
    [
      ["session-expiry-0", "Session Expiry Interval 0", 0, 60, false, true],
      ["delay-0", "Will Delay Interval 0", 60, 0, false, true],
      ["clean-start", "Clean Start 1", 60, 60, true, true],
      ["in-time", "Clean Start 0 in time", 60, 60, false, false],
    ] as const
  ).map(([id, what, sessionExpiryInterval, willDelayInterval, cleanStart, isSent]): Case => ({
    id: `will-takeover-${id}`,
    about: `takeover with ${what} ${isSent ? "publishes" : "does not publish"} the old Will`,
    shows: isSent ? ["X-35", "MQTT5-3.1.2-8"] : ["X-35", "MQTT5-3.1.3-9"],
    versions: [5],
    needs: ["will-delay"],
    steps: [
      ...watch(),
      {
        connect: "a",
        with: {
          ...will("{t}/will", { properties: { willDelayInterval } }),
          properties: { sessionExpiryInterval },
        },
      },
      {
        connect: "b",
        with: { clientId: "{t}a", cleanStart, properties: { sessionExpiryInterval: 60 } },
      },
      closed("a", 0x8e, true),
      isSent ? arrives() : { expectNothing: "sub", ms: 100 },
    ],
  })),
  {
    id: "will-takeover",
    about: "takeover publishes the Will of the older connection",
    shows: ["MQTT3-3.1.2-8", "MQTT3-3.1.4-2", "X-115"],
    versions: [3, 4],
    steps: [
      ...watch(),
      { connect: "a", with: will("{t}/will") },
      { connect: "b", with: { clientId: "{t}a" } },
      { expectClosed: "a" },
      arrives(),
    ],
  },
  {
    id: "will-shutdown",
    about: "who is told that the broker shuts down is told so with 0x8B, as the last packet",
    shows: ["X-16", "X-14", "MQTT5-3.14.4-1", "MQTT5-3.14.4-2", "MQTT5-3.14.2-1"],
    versions: [4, 5],
    steps: [
      { connect: "a", with: will("{t}/will") },
      { broker: "close" },
      { expectClosed: "a", after: { type: "disconnect", reasonCode: 0x8b } },
    ],
  },
  {
    id: "will-wildcard",
    about: "a Will Topic with a wildcard is refused",
    leaves: "whether it is malformed, or refused with CONNACK",
    shows: ["MQTT5-4.7.0-1", "MQTT3-4.7.1-1", "MQTT5-3.1.4-2"],
    versions: [3, 4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex: connectHex(version, "06", `"{t}a" ${version === 5 ? "00" : ""} "w/#" "m"`),
        },
      },
      refused(version, "a", 0x90),
    ],
  },
  {
    id: "will-topic-empty",
    about: "an empty Will Topic is refused",
    leaves: "whether it is malformed, or refused with CONNACK",
    shows: ["MQTT5-4.7.3-1", "MQTT3-4.7.3-1"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: { hex: connectHex(version, "06", `"{t}a" ${version === 5 ? "00" : ""} "" "m"`) },
      },
      refused(version, "a", 0x90),
    ],
  },
  {
    id: "will-not-authorized",
    about: "a Will that its client may not publish: CONNECT is refused",
    shows: ["MQTT5-3.1.4-2", "X-97"],
    versions: [3, 4, 5],
    profile: "deny",
    steps: (version) => [
      ...watch(),
      { open: "a" },
      {
        send: "a",
        packet: {
          hex: connectHex(
            version,
            "06",
            `"{t}a" ${version === 5 ? "00" : ""} "{t}/will/forbidden" "m"`,
          ),
        },
      },
      refused(version, "a", 0x87, 5),
      { expectNothing: "sub" },
    ],
  },
  {
    id: "will-refused-connect",
    about: "the Will of a CONNECT that was refused is never published",
    shows: ["MQTT3-3.1.2-8", "MQTT5-3.1.2-7"],
    versions: [4, 5],
    profile: "password",
    steps: (version) => [
      { connect: "sub", with: { username: "user", password: text("secret") } },
      ...subscribe("sub", "{t}/will"),
      { open: "a" },
      {
        send: "a",
        packet: {
          hex: connectHex(
            version,
            "c6",
            `"{t}a" ${version === 5 ? "00" : ""} "{t}/will" "w" "user" "wrong"`,
          ),
        },
      },
      refused(version, "a", 0x86, 4),
      { expectNothing: "sub", ms: 50 },
    ],
  },
  {
    id: "will-payload-format",
    about: "a Will Payload marked as UTF-8 that is not is refused with 0x99",
    shows: ["X-33"],
    versions: [5],
    profile: "payload-format",
    steps: [
      { open: "a" },
      {
        send: "a",
        packet: { hex: connectHex(5, "06", '"{t}a" (01 01) "{t}/will" 0002 c328') },
      },
      refused(5, "a", 0x99),
    ],
  },
];
