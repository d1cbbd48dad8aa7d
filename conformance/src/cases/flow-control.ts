import { publish } from "../wire/case.ts";
import type { Case } from "../wire/case.ts";
import { completeQos2, subscribe } from "./steps.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Receive Maximum (§4.9) and Maximum Packet Size. */
export const flowControlCases: readonly Case[] = [
  {
    id: "receive-maximum-of-the-client",
    leaves: "a broker may hold PUBLISH back while others are unacknowledged",
    about:
      "unanswered PUBLISHes to a Client stay within its Receive Maximum; all other packets go on",
    shows: [
      "MQTT5-3.3.4-9",
      "MQTT5-3.3.4-10",
      "MQTT5-4.9.0-1",
      "MQTT5-4.9.0-2",
      "MQTT5-4.9.0-3",
      "X-82",
    ],
    versions: [5],
    steps: [
      { connect: "a", with: { properties: { receiveMaximum: 2 } } },
      ...subscribe("a", "{t}/x", { qos: 2 }),
      { connect: "pub" },
      {
        send: "pub",
        packet: publish("{t}/x", { qos: 1, packetIdentifier: 1, payload: bytes("1") }),
      },
      {
        send: "pub",
        packet: publish("{t}/x", { qos: 2, packetIdentifier: 2, payload: bytes("2") }),
      },
      { expect: "pub", packet: { type: "puback" } },
      ...completeQos2("pub", 2),
      {
        send: "pub",
        packet: publish("{t}/x", { qos: 1, packetIdentifier: 3, payload: bytes("3") }),
      },
      { expect: "a", packet: { type: "publish", payload: "1" } },
      { expect: "a", packet: { type: "publish", payload: "2" } },
      { expectNothing: "a", ms: 100 },
      { send: "a", packet: publish("{t}/other", { qos: 1, packetIdentifier: 1 }) },
      { expect: "a", packet: { type: "puback", packetIdentifier: 1 } },
      { answer: "a", type: "pubrec" },
      { expect: "a", packet: { type: "pubrel" } },
      { expectNothing: "a", ms: 50 },
      { answer: "a", type: "pubcomp" },
      { expect: "a", packet: { type: "publish", payload: "3" } },
    ],
  },
  {
    id: "receive-maximum-negative-pubrec",
    about: "a PUBREC of 0x80 or above gives its quota back",
    shows: ["X-82", "MQTT5-3.3.4-9"],
    versions: [5],
    steps: [
      { connect: "a", with: { properties: { receiveMaximum: 1 } } },
      ...subscribe("a", "{t}/x", { qos: 2 }),
      { connect: "pub" },
      {
        send: "pub",
        packet: publish("{t}/x", { qos: 2, packetIdentifier: 1, payload: bytes("1") }),
      },
      ...completeQos2("pub", 1),
      {
        send: "pub",
        packet: publish("{t}/x", { qos: 2, packetIdentifier: 2, payload: bytes("2") }),
      },
      ...completeQos2("pub", 2),
      { expect: "a", packet: { type: "publish", payload: "1" } },
      { expectNothing: "a", ms: 50 },
      { answer: "a", type: "pubrec", reasonCode: 0x97 },
      { expect: "a", packet: { type: "publish", payload: "2" } },
    ],
  },
  {
    id: "receive-maximum-of-the-server",
    about:
      "more unanswered PUBLISHes than the Server's Receive Maximum are answered with DISCONNECT 0x93",
    shows: ["MQTT5-3.3.4-7", "X-55"],
    versions: [5],
    profile: "receive-maximum-2",
    steps: [
      { connect: "a", connack: { properties: { receiveMaximum: 2 } } },
      { send: "a", packet: publish("{t}/x", { qos: 2, packetIdentifier: 1 }) },
      { expect: "a", packet: { type: "pubrec", packetIdentifier: 1 } },
      { send: "a", packet: publish("{t}/x", { qos: 2, packetIdentifier: 2 }) },
      { expect: "a", packet: { type: "pubrec", packetIdentifier: 2 } },
      { send: "a", packet: publish("{t}/x", { qos: 2, packetIdentifier: 3 }) },
      { expectClosed: "a", after: { type: "disconnect", reasonCode: 0x93 } },
    ],
  },
  {
    id: "receive-maximum-of-the-server-is-given-back",
    about: "PUBCOMP gives quota back to the Client; other packets are not held at quota 0",
    shows: ["MQTT5-4.9.0-3", "MQTT5-3.3.4-8"],
    versions: [5],
    profile: "receive-maximum-2",
    steps: [
      { connect: "a" },
      { send: "a", packet: publish("{t}/x", { qos: 2, packetIdentifier: 1 }) },
      { expect: "a", packet: { type: "pubrec", packetIdentifier: 1 } },
      { send: "a", packet: publish("{t}/x", { qos: 2, packetIdentifier: 2 }) },
      { expect: "a", packet: { type: "pubrec", packetIdentifier: 2 } },
      { send: "a", packet: publish("{t}/x") },
      { expectNothing: "a" },
      { send: "a", packet: { type: "pubrel", packetIdentifier: 1 } },
      { expect: "a", packet: { type: "pubcomp", packetIdentifier: 1 } },
      { send: "a", packet: publish("{t}/x", { qos: 1, packetIdentifier: 3 }) },
      { expect: "a", packet: { type: "puback", packetIdentifier: 3 } },
    ],
  },
  {
    id: "receive-maximum-afresh",
    about: "the quota starts afresh with each connection",
    shows: ["X-83"],
    versions: [5],
    steps: [
      {
        connect: "a",
        with: { cleanStart: false, properties: { sessionExpiryInterval: 60, receiveMaximum: 1 } },
      },
      ...subscribe("a", "{t}/x", { qos: 1 }),
      { connect: "pub" },
      {
        send: "pub",
        packet: publish("{t}/x", { qos: 1, packetIdentifier: 1, payload: bytes("1") }),
      },
      {
        send: "pub",
        packet: publish("{t}/x", { qos: 1, packetIdentifier: 2, payload: bytes("2") }),
      },
      { expect: "a", packet: { type: "publish", payload: "1" } },
      { cut: "a" },
      {
        connect: "a",
        with: { cleanStart: false, properties: { sessionExpiryInterval: 60, receiveMaximum: 2 } },
        connack: { sessionPresent: true },
      },
      { expect: "a", packet: { type: "publish", payload: "1", dup: true } },
      { expect: "a", packet: { type: "publish", payload: "2", dup: false } },
    ],
  },
  {
    id: "maximum-packet-size-of-the-client",
    about: "a packet above the Client's Maximum Packet Size is not sent, and counts as delivered",
    shows: ["MQTT5-3.1.2-24", "MQTT5-3.1.2-25"],
    versions: [5],
    steps: [
      { connect: "a", with: { properties: { maximumPacketSize: 60 } } },
      ...subscribe("a", "{t}/x", { qos: 1 }),
      { connect: "pub" },
      {
        send: "pub",
        packet: publish("{t}/x", {
          qos: 1,
          packetIdentifier: 1,
          payload: new Uint8Array(100).fill(0x61),
        }),
      },
      { expect: "pub", packet: { type: "puback", packetIdentifier: 1 } },
      {
        send: "pub",
        packet: publish("{t}/x", { qos: 1, packetIdentifier: 2, payload: bytes("small") }),
      },
      { expect: "a", packet: { type: "publish", payload: "small" } },
      { expectNothing: "a" },
    ],
  },
  {
    id: "maximum-packet-size-of-the-server",
    about: "a packet above the Server's Maximum Packet Size is answered with DISCONNECT 0x95",
    shows: ["MQTT5-3.2.2-15", "X-25"],
    versions: [5],
    profile: "small-packets",
    steps: [
      { connect: "a", connack: { properties: { maximumPacketSize: 1024 } } },
      { send: "a", packet: publish("{t}/x", { payload: new Uint8Array(2000) }) },
      { expectClosed: "a", after: { type: "disconnect", reasonCode: 0x95 } },
    ],
  },
];
