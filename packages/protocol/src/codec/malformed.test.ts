import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolVersion } from "../packet.ts";
import { ReasonCode } from "../reason-code.ts";
import type { Sender } from "./fixed-header.ts";
import { bytesOf, bytesOneByOne, faultOf, packetsOf, parserFor } from "./fixtures.test.ts";

/** Bytes that are refused with the Reason Code. `connect`: the version is for CONNECT to say. */
type Refusal = readonly [
  what: string,
  from: Sender,
  version: ProtocolVersion | "connect",
  spelled: string,
  reasonCode: number,
];

/** MQTT 5.0, Clean Start, no properties, Client Identifier "c": with other flags and payload. */
const connect5 = (flags: string, properties: string, rest: string): string =>
  packet("10", `0004'MQTT' 05 ${flags} 003c ${propertiesOf(properties)} ${rest}`);
const connect4 = (flags: string, rest: string): string =>
  packet("10", `0004'MQTT' 04 ${flags} 003c ${rest}`);
const connect3 = (flags: string, rest: string): string =>
  packet("10", `0006'MQIsdp' 03 ${flags} 003c ${rest}`);

/** Bodies and property lists in these tests are shorter than 128 bytes. */
function packet(firstByte: string, body: string): string {
  return `${firstByte} ${hexByte(bytesOf(body).length)} ${body}`;
}
const propertiesOf = (spelled: string): string => `${hexByte(bytesOf(spelled).length)} ${spelled}`;
const hexByte = (value: number): string => {
  assert.ok(value < 128);
  return value.toString(16).padStart(2, "0");
};
const publish5 = (properties: string): string =>
  packet("30", `0001'a' ${propertiesOf(properties)} 'x'`);
const subscribe5 = (properties: string, rest: string): string =>
  packet("82", `0001 ${propertiesOf(properties)} ${rest}`);

// prettier-ignore
const refusals: readonly Refusal[] = [
  // --- Fixed header
  ["[X-3] type 0, from a Client of 5.0", "client", 5, "00 00", 0x81],
  ["[X-3] type 0, from the Server", "server", 5, "0f 00", 0x81],
  ["[X-90] type 0 in place of CONNECT", "client", "connect", "00 00", 0x81],
  ["[X-90] AUTH in 3.1.1", "client", 4, "f0 00", 0x81],
  ["[X-90] AUTH in 3.1, from the Server", "server", 3, "f0 00", 0x81],
  ["[MQTT5-3.1.0-1] PUBLISH before CONNECT", "client", "connect", "30 03 0001'a'", 0x82],
  ["[MQTT3-3.1.0-1] PINGREQ before CONNECT", "client", "connect", "c0 00", 0x82],
  ["[X-3] CONNACK from a Client", "client", 5, "20 03 00 00 00", 0x82],
  ["[X-3] SUBACK from a Client", "client", 4, "90 03 0001 00", 0x82],
  ["[X-3] UNSUBACK from a Client", "client", 4, "b0 02 0001", 0x82],
  ["[X-3] PINGRESP from a Client", "client", 3, "d0 00", 0x82],
  ["[X-3] CONNECT from the Server", "server", 5, connect5("02", "", "0001'c'"), 0x82],
  ["[X-3] SUBSCRIBE from the Server", "server", 5, subscribe5("", "0001'a' 00"), 0x82],
  ["[X-3] UNSUBSCRIBE from the Server", "server", 4, "a2 05 0001 0001'a'", 0x82],
  ["[X-3] PINGREQ from the Server", "server", 4, "c0 00", 0x82],
  ["[X-90] DISCONNECT from the Server, 3.1.1", "server", 4, "e0 00", 0x82],
  ["[MQTT5-2.1.3-1] CONNECT with reserved flags", "client", "connect", connect5("02", "", "0001'c'").replace("10", "11"), 0x81],
  ["[MQTT3-2.2.2-2] CONNECT with reserved flags, 3.1.1", "client", "connect", connect4("02", "0001'c'").replace("10", "12"), 0x81],
  ["[MQTT5-2.1.3-1] CONNACK with reserved flags", "server", 5, "21 03 00 00 00", 0x81],
  ["[MQTT5-2.1.3-1] PUBACK with reserved flags", "client", 5, "42 02 0001", 0x81],
  ["[MQTT3-2.2.2-2] PUBREC with reserved flags", "client", 4, "51 02 0001", 0x81],
  ["[MQTT5-3.6.1-1] PUBREL with flags 0000", "client", 5, "60 02 0001", 0x81],
  ["[MQTT3-3.6.1-1] PUBREL with DUP, 3.1.1", "client", 4, "6a 02 0001", 0x81],
  ["[MQTT5-2.1.3-1] PUBCOMP with reserved flags", "server", 5, "78 02 0001", 0x81],
  ["[MQTT5-3.8.1-1] SUBSCRIBE with flags 0000", "client", 5, subscribe5("", "0001'a' 00").replace("82", "80"), 0x81],
  ["[MQTT3-3.8.1-1] SUBSCRIBE with DUP, 3.1.1", "client", 4, "8a 06 0001 0001'a' 00", 0x81],
  ["[MQTT5-2.1.3-1] SUBACK with reserved flags", "server", 5, "92 04 0001 00 00", 0x81],
  ["[MQTT5-3.10.1-1] UNSUBSCRIBE with flags 0000", "client", 5, "a0 06 0001 00 0001'a'", 0x81],
  ["[MQTT3-3.10.1-1] UNSUBSCRIBE with flags 0011", "client", 4, "a3 05 0001 0001'a'", 0x81],
  ["[MQTT5-2.1.3-1] UNSUBACK with reserved flags", "server", 5, "b1 04 0001 00 00", 0x81],
  ["[MQTT5-2.1.3-1] PINGREQ with reserved flags", "client", 5, "c1 00", 0x81],
  ["[MQTT5-2.1.3-1] PINGRESP with reserved flags", "server", 5, "d8 00", 0x81],
  ["[MQTT5-3.14.1-1] DISCONNECT with reserved flags", "client", 5, "e1 00", 0x81],
  ["[MQTT3-3.14.1-1] DISCONNECT with reserved flags, 3.1.1", "client", 4, "e2 00", 0x81],
  ["[MQTT5-3.15.1-1] AUTH with reserved flags", "client", 5, "f4 06 18 04 15 0001'm'", 0x81],
  ["[X-2] Remaining Length of five bytes", "client", 5, "30 ff ff ff ff 01", 0x81],
  ["[X-91] Remaining Length of five bytes, 3.1.1", "client", 4, "30 80 80 80 80 00", 0x81],
  ["[MQTT5-1.5.5-1] Remaining Length longer than needed, 5.0", "client", 5, "30 84 00 0001'a' 00", 0x81],
  ["[MQTT5-1.5.5-1] CONNECT of 5.0 with a Remaining Length longer than needed", "client", "connect", "10 8e 00 0004'MQTT' 05 02 003c 00 0001'c'", 0x81],

  // --- CONNECT
  ["[MQTT5-3.1.2-1] CONNECT with an unknown Protocol Name", "client", "connect", "10 0d 0004'MQTX' 04 02 003c 0001'c'", 0x84],
  ["[X-110] CONNECT with Protocol Name mqtt in small letters", "client", "connect", "10 0d 0004'mqtt' 04 02 003c 0001'c'", 0x84],
  ["[MQTT5-3.1.2-2] CONNECT with level 6", "client", "connect", "10 0d 0004'MQTT' 06 02 003c 0001'c'", 0x84],
  ["[MQTT3-3.1.2-2] CONNECT with level 3 and the new name", "client", "connect", "10 0d 0004'MQTT' 03 02 003c 0001'c'", 0x84],
  ["[X-110] CONNECT with level 4 and the old name", "client", "connect", "10 0f 0006'MQIsdp' 04 02 003c 0001'c'", 0x84],
  ["CONNECT without a body", "client", "connect", "10 00", 0x81],
  ["CONNECT that ends inside its Protocol Name", "client", "connect", "10 04 0004'MQ'", 0x81],
  ["CONNECT that ends before its level", "client", "connect", "10 06 0004'MQTT'", 0x81],
  ["CONNECT that ends inside Keep Alive", "client", "connect", "10 09 0004'MQTT' 04 02 00", 0x81],
  ["[MQTT5-3.1.3-3] CONNECT without a Client Identifier", "client", "connect", "10 0a 0004'MQTT' 04 02 003c", 0x81],
  ["[MQTT5-3.1.2-3] CONNECT with the reserved Connect Flag", "client", "connect", connect5("03", "", "0001'c'"), 0x81],
  ["[MQTT3-3.1.2-3] CONNECT with the reserved Connect Flag, 3.1.1", "client", "connect", connect4("03", "0001'c'"), 0x81],
  ["[MQTT5-3.1.2-11] CONNECT with Will QoS and no Will", "client", "connect", connect5("0a", "", "0001'c'"), 0x81],
  ["[MQTT5-3.1.2-13] CONNECT with Will Retain and no Will", "client", "connect", connect5("22", "", "0001'c'"), 0x81],
  ["[MQTT3-3.1.2-13] CONNECT with Will QoS and no Will, 3.1.1", "client", "connect", connect4("12", "0001'c'"), 0x81],
  ["[MQTT3-3.1.2-15] CONNECT with Will Retain and no Will, 3.1.1", "client", "connect", connect4("22", "0001'c'"), 0x81],
  ["[MQTT5-3.1.2-12] CONNECT with Will QoS 3", "client", "connect", connect5("1e", "", "0001'c' 00 0001'w' 0000"), 0x81],
  ["[MQTT3-3.1.2-14] CONNECT with Will QoS 3, 3.1.1", "client", "connect", connect4("1e", "0001'c' 0001'w' 0000"), 0x81],
  ["CONNECT with Will QoS 3, 3.1", "client", "connect", connect3("1e", "0001'c' 0001'w' 0000"), 0x81],
  ["[MQTT5-3.1.2-9] CONNECT with Will Flag and no Will", "client", "connect", connect5("06", "", "0001'c'"), 0x81],
  ["[MQTT3-3.1.2-9] CONNECT with Will Flag and no Will Message, 3.1.1", "client", "connect", connect4("06", "0001'c' 0001'w'"), 0x81],
  ["[MQTT5-4.7.0-1] CONNECT with a wildcard in the Will Topic", "client", "connect", connect5("06", "", "0001'c' 00 0003'w/#' 0000"), 0x90],
  ["[MQTT3-4.7.1-1] CONNECT with a wildcard in the Will Topic, 3.1.1", "client", "connect", connect4("06", "0001'c' 0003'+/w' 0000"), 0x90],
  ["[MQTT5-4.7.3-1] CONNECT with an empty Will Topic", "client", "connect", connect5("06", "", "0001'c' 00 0000 0000"), 0x90],
  ["[MQTT3-3.1.2-22] CONNECT with Password and no User Name, 3.1.1", "client", "connect", connect4("42", "0001'c' 0001'p'"), 0x81],
  ["[X-113] CONNECT with Password and no User Name, 3.1", "client", "connect", connect3("42", "0001'c' 0001'p'"), 0x81],
  ["[MQTT5-3.1.2-17] CONNECT with User Name Flag and no User Name", "client", "connect", connect5("82", "", "0001'c'"), 0x81],
  ["[MQTT3-3.1.2-21] CONNECT with Password Flag and no Password", "client", "connect", connect4("c2", "0001'c' 0001'u'"), 0x81],
  ["[MQTT5-3.1.2-16] CONNECT with User Name and no User Name Flag", "client", "connect", connect5("02", "", "0001'c' 0001'u'"), 0x81],
  ["[MQTT3-3.1.2-18] CONNECT with User Name and no User Name Flag, 3.1.1", "client", "connect", connect4("02", "0001'c' 0001'u'"), 0x81],
  ["[MQTT5-1.5.4-1] CONNECT with a surrogate in the Client Identifier", "client", "connect", connect5("02", "", "0003 eda080"), 0x81],
  ["[MQTT3-1.5.3-1] CONNECT with a surrogate in the Client Identifier, 3.1.1", "client", "connect", connect4("02", "0003 eda080"), 0x81],
  ["[MQTT5-1.5.4-2] CONNECT with U+0000 in the Client Identifier", "client", "connect", connect5("02", "", "0001 00"), 0x81],
  ["[MQTT3-1.5.3-2] CONNECT with U+0000 in the Client Identifier, 3.1.1", "client", "connect", connect4("02", "0003'a' 00'b'"), 0x81],
  ["[MQTT5-3.1.3-12] CONNECT with a User Name that is not UTF-8", "client", "connect", connect5("82", "", "0001'c' 0001 ff"), 0x81],
  ["[MQTT5-3.1.3-11] CONNECT with a Will Topic that is not UTF-8", "client", "connect", connect5("06", "", "0001'c' 00 0001 ff 0000"), 0x81],
  ["[X-30] CONNECT with Authentication Data and no Authentication Method", "client", "connect", connect5("02", "16 0001 00", "0001'c'"), 0x82],
  ["CONNECT with a Property Length beyond its end", "client", "connect", "10 0e 0004'MQTT' 05 02 003c 7f 0001'c'", 0x81],
  ["CONNECT without Property Length", "client", "connect", "10 0a 0004'MQTT' 05 02 003c", 0x81],
  ["[X-24] CONNECT with Receive Maximum 0", "client", "connect", connect5("02", "21 0000", "0001'c'"), 0x82],
  ["[X-25] CONNECT with Maximum Packet Size 0", "client", "connect", connect5("02", "27 00000000", "0001'c'"), 0x82],
  ["[X-28] CONNECT with Request Problem Information 2", "client", "connect", connect5("02", "17 02", "0001'c'"), 0x82],
  ["[X-28] CONNECT with Request Response Information 255", "client", "connect", connect5("02", "19 ff", "0001'c'"), 0x82],
  ["[X-7] CONNECT with Session Expiry Interval twice", "client", "connect", connect5("02", "11 00000001 11 00000001", "0001'c'"), 0x82],
  ["[X-7] CONNECT with Authentication Method twice", "client", "connect", connect5("02", "15 0001'm' 15 0001'm'", "0001'c'"), 0x82],
  ["[X-6] CONNECT with Topic Alias", "client", "connect", connect5("02", "23 0001", "0001'c'"), 0x81],
  ["[X-6] CONNECT with Will Delay Interval outside the Will Properties", "client", "connect", connect5("02", "18 00000001", "0001'c'"), 0x81],
  ["[X-6] CONNECT with Session Expiry Interval among the Will Properties", "client", "connect", connect5("06", "", "0001'c' 05 11 00000001 0001'w' 0000"), 0x81],
  ["CONNECT with Will Payload Format Indicator 2", "client", "connect", connect5("06", "", "0001'c' 02 01 02 0001'w' 0000"), 0x82],
  ["[MQTT5-3.3.2-14] CONNECT with a wildcard in the Will's Response Topic", "client", "connect", connect5("06", "", "0001'c' 04 08 0001'#' 0001'w' 0000"), 0x82],

  // --- CONNACK
  ["CONNACK that is too short", "server", 4, "20 01 00", 0x81],
  ["[X-102] CONNACK that is too long, 3.1.1", "server", 4, "20 03 00 00 00", 0x81],
  ["[MQTT5-2.2.2-1] CONNACK without Property Length, 5.0", "server", 5, "20 02 00 00", 0x81],
  ["[MQTT5-3.2.2-1] CONNACK with reserved flags set, 5.0", "server", 5, "20 03 02 00 00", 0x81],
  ["[X-100] CONNACK with reserved flags set, 3.1.1", "server", 4, "20 02 80 00", 0x81],
  ["[MQTT5-3.2.2-6] CONNACK with Session Present and a failure", "server", 5, "20 03 01 80 00", 0x82],
  ["[MQTT3-3.2.2-4] CONNACK with Session Present and a failure, 3.1.1", "server", 4, "20 02 01 05", 0x82],
  ["[X-101] CONNACK with return code 6, 3.1.1", "server", 4, "20 02 00 06", 0x82],
  ["[X-114] CONNACK with return code 6, 3.1", "server", 3, "20 02 00 06", 0x82],
  ["[MQTT5-3.2.2-8] CONNACK with Reason Code 0x01", "server", 5, "20 03 00 01 00", 0x82],
  ["[X-9] CONNACK with Reason Code 0x8B", "server", 5, "20 03 00 8b 00", 0x82],
  ["[X-9] CONNACK with Reason Code 0x9E", "server", 5, "20 03 00 9e 00", 0x82],
  ["[X-39] CONNACK with Maximum QoS 2", "server", 5, "20 05 00 00 02 24 02", 0x82],
  ["[X-40] CONNACK with Retain Available 2", "server", 5, "20 05 00 00 02 25 02", 0x82],
  ["[X-24] CONNACK with Receive Maximum 0", "server", 5, "20 06 00 00 03 21 0000", 0x82],
  ["[X-6] CONNACK with Will Delay Interval", "server", 5, "20 08 00 00 05 18 00000000", 0x81],

  // --- PUBLISH
  ["[MQTT5-3.3.1-4] PUBLISH of QoS 3", "client", 5, "36 06 0001'a' 0001 00", 0x81],
  ["[MQTT3-3.3.1-4] PUBLISH of QoS 3, 3.1.1", "server", 4, "36 05 0001'a' 0001", 0x81],
  ["PUBLISH of QoS 3, 3.1", "client", 3, "36 05 0001'a' 0001", 0x81],
  ["[MQTT5-3.3.1-2] PUBLISH of QoS 0 with DUP", "client", 5, "38 04 0001'a' 00", 0x81],
  ["[MQTT3-3.3.1-2] PUBLISH of QoS 0 with DUP, 3.1.1", "server", 4, "39 03 0001'a'", 0x81],
  ["[MQTT5-2.2.1-3] PUBLISH with Packet Identifier 0", "client", 5, "32 06 0001'a' 0000 00", 0x82],
  ["[MQTT5-2.2.1-4] PUBLISH with Packet Identifier 0, from the Server", "server", 5, "34 06 0001'a' 0000 00", 0x82],
  ["[MQTT3-2.3.1-1] PUBLISH with Packet Identifier 0, 3.1.1", "client", 4, "34 05 0001'a' 0000", 0x82],
  ["[X-126] PUBLISH with Packet Identifier 0, 3.1", "client", 3, "32 05 0001'a' 0000", 0x82],
  ["PUBLISH without a Topic Name", "client", 4, "30 00", 0x81],
  ["PUBLISH that ends inside the length of its Topic Name", "client", 4, "30 01 00", 0x81],
  ["PUBLISH that ends inside its Topic Name", "client", 4, "30 03 0002'a'", 0x81],
  ["PUBLISH whose Topic Name would take in the next packet", "client", 4, "30 03 0002'a' 30 03 0001'b'", 0x81],
  ["PUBLISH that ends inside its Packet Identifier", "client", 4, "32 04 0001'a' 00", 0x81],
  ["PUBLISH without Property Length", "client", 5, "30 03 0001'a'", 0x81],
  ["PUBLISH that ends inside its Property Length", "client", 5, "30 04 0001'a' 80", 0x81],
  ["[X-2] PUBLISH with a Property Length of five bytes", "client", 5, "30 08 0001'a' 80 80 80 80 00", 0x81],
  ["[MQTT5-1.5.5-1] PUBLISH with a Property Length longer than needed", "client", 5, "30 05 0001'a' 80 00", 0x81],
  ["PUBLISH whose properties run past its end", "client", 5, "30 05 0001'a' 02 01", 0x81],
  ["[MQTT5-3.3.2-1] PUBLISH with a Topic Name that is not UTF-8", "client", 5, "30 04 0001 ff 00", 0x81],
  ["[MQTT3-3.3.2-1] PUBLISH with a Topic Name that is not UTF-8, 3.1.1", "client", 4, "30 04 0002 c080", 0x81],
  ["[MQTT5-4.7.3-2] PUBLISH with U+0000 in its Topic Name", "client", 5, "30 05 0002'a' 00 00", 0x81],
  ["[MQTT3-4.7.3-2] PUBLISH with U+0000 in its Topic Name, 3.1.1", "client", 4, "30 04 0002 00'a'", 0x81],
  ["[MQTT5-3.3.2-2] PUBLISH to a#", "client", 5, "30 05 0002'a#' 00", 0x90],
  ["[MQTT3-3.3.2-2] PUBLISH to +", "client", 4, "30 03 0001'+'", 0x90],
  ["[X-48] PUBLISH with neither Topic Name nor Topic Alias", "client", 5, "30 03 0000 00", 0x82],
  ["[MQTT3-4.7.3-1] PUBLISH with an empty Topic Name, 3.1.1", "client", 4, "30 02 0000", 0x82],
  ["[MQTT5-3.3.2-8] PUBLISH with Topic Alias 0", "client", 5, publish5("23 0000"), 0x94],
  ["[X-52] PUBLISH with Topic Alias 0 and no Topic Name", "server", 5, packet("30", "0000 03 23 0000"), 0x94],
  ["[MQTT5-3.3.4-6] PUBLISH from a Client with a Subscription Identifier", "client", 5, publish5("0b 01"), 0x82],
  ["[X-51] PUBLISH with Subscription Identifier 0", "server", 5, publish5("0b 00"), 0x82],
  ["PUBLISH with Payload Format Indicator 2", "client", 5, publish5("01 02"), 0x82],
  ["[X-7] PUBLISH with Payload Format Indicator twice", "client", 5, publish5("01 01 01 01"), 0x82],
  ["[X-7] PUBLISH with Topic Alias twice", "client", 5, publish5("23 0001 23 0001"), 0x82],
  ["[X-7] PUBLISH with Correlation Data twice", "client", 5, publish5("09 0000 09 0000"), 0x82],
  ["[MQTT5-3.3.2-14] PUBLISH with # in Response Topic", "client", 5, publish5("08 0003'r/#'"), 0x82],
  ["[MQTT5-3.3.2-14] PUBLISH with + in Response Topic", "client", 5, publish5("08 0003'+/r'"), 0x82],
  ["[MQTT5-4.7.3-1] PUBLISH with an empty Response Topic", "client", 5, publish5("08 0000"), 0x82],
  ["[MQTT5-3.3.2-13] PUBLISH with a Response Topic that is not UTF-8", "client", 5, publish5("08 0001 80"), 0x81],
  ["[MQTT5-3.3.2-19] PUBLISH with a Content Type that is not UTF-8", "client", 5, publish5("03 0002 e282"), 0x81],
  ["[MQTT5-1.5.7-1] PUBLISH with a User Property whose name is not UTF-8", "client", 5, publish5("26 0001 ff 0001'v'"), 0x81],
  ["[MQTT5-1.5.7-1] PUBLISH with a User Property whose value has U+0000", "client", 5, publish5("26 0001'k' 0001 00"), 0x81],
  ["[X-6] PUBLISH with an unknown property", "client", 5, publish5("04 00"), 0x81],
  ["[X-6] PUBLISH with property 0x00", "client", 5, publish5("00 00"), 0x81],
  ["[X-6] PUBLISH with property 0x2B, behind the last", "client", 5, publish5("2b 00"), 0x81],
  ["[X-6] PUBLISH with a property identifier of two bytes", "client", 5, publish5("81 01 00"), 0x81],
  ["[X-6] PUBLISH with Session Expiry Interval", "client", 5, publish5("11 00000001"), 0x81],
  ["[X-6] PUBLISH with Reason String", "server", 5, publish5("1f 0001's'"), 0x81],
  ["PUBLISH that ends behind a property identifier", "client", 5, publish5("01"), 0x81],
  ["PUBLISH with a Message Expiry Interval of three bytes", "client", 5, publish5("02 000000"), 0x81],
  ["PUBLISH with a Topic Alias of one byte", "client", 5, publish5("23 01"), 0x81],
  ["PUBLISH with Correlation Data that runs past the properties", "client", 5, publish5("09 0002 00"), 0x81],
  ["PUBLISH with a string length of one byte", "client", 5, publish5("03 00"), 0x81],
  ["PUBLISH with a User Property without value", "client", 5, publish5("26 0001'k'"), 0x81],
  ["[X-2] PUBLISH with a Subscription Identifier of five bytes", "server", 5, publish5("0b ff ff ff ff 01"), 0x81],

  // --- Acknowledgements
  ["PUBACK without Packet Identifier", "client", 5, "40 01 00", 0x81],
  ["PUBACK with Packet Identifier 0", "client", 4, "40 02 0000", 0x82],
  ["[X-102] PUBACK of three bytes, 3.1.1", "client", 4, "40 03 0001 00", 0x81],
  ["[X-102] PUBCOMP of four bytes, 3.1", "server", 3, "70 04 0001 00 00", 0x81],
  ["[MQTT5-3.4.2-1] PUBACK with Reason Code 0x01", "client", 5, "40 03 0001 01", 0x82],
  ["[X-10] PUBACK from a Client with Reason Code 0x10", "client", 5, "40 03 0001 10", 0x82],
  ["[MQTT5-3.5.2-1] PUBREC with Reason Code 0x92", "server", 5, "50 03 0001 92", 0x82],
  ["[MQTT5-3.6.2-1] PUBREL with Reason Code 0x80", "client", 5, "62 03 0001 80", 0x82],
  ["[MQTT5-3.7.2-1] PUBCOMP with Reason Code 0x10", "server", 5, "70 03 0001 10", 0x82],
  ["PUBACK with a Property Length beyond its end", "client", 5, "40 04 0001 00 01", 0x81],
  ["PUBACK with bytes behind its properties", "client", 5, "40 05 0001 00 00 00", 0x81],
  ["[X-6] PUBACK with Content Type", "client", 5, "40 08 0001 00 04 03 0001't'", 0x81],
  ["[X-7] PUBREC with Reason String twice", "client", 5, "50 0c 0001 00 08 1f 0001's' 1f 0001's'", 0x82],

  // --- SUBSCRIBE and SUBACK
  ["SUBSCRIBE without a body", "client", 5, "82 00", 0x81],
  ["SUBSCRIBE with Packet Identifier 0", "client", 5, "82 07 0000 00 0001'a' 00", 0x82],
  ["[MQTT3-2.3.1-1] SUBSCRIBE with Packet Identifier 0, 3.1.1", "client", 4, "82 06 0000 0001'a' 00", 0x82],
  ["[MQTT5-3.8.3-2] SUBSCRIBE without a Topic Filter", "client", 5, "82 03 0001 00", 0x82],
  ["[MQTT3-3.8.3-3] SUBSCRIBE without a Topic Filter, 3.1.1", "client", 4, "82 02 0001", 0x82],
  ["SUBSCRIBE without options behind its Topic Filter", "client", 4, "82 05 0001 0001'a'", 0x81],
  ["[MQTT5-3.8.3-1] SUBSCRIBE with a Topic Filter that is not UTF-8", "client", 5, subscribe5("", "0001 ff 00"), 0x81],
  ["[MQTT3-3.8.3-1] SUBSCRIBE with a Topic Filter that is not UTF-8, 3.1.1", "client", 4, "82 06 0001 0001 ff 00", 0x81],
  ["[MQTT5-3.8.3-5] SUBSCRIBE with bit 6 of the options", "client", 5, subscribe5("", "0001'a' 40"), 0x81],
  ["[MQTT5-3.8.3-5] SUBSCRIBE with bit 7 of the options", "client", 5, subscribe5("", "0001'a' 80"), 0x81],
  ["[MQTT3-3.8.3-4] SUBSCRIBE with a reserved bit beside the QoS, 3.1.1", "client", 4, "82 06 0001 0001'a' 04", 0x81],
  ["[X-62] SUBSCRIBE for QoS 3", "client", 5, subscribe5("", "0001'a' 03"), 0x82],
  ["[MQTT3-3.8.3-4] SUBSCRIBE for QoS 3, 3.1.1", "client", 4, "82 06 0001 0001'a' 03", 0x81],
  ["[X-125] SUBSCRIBE for QoS 3, 3.1", "client", 3, "82 06 0001 0001'a' 03", 0x81],
  ["[X-62] SUBSCRIBE with Retain Handling 3", "client", 5, subscribe5("", "0001'a' 30"), 0x82],
  ["[MQTT5-3.8.3-4] SUBSCRIBE with No Local on a Shared Subscription", "client", 5, subscribe5("", "000a'$share/g/t' 04"), 0x82],
  ["[X-51] SUBSCRIBE with Subscription Identifier 0", "client", 5, subscribe5("0b 00", "0001'a' 00"), 0x82],
  ["[X-51] SUBSCRIBE with two Subscription Identifiers", "client", 5, subscribe5("0b 01 0b 02", "0001'a' 00"), 0x82],
  ["[X-6] SUBSCRIBE with Reason String", "client", 5, subscribe5("1f 0000", "0001'a' 00"), 0x81],
  ["SUBACK without Reason Codes", "server", 4, "90 02 0001", 0x81],
  ["SUBACK with Packet Identifier 0", "server", 4, "90 03 0000 00", 0x82],
  ["[X-12] SUBACK with Reason Code 0x03", "server", 5, "90 04 0001 00 03", 0x82],
  ["[MQTT5-3.9.3-2] SUBACK with Reason Code 0x92", "server", 5, "90 04 0001 00 92", 0x82],
  ["[MQTT3-3.9.3-2] SUBACK with return code 0x87, 3.1.1", "server", 4, "90 03 0001 87", 0x82],
  ["[X-124] SUBACK with return code 0x80, 3.1", "server", 3, "90 03 0001 80", 0x82],

  // --- UNSUBSCRIBE and UNSUBACK
  ["[MQTT5-3.10.3-2] UNSUBSCRIBE without a Topic Filter", "client", 5, "a2 03 0001 00", 0x82],
  ["[MQTT3-3.10.3-2] UNSUBSCRIBE without a Topic Filter, 3.1.1", "client", 4, "a2 02 0001", 0x82],
  ["UNSUBSCRIBE with Packet Identifier 0", "client", 3, "a2 05 0000 0001'a'", 0x82],
  ["[MQTT5-3.10.3-1] UNSUBSCRIBE with a Topic Filter that is not UTF-8", "client", 5, "a2 06 0001 00 0001 c0", 0x81],
  ["[MQTT3-3.10.3-1] UNSUBSCRIBE with a Topic Filter that is not UTF-8, 3.1.1", "client", 4, "a2 05 0001 0001 c0", 0x81],
  ["UNSUBSCRIBE that ends inside a Topic Filter", "client", 4, "a2 05 0001 0002'a'", 0x81],
  ["[X-102] UNSUBACK of three bytes, 3.1.1", "server", 4, "b0 03 0001 00", 0x81],
  ["UNSUBACK of 5.0 without Reason Codes", "server", 5, "b0 03 0001 00", 0x81],
  ["[X-13] UNSUBACK with Reason Code 0x01", "server", 5, "b0 04 0001 00 01", 0x82],
  ["[MQTT5-3.11.3-2] UNSUBACK with Reason Code 0x97", "server", 5, "b0 04 0001 00 97", 0x82],

  // --- PINGREQ, PINGRESP, DISCONNECT, AUTH
  ["[X-102] PINGREQ with a body", "client", 5, "c0 01 00", 0x81],
  ["[X-102] PINGRESP with a body", "server", 4, "d0 01 00", 0x81],
  ["[X-102] DISCONNECT with a body, 3.1.1", "client", 4, "e0 01 00", 0x81],
  ["[X-102] DISCONNECT with a body, 3.1", "client", 3, "e0 02 0000", 0x81],
  ["[MQTT5-3.14.2-1] DISCONNECT with Reason Code 0x01", "client", 5, "e0 01 01", 0x82],
  ["[X-15] DISCONNECT 0x8E from a Client", "client", 5, "e0 01 8e", 0x82],
  ["[X-14] DISCONNECT 0x04 from the Server", "server", 5, "e0 01 04", 0x82],
  ["[X-14] DISCONNECT 0x91 from the Server", "server", 5, "e0 01 91", 0x82],
  ["[MQTT5-3.14.2-2] DISCONNECT from the Server with Session Expiry Interval", "server", 5, "e0 07 00 05 11 00000000", 0x82],
  ["DISCONNECT with bytes behind its properties", "client", 5, "e0 03 00 00 00", 0x81],
  ["[X-6] DISCONNECT with Receive Maximum", "client", 5, "e0 05 00 03 21 0001", 0x81],
  ["[X-70] AUTH with Remaining Length 0: no Authentication Method", "server", 5, "f0 00", 0x82],
  ["[X-70] AUTH without Authentication Method", "client", 5, "f0 02 18 00", 0x82],
  ["[X-17] AUTH 0x19 from the Server", "server", 5, "f0 06 19 04 15 0001'm'", 0x82],
  ["[X-17] AUTH 0x00 from a Client", "client", 5, "f0 06 00 04 15 0001'm'", 0x82],
  ["[MQTT5-3.15.2-1] AUTH with Reason Code 0x80", "client", 5, "f0 06 80 04 15 0001'm'", 0x82],
  ["AUTH with bytes behind its properties", "client", 5, "f0 07 18 04 15 0001'm' 00", 0x81],
];

const codes: Readonly<Record<number, string>> = {
  [ReasonCode.malformedPacket]: "ERR_MALFORMED_PACKET",
  [ReasonCode.topicNameInvalid]: "ERR_TOPIC_NAME",
};

for (const [what, from, version, spelled, reasonCode] of refusals) {
  test(`${what} is refused with 0x${reasonCode.toString(16)}`, () => {
    const expected = { from, version: version === "connect" ? undefined : version };
    const bytes = bytesOf(spelled);
    // Whole, and byte by byte, which goes another way through the parser.
    for (const chunks of [[bytes], bytesOneByOne(bytes)]) {
      const fault = faultOf(chunks, expected);
      assert.equal(fault.name, "ProtocolError", fault.stack);
      assert.equal(fault.reasonCode, reasonCode, fault.message);
      assert.equal(fault.code, codes[reasonCode] ?? "ERR_PROTOCOL", fault.message);
    }
  });
}

for (const [what, spelled, version] of [
  ["level 6 is answered as 5.0", "10 0d 0004'MQTT' 06 02 003c 0001'c'", 5],
  ["level 127 with the bridge bit is answered as 5.0", "10 0d 0004'MQTT' ff 02 003c 0001'c'", 5],
  ["level 3 with the new name is answered as 3.1.1", "10 0d 0004'MQTT' 03 02 003c 0001'c'", 4],
  ["level 4 with the old name is answered as 3.1", "10 0f 0006'MQIsdp' 04 02 003c 0001'c'", 3],
  ["an unknown name is answered as 3.1.1", "10 0d 0004'HTTP' 04 02 003c 0001'c'", 4],
  ["no name at all is answered as 3.1.1", "10 00", 4],
  [
    "a name as long as the old one is answered as 3.1.1",
    "10 0f 0006'HTTP/2' 04 02 003c 0001'c'",
    4,
  ],
  [
    "a name with a letter of the old one is answered as 3.1.1",
    "10 0d 0004'MQI2' 04 02 003c 0001'c'",
    4,
  ],
  ["a level that stands behind the packet does not count", "10 06 0004'MQTT' 05 02", 4],
  ["a broken CONNECT of 5.0 is answered as 5.0", "10 0d 0004'MQTT' 05 03 003c 0001'c'", 5],
] as const) {
  test(`[MQTT3-3.1.2-2] [MQTT5-3.1.2-2] [X-110] ${what}`, () => {
    const parser = parserFor();
    assert.throws(() => packetsOf(parser, bytesOf(spelled)), { name: "ProtocolError" });
    assert.equal(parser.protocolVersion, version);
  });
}

test("[X-25] a packet above the Maximum Packet Size is refused with 0x95 before its body arrives", () => {
  for (const [spelled, size] of [
    ["30 12", 20],
    ["30 ff ff ff 7f", 268_435_460],
    ["82 80 01", 131],
  ] as const) {
    const bytes = bytesOf(spelled);
    for (const chunks of [[bytes], bytesOneByOne(bytes)]) {
      const fault = faultOf(chunks, { version: 5, maximumPacketSize: size - 1 });
      assert.equal(fault.code, "ERR_PACKET_TOO_LARGE");
      assert.equal(fault.reasonCode, 0x95);
      const parser = parserFor({ version: 5, maximumPacketSize: size });
      assert.deepEqual(packetsOf(parser, ...chunks), []);
    }
  }
});

test("a parser that has thrown goes on throwing the same", () => {
  for (const chunks of [["30 01 00 c000"], ["30", "01 00 c000"]]) {
    const parser = parserFor({ version: 4 });
    const pieces = chunks.map(bytesOf);
    assert.throws(() => packetsOf(parser, ...pieces), { code: "ERR_MALFORMED_PACKET" });
    assert.throws(() => parser.next(), { code: "ERR_MALFORMED_PACKET" });
  }
});
