import type { ProtocolVersion } from "@sericite/protocol";
import type { Case, Step } from "../wire/case.ts";
import { lastIdentifier, publish, text } from "../wire/case.ts";
import { closed, completeQos2, connectHex, published, refused, subscribe } from "./steps.ts";

/** Property Length 0, of 5.0. */
const none = (version: ProtocolVersion): string => (version === 5 ? "00" : "");

/** Two Byte Integer. */
const lengthHex = (length: number): string => length.toString(16).padStart(4, "0");

const badStrings = [
  ["ill-formed", "ill-formed UTF-8", "0002 c328"],
  ["overlong", "an overlong form", "0002 c0af"],
  ["surrogate", "a surrogate", "0003 eda080"],
  ["above-10ffff", "a code point above U+10FFFF", "0004 f4908080"],
  ["u-0000", "U+0000", "0003 610061"],
] as const;

/** Where a string stands in a packet of an open connection. */
const stringPlaces: readonly {
  readonly id: string;
  readonly what: string;
  readonly versions: readonly ProtocolVersion[];
  readonly shows: readonly string[];
  readonly hex: (version: ProtocolVersion, string: string) => string;
}[] = [
  {
    id: "topic-name",
    what: "a Topic Name",
    versions: [3, 4, 5],
    shows: ["MQTT5-3.3.2-1", "MQTT3-3.3.2-1"],
    hex: (version, string) => `30 (${string} ${none(version)} 6d)`,
  },
  {
    id: "subscribe-filter",
    what: "a Topic Filter of SUBSCRIBE",
    versions: [3, 4, 5],
    shows: ["MQTT5-3.8.3-1", "MQTT3-3.8.3-1"],
    hex: (version, string) => `82 (0001 ${none(version)} ${string} 00)`,
  },
  {
    id: "unsubscribe-filter",
    what: "a Topic Filter of UNSUBSCRIBE",
    versions: [3, 4, 5],
    shows: ["MQTT5-3.10.3-1", "MQTT3-3.10.3-1"],
    hex: (version, string) => `a2 (0001 ${none(version)} ${string})`,
  },
  {
    id: "user-property-name",
    what: "the name of a User Property",
    versions: [5],
    shows: ["MQTT5-1.5.7-1"],
    hex: (_version, string) => `30 ("{t}" (26 ${string} "value") 6d)`,
  },
  {
    id: "user-property-value",
    what: "the value of a User Property",
    versions: [5],
    shows: ["MQTT5-1.5.7-1"],
    hex: (_version, string) => `30 ("{t}" (26 "name" ${string}) 6d)`,
  },
  {
    id: "response-topic",
    what: "a Response Topic",
    versions: [5],
    shows: ["MQTT5-3.3.2-13"],
    hex: (_version, string) => `30 ("{t}" (08 ${string}) 6d)`,
  },
  {
    id: "content-type",
    what: "a Content Type",
    versions: [5],
    shows: ["MQTT5-3.3.2-19"],
    hex: (_version, string) => `30 ("{t}" (03 ${string}) 6d)`,
  },
  {
    id: "reason-string",
    what: "a Reason String",
    versions: [5],
    shows: [],
    hex: (_version, string) => `e0 (00 (1f ${string}))`,
  },
];

const stringCases = stringPlaces.flatMap(({ id, what, versions, shows, hex }) =>
  badStrings.map(([badId, badness, string]): Case => ({
    id: `string-${id}-${badId}`,
    about: `${badness} in ${what} is malformed`,
    shows: [
      ...shows,
      ...(badId === "u-0000"
        ? ["MQTT5-1.5.4-2", "MQTT3-1.5.3-2"]
        : ["MQTT5-1.5.4-1", "MQTT3-1.5.3-1"]),
      ...(badId === "u-0000" && /topic|filter/.test(id) ? ["MQTT5-4.7.3-2", "MQTT3-4.7.3-2"] : []),
      "MQTT5-4.13.1-1",
      "MQTT3-4.8.0-1",
    ],
    versions,
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: hex(version, string) } },
      closed("a", 0x81),
    ],
  })),
);

/** First bytes with flags that the standard does not have, and their packets. */
const badFlags: readonly (readonly [string, string, string, readonly string[]])[] = [
  ["puback", "PUBACK", "41 02 0001", []],
  ["pubrec", "PUBREC", "52 02 0001", []],
  ["pubrel", "PUBREL", "60 02 0001", ["MQTT5-3.6.1-1", "MQTT3-3.6.1-1"]],
  ["pubcomp", "PUBCOMP", "78 02 0001", []],
  ["subscribe", "SUBSCRIBE", '80 (0001 {00} "{t}" 00)', ["MQTT5-3.8.1-1", "MQTT3-3.8.1-1"]],
  ["subscribe-dup", "SUBSCRIBE", '8a (0001 {00} "{t}" 00)', ["MQTT5-3.8.1-1", "MQTT3-3.8.1-1"]],
  ["unsubscribe", "UNSUBSCRIBE", 'a0 (0001 {00} "{t}")', ["MQTT5-3.10.1-1", "MQTT3-3.10.1-1"]],
  ["pingreq", "PINGREQ", "c4 00", []],
  ["disconnect", "DISCONNECT", "e1 00", ["MQTT5-3.14.1-1", "MQTT3-3.14.1-1"]],
];

const flagCases = badFlags.map(([id, what, hex, shows]): Case => ({
  id: `flags-${id}`,
  about: `${what} with other flags than the standard's is malformed`,
  shows: [
    ...shows,
    "MQTT5-2.1.3-1",
    "MQTT3-2.2.2-1",
    "MQTT3-2.2.2-2",
    "MQTT3-4.8.0-1",
    "MQTT5-4.13.1-1",
  ],
  versions: [4, 5],
  steps: (version) => [
    { connect: "a" },
    { send: "a", packet: { hex: hex.replace("{00}", none(version)) } },
    closed("a", 0x81, id === "disconnect"),
  ],
}));

/** Properties in packets that may not have them, twice, cut off, or unknown. */
const badProperties: readonly {
  readonly id: string;
  readonly about: string;
  readonly shows: readonly string[];
  readonly hex: string;
  readonly reasonCode: number;
}[] = [
  {
    id: "unknown",
    about: "an unknown property is malformed",
    shows: ["X-6"],
    hex: '30 ("{t}" (7f 00))',
    reasonCode: 0x81,
  },
  {
    id: "not-for-publish",
    about: "Session Expiry Interval in PUBLISH is malformed",
    shows: ["X-6"],
    hex: '30 ("{t}" (11 00000001))',
    reasonCode: 0x81,
  },
  {
    id: "not-for-subscribe",
    about: "Topic Alias in SUBSCRIBE is malformed",
    shows: ["X-6"],
    hex: '82 (0001 (23 0001) "{t}" 00)',
    reasonCode: 0x81,
  },
  {
    id: "not-for-unsubscribe",
    about: "Subscription Identifier in UNSUBSCRIBE is malformed",
    shows: ["X-6"],
    hex: 'a2 (0001 (0b 01) "{t}")',
    reasonCode: 0x81,
  },
  {
    id: "not-for-puback",
    about: "Message Expiry Interval in PUBACK is malformed",
    shows: ["X-6"],
    hex: "40 (0001 00 (02 00000001))",
    reasonCode: 0x81,
  },
  {
    id: "not-for-disconnect",
    about: "Response Topic in DISCONNECT is malformed",
    shows: ["X-6"],
    hex: 'e0 (00 (08 "{t}"))',
    reasonCode: 0x81,
  },
  {
    id: "cut-off",
    about: "a property that is shorter than its type is malformed",
    shows: ["X-6"],
    hex: '30 ("{t}" (02 0000))',
    reasonCode: 0x81,
  },
  {
    id: "string-cut-off",
    about: "a property whose string ends behind the properties is malformed",
    shows: ["X-6"],
    hex: '30 ("{t}" (03 0009 61))',
    reasonCode: 0x81,
  },
  {
    id: "length-beyond-packet",
    about: "a Property Length that ends behind the packet is malformed",
    shows: ["X-6"],
    hex: '30 ("{t}" 05 01 01)',
    reasonCode: 0x81,
  },
  {
    id: "twice-in-publish",
    about: "Message Expiry Interval twice is a Protocol Error",
    shows: ["X-7"],
    hex: '30 ("{t}" (02 00000001 02 00000001))',
    reasonCode: 0x82,
  },
  {
    id: "twice-in-subscribe",
    about: "two Subscription Identifiers in SUBSCRIBE are a Protocol Error",
    shows: ["X-7", "X-51"],
    hex: '82 (0001 (0b 01 0b 02) "{t}" 00)',
    reasonCode: 0x82,
  },
  {
    id: "twice-in-disconnect",
    about: "Reason String twice is a Protocol Error",
    shows: ["X-7"],
    hex: 'e0 (00 (1f "a" 1f "a"))',
    reasonCode: 0x82,
  },
];

/** Data representation, fixed header, Packet Identifier, properties (§1.5, §2). */
export const formatCases: readonly Case[] = [
  ...stringCases,
  {
    id: "string-byte-order-mark",
    about: "U+FEFF is kept wherever it stands",
    shows: ["MQTT5-1.5.4-3", "MQTT3-1.5.3-3", "MQTT5-4.7.3-4", "MQTT3-4.7.3-4"],
    versions: [3, 4, 5],
    steps: [
      { connect: "a" },
      ...subscribe("a", "\uFEFF{t}/x", { qos: 0 }),
      ...subscribe("a", "{t}/\uFEFFy", { qos: 0 }),
      { send: "a", packet: publish("{t}/x") },
      { send: "a", packet: publish("{t}/y") },
      { expectNothing: "a" },
      { send: "a", packet: publish("\uFEFF{t}/x") },
      { expect: "a", packet: { type: "publish", topicName: "\uFEFF{t}/x" } },
      { send: "a", packet: publish("{t}/\uFEFFy") },
      { expect: "a", packet: { type: "publish", topicName: "{t}/\uFEFFy" } },
    ],
  },
  {
    id: "string-control-characters",
    about: "control characters and non-characters are taken and handed on as they are",
    shows: ["X-1", "X-89"],
    versions: [4, 5],
    leaves: "a receiver may take them as malformed",
    steps: [
      { connect: "a" },
      ...subscribe("a", "{t}/#", { qos: 0 }),
      { send: "a", packet: publish("{t}/\u0001\u001f\u007f\u009f\uffff\ufdd0") },
      { expect: "a", packet: { topicName: "{t}/\u0001\u001f\u007f\u009f\uffff\ufdd0" } },
    ],
  },
  {
    id: "string-supplementary",
    about: "characters beyond U+FFFF are handed on as they are",
    shows: ["MQTT5-1.5.4-1", "MQTT3-1.5.3-1", "MQTT5-4.7.3-4", "MQTT3-4.7.3-4"],
    versions: [3, 4, 5],
    steps: [
      { connect: "a" },
      ...subscribe("a", "{t}/𝄞/+", { qos: 0 }),
      { send: "a", packet: publish("{t}/𝄞/\u0065\u0301") },
      // Not normalized: two code points, not one.
      { expect: "a", packet: { topicName: "{t}/𝄞/\u0065\u0301" } },
    ],
  },
  ...flagCases,
  {
    id: "flags-connect",
    about: "CONNECT with other flags than 0000 is malformed",
    shows: ["MQTT5-2.1.3-1", "MQTT3-2.2.2-1", "MQTT3-2.2.2-2", "MQTT5-3.1.4-1", "MQTT3-3.1.4-1"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      { send: "a", packet: { hex: connectHex(version, "02").replace(/^10/, "11") } },
      refused(version, "a", 0x81),
    ],
  },
  {
    id: "flags-3.1",
    about: "3.1 has DUP on SUBSCRIBE and UNSUBSCRIBE, and names no error for unused bits",
    shows: ["X-116", "X-119"],
    versions: [3],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: connectHex(3, "03").replace(/^10/, "11") } },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
      { send: "a", packet: { hex: '8a (0001 "{t}" 00)' } },
      { expect: "a", packet: { type: "suback", packetIdentifier: 1 } },
      { send: "a", packet: { hex: 'aa (0002 "{t}")' } },
      { expect: "a", packet: { type: "unsuback", packetIdentifier: 2 } },
      { send: "a", packet: { hex: "c1 00" } },
      { expect: "a", packet: { type: "pingresp" } },
    ],
    leaves: "3.1 says that unused bits should be 0 and names no error for others",
  },
  {
    id: "flags-of-the-broker",
    about: "what the broker sends has the standard's flags, byte by byte",
    shows: [
      "MQTT5-2.1.3-1",
      "MQTT3-2.2.2-1",
      "MQTT5-3.6.1-1",
      "MQTT3-3.6.1-1",
      "MQTT5-2.2.2-1",
      "MQTT5-1.5.5-1",
      "MQTT5-2.2.1-2",
      "MQTT3-2.3.1-5",
      "X-102",
    ],
    versions: [4, 5],
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: `82 (abcd ${none(version)} "{t}" 02)` } },
      { expectHex: "a", hex: `90 (abcd ${none(version)} 02)` },
      { send: "a", packet: { hex: `30 ("{t}" ${none(version)} 'zero')` } },
      { expectHex: "a", hex: `30 ("{t}" ${none(version)} 'zero')` },
      { connect: "pub" },
      { send: "pub", packet: publish("{t}", { qos: 2, packetIdentifier: 0x1234 }) },
      { expect: "pub", packet: { type: "pubrec", packetIdentifier: 0x1234 } },
      { send: "pub", packet: { hex: "62 02 1234" } },
      { expect: "pub", packet: { type: "pubcomp", packetIdentifier: 0x1234 } },
      { expect: "a", packet: { type: "publish", qos: 2 } },
      { answer: "a", type: "pubrec" },
      { expect: "a", packet: { type: "pubrel", packetIdentifier: lastIdentifier("a") } },
      { answer: "a", type: "pubcomp" },
      { send: "a", packet: { hex: `a2 (abce ${none(version)} "{t}")` } },
      { expectHex: "a", hex: `b0 (abce ${version === 5 ? "00 00" : ""})` },
      { send: "a", packet: { hex: "c0 00" } },
      { expectHex: "a", hex: "d0 00" },
    ],
  },
  ...(
    [
      [0, "81"],
      [15, "81"],
      [2, "82"],
      [9, "82"],
      [11, "82"],
      [13, "82"],
    ] as const
  ).map(([type, code]): Case => ({
    id: `packet-type-${type}`,
    about:
      type === 0 || type === 15
        ? `packet type ${type} is forbidden`
        : `packet type ${type} does not travel from Client to Server`,
    shows: ["X-3", "X-90", "MQTT3-4.8.0-1"],
    // Type 15 is AUTH in 5.0.
    versions: type === 15 ? [3, 4] : [3, 4, 5],
    steps: (version) => [
      { connect: "a" },
      {
        send: "a",
        packet: {
          hex: {
            0: "00 00",
            15: "f0 00",
            2: `20 (0000 ${none(version)})`,
            9: `90 (0001 ${none(version)} 00)`,
            11: `b0 (0001 ${version === 5 ? "00 00" : ""})`,
            13: "d0 00",
          }[type],
        },
      },
      closed("a", Number.parseInt(code, 16)),
    ],
  })),
  {
    id: "remaining-length-of-five-bytes",
    about: "a Remaining Length of more than four bytes is malformed",
    shows: ["X-2", "X-91", "MQTT3-4.8.0-1"],
    versions: [3, 4, 5],
    steps: [{ connect: "a" }, { send: "a", packet: { hex: "30 ffffffff 01" } }, closed("a", 0x81)],
  },
  {
    id: "remaining-length-longer-than-needed",
    about: "before 5.0 a Remaining Length in more bytes than it needs is taken",
    shows: ["X-91"],
    versions: [4],
    steps: [
      { connect: "a" },
      { send: "a", packet: { hex: "c0 808000" } },
      { expect: "a", packet: { type: "pingresp" } },
    ],
    leaves: "the standard does not say that the shortest form is needed, nor that another is taken",
  },
  {
    id: "remaining-length-longer-than-needed-5",
    about: "5.0: a Remaining Length in more bytes than it needs is malformed",
    shows: ["MQTT5-1.5.5-1"],
    versions: [5],
    steps: [{ connect: "a" }, { send: "a", packet: { hex: "c0 8000" } }, closed("a", 0x81)],
    leaves: "nowhere is a longer encoding called malformed",
  },
  {
    id: "remaining-length-at-its-borders",
    about: "Remaining Length and Property Length have as many bytes as they need, at every border",
    shows: ["MQTT5-1.5.5-1"],
    versions: [4, 5],
    steps: (version) => {
      // One letter and the version, so that the length is known.
      const topicName = `z${version}`;
      const head = `"${topicName}" ${none(version)}`;
      const rest = version === 5 ? 5 : 4;
      return [
        { connect: "a" },
        ...subscribe("a", topicName, { qos: 0 }),
        ...[127, 128, 16383, 16384].flatMap((length) => [
          { send: "a", packet: { hex: `30 (${head} [${length - rest}:6d])` } },
          { expectHex: "a", hex: `30 (${head} [${length - rest}:6d])` },
        ]),
        ...(version === 5
          ? [124, 125, 16380, 16381].flatMap((length): Step[] => [
              {
                send: "a",
                packet: { hex: `30 ("${topicName}" (03 ${lengthHex(length)} [${length}:78]) 6d)` },
              },
              {
                expectHex: "a",
                hex: `30 ("${topicName}" (03 ${lengthHex(length)} [${length}:78]) 6d)`,
              },
            ])
          : []),
      ];
    },
  },
  {
    id: "packet-identifier-0",
    about: "Packet Identifier 0 is a Protocol Error in PUBLISH, SUBSCRIBE and UNSUBSCRIBE",
    shows: ["MQTT5-2.2.1-3", "MQTT3-2.3.1-1", "X-126", "MQTT3-4.8.0-1"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: `32 ("{t}" 0000 ${none(version)} 6d)` } },
      closed("a", 0x82),
      { connect: "b" },
      { send: "b", packet: { hex: `82 (0000 ${none(version)} "{t}" 00)` } },
      closed("b", 0x82),
      { connect: "c" },
      { send: "c", packet: { hex: `a2 (0000 ${none(version)} "{t}")` } },
      closed("c", 0x82),
    ],
  },
  {
    id: "packet-identifier-missing",
    about: "a QoS 1 PUBLISH that ends before its Packet Identifier is malformed",
    shows: ["MQTT5-2.2.1-3", "MQTT3-2.3.1-1"],
    versions: [3, 4, 5],
    steps: [{ connect: "a" }, { send: "a", packet: { hex: '32 ("{t}")' } }, closed("a", 0x81)],
  },
  {
    id: "packet-identifier-repeated",
    about: "SUBACK and UNSUBACK repeat the Packet Identifier of what they answer",
    shows: [
      "MQTT5-2.2.1-6",
      "MQTT3-2.3.1-7",
      "MQTT5-3.8.4-2",
      "MQTT3-3.8.4-2",
      "MQTT5-3.10.4-5",
      "MQTT3-3.10.4-4",
    ],
    versions: [3, 4, 5],
    steps: [
      { connect: "a" },
      ...[1, 0x80, 0xff00, 0xffff].flatMap((packetIdentifier): Step[] => [
        {
          send: "a",
          packet: {
            type: "subscribe",
            packetIdentifier,
            subscriptions: [{ topicFilter: "{t}", qos: 0 }],
          },
        },
        { expect: "a", packet: { type: "suback", packetIdentifier } },
        { send: "a", packet: { type: "unsubscribe", packetIdentifier, topicFilters: ["{t}"] } },
        { expect: "a", packet: { type: "unsuback", packetIdentifier } },
      ]),
    ],
  },
  {
    id: "packet-identifier-free-again",
    about: "an identifier is free after PUBACK, PUBCOMP, SUBACK and UNSUBACK, for any packet",
    shows: ["X-4", "X-5", "MQTT5-2.2.1-5", "MQTT3-2.3.1-6"],
    versions: [4, 5],
    steps: [
      { connect: "a" },
      ...published("a", "{t}/x", { packetIdentifier: 5 }),
      {
        send: "a",
        packet: {
          type: "subscribe",
          packetIdentifier: 5,
          subscriptions: [{ topicFilter: "{t}/none", qos: 0 }],
        },
      },
      { expect: "a", packet: { type: "suback", packetIdentifier: 5 } },
      { send: "a", packet: publish("{t}/x", { qos: 2, packetIdentifier: 5 }) },
      ...completeQos2("a", 5),
      {
        send: "a",
        packet: { type: "unsubscribe", packetIdentifier: 5, topicFilters: ["{t}/none"] },
      },
      { expect: "a", packet: { type: "unsuback", packetIdentifier: 5 } },
      ...published("a", "{t}/x", { packetIdentifier: 5 }),
    ],
  },
  {
    id: "packet-identifier-both-directions",
    about:
      "an identifier that the broker has in use is free for the Client, and the other way round",
    shows: ["X-5", "MQTT5-2.2.1-4", "MQTT5-2.2.1-5", "MQTT3-2.3.1-6"],
    versions: [4, 5],
    steps: [
      { connect: "pub" },
      { connect: "a" },
      ...subscribe("a", "{t}/x", { qos: 1 }),
      ...published("pub", "{t}/x"),
      { expect: "a", packet: { type: "publish", qos: 1 } },
      { send: "a", packet: publish("{t}/y", { qos: 1, packetIdentifier: lastIdentifier("a") }) },
      { expect: "a", packet: { type: "puback", packetIdentifier: lastIdentifier("a") } },
      { answer: "a", type: "puback" },
      { expectNothing: "a" },
    ],
  },
  {
    id: "packet-identifier-unused",
    leaves: "a broker may hold PUBLISH back while others are unacknowledged",
    about: "unacknowledged PUBLISHes of the broker have identifiers of their own, never 0",
    // The connection itself sees to it that none is used twice.
    shows: ["MQTT5-2.2.1-4", "MQTT3-2.3.1-4", "X-4"],
    versions: [3, 4, 5],
    steps: [
      { connect: "pub" },
      { connect: "a" },
      ...subscribe("a", "{t}/x", { qos: 1 }),
      ...["1", "2", "3", "4"].flatMap((payload) =>
        published("pub", "{t}/x", { payload: text(payload) }),
      ),
      { expect: "a", packet: { type: "publish", payload: "1" } },
      { expect: "a", packet: { type: "publish", payload: "2" } },
      { expect: "a", packet: { type: "publish", payload: "3" } },
      { answer: "a", type: "puback" },
      { expect: "a", packet: { type: "publish", payload: "4" } },
      ...published("pub", "{t}/x", { payload: text("5") }),
      { expect: "a", packet: { type: "publish", payload: "5" } },
    ],
  },
  {
    id: "packet-identifier-kept",
    about: "a PUBLISH that is sent again on the next connection keeps its identifier",
    shows: ["MQTT3-2.3.1-4", "MQTT5-4.4.0-1", "MQTT3-4.4.0-1"],
    versions: [4, 5],
    steps: (version) => {
      const kept = {
        cleanStart: false,
        properties: version === 5 ? { sessionExpiryInterval: 60 } : undefined,
      };
      return [
        { connect: "pub" },
        { connect: "a", with: kept },
        ...subscribe("a", "{t}/x", { qos: 1 }),
        ...published("pub", "{t}/x"),
        { expect: "a", packet: { type: "publish", qos: 1, dup: false } },
        { cut: "a" },
        { connect: "a", with: kept, connack: { sessionPresent: true } },
        {
          expect: "a",
          packet: { type: "publish", qos: 1, dup: true, packetIdentifier: lastIdentifier("a") },
        },
      ];
    },
  },
  ...badProperties.map(({ id, about, shows, hex, reasonCode }): Case => ({
    id: `property-${id}`,
    about,
    shows: [...shows, "MQTT5-4.13.1-1"],
    versions: [5],
    steps: [{ connect: "a" }, { send: "a", packet: { hex } }, closed("a", reasonCode)],
  })),
  ...(
    [
      ["unknown", "an unknown property", "7f 00", 0x81],
      ["not-for-connect", "Content Type", '03 "text"', 0x81],
      ["twice", "Receive Maximum twice", "21 0001 21 0001", 0x82],
    ] as const
  ).map(([id, what, properties, reasonCode]): Case => ({
    id: `property-in-connect-${id}`,
    about: `${what} in CONNECT is answered with CONNACK 0x${reasonCode.toString(16)}`,
    shows: [id === "twice" ? "X-7" : "X-6", "MQTT5-3.1.4-1", "X-86"],
    versions: [5],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: connectHex(5, "02", '"{t}a"', properties) } },
      refused(5, "a", reasonCode),
    ],
  })),
  {
    id: "property-order",
    about: "properties may stand in any order, and User Property may repeat",
    shows: ["X-7", "X-8", "MQTT5-1.5.7-1"],
    versions: [5],
    steps: [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex: connectHex(
            5,
            "02",
            '"{t}a"',
            '26 "n" "𝄞" 22 000a 21 0005 26 "n" "1" 11 00000000 17 01 19 00',
          ),
        },
      },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
      { open: "b" },
      {
        send: "b",
        packet: {
          hex: connectHex(
            5,
            "02",
            '"{t}b"',
            '19 00 17 01 11 00000000 26 "n" "1" 21 0005 22 000a 26 "n" "2"',
          ),
        },
      },
      { expect: "b", packet: { type: "connack", reasonCode: 0 } },
    ],
  },
  {
    id: "network-connection",
    about:
      "an ordered, lossless stream of bytes in both directions: a message of 100 000 bytes in pieces",
    shows: ["MQTT5-4.2.0-1", "MQTT3-7.1.1-1"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "a" },
      ...subscribe("a", "{t}/x", { qos: 0 }),
      {
        send: "a",
        packet: { hex: `30 ("{t}/x" ${none(version)} [100000:61])` },
        pieces: 7001,
      },
      { expectHex: "a", hex: `30 ("{t}/x" ${none(version)} [100000:61])` },
      { expectNothing: "a" },
      {
        send: "a",
        packet: { hex: `30 ("{t}/x" ${none(version)} 'slow')` },
        pieces: 1,
      },
      { expectHex: "a", hex: `30 ("{t}/x" ${none(version)} 'slow')` },
      { expectNothing: "a" },
    ],
  },
];
