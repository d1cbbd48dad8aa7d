import assert from "node:assert/strict";
import { test } from "node:test";
import type { Packet, ProtocolVersion } from "../packet.ts";
import { encodePacket } from "./encode-packet.ts";
import type { Sender } from "./fixed-header.ts";
import { bytesOf, bytesOneByOne, packetsOf, parserFor, plain } from "./fixtures.test.ts";

const binary = (spelled: string): Uint8Array => bytesOf(spelled);

/** Bytes that mean the packet; `both`: and are what it is encoded to. */
type Vector = readonly [
  what: string,
  way: "both" | "decode",
  from: Sender,
  version: ProtocolVersion,
  spelled: string,
  packet: Packet,
];

const connect = {
  type: "connect",
  clientId: "c1",
  cleanStart: true,
  keepAlive: 60,
} as const;

// prettier-ignore
const vectors: readonly Vector[] = [
  // --- CONNECT
  ["[X-109] CONNECT of 3.1", "both", "client", 3,
    "10 10  0006'MQIsdp' 03 02 003c  0002'c1'",
    { ...connect, protocolVersion: 3 }],
  ["CONNECT of 3.1.1", "both", "client", 4,
    "10 0e  0004'MQTT' 04 02 003c  0002'c1'",
    { ...connect, protocolVersion: 4 }],
  ["CONNECT of 5.0 without properties", "both", "client", 5,
    "10 0f  0004'MQTT' 05 02 003c 00  0002'c1'",
    { ...connect, protocolVersion: 5 }],
  ["[X-127] CONNECT of a bridge, 3.1.1", "both", "client", 4,
    "10 0e  0004'MQTT' 84 02 003c  0002'c1'",
    { ...connect, protocolVersion: 4, bridge: true }],
  ["[X-127] CONNECT of a bridge, 3.1", "both", "client", 3,
    "10 10  0006'MQIsdp' 83 02 003c  0002'c1'",
    { ...connect, protocolVersion: 3, bridge: true }],
  ["[MQTT3-3.1.3-1] CONNECT with Will, User Name and Password in their order, 3.1.1", "both", "client", 4,
    "10 22  0004'MQTT' 04 ee 0000  0002'c1' 0004'gone' 0003'bye' 0004'user' 0001 ff",
    { ...connect, protocolVersion: 4, keepAlive: 0, username: "user", password: binary("ff"),
      will: { topicName: "gone", payload: binary("'bye'"), qos: 1, retain: true } }],
  ["[MQTT5-3.1.3-1] CONNECT with everything, 5.0", "both", "client", 5,
    `10 68  0004'MQTT' 05 f6 ffff
     2b 11 00000e10 15 0001'm' 16 0002 00ff 17 00 19 01 21 0014 22 000a 26 0001'a' 0001'b' 26 0001'a' 0001'c' 27 00100000
     0002'c1'
     1f 18 0000001e 01 01 02 00000001 03 0001't' 08 0001'r' 09 0001 07 26 0001'x' 0001'y'
     0004'gone' 0000 0001'u' 0001 70`,
    { ...connect, protocolVersion: 5, keepAlive: 65_535, username: "u", password: binary("'p'"),
      will: { topicName: "gone", payload: binary(""), qos: 2, retain: true, properties: {
        willDelayInterval: 30, payloadFormatIndicator: 1, messageExpiryInterval: 1, contentType: "t",
        responseTopic: "r", correlationData: binary("07"), userProperties: [["x", "y"]] } },
      properties: { sessionExpiryInterval: 3600, authenticationMethod: "m", authenticationData: binary("00ff"),
        requestProblemInformation: 0, requestResponseInformation: 1, receiveMaximum: 20, topicAliasMaximum: 10,
        userProperties: [["a", "b"], ["a", "c"]], maximumPacketSize: 1_048_576 } }],
  ["[X-20] CONNECT with Password and no User Name, 5.0", "both", "client", 5,
    "10 12  0004'MQTT' 05 42 003c 00  0002'c1' 0001'p'",
    { ...connect, protocolVersion: 5, password: binary("'p'") }],
  ["CONNECT with an empty Client Identifier", "both", "client", 4,
    "10 0c  0004'MQTT' 04 00 003c  0000",
    { ...connect, protocolVersion: 4, clientId: "", cleanStart: false }],
  ["[X-112] CONNECT of 3.1 whose flags promise User Name and Password that are missing", "decode", "client", 3,
    "10 10  0006'MQIsdp' 03 c2 003c  0002'c1'",
    { ...connect, protocolVersion: 3 }],
  ["[X-112] CONNECT of 3.1 with User Name whose Password is missing", "decode", "client", 3,
    "10 13  0006'MQIsdp' 03 c2 003c  0002'c1' 0001'u'",
    { ...connect, protocolVersion: 3, username: "u" }],
  ["[X-116] [X-117] CONNECT of 3.1 with reserved flags, and Will QoS without Will", "decode", "client", 3,
    "1f 10  0006'MQIsdp' 03 3b 003c  0002'c1'",
    { ...connect, protocolVersion: 3 }],
  ["[MQTT5-1.5.4-3] U+FEFF stays in a Client Identifier, 5.0", "both", "client", 5,
    "10 11  0004'MQTT' 05 02 003c 00  0004 efbbbf 'c'",
    { ...connect, protocolVersion: 5, clientId: "\ufeffc" }],
  ["[MQTT3-1.5.3-3] U+FEFF stays in a Client Identifier, 3.1.1", "both", "client", 4,
    "10 10  0004'MQTT' 04 02 003c  0004 efbbbf 'c'",
    { ...connect, protocolVersion: 4, clientId: "\ufeffc" }],
  ["[X-91] a Remaining Length longer than needed is no fault in 3.1.1", "decode", "client", 4,
    "10 8e 80 00  0004'MQTT' 04 02 003c  0002'c1'",
    { ...connect, protocolVersion: 4 }],

  // --- CONNACK
  ["[X-114] CONNACK of 3.1", "both", "server", 3, "20 02 00 00",
    { type: "connack", sessionPresent: false, reasonCode: 0 }],
  ["[X-114] CONNACK of 3.1: the reserved byte is no Session Present", "decode", "server", 3, "20 02 01 00",
    { type: "connack", sessionPresent: false, reasonCode: 0 }],
  ["CONNACK of 3.1.1 with Session Present", "both", "server", 4, "20 02 01 00",
    { type: "connack", sessionPresent: true, reasonCode: 0 }],
  ["[X-101] CONNACK of 3.1.1 that refuses", "both", "server", 4, "20 02 00 05",
    { type: "connack", sessionPresent: false, reasonCode: 5 }],
  ["CONNACK of 5.0", "both", "server", 5, "20 03 01 00 00",
    { type: "connack", sessionPresent: true, reasonCode: 0 }],
  ["CONNACK of 5.0 with everything", "decode", "server", 5,
    `20 48 00 00 45 11 ffffffff 21 ffff 24 01 25 00 27 00000001 12 0001'i' 22 0000 1f 0001's' 26 0001'a' 0000
     28 00 29 01 2a 00 13 001e 1a 0001'o' 1c 0001'h' 15 0001'm' 16 0000 26 0000 0001'v' 26 0000 0000`,
    { type: "connack", sessionPresent: false, reasonCode: 0, properties: {
      sessionExpiryInterval: 0xffffffff, receiveMaximum: 65_535, maximumQoS: 1, retainAvailable: 0, maximumPacketSize: 1,
      assignedClientIdentifier: "i", topicAliasMaximum: 0, reasonString: "s",
      userProperties: [["a", ""], ["", "v"], ["", ""]],
      wildcardSubscriptionAvailable: 0, subscriptionIdentifiersAvailable: 1, sharedSubscriptionAvailable: 0,
      serverKeepAlive: 30, responseInformation: "o", serverReference: "h", authenticationMethod: "m",
      authenticationData: binary("") } }],

  // --- PUBLISH
  ["PUBLISH of QoS 0, 3.1.1", "both", "client", 4, "30 07 0003'a/b' 'hi'",
    { type: "publish", topicName: "a/b", payload: binary("'hi'"), qos: 0, dup: false, retain: false }],
  ["PUBLISH of QoS 2 with DUP and RETAIN, 3.1.1", "both", "server", 4, "3d 07 0003'a/b' 8001",
    { type: "publish", topicName: "a/b", payload: binary(""), qos: 2, dup: true, retain: true, packetIdentifier: 0x8001 }],
  ["PUBLISH of QoS 0 with DUP, 3.1", "both", "client", 3, "38 03 0001'a'",
    { type: "publish", topicName: "a", payload: binary(""), qos: 0, dup: true, retain: false }],
  ["PUBLISH of QoS 1, 5.0", "both", "client", 5, "32 08 0003'a/b' ffff 00",
    { type: "publish", topicName: "a/b", payload: binary(""), qos: 1, dup: false, retain: false, packetIdentifier: 65_535 }],
  ["[X-8] PUBLISH with everything, 5.0", "decode", "server", 5,
    "30 35 0001'a' 30 01 01 02 fffffffe 23 0001 08 0003'r/s' 09 0002 0000 26 0001'k' 0001'v' 0b 01 0b ffffff7f 03 0003'txt' 26 0001'k' 0001'w' '!'",
    { type: "publish", topicName: "a", payload: binary("'!'"), qos: 0, dup: false, retain: false, properties: {
      payloadFormatIndicator: 1, messageExpiryInterval: 0xfffffffe, topicAlias: 1, responseTopic: "r/s",
      correlationData: binary("0000"), userProperties: [["k", "v"], ["k", "w"]],
      subscriptionIdentifiers: [1, 268_435_455], contentType: "txt" } }],
  ["PUBLISH with Response Topic before Topic Alias, whose identifier is a #", "both", "client", 5, "30 0d 0001'a' 09 08 0003'r/s' 23 0001",
    { type: "publish", topicName: "a", payload: binary(""), qos: 0, dup: false, retain: false, properties: { responseTopic: "r/s", topicAlias: 1 } }],
  ["PUBLISH with Topic Alias in place of the Topic Name", "both", "client", 5, "30 06 0000 03 23 ffff",
    { type: "publish", topicName: "", payload: binary(""), qos: 0, dup: false, retain: false, properties: { topicAlias: 65_535 } }],
  ["[MQTT3-1.5.3-3] PUBLISH to a name that begins with U+FEFF", "both", "client", 4, "30 07 0005 efbbbf c3a9",
    { type: "publish", topicName: "\ufeffé", payload: binary(""), qos: 0, dup: false, retain: false }],

  // --- PUBACK, PUBREC, PUBREL, PUBCOMP
  ["PUBACK of 3.1.1", "both", "client", 4, "40 02 1234", { type: "puback", packetIdentifier: 0x1234 }],
  ["[X-60] PUBREC of 5.0 with Remaining Length 2 means 0x00", "both", "client", 5, "50 02 0001", { type: "pubrec", packetIdentifier: 1 }],
  ["PUBREL", "both", "client", 4, "62 02 0001", { type: "pubrel", packetIdentifier: 1 }],
  ["[X-119] PUBREL of 3.1 with DUP", "both", "client", 3, "6a 02 0001", { type: "pubrel", packetIdentifier: 1, dup: true }],
  ["[X-116] PUBREL of 3.1 with any reserved flags", "decode", "client", 3, "65 02 0001", { type: "pubrel", packetIdentifier: 1 }],
  ["PUBCOMP", "both", "server", 3, "70 02 ffff", { type: "pubcomp", packetIdentifier: 65_535 }],
  ["[X-60] PUBACK of 5.0 with Reason Code and no Property Length", "both", "server", 5, "40 03 0001 10", { type: "puback", packetIdentifier: 1, reasonCode: 0x10 }],
  ["PUBREL of 5.0 with 0x92 and an empty Property Length", "decode", "client", 5, "62 04 0001 92 00", { type: "pubrel", packetIdentifier: 1, reasonCode: 0x92 }],
  ["PUBREC of 5.0 with properties", "both", "server", 5, "50 0f 0001 97 0b 1f 0001's' 26 0001'a' 0001'b'",
    { type: "pubrec", packetIdentifier: 1, reasonCode: 0x97, properties: { reasonString: "s", userProperties: [["a", "b"]] } }],
  ["PUBREL of 5.0 with nothing but a User Property", "both", "server", 5, "62 0b 0001 00 07 26 0001'a' 0001'b'",
    { type: "pubrel", packetIdentifier: 1, properties: { userProperties: [["a", "b"]] } }],
  ["PUBCOMP of 5.0 with Reason Code 0 and properties", "both", "client", 5, "70 08 0001 00 04 1f 0001's'",
    { type: "pubcomp", packetIdentifier: 1, properties: { reasonString: "s" } }],

  // --- SUBSCRIBE and SUBACK
  ["SUBSCRIBE of 3.1.1", "both", "client", 4, "82 0b 000a 0001'#' 00 0002'a/' 02",
    { type: "subscribe", packetIdentifier: 10, subscriptions: [{ topicFilter: "#", qos: 0 }, { topicFilter: "a/", qos: 2 }] }],
  ["[X-119] SUBSCRIBE of 3.1 with DUP", "both", "client", 3, "8a 06 000a 0001'#' 01",
    { type: "subscribe", packetIdentifier: 10, subscriptions: [{ topicFilter: "#", qos: 1 }], dup: true }],
  ["[X-116] SUBSCRIBE of 3.1 with reserved bits in flags and QoS byte", "decode", "client", 3, "80 06 000a 0001'#' fd",
    { type: "subscribe", packetIdentifier: 10, subscriptions: [{ topicFilter: "#", qos: 1 }] }],
  ["SUBSCRIBE of 5.0 with every option", "both", "client", 5, "82 15 000a 07 0b 01 26 0000 0000 0001'#' 2e 0004'$sys' 11",
    { type: "subscribe", packetIdentifier: 10, properties: { subscriptionIdentifiers: [1], userProperties: [["", ""]] },
      subscriptions: [
        { topicFilter: "#", qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 },
        { topicFilter: "$sys", qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 1 }] }],
  ["SUBACK of 3.1", "both", "server", 3, "90 05 000a 00 01 02", { type: "suback", packetIdentifier: 10, reasonCodes: [0, 1, 2] }],
  ["[MQTT3-3.9.3-2] SUBACK of 3.1.1 with a failure", "both", "server", 4, "90 04 000a 02 80", { type: "suback", packetIdentifier: 10, reasonCodes: [2, 0x80] }],
  ["SUBACK of 5.0", "both", "server", 5, "90 09 000a 04 1f 0001's' 02 a2", { type: "suback", packetIdentifier: 10, reasonCodes: [2, 0xa2], properties: { reasonString: "s" } }],

  // --- UNSUBSCRIBE and UNSUBACK
  ["UNSUBSCRIBE of 3.1.1", "both", "client", 4, "a2 09 0001 0001'a' 0002'b+'", { type: "unsubscribe", packetIdentifier: 1, topicFilters: ["a", "b+"] }],
  ["UNSUBSCRIBE of 3.1", "both", "client", 3, "a2 05 0001 0001'a'", { type: "unsubscribe", packetIdentifier: 1, topicFilters: ["a"] }],
  ["SUBSCRIBE of 3.1", "both", "client", 3, "82 06 0001 0001'a' 00", { type: "subscribe", packetIdentifier: 1, subscriptions: [{ topicFilter: "a", qos: 0 }] }],
  ["[X-119] UNSUBSCRIBE of 3.1 with DUP", "both", "client", 3, "aa 05 0001 0001'a'", { type: "unsubscribe", packetIdentifier: 1, topicFilters: ["a"], dup: true }],
  ["UNSUBSCRIBE of 5.0", "both", "client", 5, "a2 0b 0001 05 26 0000 0000 0001'a'", { type: "unsubscribe", packetIdentifier: 1, topicFilters: ["a"], properties: { userProperties: [["", ""]] } }],
  ["UNSUBACK of 3.1.1", "both", "server", 4, "b0 02 0001", { type: "unsuback", packetIdentifier: 1 }],
  ["UNSUBACK of 5.0", "both", "server", 5, "b0 05 0001 00 00 11", { type: "unsuback", packetIdentifier: 1, reasonCodes: [0, 0x11] }],

  // --- PINGREQ, PINGRESP, DISCONNECT, AUTH
  ["PINGREQ", "both", "client", 4, "c0 00", { type: "pingreq" }],
  ["PINGRESP", "both", "server", 3, "d0 00", { type: "pingresp" }],
  ["DISCONNECT of 3.1.1", "both", "client", 4, "e0 00", { type: "disconnect" }],
  ["[X-66] DISCONNECT of 5.0 with Remaining Length 0 means 0x00", "both", "client", 5, "e0 00", { type: "disconnect" }],
  ["[X-66] DISCONNECT of 5.0 with Reason Code and no Property Length", "both", "client", 5, "e0 01 04", { type: "disconnect", reasonCode: 4 }],
  ["DISCONNECT of 5.0 from the Server", "both", "server", 5, "e0 06 9d 04 1c 0001'h'", { type: "disconnect", reasonCode: 0x9d, properties: { serverReference: "h" } }],
  ["[X-57] DISCONNECT 0x9B from a Client", "both", "client", 5, "e0 01 9b", { type: "disconnect", reasonCode: 0x9b }],
  ["DISCONNECT of 5.0 from a Client with Session Expiry Interval", "decode", "client", 5, "e0 07 00 05 11 00000000", { type: "disconnect", reasonCode: 0, properties: { sessionExpiryInterval: 0 } }],
  ["AUTH from a Client", "both", "client", 5, "f0 0a 19 08 15 0001'm' 16 0001 00", { type: "auth", reasonCode: 0x19, properties: { authenticationMethod: "m", authenticationData: binary("00") } }],
  ["AUTH from the Server", "both", "server", 5, "f0 06 00 04 15 0001'm'", { type: "auth", reasonCode: 0, properties: { authenticationMethod: "m" } }],
];

for (const [what, way, from, version, spelled, packet] of vectors) {
  const expected = { from, version: packet.type === "connect" ? undefined : version };
  test(`${what}: ${way === "both" ? "decodes and encodes" : "decodes"}`, () => {
    const bytes = bytesOf(spelled);
    for (const chunks of [[bytes], bytesOneByOne(bytes)]) {
      assert.deepEqual(packetsOf(parserFor(expected), ...chunks), [plain(packet)]);
    }
    if (way === "both") {
      assert.equal(
        Buffer.from(encodePacket(packet, version)).toString("hex"),
        Buffer.from(bytes).toString("hex"),
      );
    }
  });
}

test("an acknowledgement's Reason Code 0x00 is read as absent, and the parser gives 0", () => {
  const parser = parserFor({ version: 5 });
  parser.push(bytesOf("40 03 0001 00"), 0, 5);
  assert.equal(parser.next(), 4);
  assert.equal(parser.reasonCode, 0);
  assert.equal(parser.packetIdentifier, 1);
});
