import mqtt from "mqtt";
import { connect } from "@sericite/client";

/** The same program twice. Each gives what it got: a message by its subscription, and another one. */
export async function withMqttJs(url: string): Promise<string[]> {
  const client = await mqtt.connectAsync(url, {
    protocolVersion: 5,
    clientId: "old",
    clean: true,
    keepalive: 60,
    reconnectPeriod: 1000,
    connectTimeout: 10_000,
    will: { topic: "state/old", payload: Buffer.from("lost"), qos: 1, retain: true },
  });
  const got: string[] = [];
  const both = new Promise<void>((resolve) => {
    client.on("message", (topicName, payload) => {
      got.push(`${topicName} ${payload.toString()}`);
      if (got.length === 2) resolve();
    });
  });
  await client.subscribeAsync({ "sensors/+": { qos: 1, nl: false }, "alarms/#": { qos: 1 } });
  await client.publishAsync("sensors/1", "21.5", { qos: 1, retain: true });
  await client.publishAsync("alarms/fire", "off", {
    qos: 1,
    properties: { messageExpiryInterval: 60, userProperties: { from: "old" } },
  });
  await both;
  await client.unsubscribeAsync("sensors/+");
  await client.endAsync();
  return got;
}

export async function withSericite(url: string): Promise<string[]> {
  const client = await connect(url, {
    clientId: "new",
    cleanStart: true,
    keepAlive: 60,
    reconnect: { minDelayMs: 1000, fromStart: true },
    connectTimeoutMs: 10_000,
    will: { topicName: "state/new", payload: "lost", qos: 1, retain: true },
  });
  const got: string[] = [];
  // Each subscription has its own handler, or loop.
  const sensors = await client.subscribe(
    [{ topicFilter: "sensors/+", qos: 1, noLocal: false }],
    (message) => void got.push(`${message.topicName} ${message.text()}`),
  );
  const alarms = await client.subscribe("alarms/#", { qos: 1 });
  await client.publish("sensors/1", "21.5", { qos: 1, retain: true });
  await client.publish("alarms/fire", "off", {
    qos: 1,
    properties: { messageExpiryInterval: 60, userProperties: [["from", "new"]] },
  });
  for await (const message of alarms) {
    got.push(`${message.topicName} ${message.text()}`);
    break;
  }
  await sensors.unsubscribe();
  await client.disconnect();
  return got;
}
