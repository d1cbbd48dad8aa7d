import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ProtocolVersion } from "@sericite/protocol";
import { createBroker } from "../broker.ts";
import type { Broker } from "../broker.ts";
import { RawSocket } from "../raw-socket.test-support.ts";
import { bytesOf } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, VERSIONS } from "../test-broker.test-support.ts";

/** A packet whose body is spelled; its Remaining Length is filled in. */
function packet(firstByte: string, body: string): string {
  const length = bytesOf(body).length;
  assert.ok(length < 128);
  return `${firstByte} ${length.toString(16).padStart(2, "0")} ${body}`;
}
const propertiesOf = (spelled: string): string =>
  `${bytesOf(spelled).length.toString(16).padStart(2, "0")} ${spelled}`;
const connect5 = (flags: string, properties: string, rest: string): string =>
  packet("10", `0004'MQTT' 05 ${flags} 003c ${propertiesOf(properties)} ${rest}`);
const connect4 = (flags: string, rest: string): string =>
  packet("10", `0004'MQTT' 04 ${flags} 003c ${rest}`);
const connect3 = (flags: string, rest: string): string =>
  packet("10", `0006'MQIsdp' 03 ${flags} 003c ${rest}`);
const publish5 = (properties: string): string =>
  packet("30", `0001'a' ${propertiesOf(properties)} 'x'`);
const subscribe5 = (properties: string, rest: string): string =>
  packet("82", `0001 ${propertiesOf(properties)} ${rest}`);

/**
 * What a client may not send in place of CONNECT, or as one. The code is that of CONNACK; 0: the
 * connection is closed without a word, as 3.x always is where no return code fits.
 */
// prettier-ignore
const first: readonly (readonly [what: string, spelled: string, code: number])[] = [
  ["[X-3] the reserved type 0", "00 00", 0],
  ["[MQTT3-3.1.0-1] [MQTT5-3.1.0-1] PUBLISH", "30 04 0001'a' 'x'", 0],
  ["[MQTT3-3.1.0-1] [MQTT5-3.1.0-1] PINGREQ", "c0 00", 0],
  ["[MQTT3-3.1.0-1] [MQTT5-3.1.0-1] AUTH", "f0 00", 0],
  ["a TLS handshake", "16 03 01 02 00 01 00 01 fc 03 03", 0],
  ["an HTTP request", "'GET / HTTP/1.1' 0d 0a 0d 0a", 0],
  ["[X-2] [X-91] a CONNECT with a Remaining Length of five bytes", "10 80 80 80 80 01", 0],
  ["[X-25] a CONNECT that announces 256 MB", "10 ff ff ff 7f", 0],
  ["[MQTT3-3.1.2-2] MQTT level 3", packet("10", "0004'MQTT' 03 02 003c 0001'c'"), 1],
  ["[MQTT5-3.1.2-2] MQTT level 6", packet("10", "0004'MQTT' 06 02 003c 00 0001'c'"), 0x84],
  ["[MQTT3-3.1.2-1] [MQTT5-3.1.2-1] the protocol MQTTX", packet("10", "0005'MQTTX' 04 02 003c 0001'c'"), 1],
  ["[X-110] MQIsdp level 5", packet("10", "0006'MQIsdp' 05 02 003c 0001'c'"), 1],
  ["an empty CONNECT", "10 00", 0],
  ["a CONNECT that ends inside its protocol name", "10 04 0004'MQ'", 0],
  ["a CONNECT without Connect Flags", packet("10", "0004'MQTT' 04"), 0],
  ["a CONNECT without Keep Alive", packet("10", "0004'MQTT' 04 02"), 0],
  ["[MQTT3-3.1.3-3] a CONNECT without Client Identifier, 3.1.1", packet("10", "0004'MQTT' 04 02 003c"), 0],
  ["[MQTT5-3.1.3-3] a CONNECT without Client Identifier, 5.0", packet("10", "0004'MQTT' 05 02 003c 00"), 0x81],
  ["[MQTT3-2.2.2-2] a CONNECT with reserved flags, 3.1.1", connect4("02", "0001'c'").replace("10", "11"), 0],
  ["[MQTT5-2.1.3-1] a CONNECT with reserved flags, 5.0", connect5("02", "", "0001'c'").replace("10", "18"), 0x81],
  ["[MQTT3-3.1.2-3] Connect Flags bit 0, 3.1.1", connect4("03", "0001'c'"), 0],
  ["[MQTT5-3.1.2-3] Connect Flags bit 0, 5.0", connect5("03", "", "0001'c'"), 0x81],
  ["[MQTT3-3.1.2-13] Will QoS without Will Flag, 3.1.1", connect4("0a", "0001'c'"), 0],
  ["[MQTT5-3.1.2-11] Will QoS without Will Flag, 5.0", connect5("0a", "", "0001'c'"), 0x81],
  ["[MQTT3-3.1.2-15] Will Retain without Will Flag, 3.1.1", connect4("22", "0001'c'"), 0],
  ["[MQTT5-3.1.2-13] Will Retain without Will Flag, 5.0", connect5("22", "", "0001'c'"), 0x81],
  ["[MQTT3-3.1.2-14] Will QoS 3, 3.1.1", connect4("1e", "0001'c' 0001'w' 0000"), 0],
  ["[MQTT5-3.1.2-12] Will QoS 3, 5.0", connect5("1e", "", "0001'c' 00 0001'w' 0000"), 0x81],
  ["[MQTT5-3.1.2-9] Will Flag and no Will, 5.0", connect5("06", "", "0001'c'"), 0x81],
  ["[MQTT3-3.1.2-9] Will Flag and no Will Message, 3.1.1", connect4("06", "0001'c' 0001'w'"), 0],
  ["[MQTT5-4.7.0-1] a wildcard in the Will Topic, 5.0", connect5("06", "", "0001'c' 00 0003'w/#' 0000"), 0x90],
  ["[MQTT3-4.7.1-1] a wildcard in the Will Topic, 3.1.1", connect4("06", "0001'c' 0003'+/w' 0000"), 0],
  ["[MQTT5-4.7.3-1] an empty Will Topic, 5.0", connect5("06", "", "0001'c' 00 0000 0000"), 0x90],
  ["[MQTT5-3.1.3-11] a Will Topic that is not UTF-8, 5.0", connect5("06", "", "0001'c' 00 0001 ff 0000"), 0x81],
  ["[MQTT3-3.1.3-10] a Will Topic that is not UTF-8, 3.1.1", connect4("06", "0001'c' 0001 ff 0000"), 0],
  ["[MQTT3-3.1.2-22] Password without User Name, 3.1.1", connect4("42", "0001'c' 0001'p'"), 0],
  ["[X-113] Password without User Name, 3.1", connect3("42", "0001'c' 0001'p'"), 0],
  ["[MQTT5-3.1.2-17] User Name Flag without a User Name, 5.0", connect5("82", "", "0001'c'"), 0x81],
  ["[MQTT3-3.1.2-21] Password Flag without a Password, 3.1.1", connect4("c2", "0001'c' 0001'u'"), 0],
  ["[MQTT5-3.1.2-16] a User Name without its flag, 5.0", connect5("02", "", "0001'c' 0001'u'"), 0x81],
  ["[MQTT3-3.1.2-18] a User Name without its flag, 3.1.1", connect4("02", "0001'c' 0001'u'"), 0],
  ["[MQTT5-1.5.4-1] a surrogate in the Client Identifier, 5.0", connect5("02", "", "0003 eda080"), 0x81],
  ["[MQTT3-1.5.3-1] a surrogate in the Client Identifier, 3.1.1", connect4("02", "0003 eda080"), 0],
  ["[MQTT5-1.5.4-2] U+0000 in the Client Identifier, 5.0", connect5("02", "", "0001 00"), 0x81],
  ["[MQTT3-1.5.3-2] U+0000 in the Client Identifier, 3.1.1", connect4("02", "0003'a' 00'b'"), 0],
  ["[MQTT5-3.1.3-12] a User Name that is not UTF-8, 5.0", connect5("82", "", "0001'c' 0001 ff"), 0x81],
  ["[MQTT3-3.1.3-11] a User Name that is not UTF-8, 3.1.1", connect4("82", "0001'c' 0001 ff"), 0],
  ["[X-30] Authentication Data without a Method", connect5("02", "16 0001 00", "0001'c'"), 0x82],
  ["[MQTT5-4.12.0-1] an Authentication Method that is not known", connect5("02", "15 0001'm'", "0001'c'"), 0x8c],
  ["a Property Length beyond the packet", "10 0e 0004'MQTT' 05 02 003c 7f 0001'c'", 0x81],
  ["[MQTT5-2.2.2-1] no Property Length", "10 0a 0004'MQTT' 05 02 003c", 0x81],
  ["[X-24] Receive Maximum 0", connect5("02", "21 0000", "0001'c'"), 0x82],
  ["[X-25] Maximum Packet Size 0", connect5("02", "27 00000000", "0001'c'"), 0x82],
  ["[X-28] Request Problem Information 2", connect5("02", "17 02", "0001'c'"), 0x82],
  ["[X-28] Request Response Information 2", connect5("02", "19 02", "0001'c'"), 0x82],
  ["[X-7] Session Expiry Interval twice", connect5("02", "11 00000001 11 00000001", "0001'c'"), 0x82],
  ["[X-6] Topic Alias in CONNECT", connect5("02", "23 0001", "0001'c'"), 0x81],
  ["[X-6] Will Delay Interval outside the Will", connect5("02", "18 00000001", "0001'c'"), 0x81],
  ["[X-6] an unknown property", connect5("02", "7e 00", "0001'c'"), 0x81],
  ["[X-6] Session Expiry Interval in the Will", connect5("06", "", "0001'c' 05 11 00000001 0001'w' 0000"), 0x81],
  ["[MQTT5-3.3.2-14] a wildcard in the Will's Response Topic", connect5("06", "", "0001'c' 04 08 0001'#' 0001'w' 0000"), 0x82],
  ["[MQTT3-3.1.3-8] an empty Client Identifier with Clean Session 0, 3.1.1", connect4("00", "0000"), 2],
  ["[X-111] an empty Client Identifier, 3.1", connect3("02", "0000"), 2],
];

/** What a client may not send once it is connected. The code is that of DISCONNECT; 3.x is just closed. */
// prettier-ignore
const later: readonly (readonly [what: string, versions: readonly ProtocolVersion[], spelled: string, code: number])[] = [
  // --- Fixed header
  ["[X-3] [X-90] the reserved type 0", VERSIONS, "00 00", 0x81],
  ["[X-90] type 15", [3, 4], "f0 00", 0x81],
  ["[MQTT3-3.1.0-2] [MQTT5-3.1.0-2] a second CONNECT", [5], connect5("02", "", "0001'd'"), 0x82],
  ["[MQTT3-3.1.0-2] [MQTT5-3.1.0-2] a second CONNECT", [4], connect4("02", "0001'd'"), 0x82],
  ["[MQTT3-3.1.0-2] a second CONNECT", [3], connect3("02", "0001'd'"), 0x82],
  ["[X-3] CONNACK", [4, 5], "20 02 00 00", 0x82],
  ["[X-3] SUBACK", [3, 4, 5], "90 03 0001 00", 0x82],
  ["[X-3] UNSUBACK", [3, 4, 5], "b0 02 0001", 0x82],
  ["[X-3] PINGRESP", [3, 4, 5], "d0 00", 0x82],
  ["[MQTT5-2.1.3-1] [MQTT3-2.2.2-2] PUBACK with reserved flags", [4, 5], "42 02 0001", 0x81],
  ["[MQTT5-2.1.3-1] [MQTT3-2.2.2-2] PUBREC with reserved flags", [4, 5], "51 02 0001", 0x81],
  ["[MQTT5-3.6.1-1] [MQTT3-3.6.1-1] PUBREL with flags 0000", [4, 5], "60 02 0001", 0x81],
  ["[MQTT5-3.6.1-1] [MQTT3-3.6.1-1] PUBREL with DUP", [4, 5], "6a 02 0001", 0x81],
  ["[MQTT5-2.1.3-1] [MQTT3-2.2.2-2] PUBCOMP with reserved flags", [4, 5], "78 02 0001", 0x81],
  ["[MQTT5-3.8.1-1] SUBSCRIBE with flags 0000", [5], "80 07 0001 00 0001'a' 00", 0x81],
  ["[MQTT3-3.8.1-1] SUBSCRIBE with flags 0000", [4], "80 06 0001 0001'a' 00", 0x81],
  ["[MQTT3-3.8.1-1] SUBSCRIBE with DUP", [4], "8a 06 0001 0001'a' 00", 0x81],
  ["[MQTT5-3.10.1-1] UNSUBSCRIBE with flags 0000", [5], "a0 06 0001 00 0001'a'", 0x81],
  ["[MQTT3-3.10.1-1] UNSUBSCRIBE with flags 0011", [4], "a3 05 0001 0001'a'", 0x81],
  ["[MQTT5-2.1.3-1] [MQTT3-2.2.2-2] PINGREQ with reserved flags", [4, 5], "c1 00", 0x81],
  ["[MQTT5-3.14.1-1] [MQTT3-3.14.1-1] DISCONNECT with reserved flags", [4, 5], "e2 00", 0x81],
  ["[MQTT5-3.15.1-1] AUTH with reserved flags", [5], "f4 00", 0x81],
  ["[X-2] [X-91] a Remaining Length of five bytes", VERSIONS, "30 80 80 80 80 01", 0x81],
  ["[MQTT5-1.5.5-1] a Remaining Length longer than needed", [5], "c0 80 00", 0x81],
  ["[X-25] a packet that announces 256 MB", VERSIONS, "30 ff ff ff 7f", 0x95],
  ["[X-102] PINGREQ with a body", VERSIONS, "c0 01 00", 0x81],

  // --- PUBLISH
  ["[MQTT5-3.3.1-4] QoS 3", [5], "36 06 0001'a' 0001 00", 0x81],
  ["[MQTT3-3.3.1-4] QoS 3", [3, 4], "36 05 0001'a' 0001", 0x81],
  ["[MQTT5-3.3.1-2] DUP with QoS 0", [5], "38 04 0001'a' 00", 0x81],
  ["[MQTT3-3.3.1-2] DUP with QoS 0", [4], "38 03 0001'a'", 0x81],
  ["[MQTT5-2.2.1-3] Packet Identifier 0 in PUBLISH", [5], "32 06 0001'a' 0000 00", 0x82],
  ["[MQTT3-2.3.1-1] [X-126] Packet Identifier 0 in PUBLISH", [3, 4], "34 05 0001'a' 0000", 0x82],
  ["a PUBLISH without a Topic Name", VERSIONS, "30 00", 0x81],
  ["a PUBLISH that ends inside its Topic Name", VERSIONS, "30 03 0002'a'", 0x81],
  ["a PUBLISH that ends inside its Packet Identifier", VERSIONS, "32 04 0001'a' 00", 0x81],
  ["a PUBLISH without Property Length", [5], "30 03 0001'a'", 0x81],
  ["[X-2] a Property Length of five bytes", [5], "30 08 0001'a' 80 80 80 80 00", 0x81],
  ["a Property Length longer than the packet", [5], "30 05 0001'a' 02 01", 0x81],
  ["[MQTT5-3.3.2-1] a Topic Name that is not UTF-8", [5], "30 04 0001 ff 00", 0x81],
  ["[MQTT3-3.3.2-1] [MQTT3-1.5.3-1] a Topic Name in overlong UTF-8", [3, 4], "30 04 0002 c080", 0x81],
  ["[MQTT5-1.5.4-1] a Topic Name with a surrogate", [5], "30 06 0003 edbfbf 00", 0x81],
  ["[MQTT5-4.7.3-2] U+0000 in the Topic Name", [5], "30 05 0002'a' 00 00", 0x81],
  ["[MQTT3-4.7.3-2] U+0000 in the Topic Name", [3, 4], "30 04 0002 00'a'", 0x81],
  ["[MQTT5-3.3.2-2] [MQTT5-4.7.0-1] a wildcard in the Topic Name", [5], "30 05 0002'a#' 00", 0x90],
  ["[MQTT3-3.3.2-2] [MQTT3-4.7.1-1] a wildcard in the Topic Name", [3, 4], "30 03 0001'+'", 0x90],
  ["[X-48] neither Topic Name nor Topic Alias", [5], "30 03 0000 00", 0x82],
  ["[MQTT3-4.7.3-1] an empty Topic Name", [3, 4], "30 02 0000", 0x82],
  ["[MQTT5-3.3.2-8] [X-52] Topic Alias 0", [5], publish5("23 0000"), 0x94],
  ["[MQTT5-3.3.2-9] [X-52] a Topic Alias above the maximum", [5], publish5("23 ffff"), 0x94],
  ["[X-53] a Topic Alias never set", [5], packet("30", "0000 03 23 0001"), 0x82],
  ["[MQTT5-3.3.4-6] a Subscription Identifier in a Client's PUBLISH", [5], publish5("0b 01"), 0x82],
  ["a Payload Format Indicator of 2", [5], publish5("01 02"), 0x82],
  ["[X-7] Content Type twice", [5], publish5("03 0001't' 03 0001't'"), 0x82],
  ["[MQTT5-3.3.2-14] a wildcard in the Response Topic", [5], publish5("08 0003'r/#'"), 0x82],
  ["[MQTT5-3.3.2-13] a Response Topic that is not UTF-8", [5], publish5("08 0001 80"), 0x81],
  ["[MQTT5-3.3.2-19] a Content Type that is not UTF-8", [5], publish5("03 0002 e282"), 0x81],
  ["[MQTT5-1.5.7-1] a User Property that is not UTF-8", [5], publish5("26 0001 ff 0001'v'"), 0x81],
  ["[X-6] an unknown property", [5], publish5("04 00"), 0x81],
  ["[X-6] a property of another packet", [5], publish5("11 00000001"), 0x81],
  ["a property that runs past its end", [5], publish5("02 000000"), 0x81],

  // --- Acknowledgements
  ["a PUBACK without Packet Identifier", VERSIONS, "40 01 00", 0x81],
  ["a PUBACK with Packet Identifier 0", VERSIONS, "40 02 0000", 0x82],
  ["[X-102] a PUBACK that is too long", [3, 4], "40 03 0001 00", 0x81],
  ["[MQTT5-3.4.2-1] [X-10] PUBACK 0x10 of a Client", [5], "40 03 0001 10", 0x82],
  ["[MQTT5-3.5.2-1] PUBREC 0x92", [5], "50 03 0001 92", 0x82],
  ["[MQTT5-3.6.2-1] [X-11] PUBREL 0x80", [5], "62 03 0001 80", 0x82],
  ["[MQTT5-3.7.2-1] [X-11] PUBCOMP 0x10", [5], "70 03 0001 10", 0x82],
  ["a PUBREC whose Property Length is too large", [5], "50 04 0001 00 01", 0x81],
  ["[X-6] a PUBREL with Content Type", [5], "62 08 0001 00 04 03 0001't'", 0x81],
  ["[X-7] a PUBCOMP with Reason String twice", [5], "70 0c 0001 00 08 1f 0001's' 1f 0001's'", 0x82],

  // --- SUBSCRIBE
  ["a SUBSCRIBE without a body", VERSIONS, "82 00", 0x81],
  ["[MQTT5-2.2.1-3] Packet Identifier 0 in SUBSCRIBE", [5], "82 07 0000 00 0001'a' 00", 0x82],
  ["[MQTT3-2.3.1-1] Packet Identifier 0 in SUBSCRIBE", [3, 4], "82 06 0000 0001'a' 00", 0x82],
  ["[MQTT5-3.8.3-2] a SUBSCRIBE without a Topic Filter", [5], "82 03 0001 00", 0x82],
  ["[MQTT3-3.8.3-3] a SUBSCRIBE without a Topic Filter", [3, 4], "82 02 0001", 0x82],
  ["a Topic Filter without options", [3, 4], "82 05 0001 0001'a'", 0x81],
  ["[MQTT5-3.8.3-1] a Topic Filter that is not UTF-8", [5], subscribe5("", "0001 ff 00"), 0x81],
  ["[MQTT3-3.8.3-1] a Topic Filter that is not UTF-8", [3, 4], "82 06 0001 0001 ff 00", 0x81],
  ["[MQTT5-3.8.3-5] bit 6 of the options", [5], subscribe5("", "0001'a' 40"), 0x81],
  ["[MQTT5-3.8.3-5] bit 7 of the options", [5], subscribe5("", "0001'a' 80"), 0x81],
  ["[MQTT3-3.8.3-4] a reserved bit beside the QoS", [4], "82 06 0001 0001'a' 04", 0x81],
  ["[X-62] QoS 3 asked for", [5], subscribe5("", "0001'a' 03"), 0x82],
  ["[MQTT3-3.8.3-4] [X-125] QoS 3 asked for", [3, 4], "82 06 0001 0001'a' 03", 0x81],
  ["[X-62] Retain Handling 3", [5], subscribe5("", "0001'a' 30"), 0x82],
  ["[MQTT5-3.8.3-4] No Local on a Shared Subscription", [5], subscribe5("", "000a'$share/g/t' 04"), 0x82],
  ["[X-51] Subscription Identifier 0", [5], subscribe5("0b 00", "0001'a' 00"), 0x82],
  ["[X-51] two Subscription Identifiers", [5], subscribe5("0b 01 0b 02", "0001'a' 00"), 0x82],
  ["[X-6] a SUBSCRIBE with Reason String", [5], subscribe5("1f 0000", "0001'a' 00"), 0x81],

  // --- UNSUBSCRIBE
  ["[MQTT5-3.10.3-2] an UNSUBSCRIBE without a Topic Filter", [5], "a2 03 0001 00", 0x82],
  ["[MQTT3-3.10.3-2] an UNSUBSCRIBE without a Topic Filter", [3, 4], "a2 02 0001", 0x82],
  ["[MQTT5-2.2.1-3] Packet Identifier 0 in UNSUBSCRIBE", [5], "a2 06 0000 00 0001'a'", 0x82],
  ["[MQTT3-2.3.1-1] Packet Identifier 0 in UNSUBSCRIBE", [3, 4], "a2 05 0000 0001'a'", 0x82],
  ["[MQTT5-3.10.3-1] an UNSUBSCRIBE that is not UTF-8", [5], "a2 06 0001 00 0001 c0", 0x81],
  ["[MQTT3-3.10.3-1] an UNSUBSCRIBE that is not UTF-8", [3, 4], "a2 05 0001 0001 c0", 0x81],

  // --- DISCONNECT and AUTH
  ["[X-102] a DISCONNECT with a body", [3, 4], "e0 01 00", 0x81],
  ["[MQTT5-3.14.2-1] [X-15] DISCONNECT 0x8B of a Client", [5], "e0 01 8b", 0x82],
  ["[X-69] a Session Expiry Interval in DISCONNECT after none in CONNECT", [5], "e0 07 00 05 11 00000001", 0x82],
  ["[X-6] a DISCONNECT with Topic Alias", [5], "e0 05 00 03 23 0001", 0x81],
  ["[X-70] AUTH where CONNECT had no Authentication Method", [5], "f0 06 19 04 15 0001'm'", 0x82],
  ["[X-70] AUTH without Authentication Method", [5], "f0 00", 0x82],
  ["[MQTT5-3.15.2-1] [X-17] AUTH 0x00 of a Client", [5], "f0 06 00 04 15 0001'm'", 0x82],
];

let broker: Broker;
let port: number;
before(async () => {
  broker = await createBroker();
  ({ port } = await broker.listen({ port: 0 }));
});
after(() => broker.close());

const hex = (code: number): string => `0x${code.toString(16).padStart(2, "0")}`;

for (const [what, spelled, code] of first) {
  test(`${what}, first: ${code === 0 ? "closed without a word" : `CONNACK ${hex(code)} and closed`}`, async () => {
    const raw = await RawSocket.open(port, code === 1 || code === 2 ? 4 : 5);
    raw.sendHex(spelled);
    assert.deepEqual(
      await raw.untilClosed(),
      code === 0 ? ["CLOSED"] : [`CONNACK ${hex(code)}`, "CLOSED"],
    );
  });
}

for (const [what, versions, spelled, code] of later) {
  for (const version of versions) {
    test(`${what}, ${NAME_OF_VERSION[version]}: ${version === 5 ? `DISCONNECT ${hex(code)} and ` : ""}closed`, async () => {
      const raw = await RawSocket.connect(port, "bad", version);
      // Nothing behind it is looked at.
      raw.sendHex(`${spelled} c0 00`);
      assert.deepEqual(
        await raw.untilClosed(),
        version === 5 ? [`DISCONNECT ${hex(code)}`, "CLOSED"] : ["CLOSED"],
      );
    });
  }
}

test("after all of that the broker has no connection, no session and no error of its own, and serves", async () => {
  const raw = await RawSocket.connect(port, "good");
  raw.sendHex("82 07 0001 00 0001'a' 00  32 07 0001'a' 0001 00 'x'");
  assert.deepEqual(await raw.take(3), ["SUBACK 1 [0]", "PUBACK 1", "PUBLISH a 'x' qos0"]);
  assert.equal(broker.gauges.connections, 1);
  assert.equal(broker.gauges.sessions, 1);
  assert.equal(broker.counters.internalErrors, 0);
  raw.destroy();
});
