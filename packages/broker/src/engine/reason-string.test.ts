import assert from "node:assert/strict";
import { test } from "node:test";
import type { AcknowledgementPacket, Properties } from "@sericite/protocol";
import { TestBroker } from "../test-broker.test-support.ts";
import { dropReasons } from "./drop-reasons.ts";

/** What a refused PUBLISH of each QoS is answered with. */
function refusals(properties: Properties): (string | undefined)[] {
  const broker = new TestBroker({ hooks: { authorizePublish: () => false } });
  const client = broker.connect("c", 5, { properties });
  client.sendPublish("t", "x", { qos: 1, id: 1 });
  client.sendPublish("t", "x", { qos: 2, id: 2 });
  const answers = client.take() as AcknowledgementPacket[];
  assert.deepEqual(
    answers.map(({ type, packetIdentifier, reasonCode }) => [type, packetIdentifier, reasonCode]),
    [
      ["puback", 1, 0x87],
      ["pubrec", 2, 0x87],
    ],
  );
  return answers.map((answer) => answer.properties?.reasonString);
}

test("a refused PUBLISH is told why in PUBACK and PUBREC", () => {
  const why = dropReasons["publish-denied"];
  assert.deepEqual(refusals({}), [why, why]);
});

test("[MQTT5-3.1.2-29] with Request Problem Information 0 there is no Reason String", () => {
  assert.deepEqual(refusals({ requestProblemInformation: 0 }), [undefined, undefined]);
});

test("[MQTT5-3.4.2-2] [MQTT5-3.5.2-2] a Reason String that does not fit the client's Maximum Packet Size is left out", () => {
  assert.deepEqual(refusals({ maximumPacketSize: 30 }), [undefined, undefined]);
});

test("a refused PUBLISH is answered for good: it does not count against the Receive Maximum", () => {
  const broker = new TestBroker({
    hooks: { authorizePublish: () => false },
    settings: { mqtt: { receiveMaximum: 2 } },
  });
  const client = broker.connect("c");
  for (let id = 1; id <= 10; id++) {
    client.sendPublish("t", "x", { qos: id % 2 === 0 ? 1 : 2, id });
    assert.equal(client.take().length, 1);
  }
});
