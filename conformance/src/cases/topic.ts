import type { ProtocolVersion } from "@sericite/protocol";
import type { Case, Step } from "../wire/case.ts";
import { publish } from "../wire/case.ts";
import { closed, published, subscribe } from "./steps.ts";

const none = (version: ProtocolVersion): string => (version === 5 ? "00" : "");

/** Filters below `{t}`, Topic Names that they match, and some that they do not. */
const matches: readonly {
  readonly id: string;
  readonly about: string;
  readonly shows: readonly string[];
  readonly filter: string;
  readonly matching: readonly string[];
  readonly others: readonly string[];
}[] = [
  {
    id: "multi-level",
    about: "# matches the level before it and everything below",
    shows: ["X-73", "X-107"],
    filter: "{t}/sport/#",
    matching: ["{t}/sport", "{t}/sport/", "{t}/sport/a", "{t}/sport/a/b/c"],
    others: ["{t}/sports", "{t}"],
  },
  {
    id: "single-level",
    about: "+ matches one level, an empty one too",
    shows: ["X-74", "X-107"],
    filter: "{t}/sport/+",
    matching: ["{t}/sport/a", "{t}/sport/"],
    others: ["{t}/sport", "{t}/sport/a/b"],
  },
  {
    id: "single-level-within",
    about: "+ may stand at any level",
    shows: ["X-74", "X-107", "MQTT5-4.7.1-2", "MQTT3-4.7.1-3"],
    filter: "{t}/+/a/+/b",
    matching: ["{t}/x/a/y/b", "{t}//a//b"],
    others: ["{t}/a/b", "{t}/x/a/y/c"],
  },
  {
    id: "case",
    about: "Topic Names are case sensitive and may have spaces",
    shows: ["X-76", "X-107"],
    filter: "{t}/Accounts payable",
    matching: ["{t}/Accounts payable"],
    others: ["{t}/ACCOUNTS", "{t}/accounts payable", "{t}/Accounts  payable"],
  },
  {
    id: "slashes",
    about: "a leading or trailing / makes a different topic",
    shows: ["X-76", "X-107"],
    filter: "/{t}/a",
    matching: ["/{t}/a"],
    others: ["{t}/a", "/{t}/a/", "//{t}/a"],
  },
  {
    id: "not-normalized",
    about: "matching does not normalize: composed and decomposed characters are different",
    shows: ["MQTT5-4.7.3-4", "MQTT3-4.7.3-4"],
    filter: "{t}/\u00e9/+",
    matching: ["{t}/\u00e9/\u0065\u0301", "{t}/\u00e9/..", "{t}/\u00e9/%20"],
    others: ["{t}/\u0065\u0301/x"],
  },
];

const badFilters = ["a#", "#/a", "a/#/b", "a+", "+a/b", "a/+b", "#+"];

/** Topic Names and Topic Filters (§4.7). */
export const topicCases: readonly Case[] = [
  ...matches.map(({ id, about, shows, filter, matching, others }): Case => ({
    id: `topic-${id}`,
    about,
    shows: [...shows, "MQTT5-3.3.2-3", "MQTT3-3.3.2-3"],
    versions: [3, 4, 5],
    needs: ["wildcards"],
    steps: [
      { connect: "a" },
      { connect: "pub" },
      ...subscribe("a", filter, { qos: 0 }),
      ...others.flatMap((topicName) => published("pub", topicName)),
      ...matching.flatMap((topicName): Step[] => [
        ...published("pub", topicName),
        { expect: "a", packet: { type: "publish", topicName } },
      ]),
      { expectNothing: "a" },
    ],
  })),
  {
    id: "topic-slash-alone",
    about: "/ alone is a Topic Name of two empty levels",
    shows: ["X-76", "X-74", "X-107"],
    versions: [5],
    needs: ["wildcards"],
    steps: [
      { connect: "a" },
      ...subscribe("a", "/", { qos: 0 }),
      { send: "a", packet: publish("/") },
      { expect: "a", packet: { type: "publish", topicName: "/" } },
    ],
  },
  ...badFilters.map((filter): Case => ({
    id: `topic-filter-${filter.replaceAll("#", "hash").replaceAll("+", "plus").replaceAll("/", "-")}`,
    about: `${filter} is no Topic Filter: who subscribes to it is disconnected`,
    shows: filter.includes("#")
      ? ["MQTT5-4.7.1-1", "MQTT3-4.7.1-2", "MQTT3-4.8.0-1"]
      : ["MQTT5-4.7.1-2", "MQTT3-4.7.1-3", "MQTT3-4.8.0-1"],
    versions: [3, 4, 5],
    needs: ["wildcards"],
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: `82 (0001 ${none(version)} "{t}" 00 "{t}/${filter}" 00)` } },
      closed("a", 0x8f),
    ],
  })),
  {
    id: "topic-filter-empty",
    about: "an empty Topic Filter ends the connection",
    shows: ["MQTT5-4.7.3-1", "MQTT3-4.7.3-1", "MQTT3-4.8.0-1"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: `82 (0001 ${none(version)} "" 00)` } },
      closed("a", 0x8f),
    ],
  },
  {
    id: "topic-name-empty",
    about: "an empty Topic Name ends the connection",
    shows: ["MQTT5-4.7.3-1", "MQTT3-4.7.3-1"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: `30 ("" ${none(version)} 6d)` } },
      closed("a", 0x82),
    ],
  },
  ...["#", "+"].map((wildcard): Case => ({
    id: `topic-name-${wildcard === "#" ? "hash" : "plus"}`,
    about: `${wildcard} in a Topic Name ends the connection, and nobody gets the message`,
    shows: ["MQTT5-4.7.0-1", "MQTT3-4.7.1-1", "MQTT5-3.3.2-2", "MQTT3-3.3.2-2"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "sub" },
      ...subscribe("sub", "{t}/#", { qos: 0 }),
      { connect: "a" },
      { send: "a", packet: { hex: `30 ("{t}/${wildcard}" ${none(version)} 6d)` } },
      closed("a", 0x90),
      { expectNothing: "sub" },
    ],
  })),
  {
    id: "topic-dollar-is-the-broker's",
    about: "Clients do not exchange messages over $-topics",
    shows: ["X-75", "X-107"],
    versions: [3, 4, 5],
    leaves: "the standard says that the Server should prevent it",
    steps: (version) => [
      { connect: "a" },
      ...subscribe("a", "$own/{t}", { qos: 0 }),
      { send: "a", packet: publish("$own/{t}", { qos: 1, packetIdentifier: 5 }) },
      {
        expect: "a",
        packet: {
          type: "puback",
          packetIdentifier: 5,
          reasonCode: version === 5 ? 0x87 : undefined,
        },
      },
      { send: "a", packet: publish("$SYS/broker/{t}", { qos: 0 }) },
      { expectNothing: "a" },
    ],
  },
  {
    id: "topic-dollar-and-wildcards",
    about: "filters that begin with # or + do not match Topic Names that begin with $",
    shows: ["MQTT5-4.7.2-1", "MQTT3-4.7.2-1"],
    versions: [3, 4, 5],
    profile: "dollar-topics",
    steps: [
      { connect: "a" },
      { connect: "b" },
      { connect: "pub" },
      ...subscribe("a", "+/{t}", { qos: 0 }),
      ...subscribe("a", "+/{t}/#", { qos: 0 }),
      ...subscribe("b", "$own/{t}/#", { qos: 0 }),
      ...subscribe("b", "$other/{t}/+", { qos: 0 }),
      ...published("pub", "$own/{t}"),
      ...published("pub", "$other/{t}/x"),
      ...published("pub", "own/{t}"),
      { expect: "a", packet: { type: "publish", topicName: "own/{t}" } },
      { expectNothing: "a" },
      { expect: "b", packet: { type: "publish", topicName: "$own/{t}" } },
      { expect: "b", packet: { type: "publish", topicName: "$other/{t}/x" } },
    ],
  },
  {
    id: "topic-sys-and-wildcards",
    about: "$SYS tells about the broker, and # and + do not show it",
    shows: ["MQTT5-4.7.2-1", "MQTT3-4.7.2-1", "X-131"],
    versions: [3, 4, 5],
    profile: "sys",
    steps: [
      { connect: "a" },
      { connect: "b" },
      ...subscribe("a", "#", { qos: 0 }),
      ...subscribe("a", "+/broker/+", { qos: 0 }),
      { expectNothing: "a", ms: 300 },
      ...subscribe("b", "$SYS/broker/uptime", { qos: 0 }),
      {
        expect: "b",
        packet: { type: "publish", topicName: "$SYS/broker/uptime" },
      },
    ],
  },
];
