import type { ProtocolVersion, SubscriptionRequest } from "@sericite/protocol";
import type { Case, Step } from "../wire/case.ts";
import { publish, text } from "../wire/case.ts";
import { closed, connectKept, published, subscribe, unsubscribe } from "./steps.ts";

/** Property Length 0, of 5.0. */
const none = (version: ProtocolVersion): string => (version === 5 ? "00" : "");

/** SUBSCRIBE to several filters, without its SUBACK. */
const ask = (
  who: string,
  subscriptions: readonly SubscriptionRequest[],
  packetIdentifier = 1,
): Step => ({ send: who, packet: { type: "subscribe", packetIdentifier, subscriptions } });

const arrives = (who: string, fields: Record<string, unknown>): Step => ({
  expect: who,
  packet: { type: "publish", ...fields },
});

/** A message arrives and is acknowledged to the end. */
const received = (topicName: string, qos: number): Step[] => [
  arrives("a", { topicName, qos }),
  ...(qos === 1 ? [{ answer: "a", type: "puback" as const }] : []),
  ...(qos === 2
    ? [
        { answer: "a", type: "pubrec" as const },
        { expect: "a", packet: { type: "pubrel" } },
        { answer: "a", type: "pubcomp" as const },
      ]
    : []),
];

/** SUBSCRIBE and SUBACK (§3.8, §3.9), UNSUBSCRIBE and UNSUBACK (§3.10, §3.11). */
export const subscribeCases: readonly Case[] = [
  {
    id: "subscribe-empty",
    about: "a SUBSCRIBE without a Topic Filter ends the connection",
    shows: ["MQTT5-3.8.3-2", "MQTT3-3.8.3-3", "MQTT3-4.8.0-1"],
    versions: [4, 5],
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: `82 (0001 ${none(version)})` } },
      closed("a", 0x82),
    ],
  },
  {
    id: "subscribe-options-missing",
    about: "a Topic Filter without its options is malformed",
    shows: ["MQTT5-3.8.3-2", "MQTT3-3.8.3-3"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: `82 (0001 ${none(version)} "{t}")` } },
      closed("a", 0x81),
    ],
  },
  ...(
    [
      ["qos-3", "QoS 3", "03", 0x82, ["X-62", "MQTT3-3.8.3-4", "X-125"], [3, 4, 5]],
      ["reserved-bit-7", "bit 7", "80", 0x81, ["MQTT5-3.8.3-5", "MQTT3-3.8.3-4"], [4, 5]],
      ["reserved-bit-6", "bit 6", "40", 0x81, ["MQTT5-3.8.3-5", "MQTT3-3.8.3-4"], [4, 5]],
      ["reserved-bit-2", "bit 2", "04", 0x81, ["MQTT3-3.8.3-4"], [4]],
      ["retain-handling-3", "Retain Handling 3", "30", 0x82, ["X-62"], [5]],
    ] as const
  ).map(([id, what, options, reasonCode, shows, versions]): Case => ({
    id: `subscribe-${id}`,
    about: `Subscription Options with ${what} end the connection`,
    shows: [...shows, "MQTT3-4.8.0-1"],
    versions,
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: `82 (0001 ${none(version)} "{t}" ${options})` } },
      closed("a", reasonCode),
    ],
  })),
  {
    id: "subscribe-granted",
    about:
      "SUBACK has one code for each filter, in their order: the QoS granted; it is one for all filters",
    shows: [
      "MQTT5-3.8.4-1",
      "MQTT5-3.8.4-2",
      "MQTT5-3.8.4-5",
      "MQTT5-3.8.4-6",
      "MQTT5-3.8.4-7",
      "MQTT5-3.9.3-1",
      "MQTT5-3.9.3-2",
      "X-12",
      "MQTT3-3.8.4-1",
      "MQTT3-3.8.4-2",
      "MQTT3-3.8.4-4",
      "MQTT3-3.8.4-5",
      "MQTT3-3.9.3-1",
      "MQTT3-3.9.3-2",
      "MQTT3-2.3.1-7",
    ],
    versions: [3, 4, 5],
    steps: [
      { connect: "a" },
      ask(
        "a",
        [
          { topicFilter: "{t}/2", qos: 2 },
          { topicFilter: "{t}/0", qos: 0 },
          { topicFilter: "{t}/1", qos: 1 },
          { topicFilter: "{t}/other", qos: 2 },
        ],
        0x4321,
      ),
      {
        expect: "a",
        packet: { type: "suback", packetIdentifier: 0x4321, reasonCodes: [2, 0, 1, 2] },
      },
      { send: "a", packet: publish("{t}/1") },
      arrives("a", { topicName: "{t}/1" }),
      { expectNothing: "a" },
    ],
  },
  {
    id: "subscribe-refused-filter",
    about:
      "a filter that is denied has its code in SUBACK; the others are granted, the connection goes on",
    shows: [
      "MQTT5-3.8.4-5",
      "MQTT5-3.8.4-6",
      "MQTT5-3.8.4-7",
      "MQTT5-3.9.3-1",
      "MQTT5-3.9.3-2",
      "X-12",
      "X-88",
      "MQTT3-3.8.4-4",
      "MQTT3-3.8.4-5",
      "MQTT3-3.9.3-1",
      "MQTT3-3.9.3-2",
    ],
    versions: [4, 5],
    profile: "deny",
    steps: (version) => [
      { connect: "a" },
      { connect: "pub" },
      ask("a", [
        { topicFilter: "{t}/1", qos: 1 },
        { topicFilter: "{t}/forbidden", qos: 1 },
        { topicFilter: "{t}/2", qos: 2 },
      ]),
      {
        expect: "a",
        packet: { type: "suback", reasonCodes: [1, version === 5 ? 0x87 : 0x80, 2] },
      },
      { send: "pub", packet: publish("{t}/2") },
      arrives("a", { topicName: "{t}/2" }),
    ],
  },
  {
    id: "subscribe-refused-filter-3.1",
    about:
      "3.1 has no failure code: a filter that is denied is granted in form, and delivers nothing",
    shows: ["X-124"],
    versions: [3],
    profile: "deny",
    steps: [
      { connect: "a" },
      // "#" would cover it: so the filter itself is what is denied.
      ...subscribe("a", "{t}/forbidden/+", { qos: 1 }),
      { connect: "pub" },
      ...published("pub", "{t}/forbidden/x"),
      { expectNothing: "a", ms: 30 },
    ],
  },
  {
    id: "subscribe-delivery-qos",
    about: "a message is delivered at the lower of its own QoS and the one granted",
    shows: ["MQTT5-3.8.4-8", "MQTT3-3.8.4-6"],
    versions: [3, 4, 5],
    steps: [
      { connect: "pub" },
      { connect: "a" },
      ask("a", [
        { topicFilter: "{t}/0", qos: 0 },
        { topicFilter: "{t}/1", qos: 1 },
        { topicFilter: "{t}/2", qos: 2 },
      ]),
      { expect: "a", packet: { type: "suback" } },
      ...([0, 1, 2] as const).flatMap((sent) =>
        ([0, 1, 2] as const).flatMap((granted): Step[] => [
          {
            send: "pub",
            packet: publish(`{t}/${granted}`, {
              qos: sent,
              packetIdentifier: sent === 0 ? undefined : 1,
            }),
          },
          ...(sent === 0
            ? []
            : [{ expect: "pub", packet: { type: sent === 1 ? "puback" : "pubrec" } }]),
          ...(sent === 2
            ? [
                { send: "pub", packet: { type: "pubrel" as const, packetIdentifier: 1 } },
                { expect: "pub", packet: { type: "pubcomp" } },
              ]
            : []),
          ...received(`{t}/${granted}`, Math.min(sent, granted)),
        ]),
      ),
    ],
  },
  {
    id: "subscribe-overlapping",
    about: "where filters overlap, a message is delivered at the highest QoS granted",
    shows: ["MQTT5-3.3.4-2", "MQTT3-3.3.5-1"],
    versions: [3, 4, 5],
    steps: [
      { connect: "pub" },
      { connect: "a" },
      ask("a", [
        { topicFilter: "{t}/#", qos: 0 },
        { topicFilter: "{t}/+", qos: 1 },
      ]),
      { expect: "a", packet: { type: "suback" } },
      { send: "pub", packet: publish("{t}/x", { qos: 2, packetIdentifier: 1 }) },
      { expect: "pub", packet: { type: "pubrec" } },
      { send: "pub", packet: { type: "pubrel", packetIdentifier: 1 } },
      { expect: "pub", packet: { type: "pubcomp" } },
      arrives("a", { topicName: "{t}/x", qos: 1 }),
      { expectNothing: "a" },
    ],
    leaves: "a broker may send one copy for each subscription",
  },
  {
    id: "subscribe-replaces",
    about: "a SUBSCRIBE with the same filter replaces the subscription: one copy, at the new QoS",
    shows: ["MQTT5-3.8.4-3", "MQTT3-3.8.4-3"],
    versions: [3, 4, 5],
    steps: [
      { connect: "pub" },
      { connect: "a" },
      ...subscribe("a", "{t}/+", { qos: 0 }),
      ...subscribe("a", "{t}/+", { qos: 1 }),
      ...published("pub", "{t}/x"),
      arrives("a", { qos: 1 }),
      { answer: "a", type: "puback" },
      { expectNothing: "a" },
      ...subscribe("a", "{t}/+", { qos: 0 }),
      ...published("pub", "{t}/x"),
      arrives("a", { qos: 0 }),
      { expectNothing: "a" },
    ],
  },
  {
    id: "subscribe-replaces-retained",
    leaves: "a broker may hold PUBLISH back while others are unacknowledged",
    about: "replacing sends the retained messages again; a message published meanwhile is not lost",
    shows: ["MQTT5-3.8.4-4", "MQTT5-3.3.1-9", "MQTT3-3.8.4-3", "X-103", "X-45", "X-63"],
    versions: [3, 4, 5],
    needs: ["retained"],
    steps: [
      { connect: "pub" },
      ...published("pub", "{t}/x", { retain: true, payload: text("kept") }),
      { connect: "a" },
      ...[1, 2].flatMap((packetIdentifier): Step[] => [
        ask("a", [{ topicFilter: "{t}/+", qos: 1 }], packetIdentifier),
        {
          expectAll: "a",
          packets: [
            { type: "suback", packetIdentifier, reasonCodes: [1] },
            { type: "publish", retain: true, payload: "kept" },
          ],
        },
        { answer: "a", type: "puback" },
      ]),
      ask("a", [{ topicFilter: "{t}/+", qos: 1 }], 3),
      ...published("pub", "{t}/y", { payload: text("new") }),
      {
        expectAll: "a",
        packets: [
          { type: "suback", packetIdentifier: 3 },
          { type: "publish", retain: true, payload: "kept" },
          { type: "publish", retain: false, payload: "new" },
        ],
      },
      ...published("pub", "{t}/x", { retain: true, payload: text("") }),
    ],
  },
  {
    id: "subscribe-all-retained",
    about: "a new subscription gets every retained message that its filter matches",
    shows: ["X-103", "MQTT5-3.3.1-9", "MQTT3-3.3.1-6"],
    versions: [3, 4, 5],
    needs: ["retained"],
    steps: [
      { connect: "pub" },
      ...["a", "b", "c/d", "e"].flatMap((name) =>
        published("pub", `{t}/${name}`, { retain: true, payload: text(name) }),
      ),
      { connect: "a" },
      ask("a", [
        { topicFilter: "{t}/+", qos: 0 },
        { topicFilter: "{t}/c/#", qos: 0 },
      ]),
      {
        expectAll: "a",
        packets: [
          { type: "suback" },
          ...["a", "b", "c/d", "e"].map((payload) => ({ type: "publish", retain: true, payload })),
        ],
      },
      { expectNothing: "a" },
      ...["a", "b", "c/d", "e"].flatMap((name) =>
        published("pub", `{t}/${name}`, { retain: true, payload: text("") }),
      ),
    ],
  },
  {
    id: "subscribe-no-local",
    about: "No Local: a Client does not get what it published itself; others do",
    shows: ["MQTT5-3.8.3-3"],
    versions: [5],
    steps: [
      { connect: "a" },
      { connect: "b" },
      ...subscribe("a", "{t}/x", { qos: 1, noLocal: true }),
      ...subscribe("b", "{t}/x", { qos: 1 }),
      ...published("a", "{t}/x"),
      arrives("b", { payload: "m" }),
      { answer: "b", type: "puback" },
      { expectNothing: "a" },
      { send: "b", packet: publish("{t}/x") },
      {
        expectAmong: ["a", "b"],
        packets: [
          { type: "publish", qos: 0 },
          { type: "publish", qos: 0 },
        ],
      },
    ],
  },
  {
    id: "subscribe-no-local-shared",
    about: "No Local on a Shared Subscription is a Protocol Error",
    shows: ["MQTT5-3.8.3-4"],
    versions: [5],
    needs: ["shared-subscriptions"],
    steps: [
      { connect: "a" },
      { send: "a", packet: { hex: '82 (0001 00 "$share/g/{t}" 05)' } },
      closed("a", 0x82),
    ],
  },
  {
    id: "subscribe-identifier-0",
    about: "Subscription Identifier 0 is a Protocol Error",
    shows: ["X-51", "MQTT5-4.13.1-1"],
    versions: [5],
    needs: ["subscription-identifiers"],
    steps: [
      { connect: "a" },
      { send: "a", packet: { hex: '82 (0001 (0b 00) "{t}" 00)' } },
      closed("a", 0x82),
    ],
  },
  {
    id: "subscribe-identifier",
    about:
      "a message has the Subscription Identifiers of its subscriptions, stored with each and replaced by the next SUBSCRIBE",
    shows: ["MQTT5-3.3.4-3", "X-51", "X-61"],
    versions: [5],
    needs: ["subscription-identifiers"],
    steps: [
      { connect: "pub" },
      { connect: "a" },
      {
        send: "a",
        packet: {
          type: "subscribe",
          packetIdentifier: 1,
          subscriptions: [
            { topicFilter: "{t}/1", qos: 0 },
            { topicFilter: "{t}/2", qos: 0 },
          ],
          properties: { subscriptionIdentifiers: [268_435_455] },
        },
      },
      { expect: "a", packet: { type: "suback", reasonCodes: [0, 0] } },
      ...["{t}/1", "{t}/2"].flatMap((topicName) => [
        ...published("pub", topicName),
        arrives("a", { topicName, properties: { subscriptionIdentifiers: [268_435_455] } }),
      ]),
      ...subscribe("a", "{t}/1", { qos: 0, identifier: 1 }),
      ...published("pub", "{t}/1"),
      arrives("a", { properties: { subscriptionIdentifiers: [1] } }),
      ...subscribe("a", "{t}/1", { qos: 0 }),
      ...published("pub", "{t}/1"),
      arrives("a", { properties: { subscriptionIdentifiers: null } }),
    ],
  },
  {
    id: "subscribe-identifiers-overlapping",
    about:
      "one copy for overlapping subscriptions has the identifiers of all that have one, equal ones too",
    shows: ["MQTT5-3.3.4-3", "MQTT5-3.3.4-4", "X-59"],
    versions: [5],
    needs: ["subscription-identifiers"],
    leaves: "a broker may send one copy for each subscription, with its own identifier",
    steps: [
      { connect: "pub" },
      { connect: "a" },
      ...subscribe("a", "{t}/x", { qos: 0, identifier: 7 }),
      ...subscribe("a", "{t}/+", { qos: 0 }),
      ...published("pub", "{t}/x"),
      arrives("a", { properties: { subscriptionIdentifiers: [7] } }),
      ...subscribe("a", "{t}/#", { qos: 0, identifier: 7 }),
      ...published("pub", "{t}/x"),
      arrives("a", { properties: { subscriptionIdentifiers: [7, 7] } }),
      { expectNothing: "a" },
    ],
  },
  {
    id: "subscribe-identifiers-kept",
    about: "Subscription Identifiers are part of the Session",
    shows: ["X-61", "MQTT5-3.3.4-3"],
    versions: [5],
    needs: ["subscription-identifiers"],
    steps: [
      { connect: "pub" },
      connectKept("a", 5),
      ...subscribe("a", "{t}/x", { qos: 1, identifier: 42 }),
      { disconnect: "a" },
      ...published("pub", "{t}/x"),
      connectKept("a", 5),
      arrives("a", { properties: { subscriptionIdentifiers: [42] } }),
    ],
  },
  {
    id: "subscribe-identifier-in-use",
    about:
      "a Packet Identifier that a QoS 2 PUBLISH has in use is answered with 0x91, for each filter",
    shows: ["X-18", "X-12", "X-13", "X-10"],
    versions: [5],
    leaves: "the standard has the code and does not demand its use",
    steps: [
      { connect: "a" },
      { send: "a", packet: publish("{t}/x", { qos: 2, packetIdentifier: 9 }) },
      { expect: "a", packet: { type: "pubrec", packetIdentifier: 9 } },
      ask(
        "a",
        [
          { topicFilter: "{t}/1", qos: 0 },
          { topicFilter: "{t}/2", qos: 0 },
        ],
        9,
      ),
      {
        expect: "a",
        packet: { type: "suback", packetIdentifier: 9, reasonCodes: [0x91, 0x91] },
      },
      {
        send: "a",
        packet: { type: "unsubscribe", packetIdentifier: 9, topicFilters: ["{t}/1", "{t}/2"] },
      },
      {
        expect: "a",
        packet: { type: "unsuback", packetIdentifier: 9, reasonCodes: [0x91, 0x91] },
      },
      { send: "a", packet: publish("{t}/x", { qos: 1, packetIdentifier: 9 }) },
      { expect: "a", packet: { type: "puback", packetIdentifier: 9, reasonCode: 0x91 } },
      { send: "a", packet: { type: "pubrel", packetIdentifier: 9 } },
      { expect: "a", packet: { type: "pubcomp", packetIdentifier: 9 } },
      ...subscribe("a", "{t}/1", { qos: 0 }),
    ],
  },
  {
    id: "subscribe-answers-fit",
    about:
      "SUBACK and UNSUBACK fit the Client's Maximum Packet Size: no Reason String, no User Property",
    shows: [
      "MQTT5-3.9.2-1",
      "MQTT5-3.9.2-2",
      "MQTT5-3.11.2-1",
      "MQTT5-3.11.2-2",
      "MQTT5-3.4.2-3",
      "MQTT5-3.5.2-3",
      "MQTT5-3.6.2-2",
      "MQTT5-3.6.2-3",
      "MQTT5-3.7.2-2",
      "MQTT5-3.7.2-3",
      "MQTT5-3.1.2-24",
    ],
    versions: [5],
    profile: "deny",
    steps: [
      { open: "a" },
      // CONNACK says more than an answer: 30 bytes are for both.
      { send: "a", packet: { hex: '10 ("MQTT" 05 02 0000 (27 0000001e) "{t}a")' } },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
      ask("a", [{ topicFilter: "{t}/forbidden", qos: 0 }], 1),
      { expectHex: "a", hex: "90 04 0001 00 87" },
      {
        send: "a",
        packet: { type: "unsubscribe", packetIdentifier: 2, topicFilters: ["{t}/none"] },
      },
      { expectHex: "a", hex: "b0 04 0002 00 11" },
      { send: "a", packet: publish("{t}/forbidden", { qos: 1, packetIdentifier: 3 }) },
      { expectHex: "a", hex: "40 03 0003 87" },
      { send: "a", packet: publish("{t}/forbidden", { qos: 2, packetIdentifier: 4 }) },
      { expectHex: "a", hex: "50 03 0004 87" },
      { send: "a", packet: { type: "pubrel", packetIdentifier: 5 } },
      { expectHex: "a", hex: "70 03 0005 92" },
      { send: "a", packet: { type: "pubrec", packetIdentifier: 6 } },
      { expectHex: "a", hex: "62 03 0006 92" },
    ],
  },
  {
    id: "publish-refused-reason-string",
    about: "who wants problem information is told why a PUBLISH was refused, as far as it fits",
    shows: ["MQTT5-3.1.2-29", "MQTT5-3.4.2-2", "MQTT5-3.5.2-2", "X-19", "X-28"],
    versions: [5],
    profile: "deny",
    steps: [
      { connect: "a" },
      { send: "a", packet: publish("{t}/forbidden", { qos: 1, packetIdentifier: 3 }) },
      {
        expect: "a",
        packet: { type: "puback", reasonCode: 0x87, properties: { reasonString: {} } },
      },
      { send: "a", packet: publish("{t}/forbidden", { qos: 2, packetIdentifier: 4 }) },
      {
        expect: "a",
        packet: { type: "pubrec", reasonCode: 0x87, properties: { reasonString: {} } },
      },
      { connect: "b", with: { properties: { maximumPacketSize: 30 } } },
      { send: "b", packet: publish("{t}/forbidden", { qos: 1, packetIdentifier: 3 }) },
      { expectHex: "b", hex: "40 03 0003 87" },
      { send: "b", packet: publish("{t}/forbidden", { qos: 2, packetIdentifier: 4 }) },
      { expectHex: "b", hex: "50 03 0004 87" },
    ],
  },
  {
    id: "unsubscribe-empty",
    about: "an UNSUBSCRIBE without a Topic Filter ends the connection",
    shows: ["MQTT5-3.10.3-2", "MQTT3-3.10.3-2", "MQTT3-4.8.0-1"],
    versions: [4, 5],
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { hex: `a2 (0001 ${none(version)})` } },
      closed("a", 0x82),
    ],
  },
  {
    id: "unsubscribe-exact",
    about:
      "filters are compared character by character: only an exact match deletes a subscription",
    shows: ["MQTT5-3.10.4-1", "MQTT3-3.10.4-1"],
    versions: [3, 4, 5],
    steps: [
      { connect: "pub" },
      { connect: "a" },
      ...subscribe("a", "{t}/+/x", { qos: 0 }),
      ...unsubscribe("a", "{t}/#"),
      ...unsubscribe("a", "{t}/a/x"),
      ...unsubscribe("a", "{t}/+/X"),
      ...published("pub", "{t}/a/x"),
      arrives("a", { topicName: "{t}/a/x" }),
      ...unsubscribe("a", "{t}/+/x"),
      ...published("pub", "{t}/a/x"),
      { expectNothing: "a" },
    ],
  },
  {
    id: "unsubscribe-several",
    leaves: "that 0x11 tells of a subscription that did not exist",
    about:
      "several filters get one UNSUBACK, with the same Packet Identifier and, in 5.0, a code for each in their order",
    shows: [
      "MQTT5-3.10.4-2",
      "MQTT5-3.10.4-4",
      "MQTT5-3.10.4-5",
      "MQTT5-3.10.4-6",
      "MQTT5-3.11.3-1",
      "MQTT5-3.11.3-2",
      "X-13",
      "MQTT3-3.10.4-2",
      "MQTT3-3.10.4-4",
      "MQTT3-3.10.4-5",
      "MQTT3-3.10.4-6",
      "X-102",
    ],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "pub" },
      { connect: "a" },
      ask("a", [
        { topicFilter: "{t}/1", qos: 0 },
        { topicFilter: "{t}/2", qos: 0 },
        { topicFilter: "{t}/3", qos: 0 },
      ]),
      { expect: "a", packet: { type: "suback" } },
      {
        send: "a",
        packet: {
          type: "unsubscribe",
          packetIdentifier: 0x0a0b,
          topicFilters: ["{t}/1", "{t}/none", "{t}/2"],
        },
      },
      { expectHex: "a", hex: `b0 (0a0b ${version === 5 ? "00 00 11 00" : ""})` },
      ...published("pub", "{t}/1"),
      ...published("pub", "{t}/2"),
      ...published("pub", "{t}/3"),
      arrives("a", { topicName: "{t}/3" }),
      { expectNothing: "a" },
    ],
  },
  {
    id: "unsubscribe-nothing",
    leaves: "that 0x11 tells of a subscription that did not exist",
    about: "UNSUBACK is sent even when no subscription was deleted",
    shows: ["MQTT5-3.10.4-5", "MQTT3-3.10.4-5", "MQTT5-3.10.4-4", "MQTT3-3.10.4-4"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "a" },
      { send: "a", packet: { type: "unsubscribe", packetIdentifier: 3, topicFilters: ["{t}"] } },
      {
        expect: "a",
        packet: {
          type: "unsuback",
          packetIdentifier: 3,
          reasonCodes: version === 5 ? [0x11] : undefined,
        },
      },
    ],
  },
  {
    id: "unsubscribe-in-flight",
    about:
      "QoS 1 and 2 deliveries begun before UNSUBSCRIBE are completed; what waits behind them may still come",
    shows: ["MQTT5-3.10.4-3", "MQTT3-3.10.4-3", "X-64"],
    versions: [4, 5],
    steps: (version) => [
      { connect: "pub" },
      connectKept("a", version),
      ...subscribe("a", "{t}/x", { qos: 2 }),
      { send: "pub", packet: publish("{t}/x", { qos: 2, packetIdentifier: 1 }) },
      { expect: "pub", packet: { type: "pubrec" } },
      { send: "pub", packet: { type: "pubrel", packetIdentifier: 1 } },
      { expect: "pub", packet: { type: "pubcomp" } },
      arrives("a", { qos: 2, payload: "m" }),
      ...unsubscribe("a", "{t}/x"),
      { answer: "a", type: "pubrec" },
      { expect: "a", packet: { type: "pubrel" } },
      { cut: "a" },
      connectKept("a", version, { sessionPresent: true }),
      { expect: "a", packet: { type: "pubrel" } },
      { answer: "a", type: "pubcomp" },
      { expectNothing: "a" },
    ],
  },
  {
    id: "unsubscribe-buffered",
    about: "a message that was queued before UNSUBSCRIBE is still delivered",
    shows: ["X-64"],
    versions: [5],
    leaves: "a broker may drop what is buffered for a deleted subscription",
    steps: [
      { connect: "pub" },
      { connect: "a", with: { properties: { receiveMaximum: 1 } } },
      ...subscribe("a", "{t}/x", { qos: 1 }),
      ...published("pub", "{t}/x", { payload: text("1") }),
      ...published("pub", "{t}/x", { payload: text("2") }),
      arrives("a", { payload: "1" }),
      ...unsubscribe("a", "{t}/x"),
      { answer: "a", type: "puback" },
      arrives("a", { payload: "2" }),
    ],
  },
  {
    id: "ping",
    about: "PINGREQ is answered with PINGRESP",
    shows: ["MQTT5-3.12.4-1", "MQTT3-3.12.4-1", "X-102"],
    versions: [3, 4, 5],
    steps: [
      { connect: "a" },
      { send: "a", packet: { hex: "c0 00" } },
      { expectHex: "a", hex: "d0 00" },
      { send: "a", packet: { hex: "c0 00 c0 00" } },
      { expectHex: "a", hex: "d0 00" },
      { expectHex: "a", hex: "d0 00" },
    ],
  },
];
