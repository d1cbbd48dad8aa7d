import {
  encodeAcknowledgement,
  encodePublish,
  encodeSubscribe,
  encodeUnsubscribe,
} from "../wire/encode.ts";
import type { Version } from "../wire/packet.ts";
import { WireClient } from "../wire/wire-client.ts";

/** Rounds of one message at a time, and messages of each publisher in the crowd. */
const ROUNDS = 8;
const CROWD = 25;

/**
 * Load of which every acknowledgement is about something durable: first one thing at a time, then
 * many at once.
 *
 * @throws Fault or Cut where the broker does not answer.
 */
export async function tracedLoad(port: number): Promise<void> {
  const subscriber = await open(port, "trace-subscriber", 5, true);
  acknowledgeAll(subscriber);
  await ask(subscriber, "suback", encodeSubscribe(5, 1, "t/#", 2));
  const publishers = [
    await open(port, "trace-publisher-4", 4, false),
    await open(port, "trace-publisher-5", 5, true),
  ];
  for (let round = 0; round < ROUNDS; round += 1)
    for (const publisher of publishers) {
      const name = `${publisher.version}-${round}`;
      await publish(publisher, 1, 1, "t/one", `one at a time ${name} at QoS 1`);
      await publish(publisher, 2, 2, "t/two", `one at a time ${name} at QoS 2`);
      await publish(publisher, 3, 1, `kept/${name}`, `retained ${name}`, true);
      await publish(publisher, 4, 1, `$delayed/600/t/${name}`, `delayed ${name}`);
    }
  await Promise.all(
    publishers.flatMap((publisher) =>
      Array.from({ length: CROWD }, (_, index) =>
        publish(
          publisher,
          10 + index,
          index % 2 === 0 ? 1 : 2,
          "t/crowd",
          `in a crowd ${publisher.version}-${index}.`,
        ),
      ),
    ),
  );
  await ask(subscriber, "unsuback", encodeUnsubscribe(5, 2, "t/#"));
  await subscriber.disconnect();
  subscriber.cut();
  const again = await open(port, "trace-subscriber", 5, false);
  for (const client of [again, ...publishers]) client.cut();
}

function open(
  port: number,
  clientId: string,
  version: Version,
  cleanStart: boolean,
): Promise<WireClient> {
  const options = { clientId, version, cleanStart, sessionExpiryInterval: 3600 };
  return WireClient.open(port, options, (error) => {
    throw error;
  });
}

async function ask(client: WireClient, answer: string, bytes: Buffer): Promise<void> {
  const answered = client.waitFor(answer, ({ type }) => type === answer);
  client.send(bytes);
  await answered;
}

/** Publishes one message, to the end of its handshake. */
async function publish(
  client: WireClient,
  packetIdentifier: number,
  qos: 1 | 2,
  topicName: string,
  text: string,
  retain = false,
): Promise<void> {
  const answer = (type: string): Promise<unknown> =>
    client.waitFor(
      `${type} ${packetIdentifier}`,
      (packet) =>
        packet.type === type &&
        "packetIdentifier" in packet &&
        packet.packetIdentifier === packetIdentifier,
    );
  const acknowledged = answer(qos === 1 ? "puback" : "pubrec");
  const payload = Buffer.from(text);
  client.send(
    encodePublish(client.version, {
      topicName,
      payload,
      qos,
      retain,
      dup: false,
      packetIdentifier,
    }),
  );
  await acknowledged;
  if (qos === 1) return;
  const completed = answer("pubcomp");
  client.send(encodeAcknowledgement("pubrel", packetIdentifier));
  await completed;
}

function acknowledgeAll(client: WireClient): void {
  client.receive((packet) => {
    if (packet.type === "publish" && packet.qos > 0)
      client.send(
        encodeAcknowledgement(packet.qos === 1 ? "puback" : "pubrec", packet.packetIdentifier),
      );
    else if (packet.type === "pubrel")
      client.send(encodeAcknowledgement("pubcomp", packet.packetIdentifier));
  });
}
