import type { Case } from "../wire/case.ts";
import { publish, text } from "../wire/case.ts";
import { closed, connectHex, connectKept, published, subscribe, will } from "./steps.ts";

/** DISCONNECT (§3.14) and what happens on errors (§4.13). */
export const disconnectCases: readonly Case[] = [
  {
    id: "disconnect-closes",
    about: "who sends DISCONNECT is closed, without an answer",
    shows: ["X-67", "X-104", "X-66", "X-102"],
    versions: [3, 4, 5],
    steps: [{ connect: "a" }, { send: "a", packet: { hex: "e0 00" } }, { expectClosed: "a" }],
  },
  {
    id: "disconnect-short",
    about: "DISCONNECT with Remaining Length 1 has a Reason Code and no properties",
    shows: ["X-66"],
    versions: [5],
    steps: [
      { connect: "sub" },
      ...subscribe("sub", "{t}/will", { qos: 0 }),
      { connect: "a", with: will("{t}/will") },
      { send: "a", packet: { hex: "e0 01 00" } },
      { expectClosed: "a" },
      { expectNothing: "sub", ms: 30 },
      { connect: "a", with: will("{t}/will") },
      { send: "a", packet: { hex: "e0 01 04" } },
      { expectClosed: "a" },
      { expect: "sub", packet: { type: "publish", payload: "w" } },
    ],
  },
  {
    id: "disconnect-nothing-after",
    about: "what a Client sends behind its DISCONNECT has no effect",
    leaves: "the standard forbids the Client to send, and not the Server to read",
    shows: ["X-67"],
    versions: [4, 5],
    steps: (version) => [
      { connect: "sub" },
      ...subscribe("sub", "{t}/x", { qos: 0 }),
      { connect: "a" },
      {
        send: "a",
        packet: { hex: `e0 00 30 ("{t}/x" ${version === 5 ? "00" : ""} 6d)` },
      },
      { expectClosed: "a" },
      { expectNothing: "sub", ms: 30 },
    ],
  },
  {
    id: "disconnect-too-long",
    about: "before 5.0 a DISCONNECT has Remaining Length 0",
    shows: ["X-102", "MQTT3-4.8.0-1"],
    versions: [4],
    steps: [
      { connect: "sub" },
      ...subscribe("sub", "{t}/will", { qos: 0 }),
      { connect: "a", with: will("{t}/will") },
      { send: "a", packet: { hex: "e0 01 00" } },
      { expectClosed: "a" },
      { expect: "sub", packet: { type: "publish", payload: "w" } },
    ],
  },
  {
    id: "disconnect-reason-code-of-the-server",
    about: "a Reason Code that is the Server's alone is a Protocol Error, and no valid DISCONNECT",
    shows: ["MQTT5-3.14.2-1", "X-14"],
    versions: [5],
    steps: [{ connect: "a" }, { send: "a", packet: { hex: "e0 01 8b" } }, closed("a", 0x82)],
    leaves: "the standard does not say what a code of another table is",
  },
  {
    id: "disconnect-session-expiry",
    about: "a Session Expiry Interval in DISCONNECT replaces CONNECT's",
    shows: ["X-68", "MQTT5-4.1.0-2"],
    versions: [5],
    steps: [
      connectKept("a", 5),
      ...subscribe("a", "{t}/x"),
      { disconnect: "a", with: { properties: { sessionExpiryInterval: 0 } } },
      connectKept("a", 5, { sessionPresent: false }, { sessionExpiryInterval: 1 }),
      { disconnect: "a", with: { properties: { sessionExpiryInterval: 60 } } },
      { wait: 1300 },
      connectKept("a", 5, { sessionPresent: true }),
      { disconnect: "a" },
      connectKept("a", 5, { sessionPresent: true }),
    ],
  },
  {
    id: "disconnect-session-expiry-after-0",
    about:
      "a Session Expiry Interval above 0 after 0 in CONNECT is a Protocol Error, and no valid DISCONNECT: the Will goes out",
    shows: ["X-69", "X-65", "MQTT5-4.13.1-1"],
    versions: [5],
    steps: [
      { connect: "sub" },
      ...subscribe("sub", "{t}/will", { qos: 0 }),
      { connect: "a", with: will("{t}/will") },
      {
        send: "a",
        packet: { type: "disconnect", properties: { sessionExpiryInterval: 60 } },
      },
      closed("a", 0x82),
      { expect: "sub", packet: { type: "publish", payload: "w" } },
      { connect: "a", with: { cleanStart: false }, connack: { sessionPresent: false } },
    ],
  },
  {
    id: "disconnect-administrative",
    about: "who is disconnected by the administrator is told with 0x98",
    shows: ["X-16", "X-14", "MQTT5-3.14.2-1", "MQTT5-3.14.2-2", "MQTT5-3.14.4-1"],
    versions: [4, 5],
    steps: [
      { connect: "a" },
      { broker: "disconnect", clientId: "{t}a" },
      {
        expectClosed: "a",
        after: {
          type: "disconnect",
          reasonCode: 0x98,
          properties: { sessionExpiryInterval: null },
        },
      },
    ],
  },
  {
    id: "disconnect-is-the-last",
    about: "behind its DISCONNECT the broker sends nothing, whatever waits",
    shows: ["MQTT5-3.14.4-1", "MQTT5-3.14.4-2"],
    versions: [5],
    steps: [
      { connect: "pub" },
      { connect: "a" },
      ...subscribe("a", "{t}/x", { qos: 1 }),
      {
        send: "pub",
        packet: {
          hex: `${Array.from({ length: 20 }, () => '30 ("{t}/x" 00 6d)').join(" ")}`,
        },
      },
      {
        send: "a",
        packet: { hex: '30 ("{t}/y" 00 6d) 00 00 30 ("{t}/x" 00 6d) c0 00' },
      },
      {
        expectClosed: "a",
        after: { type: "disconnect", reasonCode: 0x81 },
        skipping: ["publish"],
      },
    ],
  },
  {
    id: "disconnect-reason-string-too-long",
    about:
      "DISCONNECT leaves out Reason String and User Property where they would exceed the Client's Maximum Packet Size",
    shows: ["MQTT5-3.14.2-3", "MQTT5-3.14.2-4", "MQTT5-3.1.2-24"],
    versions: [5],
    profile: "no-topic-alias",
    steps: [
      { open: "a" },
      // CONNACK has 13 bytes here; a DISCONNECT with its Reason String has more.
      {
        send: "a",
        packet: { hex: connectHex(5, "02", '"{t}a"', "27 00000016") },
      },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
      { send: "a", packet: { hex: "00 00" } },
      {
        expectClosed: "a",
        after: {
          type: "disconnect",
          reasonCode: 0x81,
          properties: { reasonString: null, userProperties: null },
        },
      },
      { connect: "b" },
      { send: "b", packet: { hex: "00 00" } },
      {
        expectClosed: "b",
        after: { type: "disconnect", reasonCode: 0x81, properties: { reasonString: {} } },
      },
    ],
  },
  {
    id: "errors-stay-with-their-connection",
    about: "who breaks the protocol hurts nobody else; an acknowledgement of 0x80 ends nothing",
    shows: ["X-88", "MQTT3-4.8.0-1", "MQTT5-4.13.2-1"],
    versions: [4, 5],
    steps: [
      { connect: "a" },
      { connect: "b" },
      { connect: "pub" },
      ...subscribe("b", "{t}/x", { qos: 1 }),
      { send: "a", packet: { hex: "00 00" } },
      closed("a", 0x81),
      ...published("pub", "{t}/x", { payload: text("1") }),
      { expect: "b", packet: { type: "publish", payload: "1" } },
      { answer: "b", type: "puback" },
      { send: "pub", packet: publish("{t}/x") },
      { expect: "b", packet: { type: "publish", payload: "m" } },
    ],
  },
];
