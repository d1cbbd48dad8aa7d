import assert from "node:assert/strict";
import { test } from "node:test";
import type { Properties, ProtocolVersion, QoS } from "@sericite/protocol";
import { TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import { sharedIdentifier } from "./forms.ts";

/** The bytes of a PUBLISH as they must leave, spelled out by hand. */
function expected(
  version: ProtocolVersion,
  qos: QoS,
  retain: boolean,
  properties: string,
  payload: string,
): string {
  const first = (0x30 | (qos << 1) | (retain ? 1 : 0)).toString(16);
  const identifier = qos === 0 ? [] : ["00 01"];
  const size = (text: string): number => (text === "" ? 0 : text.split(" ").length);
  const field = version === 5 ? [hexByte(size(properties)), properties] : [];
  const body = ["00 03", "61 2f 62", ...identifier, ...field, payload].filter(
    (part) => part !== "",
  );
  return `${first} ${hexByte(size(body.join(" ")))} ${body.join(" ")}`;
}

const hexByte = (value: number): string => value.toString(16).padStart(2, "0");

const CONTENT_TYPE = "03 00 01 74";

for (const from of VERSIONS) {
  for (const to of VERSIONS) {
    test(`from ${from} to ${to}: the bytes of a delivery, for every QoS, RETAIN, properties and payload`, () => {
      for (const published of [0, 1, 2] as const) {
        for (const granted of [0, 1, 2] as const) {
          for (const retain of [false, true]) {
            for (const payload of ["", "68 69"]) {
              for (const properties of from === 5 ? [{}, { contentType: "t" }] : [{}]) {
                const broker = new TestBroker();
                const client = broker.connect("c", to);
                client.subscribe("a/+", granted, to === 5 ? { retainAsPublished: true } : {});
                broker
                  .connect("p", from)
                  .sendPublish("a/b", Buffer.from(payload.replaceAll(" ", ""), "hex"), {
                    qos: published,
                    retain,
                    id: 500,
                    properties: from === 5 ? (properties as Properties) : {},
                  });
                const goesOut = to === 5 && "contentType" in properties ? CONTENT_TYPE : "";
                assert.equal(
                  client.takeHex(),
                  expected(
                    to,
                    Math.min(published, granted) as QoS,
                    retain && to === 5,
                    goesOut,
                    payload,
                  ),
                );
              }
            }
          }
        }
      }
    });
  }
}

test("a 5.0 delivery has expiry, properties and Subscription Identifiers, in that order", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  client.subscribe("a/b", 1, { identifier: 300 });
  broker.connect("p").sendPublish("a/b", "x", {
    qos: 1,
    properties: { contentType: "t", messageExpiryInterval: 258 },
  });
  assert.equal(
    client.takeHex(),
    "32 15 00 03 61 2f 62 00 01 0c 02 00 00 01 02 03 00 01 74 0b ac 02 78",
  );
});

test("a delivery above 127 bytes has a Remaining Length and a Property Length of two bytes", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  client.subscribe("a", 0, { identifier: 1 });
  const contentType = "t".repeat(150);
  broker.connect("p").sendPublish("a", "x", { properties: { contentType } });
  const hex = client.takeHex();
  assert.ok(hex.startsWith("30 a1 01 00 01 61 9b 01 03 00 96"), hex.slice(0, 40));
  assert.ok(hex.endsWith("0b 01 78"));
});

test("receivers of one kind share the very bytes, and the Packet Identifier", () => {
  const broker = new TestBroker();
  const clients = Array.from({ length: 5 }, (_, i) => broker.connect(`c${i}`, 4));
  const written = new Set<ArrayBufferLike>();
  const identifiers = new Set<number>();
  for (const client of clients) {
    client.subscribe("a", 1);
    const { write } = client.brokerLink;
    client.brokerLink.write = function (bytes) {
      written.add(bytes.buffer);
      return write.call(client.brokerLink, bytes);
    };
  }
  broker.connect("p", 4).sendPublish("a", "x", { qos: 1, id: 9 });
  for (const client of clients) identifiers.add(client.takePublishes()[0]!.packetIdentifier!);
  assert.equal(identifiers.size, 1);
  assert.equal(written.size, 1);
});

test("a receiver that has the shared Packet Identifier in flight gets the message with another one", () => {
  const broker = new TestBroker();
  const busy = broker.connect("busy", 4);
  busy.subscribe("first", 1);
  busy.subscribe("last", 1);
  const idle = broker.connect("idle", 4);
  idle.subscribe("last", 1);
  const publisher = broker.connect("p", 4);
  publisher.sendPublish("first", "x", { qos: 1 });
  const [first] = busy.takePublishes();
  for (let i = 0; i < 65_534; i++) broker.engine.nextMessageNumber();
  publisher.sendPublish("last", "x", { qos: 1 });
  const [shared] = idle.takePublishes();
  assert.equal(shared!.packetIdentifier, first!.packetIdentifier);
  const [own] = busy.takePublishes();
  assert.notEqual(own!.packetIdentifier, first!.packetIdentifier);
});

test("shared identifiers are 1 to 65 535, over and over", () => {
  assert.deepEqual(
    [1, 2, 65_534, 65_535, 65_536, 131_070].map(sharedIdentifier),
    [1, 2, 65_534, 65_535, 1, 65_535],
  );
});

test("a repeat has DUP and is otherwise the same, byte for byte", () => {
  for (const version of VERSIONS) {
    for (const qos of [1, 2] as const) {
      const options =
        version === 5
          ? { cleanStart: false, properties: { sessionExpiryInterval: 60 } }
          : { cleanStart: false };
      const broker = new TestBroker();
      const client = broker.connect("c", version, options);
      client.subscribe("a", 2, version === 5 ? { identifier: 7 } : {});
      broker.connect("p").sendPublish("a", "x", { qos, properties: { contentType: "t" } });
      const first = client.takeHex();
      client.drop();
      const again = broker.dial(version);
      again.sendConnect("c", options);
      const hex = again.takeHex();
      const repeat = (Number.parseInt(first.slice(0, 2), 16) | 8).toString(16) + first.slice(2);
      assert.ok(hex.endsWith(repeat), `${hex} ends with ${repeat}`);
    }
  }
});
