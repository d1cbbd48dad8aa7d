import type { Case } from "../wire/case.ts";
import { publish, text } from "../wire/case.ts";
import { closed, connectHex, refused, subscribe } from "./steps.ts";

/** CONNACK (§3.2): what it tells, and that it is so. */
export const connackCases: readonly Case[] = [
  {
    id: "connack-bytes",
    about: "CONNACK of 3.1.1 is four bytes; bits 7 to 1 of its flags are 0",
    shows: ["X-100", "X-102"],
    versions: [4],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: connectHex(4, "00") } },
      { expectHex: "a", hex: "20 02 00 00" },
      { cut: "a" },
      { open: "a" },
      { send: "a", packet: { hex: connectHex(4, "00") } },
      { expectHex: "a", hex: "20 02 01 00" },
      { cut: "a" },
      { connect: "a" },
    ],
  },
  {
    id: "connack-flags",
    about: "bits 7 to 1 of CONNACK's flags are 0, and Session Present is bit 0",
    // The reader of the bytes takes no other flags.
    shows: ["MQTT5-3.2.2-1", "MQTT5-3.2.2-3"],
    versions: [5],
    steps: [
      { connect: "a", with: { properties: { sessionExpiryInterval: 60 } } },
      { cut: "a" },
      {
        connect: "a",
        with: { cleanStart: false, properties: { sessionExpiryInterval: 60 } },
        connack: { sessionPresent: true, reasonCode: 0 },
      },
    ],
  },
  ...(
    [
      ["rejected", "a Client Identifier that is not wanted", 0x85, 2],
      ["busy", "a broker that is not available", 0x88, 3],
      ["banned", "a client that is banned", 0x8a, 5],
      ["strange", "a reason that has no code of CONNACK", 0x80, undefined],
    ] as const
  ).map(([name, what, reasonCode, returnCode]): Case => ({
    id: `connack-${name}`,
    about: `${what} is told with the code of its version, then the connection is closed`,
    shows: [
      ...(name === "rejected" ? ["MQTT5-3.1.3-8", "MQTT3-3.1.3-9"] : []),
      ...(name === "strange" ? ["MQTT3-3.2.2-6"] : []),
      "MQTT5-3.1.4-2",
      "MQTT5-3.2.2-6",
      "MQTT5-3.2.2-7",
      "MQTT5-3.2.2-8",
      "MQTT5-4.13.2-1",
      "MQTT3-3.2.2-4",
      "MQTT3-3.2.2-5",
      "X-9",
      "X-101",
      "X-97",
    ],
    versions: [4, 5],
    profile: "deny",
    steps: (version) => [
      { open: "a" },
      { send: "a", packet: { hex: connectHex(version, "02", `"{t}${name}"`) } },
      refused(version, "a", reasonCode, returnCode),
    ],
  })),
  {
    id: "connack-maximum-qos-0",
    about:
      "a broker without QoS 1 and 2 says so; it takes every SUBSCRIBE, and refuses a Will or a PUBLISH above",
    shows: [
      "MQTT5-3.2.2-9",
      "MQTT5-3.2.2-10",
      "MQTT5-3.2.2-11",
      "MQTT5-3.2.2-12",
      "X-39",
      "MQTT5-3.1.4-2",
      "MQTT5-4.13.1-1",
    ],
    versions: [5],
    profile: "qos-0-only",
    steps: [
      { connect: "a", connack: { properties: { maximumQoS: 0 } } },
      {
        send: "a",
        packet: {
          type: "subscribe",
          packetIdentifier: 1,
          subscriptions: [
            { topicFilter: "{t}/0", qos: 0 },
            { topicFilter: "{t}/1", qos: 1 },
            { topicFilter: "{t}/2", qos: 2 },
          ],
        },
      },
      {
        expect: "a",
        packet: { type: "suback", packetIdentifier: 1, reasonCodes: [0, 0, 0] },
      },
      { send: "a", packet: publish("{t}/2") },
      { expect: "a", packet: { type: "publish", topicName: "{t}/2", qos: 0 } },
      { send: "a", packet: publish("{t}/2", { qos: 1, packetIdentifier: 1 }) },
      closed("a", 0x9b),
      { open: "b" },
      { send: "b", packet: { hex: connectHex(5, "0e", '"{t}b" 00 "{t}/w" "w"') } },
      refused(5, "b", 0x9b),
    ],
  },
  {
    id: "connack-maximum-qos-1",
    about: "a broker without QoS 2 says so, and refuses what is above",
    shows: ["MQTT5-3.2.2-9", "MQTT5-3.2.2-10", "MQTT5-3.2.2-11", "MQTT5-3.2.2-12", "X-39"],
    versions: [5],
    profile: "qos-1-at-most",
    steps: [
      { connect: "a", connack: { properties: { maximumQoS: 1 } } },
      {
        send: "a",
        packet: {
          type: "subscribe",
          packetIdentifier: 1,
          subscriptions: [{ topicFilter: "{t}/2", qos: 2 }],
        },
      },
      { expect: "a", packet: { type: "suback", reasonCodes: [1] } },
      { send: "a", packet: publish("{t}/2", { qos: 2, packetIdentifier: 1 }) },
      closed("a", 0x9b),
      { open: "b" },
      { send: "b", packet: { hex: connectHex(5, "16", '"{t}b" 00 "{t}/w" "w"') } },
      refused(5, "b", 0x9b),
    ],
  },
  {
    id: "connack-maximum-qos-absent",
    about: "Maximum QoS is absent where QoS 2 is offered",
    shows: ["X-39"],
    versions: [5],
    steps: [
      { connect: "a", connack: { properties: { maximumQoS: null } } },
      { send: "a", packet: publish("{t}/2", { qos: 2, packetIdentifier: 1 }) },
      { expect: "a", packet: { type: "pubrec", packetIdentifier: 1 } },
    ],
    leaves: "a broker need not offer QoS 2",
  },
  {
    id: "connack-retain-unavailable",
    about: "a broker without retained messages says so, and refuses RETAIN in PUBLISH and Will",
    shows: ["MQTT5-3.2.2-13", "MQTT5-3.2.2-14", "X-40", "MQTT5-3.1.4-2", "MQTT5-4.13.1-1"],
    versions: [5],
    profile: "no-retain",
    steps: [
      { connect: "a", connack: { properties: { retainAvailable: 0 } } },
      { send: "a", packet: publish("{t}/x", { retain: true }) },
      closed("a", 0x9a),
      { open: "b" },
      { send: "b", packet: { hex: connectHex(5, "26", '"{t}b" 00 "{t}/w" "w"') } },
      refused(5, "b", 0x9a),
    ],
  },
  {
    id: "connack-retain-available",
    about: "Retain Available is absent where messages are retained",
    shows: ["X-40"],
    versions: [5],
    needs: ["retained"],
    steps: [
      { connect: "a", connack: { properties: { retainAvailable: { oneOf: [undefined, 1] } } } },
      { send: "a", packet: publish("{t}/x", { retain: true }) },
      ...subscribe("a", "{t}/x"),
      { expect: "a", packet: { type: "publish", retain: true, payload: "m" } },
      { send: "a", packet: publish("{t}/x", { retain: true, payload: text("") }) },
    ],
  },
  {
    id: "connack-wildcards-unavailable",
    about: "a broker without wildcards says so, and disconnects who asks for one with 0xA2",
    shows: ["X-41", "MQTT5-4.13.1-1", "X-86"],
    versions: [5],
    profile: "no-wildcards",
    steps: [
      { connect: "a", connack: { properties: { wildcardSubscriptionAvailable: 0 } } },
      ...subscribe("a", "{t}/x"),
      {
        send: "a",
        packet: {
          type: "subscribe",
          packetIdentifier: 2,
          subscriptions: [{ topicFilter: "{t}/+", qos: 0 }],
        },
      },
      closed("a", 0xa2),
    ],
  },
  {
    id: "connack-wildcards-unavailable-3.1.1",
    about: "a broker without wildcards refuses each filter with one with 0x80",
    shows: ["MQTT3-3.8.3-2", "MQTT3-3.9.3-2"],
    versions: [4],
    profile: "no-wildcards",
    steps: [
      { connect: "a" },
      {
        send: "a",
        packet: {
          type: "subscribe",
          packetIdentifier: 2,
          subscriptions: [
            { topicFilter: "{t}/+", qos: 1 },
            { topicFilter: "{t}/x", qos: 1 },
            { topicFilter: "#", qos: 1 },
          ],
        },
      },
      {
        expect: "a",
        packet: { type: "suback", packetIdentifier: 2, reasonCodes: [0x80, 1, 0x80] },
      },
    ],
  },
  {
    id: "connack-shared-unavailable",
    about:
      "a broker without Shared Subscriptions says so, and disconnects who asks for one with 0x9E",
    shows: ["X-43", "MQTT5-4.13.1-1"],
    versions: [5],
    profile: "no-shared",
    steps: [
      { connect: "a", connack: { properties: { sharedSubscriptionAvailable: 0 } } },
      {
        send: "a",
        packet: {
          type: "subscribe",
          packetIdentifier: 2,
          subscriptions: [{ topicFilter: "$share/g/{t}", qos: 0 }],
        },
      },
      closed("a", 0x9e),
    ],
  },
  {
    id: "connack-subscription-identifiers-unavailable",
    about:
      "a broker without Subscription Identifiers says so, and disconnects who gives one with 0xA1",
    shows: ["X-42", "MQTT5-4.13.1-1"],
    versions: [5],
    profile: "no-subscription-identifiers",
    steps: [
      { connect: "a", connack: { properties: { subscriptionIdentifiersAvailable: 0 } } },
      {
        send: "a",
        packet: {
          type: "subscribe",
          packetIdentifier: 2,
          subscriptions: [{ topicFilter: "{t}", qos: 0 }],
          properties: { subscriptionIdentifiers: [7] },
        },
      },
      closed("a", 0xa1),
    ],
  },
  {
    id: "connack-no-topic-alias",
    about: "Topic Alias Maximum absent or 0: no Topic Alias is accepted",
    shows: ["MQTT5-3.2.2-17", "MQTT5-3.2.2-18", "X-27", "X-52"],
    versions: [5],
    profile: "no-topic-alias",
    steps: [
      { connect: "a", connack: { properties: { topicAliasMaximum: { oneOf: [undefined, 0] } } } },
      { send: "a", packet: publish("{t}/x", { properties: { topicAlias: 1 } }) },
      closed("a", 0x94),
    ],
  },
  {
    id: "connack-maximum-packet-size",
    about:
      "a packet above the broker's Maximum Packet Size gets DISCONNECT 0x95, before its body is there",
    shows: ["MQTT5-3.2.2-15", "X-25", "MQTT5-4.13.1-1"],
    versions: [3, 4, 5],
    profile: "small-packets",
    steps: (version) => [
      {
        connect: "a",
        connack: version === 5 ? { properties: { maximumPacketSize: 1024 } } : {},
      },
      // 1024 bytes, fixed header included, are taken; the next is one byte longer.
      {
        send: "a",
        packet: {
          hex: version === 5 ? "30 fd07 0001 61 00 [1017:6d]" : "30 fd07 0001 61 [1018:6d]",
        },
      },
      { expectNothing: "a" },
      { send: "a", packet: { hex: "30 fe07 0001 61" } },
      closed("a", 0x95),
    ],
  },
  {
    id: "connack-maximum-packet-size-of-connect",
    about: "a CONNECT above the broker's Maximum Packet Size is refused",
    shows: ["X-25", "MQTT5-3.1.4-2"],
    versions: [4, 5],
    profile: "small-packets",
    steps: [{ open: "a" }, { send: "a", packet: { hex: "10 fe07 0004" } }, { expectClosed: "a" }],
  },
  {
    id: "connack-reason-string-too-long",
    about:
      "CONNACK leaves out Reason String and User Property where they would exceed the client's Maximum Packet Size",
    shows: ["MQTT5-3.2.2-19", "MQTT5-3.2.2-20", "MQTT5-3.1.2-24"],
    versions: [5],
    profile: "password",
    steps: [
      { open: "a" },
      {
        send: "a",
        packet: { hex: connectHex(5, "c2", '"{t}a" "user" "wrong"', "27 00000006") },
      },
      { expectHex: "a", hex: "20 03 00 86 00" },
      { expectClosed: "a" },
      { open: "b" },
      {
        send: "b",
        packet: { hex: connectHex(5, "c2", '"{t}b" "user" "wrong"', "27 00000100") },
      },
      {
        expectClosed: "b",
        after: { type: "connack", reasonCode: 0x86, properties: { reasonString: {} } },
      },
    ],
  },
  {
    id: "connack-response-information",
    about: "Response Information is sent to who requests it, and to nobody else",
    shows: ["MQTT5-3.1.2-28", "X-28"],
    versions: [5],
    profile: "response-information",
    steps: [
      { connect: "a", connack: { properties: { responseInformation: null } } },
      {
        connect: "b",
        with: { properties: { requestResponseInformation: 0 } },
        connack: { properties: { responseInformation: null } },
      },
      {
        connect: "c",
        with: { properties: { requestResponseInformation: 1 } },
        connack: { properties: { responseInformation: "response/{t}c/" } },
      },
    ],
  },
  {
    id: "connack-request-problem-information",
    about:
      "Request Problem Information 0: no Reason String and no User Property but in PUBLISH, CONNACK and DISCONNECT",
    shows: ["MQTT5-3.1.2-29", "X-28"],
    versions: [5],
    profile: "deny",
    steps: [
      { connect: "a", with: { properties: { requestProblemInformation: 0 } } },
      {
        send: "a",
        packet: {
          type: "subscribe",
          packetIdentifier: 1,
          subscriptions: [{ topicFilter: "{t}/forbidden", qos: 0 }],
        },
      },
      {
        expect: "a",
        packet: {
          type: "suback",
          reasonCodes: [0x87],
          properties: { reasonString: null, userProperties: null },
        },
      },
      { send: "a", packet: publish("{t}/forbidden", { qos: 1, packetIdentifier: 2 }) },
      {
        expect: "a",
        packet: {
          type: "puback",
          reasonCode: 0x87,
          properties: { reasonString: null, userProperties: null },
        },
      },
      { send: "a", packet: publish("{t}/forbidden", { qos: 2, packetIdentifier: 3 }) },
      {
        expect: "a",
        packet: {
          type: "pubrec",
          reasonCode: 0x87,
          properties: { reasonString: null, userProperties: null },
        },
      },
      {
        send: "a",
        packet: { type: "unsubscribe", packetIdentifier: 4, topicFilters: ["{t}/none"] },
      },
      {
        expect: "a",
        packet: {
          type: "unsuback",
          reasonCodes: [0x11],
          properties: { reasonString: null, userProperties: null },
        },
      },
      ...subscribe("a", "{t}/x"),
      { connect: "b" },
      {
        send: "b",
        packet: publish("{t}/x", { properties: { userProperties: [["name", "value"]] } }),
      },
      {
        expect: "a",
        packet: { type: "publish", properties: { userProperties: [["name", "value"]] } },
      },
    ],
  },
  {
    id: "connack-server-keep-alive",
    about: "Server Keep Alive is told where the broker goes by another than CONNECT's",
    shows: ["MQTT5-3.2.2-22"],
    versions: [5],
    profile: "server-keep-alive",
    steps: [
      { connect: "a", with: { keepAlive: 1000 }, connack: { properties: { serverKeepAlive: 30 } } },
      { connect: "b", with: { keepAlive: 0 }, connack: { properties: { serverKeepAlive: 30 } } },
      { connect: "c", with: { keepAlive: 10 }, connack: { properties: { serverKeepAlive: null } } },
    ],
  },
  {
    id: "connack-server-reference",
    about: "Server Reference goes with DISCONNECT 0x9C, as a list with spaces",
    shows: ["X-44", "X-14"],
    versions: [5],
    profile: "server-reference",
    steps: [
      { connect: "a" },
      { broker: "close" },
      {
        expectClosed: "a",
        after: {
          type: "disconnect",
          reasonCode: 0x9c,
          properties: { serverReference: "other.example:1883 third.example" },
        },
      },
    ],
  },
  {
    id: "keep-alive",
    about:
      "after 1.5 times the Keep Alive without a packet the connection ends as by network failure",
    shows: [
      "MQTT5-3.1.2-22",
      "MQTT5-3.2.2-22",
      "MQTT3-3.1.2-24",
      "X-118",
      "X-16",
      "X-14",
      "X-117",
      "MQTT5-3.1.2-8",
      "MQTT3-3.1.2-8",
    ],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "sub" },
      ...subscribe("sub", "{t}/alive"),
      {
        connect: "a",
        with: {
          keepAlive: 1,
          will: { topicName: "{t}/alive", payload: text("gone"), qos: 0, retain: false },
        },
        connack: version === 5 ? { properties: { serverKeepAlive: null } } : {},
      },
      { wait: 800 },
      { expectNothing: "sub" },
      { expectClosed: "a", after: { type: "disconnect", reasonCode: 0x8d } },
      { expect: "sub", packet: { type: "publish", payload: "gone" } },
    ],
  },
  {
    id: "keep-alive-goes-on",
    about: "any packet within 1.5 times the Keep Alive keeps the connection",
    shows: ["MQTT5-3.1.2-22", "MQTT3-3.1.2-24"],
    versions: [4, 5],
    steps: [
      { connect: "a", with: { keepAlive: 1 } },
      { expectNothing: "a", ms: 800 },
      { send: "a", packet: publish("{t}/x") },
      { wait: 800 },
      { expectNothing: "a" },
    ],
  },
  {
    id: "keep-alive-0",
    about: "Keep Alive 0 turns the mechanism off",
    shows: ["X-21", "X-94"],
    versions: [4, 5],
    steps: [
      { connect: "a", with: { keepAlive: 0 } },
      { expectNothing: "a", ms: 2000 },
    ],
  },
];
