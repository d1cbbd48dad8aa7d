import type { ProtocolVersion } from "@sericite/protocol";
import type { Case } from "../wire/case.ts";
import { text } from "../wire/case.ts";
import { connectHex, refused, subscribe, will } from "./steps.ts";

/** A CONNECT that breaks the rules: its Connect Flags, its payload, and what that shows. */
interface Broken {
  readonly id: string;
  readonly about: string;
  readonly shows: readonly string[];
  readonly flags: string;
  readonly payload?: (version: ProtocolVersion) => string;
  readonly properties?: string;
  readonly reasonCode?: number;
  readonly versions?: readonly ProtocolVersion[];
}

/** Will Properties, of 5.0. */
const none = (version: ProtocolVersion): string => (version === 5 ? "00" : "");

const broken: readonly Broken[] = [
  {
    id: "reserved-flag",
    about: "bit 0 of the Connect Flags set is malformed",
    shows: ["MQTT5-3.1.2-3", "MQTT3-3.1.2-3"],
    flags: "03",
  },
  {
    id: "will-qos-without-will",
    about: "Will QoS without Will Flag is malformed",
    shows: ["MQTT5-3.1.2-11", "MQTT3-3.1.2-13", "MQTT3-3.1.2-11"],
    flags: "0a",
  },
  {
    id: "will-retain-without-will",
    about: "Will Retain without Will Flag is malformed",
    shows: ["MQTT5-3.1.2-13", "MQTT3-3.1.2-15", "MQTT3-3.1.2-11"],
    flags: "22",
  },
  {
    id: "will-without-flag",
    about: "Will fields without Will Flag are left over, and malformed",
    shows: ["MQTT3-3.1.2-11"],
    flags: "02",
    payload: (version) => `"{t}a" ${none(version)} "w" "m"`,
  },
  {
    id: "will-qos-3",
    about: "Will QoS 3 is malformed",
    shows: ["MQTT5-3.1.2-12", "MQTT3-3.1.2-14"],
    flags: "1e",
    payload: (version) => `"{t}a" ${none(version)} "w" "m"`,
  },
  {
    id: "will-fields-missing",
    about: "a Will Flag without the Will's fields is malformed",
    shows: ["MQTT5-3.1.2-9", "MQTT3-3.1.2-9"],
    flags: "06",
  },
  {
    id: "username-missing",
    about: "a User Name Flag without a User Name is malformed",
    shows: ["MQTT5-3.1.2-17", "MQTT3-3.1.2-19"],
    flags: "82",
  },
  {
    id: "username-unasked",
    about: "a User Name without its flag is left over, and malformed",
    shows: ["MQTT5-3.1.2-16", "MQTT3-3.1.2-18"],
    flags: "02",
    payload: () => '"{t}a" "user"',
  },
  {
    id: "password-missing",
    about: "a Password Flag without a Password is malformed",
    shows: ["MQTT5-3.1.2-19", "MQTT3-3.1.2-21"],
    flags: "c2",
    payload: () => '"{t}a" "user"',
  },
  {
    id: "password-unasked",
    about: "a Password without its flag is left over, and malformed",
    shows: ["MQTT5-3.1.2-18", "MQTT3-3.1.2-20"],
    flags: "82",
    payload: () => '"{t}a" "user" "secret"',
  },
  {
    id: "password-without-username",
    about: "before 5.0 a Password without User Name is not valid",
    shows: ["MQTT3-3.1.2-22", "X-113"],
    flags: "42",
    payload: () => '"{t}a" "secret"',
    versions: [3, 4],
  },
  {
    id: "client-identifier-missing",
    about: "a CONNECT without the Client Identifier field is malformed",
    shows: ["MQTT5-3.1.3-3", "MQTT3-3.1.3-3"],
    flags: "02",
    payload: () => "",
  },
  {
    id: "client-identifier-utf-8",
    about: "a Client Identifier that is not UTF-8 is malformed",
    shows: ["MQTT5-3.1.3-4", "MQTT3-3.1.3-4", "MQTT5-1.5.4-1", "MQTT3-1.5.3-1"],
    flags: "02",
    payload: () => "0002 61ff",
  },
  {
    id: "will-topic-utf-8",
    about: "a Will Topic that is not UTF-8 is malformed",
    shows: ["MQTT5-3.1.3-11", "MQTT3-3.1.3-10", "MQTT5-1.5.4-1", "MQTT3-1.5.3-1"],
    flags: "06",
    payload: (version) => `"{t}a" ${none(version)} 0002 c328 "m"`,
  },
  {
    id: "username-utf-8",
    about: "a User Name that is not UTF-8 is malformed",
    shows: ["MQTT5-3.1.3-12", "MQTT3-3.1.3-11", "MQTT5-1.5.4-1", "MQTT3-1.5.3-1"],
    flags: "82",
    payload: () => '"{t}a" 0003 eda080',
  },
  {
    id: "receive-maximum-0",
    about: "Receive Maximum 0 is a Protocol Error",
    shows: ["X-24", "X-86"],
    flags: "02",
    properties: "21 0000",
    reasonCode: 0x82,
    versions: [5],
  },
  {
    id: "maximum-packet-size-0",
    about: "Maximum Packet Size 0 is a Protocol Error",
    shows: ["X-25"],
    flags: "02",
    properties: "27 00000000",
    reasonCode: 0x82,
    versions: [5],
  },
  {
    id: "request-problem-information-2",
    about: "Request Problem Information other than 0 and 1 is a Protocol Error",
    shows: ["X-28"],
    flags: "02",
    properties: "17 02",
    reasonCode: 0x82,
    versions: [5],
  },
  {
    id: "request-response-information-2",
    about: "Request Response Information other than 0 and 1 is a Protocol Error",
    shows: ["X-28"],
    flags: "02",
    properties: "19 02",
    reasonCode: 0x82,
    versions: [5],
  },
  {
    id: "authentication-data-alone",
    about: "Authentication Data without Authentication Method is a Protocol Error",
    shows: ["X-30"],
    flags: "02",
    properties: "16 0001 78",
    reasonCode: 0x82,
    versions: [5],
  },
];

/** CONNECT (§3.1): order, fields, flags. */
export const connectCases: readonly Case[] = [
  {
    id: "connect-first",
    about: "a packet other than CONNECT as the first one ends the connection, unanswered",
    shows: ["MQTT5-3.1.0-1", "MQTT3-3.1.0-1", "MQTT5-3.2.0-1", "MQTT3-3.2.0-1", "MQTT5-3.14.0-1"],
    versions: [3, 4, 5],
    steps: [{ open: "a" }, { send: "a", packet: { hex: "c0 00" } }, { expectClosed: "a" }],
  },
  {
    id: "connect-publish-first",
    about: "a PUBLISH as the first packet ends the connection and reaches nobody",
    shows: ["MQTT5-3.1.0-1", "MQTT3-3.1.0-1"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "sub" },
      ...subscribe("sub", "{t}/x"),
      { open: "a" },
      { send: "a", packet: { hex: `30 ("{t}/x" ${none(version)} 6d)` } },
      { expectClosed: "a" },
      { expectNothing: "sub", ms: 50 },
    ],
  },
  {
    id: "connect-second",
    about: "a second CONNECT on a connection is a Protocol Error, and gets no second CONNACK",
    shows: ["MQTT5-3.1.0-2", "MQTT3-3.1.0-2", "MQTT5-3.2.0-2"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: connectHex(version, "02") } },
      { expectClosed: "a", after: { type: "disconnect", reasonCode: 0x82 } },
    ],
  },
  {
    id: "connect-protocol-name",
    about: "a Protocol Name that is not MQTT is refused",
    shows: ["MQTT5-3.1.2-1", "MQTT3-3.1.2-1"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: { hex: `10 ("MQXX" 0${version} 02 0000 ${none(version)} "{t}a")` },
      },
      version === 5
        ? refused(5, "a", 0x84)
        : { expectClosed: "a", after: { type: "connack", reasonCode: 1, sessionPresent: false } },
    ],
  },
  {
    id: "connect-protocol-version",
    about: "a Protocol Version that does not exist is refused with 0x84",
    shows: ["MQTT5-3.1.2-2", "MQTT5-3.2.2-8", "X-9"],
    leaves: "in which version a CONNACK is written whose reader's version is not known",
    versions: [5],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 ("MQTT" 06 02 0000 00 "{t}a")' } },
      refused(5, "a", 0x84),
    ],
  },
  {
    id: "connect-protocol-level",
    about: "an unknown Protocol Level is answered with CONNACK 0x01, then closed",
    shows: ["MQTT3-3.1.2-2", "X-101", "X-130", "MQTT3-3.2.2-4", "MQTT3-3.2.2-5"],
    versions: [4],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 ("MQTT" 02 02 0000 "{t}a")' } },
      refused(4, "a", 0x84, 1),
    ],
  },
  {
    id: "connect-truncated",
    about: "a CONNECT that ends too early is malformed, and gets no CONNACK before 5.0",
    shows: ["MQTT5-3.1.4-1", "MQTT3-3.1.4-1", "MQTT3-3.2.2-6", "MQTT5-4.13.1-1", "X-86"],
    versions: [3, 4, 5],
    steps: (version) => [
      { open: "a" },
      { send: "a", packet: { hex: connectHex(version, "02", "0009 6161") } },
      refused(version, "a", 0x81),
    ],
  },
  ...broken.map(
    ({
      id,
      about,
      shows,
      flags,
      payload = () => '"{t}a"',
      properties = "",
      reasonCode = 0x81,
      versions = [4, 5],
    }): Case => ({
      id: `connect-${id}`,
      about,
      shows: [...shows, "MQTT5-3.1.4-1", "MQTT3-3.1.4-1", "MQTT3-3.2.2-6"],
      versions,
      steps: (version) => [
        { open: "a" },
        { send: "a", packet: { hex: connectHex(version, flags, payload(version), properties) } },
        refused(version, "a", reasonCode),
      ],
    }),
  ),
  {
    id: "connect-password-without-username-5",
    about: "5.0 allows a Password without User Name",
    shows: ["X-20"],
    versions: [5],
    steps: [{ connect: "a", with: { password: text("secret") } }, { expectNothing: "a" }],
  },
  {
    id: "connect-all-fields",
    about: "Client Identifier, Will, User Name and Password are read in this order",
    shows: [
      "MQTT5-3.1.3-1",
      "MQTT3-3.1.3-1",
      "MQTT5-3.1.2-9",
      "MQTT3-3.1.2-9",
      "MQTT5-3.1.2-17",
      "MQTT3-3.1.2-19",
      "MQTT5-3.1.2-19",
      "MQTT3-3.1.2-21",
    ],
    versions: [3, 4, 5],
    profile: "password",
    steps: (version) => [
      { connect: "sub", with: { username: "user", password: text("secret") } },
      ...subscribe("sub", "{t}/will"),
      {
        connect: "a",
        with: { ...will("{t}/will"), username: "user", password: text("secret") },
        connack: { sessionPresent: false },
      },
      { cut: "a" },
      { expect: "sub", packet: { type: "publish", topicName: "{t}/will", payload: "w" } },
      { open: "b" },
      {
        send: "b",
        packet: { hex: connectHex(version, "c2", '"{t}b" "secret" "user"') },
      },
      refused(version, "b", 0x86, 4),
    ],
  },
  {
    id: "connect-accepted",
    about: "a valid CONNECT is answered with CONNACK 0x00, first of all",
    shows: ["MQTT5-3.1.4-5", "MQTT3-3.1.4-4", "MQTT5-3.2.0-1", "MQTT3-3.2.0-1"],
    versions: [3, 4, 5],
    steps: [
      { connect: "a", connack: { reasonCode: 0, sessionPresent: false } },
      { expectNothing: "a" },
    ],
  },
  {
    id: "connect-pipelined",
    about: "packets right behind CONNECT are handled once it is accepted, CONNACK first",
    shows: ["X-36", "X-98", "MQTT5-3.2.0-1", "MQTT3-3.2.0-1"],
    versions: [3, 4, 5],
    steps: (version) => [
      { open: "a" },
      { send: "a", packet: { hex: `${connectHex(version, "02")} c0 00` } },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
      { expect: "a", packet: { type: "pingresp" } },
    ],
  },
  {
    id: "connect-refused",
    about: "what follows a refused CONNECT has no effect, and the connection is closed",
    shows: [
      "MQTT5-3.1.4-2",
      "MQTT5-3.1.4-6",
      "MQTT3-3.1.4-5",
      "MQTT5-3.2.2-6",
      "MQTT3-3.2.2-4",
      "MQTT5-3.2.2-7",
      "MQTT3-3.2.2-5",
      "MQTT5-4.13.2-1",
      "MQTT5-3.2.2-8",
      "MQTT5-3.14.0-1",
      "MQTT5-3.2.0-1",
      "X-9",
      "X-84",
      "X-97",
      "X-101",
      "X-114",
    ],
    versions: [3, 4, 5],
    profile: "password",
    steps: (version) => [
      { connect: "sub", with: { username: "user", password: text("secret") } },
      ...subscribe("sub", "{t}/x"),
      { open: "a" },
      {
        send: "a",
        packet: {
          hex: `${connectHex(version, "c2", '"{t}a" "user" "wrong"')} 30 ("{t}/x" ${none(version)} 6d)`,
        },
      },
      refused(version, "a", 0x86, 4),
      { expectNothing: "sub", ms: 50 },
    ],
  },
  {
    id: "connect-not-authorized",
    about: "who gives no User Name where one is asked for gets 0x87, before 5.0 return code 5",
    shows: ["MQTT5-3.1.4-2", "X-84", "X-97", "X-101", "X-114"],
    versions: [3, 4, 5],
    profile: "password",
    steps: (version) => [
      { open: "a" },
      { send: "a", packet: { hex: connectHex(version, "02") } },
      refused(version, "a", 0x87, 5),
    ],
  },
  {
    id: "connect-refused-takes-nothing-over",
    about: "a refused CONNECT does not end the connection that has the Client Identifier",
    shows: ["MQTT5-3.1.4-2", "X-97"],
    versions: [4, 5],
    profile: "password",
    steps: (version) => [
      { connect: "a", with: { username: "user", password: text("secret") } },
      { open: "b" },
      { send: "b", packet: { hex: connectHex(version, "c2", '"{t}a" "user" "wrong"') } },
      refused(version, "b", 0x86, 4),
      { expectNothing: "a" },
    ],
  },
  {
    id: "connect-timeout",
    about: "who sends no CONNECT in time is disconnected",
    shows: ["X-34", "X-96"],
    versions: [4, 5],
    profile: "connect-timeout",
    steps: [{ open: "a" }, { wait: 200 }, { expectClosed: "a" }],
  },
  {
    id: "connect-timeout-incomplete",
    about: "who begins a CONNECT and does not end it in time is disconnected",
    shows: ["X-34", "X-96"],
    versions: [4, 5],
    profile: "connect-timeout",
    steps: [{ open: "a" }, { send: "a", packet: { hex: "10 20 0004" } }, { expectClosed: "a" }],
  },
];
