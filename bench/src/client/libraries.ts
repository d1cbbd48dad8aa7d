import mqttJs from "mqtt";
import { connect } from "@sericite/client";
import type { Measured } from "./meter.ts";
import { startMeter } from "./meter.ts";

const topicName = "plant/line7/temperature";
const payload = "x".repeat(40);

/** QoS 1 messages that are on their way at the same time. */
const inFlight = 100;
/** QoS 0 messages after which a publisher waits until they have left. */
const batch = 1000;

/** What is measured of a client. Each way lasts about `seconds`. */
export interface Ways {
  /** Publishes at QoS 0 without a pause; done when the server has taken all. */
  publishQos0(seconds: number): Promise<Measured>;
  /** Publishes at QoS 1, `inFlight` at a time; done when all are acknowledged. */
  publishQos1(seconds: number): Promise<Measured>;
  /** Subscribes, and counts what comes from the first message on. */
  receive(topicFilter: string, seconds: number): Promise<Measured>;
  end(): Promise<void>;
}

/** Opens a client of each library, by name. MQTT 5.0, everything else by default. */
export const libraries: Readonly<Record<"sericite" | "MQTT.js", (url: string) => Promise<Ways>>> = {
  async sericite(url) {
    const client = await connect(url);
    return {
      async publishQos0(seconds) {
        const [meter, isOver] = [startMeter(), stopwatch(seconds)];
        let count = 0;
        while (!isOver()) {
          for (let sent = 1; sent < batch; sent++) void client.publish(topicName, payload);
          await client.publish(topicName, payload);
          count += batch;
        }
        await client.publish(topicName, payload, { qos: 1 });
        return meter(count);
      },
      publishQos1: (seconds) =>
        keepInFlight(seconds, async (done) => {
          await client.publish(topicName, payload, { qos: 1 });
          done();
        }),
      receive: (topicFilter, seconds) =>
        countMessages(seconds, (onMessage) => client.subscribe(topicFilter, onMessage)),
      end: () => client.close(),
    };
  },
  async "MQTT.js"(url) {
    const client = await mqttJs.connectAsync(url, { protocolVersion: 5 });
    return {
      async publishQos0(seconds) {
        const [meter, isOver] = [startMeter(), stopwatch(seconds)];
        let count = 0;
        while (!isOver()) {
          for (let sent = 1; sent < batch; sent++) client.publish(topicName, payload);
          await client.publishAsync(topicName, payload);
          count += batch;
        }
        await client.publishAsync(topicName, payload, { qos: 1 });
        return meter(count);
      },
      publishQos1: (seconds) =>
        keepInFlight(seconds, (done) => {
          client.publish(topicName, payload, { qos: 1 }, (error) => {
            if (error) throw error;
            done();
          });
        }),
      receive: (topicFilter, seconds) =>
        countMessages(seconds, (onMessage) => {
          client.on("message", onMessage);
          return client.subscribeAsync(topicFilter);
        }),
      end: () => client.endAsync(true),
    };
  },
};

function stopwatch(seconds: number): () => boolean {
  const end = performance.now() + seconds * 1000;
  return () => performance.now() >= end;
}

/** @param publish  Publishes a message, and calls `done` when it is acknowledged. */
function keepInFlight(seconds: number, publish: (done: () => void) => unknown): Promise<Measured> {
  return new Promise((resolve) => {
    const [meter, isOver] = [startMeter(), stopwatch(seconds)];
    let started = 0;
    let ended = 0;
    const next = (): void => {
      started++;
      publish(onDone);
    };
    const onDone = (): void => {
      ended++;
      if (!isOver()) next();
      else if (ended === started) resolve(meter(ended));
    };
    while (started < inFlight) next();
  });
}

async function countMessages(
  seconds: number,
  subscribe: (onMessage: () => void) => Promise<unknown>,
): Promise<Measured> {
  let count = 0;
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  await subscribe(() => {
    if (count++ === 0) begin();
  });
  await begun;
  const meter = startMeter();
  count = 1;
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return meter(count);
}
