import type { Case } from "../wire/case.ts";
import { publish, text } from "../wire/case.ts";
import { connectHex, published, refused, subscribe } from "./steps.ts";

/** What only MQTT 3.1 has, and practice that no standard names. */
export const practiceCases: readonly Case[] = [
  {
    id: "3.1-name-and-version",
    about: "3.1 is MQIsdp, version 3; its CONNACK has no Session Present",
    shows: ["X-109", "X-114"],
    versions: [3],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: connectHex(3, "00") } },
      { expectHex: "a", hex: "20 02 00 00" },
      { cut: "a" },
      { open: "a" },
      { send: "a", packet: { hex: connectHex(3, "00") } },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
      { connect: "a" },
    ],
  },
  ...(
    [
      ["level", '"MQIsdp" 06'],
      ["name", '"MQIsdX" 03'],
      ["mixed", '"MQTT" 03'],
    ] as const
  ).map(([id, protocol]): Case => ({
    id: `3.1-${id}-unknown`,
    about: `the protocol ${protocol} is not known: CONNACK 1, then closed`,
    shows: ["X-110", "X-114", "X-130"],
    versions: [3],
    leaves: "3.1 says that the Server should close, and may try CONNACK 1 before",
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: `10 (${protocol} 02 0000 "{t}a")` } },
      refused(3, "a", 0x84, 1),
    ],
  })),
  {
    id: "3.1-strings-missing",
    about: "3.1: a flag whose string is missing is valid",
    shows: ["X-112"],
    versions: [3],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: connectHex(3, "c2") } },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
      { open: "b" },
      { send: "b", packet: { hex: connectHex(3, "c2", '"{t}b" "user"') } },
      { expect: "b", packet: { type: "connack", reasonCode: 0 } },
    ],
  },
  {
    id: "3.1-long-topic",
    about: "3.1: a Topic Name of 32 767 characters is taken",
    shows: ["X-126"],
    versions: [3],
    steps: [
      { connect: "a" },
      ...subscribe("a", "{t}/+", { qos: 0 }),
      { send: "a", packet: publish(`{t}/${"x".repeat(32_700)}`) },
      { expect: "a", packet: { type: "publish", topicName: `{t}/${"x".repeat(32_700)}` } },
    ],
  },
  ...([3, 4] as const).map((version): Case => ({
    id: `bridge-${version}`,
    about:
      "a level with bit 0x80 marks a bridge: its subscriptions act as with No Local and Retain As Published",
    shows: ["X-127"],
    versions: [version],
    leaves: "no standard knows the bit; a refusal with CONNACK 0x01 is right too",
    steps: [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex: `10 (${version === 3 ? '"MQIsdp" 83' : '"MQTT" 84'} 02 0000 "{t}a")`,
        },
      },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
      ...subscribe("a", "{t}/x", { qos: 0 }),
      { send: "a", packet: publish("{t}/x") },
      { expectNothing: "a" },
      { connect: "b" },
      ...published("b", "{t}/x", { retain: true }),
      { expect: "a", packet: { type: "publish", retain: true, payload: "m" } },
      ...published("b", "{t}/x", { retain: true, payload: text("") }),
      { expect: "a", packet: { type: "publish", retain: true, payload: "" } },
      ...published("b", "{t}/x"),
      { expect: "a", packet: { type: "publish", retain: false, payload: "m" } },
    ],
  })),
  {
    id: "version-fallback",
    about: "a version that is not spoken is refused cleanly, so that a client can try an older one",
    shows: ["X-130", "X-110"],
    versions: [3, 4],
    steps: (version) => [
      { open: "a" },
      { send: "a", packet: { hex: '10 ("MQTT" 03 02 0000 "{t}a")' } },
      refused(version, "a", 0x84, 1),
      { connect: "a" },
      { expectNothing: "a" },
    ],
    leaves: "a broker may just close",
  },
  {
    id: "delayed-message",
    about: "$delayed/SECONDS/TOPIC is published when its time has come",
    shows: [],
    versions: [3, 4, 5],
    needs: ["delayed"],
    leaves: "delayed messages are no part of the standard",
    steps: [
      { connect: "sub" },
      ...subscribe("sub", "{t}/later", { qos: 1 }),
      { connect: "a" },
      ...published("a", "$delayed/1/{t}/later"),
      { expectNothing: "sub", ms: 500 },
      { expect: "sub", packet: { type: "publish", topicName: "{t}/later", payload: "m" } },
    ],
  },
  {
    id: "presence",
    about: "$SYS/brokers/NODE/clients tells who comes and goes, where that is on",
    shows: ["X-131"],
    versions: [3, 4, 5],
    profile: "sys",
    steps: [
      { connect: "sub" },
      ...subscribe("sub", "$SYS/brokers/+/clients/{t}a/#", { qos: 0 }),
      { connect: "a" },
      {
        expect: "sub",
        packet: { type: "publish", topicName: "$SYS/brokers/sericite/clients/{t}a/connected" },
      },
      { cut: "a" },
      {
        expect: "sub",
        packet: { type: "publish", topicName: "$SYS/brokers/sericite/clients/{t}a/disconnected" },
      },
    ],
  },
];
