import type { Case, Step } from "../wire/case.ts";
import { publish, text } from "../wire/case.ts";
import { closed, connectHex, published, refused, subscribe } from "./steps.ts";

/** CONNECT with an Authentication Method, and its data. */
const begin = (who: string, method: string, data?: string): Step[] => [
  { open: who },
  {
    send: who,
    packet: {
      type: "connect",
      protocolVersion: 5,
      clientId: `{t}${who}`,
      cleanStart: true,
      keepAlive: 0,
      properties: {
        authenticationMethod: method,
        authenticationData: data === undefined ? undefined : text(data),
      },
    },
  },
];

const auth = (who: string, reasonCode: number, method: string, data?: string): Step => ({
  send: who,
  packet: {
    type: "auth",
    reasonCode,
    properties: {
      authenticationMethod: method,
      authenticationData: data === undefined ? undefined : text(data),
    },
  },
});

const challenge = (who: string): Step => ({
  expect: who,
  packet: {
    type: "auth",
    reasonCode: 0x18,
    properties: { authenticationMethod: "steps", authenticationData: "challenge" },
  },
});

const welcome = (who: string): Step => ({
  expect: who,
  packet: {
    type: "connack",
    reasonCode: 0,
    properties: { authenticationMethod: "steps", authenticationData: "welcome" },
  },
});

const letIn = (who: string): Step[] => [
  ...begin(who, "steps"),
  challenge(who),
  auth(who, 0x18, "steps", "answer"),
  welcome(who),
];

/** AUTH (§3.15) and enhanced authentication (§4.12). */
export const authenticationCases: readonly Case[] = [
  {
    id: "authentication-method-unknown",
    about: "an Authentication Method that is not supported is refused with 0x8C",
    shows: ["MQTT5-4.12.0-1", "MQTT5-3.1.4-2", "X-9"],
    versions: [5],
    steps: [...begin("a", "none-such", "data"), refused(5, "a", 0x8c)],
  },
  {
    id: "authentication-method-of-none",
    about: "a broker with other methods refuses an unknown one just so",
    shows: ["MQTT5-4.12.0-1"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [...begin("a", "none-such"), refused(5, "a", 0x8c)],
  },
  {
    id: "authentication-at-once",
    about: "a method that needs one step is answered with CONNACK, which repeats the method",
    shows: ["MQTT5-4.12.0-5"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      ...begin("a", "echo", "token"),
      {
        expect: "a",
        packet: {
          type: "connack",
          reasonCode: 0,
          properties: { authenticationMethod: "echo", authenticationData: "token" },
        },
      },
      { expectNothing: "a" },
    ],
  },
  {
    id: "authentication-steps",
    about: "a broker that needs more asks with AUTH 0x18; each AUTH and CONNACK repeats the method",
    shows: [
      "MQTT5-4.12.0-2",
      "MQTT5-4.12.0-5",
      "MQTT5-3.15.2-1",
      "MQTT5-3.2.0-1",
      "MQTT5-3.15.1-1",
      "MQTT5-3.1.4-6",
      "X-17",
    ],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [...letIn("a"), ...published("a", "{t}/x"), { expectNothing: "a" }],
  },
  {
    id: "authentication-refused",
    about: "a broker may refuse at any step: CONNACK, and the connection is closed",
    shows: ["MQTT5-4.12.0-4", "MQTT5-3.2.2-7", "MQTT5-3.1.4-2"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      ...begin("a", "refuse"),
      refused(5, "a", 0x87),
      ...begin("b", "steps"),
      challenge("b"),
      auth("b", 0x18, "steps", "wrong"),
      refused(5, "b", 0x87),
    ],
  },
  {
    id: "authentication-other-packet",
    about:
      "a packet other than AUTH and DISCONNECT before CONNACK is a Protocol Error without effect",
    shows: ["MQTT5-3.1.2-30", "MQTT5-3.1.4-6"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      { connect: "sub" },
      ...subscribe("sub", "{t}/x", { qos: 0 }),
      ...begin("a", "steps"),
      challenge("a"),
      { send: "a", packet: publish("{t}/x") },
      refused(5, "a", 0x82),
      { expectNothing: "sub", ms: 30 },
    ],
  },
  {
    id: "authentication-disconnect",
    about: "DISCONNECT before CONNACK ends the connection",
    shows: ["MQTT5-3.1.2-30"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      ...begin("a", "steps"),
      challenge("a"),
      { send: "a", packet: { hex: "e0 00" } },
      { expectClosed: "a" },
    ],
  },
  {
    id: "authentication-other-method",
    about: "an AUTH with another method than CONNECT's is a Protocol Error",
    shows: ["X-70", "MQTT5-4.12.0-5"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      ...begin("a", "steps"),
      challenge("a"),
      auth("a", 0x18, "echo", "answer"),
      refused(5, "a", 0x82),
    ],
  },
  {
    id: "authentication-method-missing",
    about: "an AUTH without Authentication Method, or of Remaining Length 0, is a Protocol Error",
    shows: ["X-70"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      ...letIn("a"),
      { send: "a", packet: { hex: "f0 (19 (16 0001 78))" } },
      closed("a", 0x82),
      ...letIn("b"),
      { send: "b", packet: { hex: "f0 00" } },
      closed("b", 0x82),
    ],
  },
  {
    id: "authentication-reason-code",
    about: "an AUTH with another Reason Code than 0x18 and 0x19 from a Client is a Protocol Error",
    shows: ["MQTT5-3.15.2-1", "X-17"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      ...letIn("a"),
      { send: "a", packet: { hex: 'f0 (00 (15 "steps"))' } },
      closed("a", 0x82),
      ...letIn("b"),
      { send: "b", packet: { hex: 'f0 (87 (15 "steps"))' } },
      closed("b", 0x82),
      // 0x18 has nothing to go on with.
      ...letIn("c"),
      auth("c", 0x18, "steps"),
      closed("c", 0x82),
    ],
  },
  {
    id: "authentication-flags",
    about: "AUTH with other flags than 0000 is malformed",
    shows: ["MQTT5-3.15.1-1", "MQTT5-2.1.3-1"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      ...letIn("a"),
      { send: "a", packet: { hex: 'f1 (19 (15 "steps"))' } },
      closed("a", 0x81),
    ],
  },
  {
    id: "authentication-unasked",
    about: "CONNECT without Authentication Method: no AUTH, and no method in CONNACK",
    shows: ["MQTT5-4.12.0-6", "MQTT5-4.12.0-7", "X-84"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      {
        connect: "a",
        connack: { properties: { authenticationMethod: null, authenticationData: null } },
      },
      { expectNothing: "a" },
      auth("a", 0x19, "steps"),
      closed("a", 0x82),
    ],
  },
  {
    id: "authentication-again",
    about:
      "AUTH 0x19 begins again: AUTH 0x18 goes on, AUTH 0x00 ends it; other packets flow meanwhile",
    shows: ["X-85", "X-17", "MQTT5-4.12.1-1", "MQTT5-4.12.0-2", "MQTT5-4.12.0-5", "MQTT5-3.15.2-1"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      { connect: "pub" },
      ...letIn("a"),
      ...subscribe("a", "{t}/x", { qos: 0 }),
      auth("a", 0x19, "steps"),
      challenge("a"),
      ...published("a", "{t}/y"),
      ...published("pub", "{t}/x"),
      { expect: "a", packet: { type: "publish" } },
      auth("a", 0x18, "steps", "answer"),
      {
        expect: "a",
        packet: {
          type: "auth",
          reasonCode: 0,
          properties: { authenticationMethod: "steps", authenticationData: "welcome" },
        },
      },
      { expectNothing: "a" },
    ],
  },
  {
    id: "authentication-again-refused",
    about: "who fails to authenticate again is told so with DISCONNECT, and disconnected",
    shows: ["MQTT5-4.12.1-2", "MQTT5-4.13.2-1"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      ...letIn("a"),
      auth("a", 0x19, "steps"),
      challenge("a"),
      auth("a", 0x18, "steps", "wrong"),
      closed("a", 0x87),
    ],
  },
  {
    id: "authentication-again-other-method",
    about: "authenticating again with another method is a Protocol Error",
    shows: ["MQTT5-4.12.1-1", "X-70"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [...letIn("a"), auth("a", 0x19, "echo"), closed("a", 0x82)],
  },
  {
    id: "authentication-answers-fit",
    about: "AUTH has no Reason String and no User Property where they would be too long",
    shows: ["MQTT5-3.15.2-2", "MQTT5-3.15.2-3", "MQTT5-3.1.2-24"],
    versions: [5],
    profile: "enhanced-authentication",
    steps: [
      { open: "a" },
      {
        send: "a",
        packet: { hex: connectHex(5, "02", '"{t}a"', '15 "steps" 27 00000040') },
      },
      {
        expect: "a",
        packet: {
          type: "auth",
          reasonCode: 0x18,
          properties: { reasonString: null, userProperties: null },
        },
      },
      auth("a", 0x18, "steps", "answer"),
      welcome("a"),
    ],
  },
];
