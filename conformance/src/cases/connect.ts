import type { Case, Step } from "../wire/case.ts";
import { publish } from "../wire/case.ts";

const subscribe = (who: string, topicFilter: string, qos: 0 | 1 | 2 = 1): Step[] => [
  {
    send: who,
    packet: { type: "subscribe", packetIdentifier: 1, subscriptions: [{ topicFilter, qos }] },
  },
  { expect: who, packet: { type: "suback", reasonCodes: [qos] }, skipping: ["publish"] },
];

/** CONNECT and CONNACK (§3.1, §3.2). */
export const connectCases: readonly Case[] = [
  {
    id: "connect-first",
    about: "a packet other than CONNECT as the first one ends the connection",
    shows: ["MQTT5-3.1.0-1", "MQTT3-3.1.0-1", "MQTT5-3.2.0-1", "MQTT3-3.2.0-1"],
    versions: [3, 4, 5],
    steps: [{ open: "a" }, { send: "a", packet: { hex: "c0 00" } }, { expectClosed: "a" }],
  },
  {
    id: "connect-publish-first",
    about: "a PUBLISH as the first packet ends the connection and reaches nobody",
    shows: ["MQTT5-3.1.0-1", "MQTT3-3.1.0-1"],
    versions: [4, 5],
    steps: (version) => [
      { connect: "sub" },
      ...subscribe("sub", "first/x"),
      { open: "a" },
      { send: "a", packet: { hex: version === 5 ? "30 0b 'first/x'" : "30 0a 0007 'first/x' 6d" } },
      { expectClosed: "a" },
      { expectNothing: "sub", ms: 50 },
    ],
  },
  {
    id: "connect-second",
    about: "a second CONNECT on a connection ends it",
    shows: ["MQTT5-3.1.0-2", "MQTT3-3.1.0-2", "MQTT5-3.2.0-2"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "a" },
      {
        send: "a",
        packet: {
          type: "connect",
          protocolVersion: version,
          clientId: "{t}a",
          cleanStart: true,
          keepAlive: 0,
        },
      },
      { expectClosed: "a", after: { type: "disconnect", reasonCode: 0x82 } },
    ],
  },
  {
    id: "connect-protocol-name",
    about: "a Protocol Name that is not MQTT is refused",
    shows: ["MQTT5-3.1.2-1", "MQTT3-3.1.2-1", "X-110"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex:
            version === 5
              ? '10 0e "MQXX" 05 02 0000 00 0001 61'
              : '10 0d "MQXX" 04 02 0000 0001 61',
        },
      },
      { expectClosed: "a", after: { type: "connack", sessionPresent: false } },
    ],
  },
  {
    id: "connect-protocol-level",
    about: "an unknown Protocol Level is answered with CONNACK 0x01 or 0x84, or just closed",
    shows: ["MQTT5-3.1.2-2", "X-110"],
    versions: [5],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 0e "MQTT" 06 02 0000 00 0001 61' } },
      {
        expectClosed: "a",
        after: { type: "connack", sessionPresent: false, reasonCode: { oneOf: [0x84, 0x01] } },
      },
    ],
  },
  {
    id: "connect-protocol-level-3",
    about: "an unknown Protocol Level of 3.x is answered with CONNACK 0x01, then closed",
    shows: ["MQTT3-3.1.2-2", "X-110", "X-130"],
    versions: [4],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 0d "MQTT" 02 02 0000 0001 61' } },
      {
        expectClosed: "a",
        after: { type: "connack", sessionPresent: false, reasonCode: { oneOf: [0x01] } },
        must: true,
      },
    ],
  },
  {
    id: "connect-reserved-flag",
    about: "bit 0 of the Connect Flags set ends the connection",
    shows: ["MQTT5-3.1.2-3", "MQTT3-3.1.2-3", "MQTT5-3.1.4-1", "MQTT3-3.1.4-1"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex:
            version === 5
              ? '10 0e "MQTT" 05 03 0000 00 0001 61'
              : '10 0d "MQTT" 04 03 0000 0001 61',
        },
      },
      {
        expectClosed: "a",
        ...(version === 5
          ? { after: { type: "connack", reasonCode: 0x81, sessionPresent: false } }
          : {}),
      },
    ],
  },
  ...(
    [
      [
        "will-qos-without-will",
        "Will QoS without Will Flag",
        "0a",
        ["MQTT5-3.1.2-11", "MQTT3-3.1.2-13", "MQTT3-3.1.2-11"],
        5,
        4,
      ],
      [
        "will-retain-without-will",
        "Will Retain without Will Flag",
        "22",
        ["MQTT5-3.1.2-13", "MQTT3-3.1.2-15", "MQTT3-3.1.2-11"],
        5,
        4,
      ],
    ] as const
  ).map(([id, what, flags, shows]): Case => ({
    id: `connect-${id}`,
    about: `${what} is malformed: the connection ends`,
    shows: [...shows, "MQTT5-3.1.4-1", "MQTT3-3.1.4-1"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex:
            version === 5
              ? `10 0e "MQTT" 05 ${flags} 0000 00 0001 61`
              : `10 0d "MQTT" 04 ${flags} 0000 0001 61`,
        },
      },
      {
        expectClosed: "a",
        ...(version === 5
          ? { after: { type: "connack", reasonCode: 0x81, sessionPresent: false } }
          : {}),
      },
    ],
  })),
  {
    id: "connect-will-qos-3",
    about: "Will QoS 3 is malformed",
    shows: ["MQTT5-3.1.2-12", "MQTT3-3.1.2-14"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex:
            version === 5
              ? '10 15 "MQTT" 05 1e 0000 00 "a" 00 "w" 0001 6d'
              : '10 13 "MQTT" 04 1e 0000 "a" "w" 0001 6d',
        },
      },
      {
        expectClosed: "a",
        ...(version === 5 ? { after: { type: "connack", reasonCode: 0x81 } } : {}),
      },
    ],
  },
  {
    id: "connect-will-fields-missing",
    about: "a Will Flag without the Will's fields ends the connection",
    shows: ["MQTT5-3.1.2-9", "MQTT3-3.1.2-9"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex: version === 5 ? '10 0e "MQTT" 05 06 0000 00 "a"' : '10 0d "MQTT" 04 06 0000 "a"',
        },
      },
      {
        expectClosed: "a",
        ...(version === 5 ? { after: { type: "connack", reasonCode: 0x81 } } : {}),
      },
    ],
  },
  {
    id: "connect-username-missing",
    about: "a User Name Flag without a User Name ends the connection",
    shows: ["MQTT5-3.1.2-17", "MQTT3-3.1.2-19"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex: version === 5 ? '10 0e "MQTT" 05 82 0000 00 "a"' : '10 0d "MQTT" 04 82 0000 "a"',
        },
      },
      {
        expectClosed: "a",
        ...(version === 5 ? { after: { type: "connack", reasonCode: 0x81 } } : {}),
      },
    ],
  },
  {
    id: "connect-username-unasked",
    about: "a User Name without its flag is left over, and ends the connection",
    shows: ["MQTT5-3.1.2-16", "MQTT3-3.1.2-18"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex:
            version === 5
              ? '10 11 "MQTT" 05 02 0000 00 "a" "u"'
              : '10 10 "MQTT" 04 02 0000 "a" "u"',
        },
      },
      {
        expectClosed: "a",
        ...(version === 5 ? { after: { type: "connack", reasonCode: 0x81 } } : {}),
      },
    ],
  },
  {
    id: "connect-password-missing",
    about: "a Password Flag without a Password ends the connection",
    shows: ["MQTT5-3.1.2-19", "MQTT3-3.1.2-21"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex:
            version === 5
              ? '10 11 "MQTT" 05 c2 0000 00 "a" "u"'
              : '10 10 "MQTT" 04 c2 0000 "a" "u"',
        },
      },
      {
        expectClosed: "a",
        ...(version === 5 ? { after: { type: "connack", reasonCode: 0x81 } } : {}),
      },
    ],
  },
  {
    id: "connect-password-unasked",
    about: "a Password without its flag is left over, and ends the connection",
    shows: ["MQTT5-3.1.2-18", "MQTT3-3.1.2-20"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex:
            version === 5
              ? '10 14 "MQTT" 05 82 0000 00 "a" "u" "p"'
              : '10 13 "MQTT" 04 82 0000 "a" "u" "p"',
        },
      },
      {
        expectClosed: "a",
        ...(version === 5 ? { after: { type: "connack", reasonCode: 0x81 } } : {}),
      },
    ],
  },
  {
    id: "connect-password-without-username-3",
    about: "3.1.1 forbids a Password without User Name",
    shows: ["MQTT3-3.1.2-22"],
    versions: [4],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 10 "MQTT" 04 42 0000 "a" "p"' } },
      { expectClosed: "a" },
    ],
  },
  {
    id: "connect-password-without-username-5",
    about: "5.0 allows a Password without User Name",
    shows: ["X-20"],
    versions: [5],
    steps: [{ connect: "a", with: { password: new Uint8Array([1]) } }, { expectNothing: "a" }],
  },
  {
    id: "connect-payload-order",
    about: "Client Identifier, Will, User Name and Password are read in this order",
    shows: ["MQTT5-3.1.3-1", "MQTT3-3.1.3-1", "MQTT5-3.1.3-3", "MQTT3-3.1.3-3"],
    versions: [4, 5],
    steps: (version) => [
      { connect: "sub" },
      ...subscribe("sub", "order/{t}"),
      {
        connect: "a",
        with: {
          username: "user",
          password: new Uint8Array([0x70]),
          will: {
            topicName: "order/{t}",
            payload: new TextEncoder().encode("w"),
            qos: 0,
            retain: false,
          },
        },
        connack: version === 5 ? { properties: {} } : {},
      },
      { cut: "a" },
      { expect: "sub", packet: { type: "publish", topicName: "order/{t}", payload: "w" } },
    ],
  },
  ...(
    [
      [
        "client-identifier",
        "ff",
        ["MQTT5-3.1.3-4", "MQTT3-3.1.3-4"],
        '10 0e "MQTT" 05 02 0000 00 0001 ff',
        '10 0d "MQTT" 04 02 0000 0001 ff',
      ],
      [
        "will-topic",
        "ff",
        ["MQTT5-3.1.3-11", "MQTT3-3.1.3-10"],
        '10 15 "MQTT" 05 06 0000 00 "a" 00 0001 ff 0001 6d',
        '10 13 "MQTT" 04 06 0000 "a" 0001 ff 0001 6d',
      ],
      [
        "username",
        "ff",
        ["MQTT5-3.1.3-12", "MQTT3-3.1.3-11"],
        '10 11 "MQTT" 05 82 0000 00 "a" 0001 ff',
        '10 10 "MQTT" 04 82 0000 "a" 0001 ff',
      ],
    ] as const
  ).map(([what, , shows, five, three]): Case => ({
    id: `connect-${what}-utf-8`,
    about: `a ${what} that is not UTF-8 ends the connection`,
    shows: [...shows, "MQTT5-1.5.4-1", "MQTT3-1.5.3-1"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      { send: "a", packet: { hex: version === 5 ? five : three } },
      {
        expectClosed: "a",
        ...(version === 5 ? { after: { type: "connack", reasonCode: 0x81 } } : {}),
      },
    ],
  })),
  {
    id: "connect-clean-start-1",
    about: "Clean Start 1 drops an existing session",
    shows: [
      "MQTT5-3.1.2-4",
      "MQTT5-3.1.4-4",
      "MQTT5-3.2.2-2",
      "MQTT3-3.1.2-6",
      "MQTT3-3.1.4-3",
      "MQTT3-3.2.2-1",
      "MQTT5-3.1.4-5",
      "MQTT3-3.1.4-4",
    ],
    versions: [3, 4, 5],
    steps: (version) => [
      {
        connect: "a",
        with: {
          cleanStart: false,
          properties: version === 5 ? { sessionExpiryInterval: 60 } : undefined,
        },
      },
      ...subscribe("a", "clean/{t}"),
      { disconnect: "a" },
      { connect: "pub" },
      { send: "pub", packet: publish("clean/{t}", { qos: 1, packetIdentifier: 1 }) },
      { expect: "pub", packet: { type: "puback" } },
      { connect: "a", with: { cleanStart: true }, connack: { sessionPresent: false } },
      { expectNothing: "a", ms: 50 },
      { send: "pub", packet: publish("clean/{t}", { qos: 1, packetIdentifier: 2 }) },
      { expect: "pub", packet: { type: "puback" } },
      { expectNothing: "a", ms: 50 },
    ],
  },
  {
    id: "connect-clean-session-1-is-not-kept",
    about: "a session of Clean Session 1 ends with its connection",
    shows: ["MQTT3-3.1.2-6", "MQTT5-4.1.0-2", "MQTT3-3.2.2-3", "X-23"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "a", with: { cleanStart: true } },
      ...subscribe("a", "kept/{t}"),
      { disconnect: "a" },
      {
        connect: "a",
        with: { cleanStart: false },
        connack: version === 3 ? {} : { sessionPresent: false },
      },
      { send: "a", packet: publish("kept/{t}", { qos: 1, packetIdentifier: 1 }) },
      { expect: "a", packet: { type: "puback" } },
      { expectNothing: "a", ms: 50 },
    ],
  },
  {
    id: "connect-resume",
    about:
      "Clean Start 0 resumes the session of this Client Identifier, with what was queued for it",
    shows: [
      "MQTT5-3.1.2-5",
      "MQTT5-3.1.2-6",
      "MQTT5-3.1.2-23",
      "MQTT5-3.1.3-2",
      "MQTT5-3.2.2-3",
      "MQTT5-4.5.0-1",
      "MQTT3-3.1.2-4",
      "MQTT3-3.1.2-5",
      "MQTT3-3.1.3-2",
      "MQTT3-3.2.2-2",
      "MQTT3-3.2.2-3",
      "MQTT3-4.5.0-1",
    ],
    versions: [4, 5],
    steps: (version) => {
      const kept = {
        cleanStart: false,
        properties: version === 5 ? { sessionExpiryInterval: 60 } : undefined,
      };
      return [
        { connect: "a", with: kept, connack: { sessionPresent: false } },
        ...subscribe("a", "resume/{t}"),
        { disconnect: "a" },
        { connect: "pub" },
        { send: "pub", packet: publish("resume/{t}", { qos: 1, packetIdentifier: 1 }) },
        { expect: "pub", packet: { type: "puback" } },
        { connect: "a", with: kept, connack: { sessionPresent: true } },
        { expect: "a", packet: { type: "publish", topicName: "resume/{t}", qos: 1, payload: "m" } },
        { answer: "a", type: "puback" },
        { expectNothing: "a" },
      ];
    },
  },
  {
    id: "connect-client-identifier-letters",
    about: "Client Identifiers of 1 to 23 letters and digits are allowed",
    shows: ["MQTT5-3.1.3-5", "MQTT3-3.1.3-5"],
    versions: [3, 4, 5],
    steps: [
      { connect: "a", with: { clientId: "Z" } },
      { connect: "b", with: { clientId: "0123456789abcABCxyzXYZ9" } },
    ],
  },
  {
    id: "connect-client-identifier-empty-5",
    about:
      "an empty Client Identifier is replaced by one that CONNACK tells, and that can be used again",
    shows: ["MQTT5-3.1.3-6", "MQTT5-3.1.3-7", "MQTT5-3.2.2-16"],
    versions: [5],
    steps: [
      {
        connect: "a",
        with: { clientId: "" },
        connack: { properties: { assignedClientIdentifier: {} } },
      },
      {
        connect: "b",
        with: { clientId: "" },
        connack: { properties: { assignedClientIdentifier: {} } },
      },
      { expectNothing: "a", ms: 30 },
    ],
  },
  {
    id: "connect-client-identifier-empty-3",
    about: "an empty Client Identifier with Clean Session 1 is accepted",
    shows: ["MQTT3-3.1.3-6"],
    versions: [4],
    steps: [
      { connect: "a", with: { clientId: "" } },
      { connect: "b", with: { clientId: "" } },
      { expectNothing: "a" },
    ],
  },
  {
    id: "connect-client-identifier-empty-clean-0",
    about: "an empty Client Identifier with Clean Session 0 is refused with CONNACK 0x02",
    shows: [
      "MQTT3-3.1.3-7",
      "MQTT3-3.1.3-8",
      "MQTT3-3.1.3-9",
      "MQTT3-3.2.2-4",
      "MQTT3-3.2.2-5",
      "X-101",
    ],
    versions: [4],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 0c "MQTT" 04 00 0000 0000' } },
      {
        expectClosed: "a",
        after: { type: "connack", reasonCode: 2, sessionPresent: false },
        must: true,
      },
    ],
  },
  {
    id: "connect-client-identifier-3.1",
    about: "3.1 refuses an empty Client Identifier with CONNACK 2",
    shows: ["X-111", "X-114"],
    versions: [3],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 0e "MQIsdp" 03 02 0000 0000' } },
      { expectClosed: "a", after: { type: "connack", reasonCode: 2 }, must: true },
    ],
  },
  {
    id: "connect-client-identifier-24-strict",
    about: "where the setting asks for it, 3.1 refuses a Client Identifier of 24 characters",
    shows: ["X-111", "MQTT5-3.1.3-8", "MQTT3-3.1.3-9"],
    versions: [3],
    profile: "strict-client-identifier",
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 26 "MQIsdp" 03 02 0000 "0123456789abcdefghijklmn"' } },
      { expectClosed: "a", after: { type: "connack", reasonCode: 2 }, must: true },
    ],
  },
  {
    id: "connect-3.1-name",
    about: "3.1 is MQIsdp, version 3; its CONNACK has no Session Present",
    shows: ["X-109", "X-114"],
    versions: [3],
    needs: ["mqtt-3.1"],
    steps: [
      { open: "b" },
      { send: "b", packet: { hex: '10 12 "MQIsdp" 03 02 0000 "3.1b"' } },
      { expectHex: "b", hex: "20 02 00 00" },
    ],
  },
  {
    id: "connect-3.1-strings-missing",
    about: "3.1: a flag whose string is missing is valid",
    shows: ["X-112"],
    versions: [3],
    needs: ["mqtt-3.1"],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 12 "MQIsdp" 03 c2 0000 "miss"' } },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
    ],
  },
  {
    id: "connect-3.1-password-without-username",
    about: "3.1: a Password Flag without User Name Flag is not valid",
    shows: ["X-113"],
    versions: [3],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 15 "MQIsdp" 03 42 0000 "miss" "p"' } },
      { expectClosed: "a", after: { type: "connack" } },
    ],
  },
  {
    id: "connect-takeover",
    about: "a second connection with the same Client Identifier ends the first one",
    shows: ["MQTT5-3.1.4-3", "MQTT3-3.1.4-2", "X-16", "X-115", "MQTT5-3.14.0-1", "MQTT5-3.14.4-2"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "a" },
      { connect: "b", with: { clientId: "{t}a" } },
      version === 5
        ? { expectClosed: "a", after: { type: "disconnect", reasonCode: 0x8e }, must: true }
        : { expectClosed: "a" },
      { expectNothing: "b" },
    ],
  },
  {
    id: "connect-pipelined",
    about: "packets right behind CONNECT are handled once it is accepted",
    shows: ["X-36", "X-98", "MQTT5-3.2.0-1", "MQTT3-3.2.0-1"],
    versions: [4, 5],
    steps: (version) => [
      { open: "a" },
      {
        send: "a",
        packet: {
          hex:
            version === 5
              ? '10 10 "MQTT" 05 02 0000 00 "pi5" c0 00'
              : '10 0f "MQTT" 04 02 0000 "pi4" c0 00',
        },
      },
      { expect: "a", packet: { type: "connack", reasonCode: 0 } },
      { expect: "a", packet: { type: "pingresp" } },
    ],
  },
  {
    id: "connect-refused-stops",
    about: "what follows a refused CONNECT has no effect",
    shows: [
      "MQTT5-3.1.4-6",
      "MQTT3-3.1.4-5",
      "MQTT5-3.2.2-6",
      "MQTT5-3.2.2-7",
      "MQTT5-3.1.4-2",
      "MQTT5-4.13.2-1",
      "X-97",
      "X-9",
      "MQTT5-3.2.2-8",
    ],
    versions: [4, 5],
    profile: "password",
    steps: (version) => [
      { connect: "sub", with: { username: "user", password: new TextEncoder().encode("secret") } },
      ...subscribe("sub", "refused/x"),
      { open: "a" },
      {
        send: "a",
        packet: {
          hex:
            version === 5
              ? '10 15 "MQTT" 05 c2 0000 00 "a" "user" 0000 30 0c 0009 \'refused/x\' 00'
              : '10 14 "MQTT" 04 c2 0000 "a" "user" 0000 30 0b 0009 \'refused/x\'',
        },
      },
      {
        expectClosed: "a",
        after: { type: "connack", reasonCode: version === 5 ? 0x86 : 4, sessionPresent: false },
        must: true,
      },
      { expectNothing: "sub", ms: 50 },
    ],
  },
  {
    id: "connack-flags",
    about: "bits 7 to 1 of CONNACK's flags are 0",
    shows: ["MQTT5-3.2.2-1", "X-100", "X-102"],
    versions: [4],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 0f "MQTT" 04 02 0000 "fl4"' } },
      { expectHex: "a", hex: "20 02 00 00" },
    ],
  },
  {
    id: "connect-invalid-values",
    about: "Receive Maximum 0 in CONNECT is a Protocol Error",
    shows: ["X-24", "X-86"],
    versions: [5],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 11 "MQTT" 05 02 0000 03 21 0000 "a"' } },
      { expectClosed: "a", after: { type: "connack", reasonCode: 0x82 } },
    ],
  },
  {
    id: "connect-maximum-packet-size-0",
    about: "Maximum Packet Size 0 in CONNECT is a Protocol Error",
    shows: ["X-25"],
    versions: [5],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 13 "MQTT" 05 02 0000 05 27 00000000 "a"' } },
      { expectClosed: "a", after: { type: "connack", reasonCode: 0x82 } },
    ],
  },
  {
    id: "connect-request-problem-2",
    about: "Request Problem Information other than 0 and 1 is a Protocol Error",
    shows: ["X-28"],
    versions: [5],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 10 "MQTT" 05 02 0000 02 17 02 "a"' } },
      { expectClosed: "a", after: { type: "connack", reasonCode: 0x82 } },
    ],
  },
  {
    id: "connect-authentication-data-alone",
    about: "Authentication Data without Authentication Method is a Protocol Error",
    shows: ["X-30"],
    versions: [5],
    steps: [
      { open: "a" },
      { send: "a", packet: { hex: '10 12 "MQTT" 05 02 0000 04 16 0001 78 "a"' } },
      { expectClosed: "a", after: { type: "connack", reasonCode: 0x82 } },
    ],
  },
  {
    id: "connect-response-information",
    about: "Response Information is sent to who requests it, and to nobody else",
    shows: ["MQTT5-3.1.2-28"],
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
    id: "connect-server-keep-alive",
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
    id: "connect-keep-alive",
    about:
      "after 1.5 times the Keep Alive without a packet the connection ends, and its Will is published",
    shows: ["MQTT5-3.1.2-22", "MQTT3-3.1.2-24", "X-118", "X-16", "X-117"],
    versions: [3, 4, 5],
    steps: (version) => [
      { connect: "sub" },
      ...subscribe("sub", "alive/{t}"),
      {
        connect: "a",
        with: {
          keepAlive: 1,
          will: {
            topicName: "alive/{t}",
            payload: new TextEncoder().encode("gone"),
            qos: 0,
            retain: false,
          },
        },
      },
      { wait: 1200 },
      { expectNothing: "sub" },
      version === 5
        ? { expectClosed: "a", after: { type: "disconnect", reasonCode: 0x8d } }
        : { expectClosed: "a" },
      { expect: "sub", packet: { type: "publish", payload: "gone" } },
    ],
  },
  {
    id: "connect-keep-alive-0",
    about: "Keep Alive 0 turns the mechanism off",
    shows: ["X-21", "X-94"],
    versions: [4, 5],
    steps: [
      { connect: "a", with: { keepAlive: 0 } },
      { expectNothing: "a", ms: 1700 },
    ],
  },
];
