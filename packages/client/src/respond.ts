import type { QoS } from "@sericite/protocol";
import { ReasonCode, UsageError } from "@sericite/protocol";
import type { Client, SubscribeOptions, TopicFilters } from "./client.ts";
import type { Message, Payload } from "./message.ts";
import type { PublishProperties } from "./options.ts";
import type { Subscription } from "./subscription.ts";

/** What a responder answers: a payload, or one with more. */
export type Response =
  | Payload
  | {
      readonly payload: Payload;
      /** Default: that of the request. */
      readonly qos?: QoS | undefined;
      readonly properties?: Omit<PublishProperties, "correlationData"> | undefined;
    };

/**
 * Answers a request. What it returns goes to the Response Topic, `undefined` is no answer. A request
 * whose responder fails is acknowledged with 0x83, and whoever asked waits until the end.
 */
export type Responder = (
  request: Message,
) => Response | undefined | void | Promise<Response | undefined | void>;

/** How to respond (`Client.respond`). */
export interface RespondOptions extends Omit<SubscribeOptions, "acknowledge"> {
  /** Requests at work at the same time. Default 16. */
  readonly concurrency?: number | undefined;
}

/** See `Client.respond`. */
export async function respond(
  client: Client,
  topicFilters: TopicFilters,
  responder: Responder,
  options: RespondOptions,
  onError: (error: unknown) => void,
): Promise<Subscription> {
  const { concurrency = 16, ...more } = options;
  if (client.protocolVersion !== 5) throw new UsageError("ERR_USAGE", "respond needs MQTT 5.0");
  if (!(concurrency >= 1))
    throw new UsageError("ERR_USAGE", `concurrency is ${concurrency}, expected 1 or more`);
  let atWork = 0;
  let whenFree: (() => void) | undefined;
  const work = async (request: Message): Promise<void> => {
    atWork++;
    try {
      const response = await responder(request);
      if (response !== undefined) await answer(client, request, response);
      request.ack();
    } catch (error) {
      onError(error);
      if (request.qos > 0) request.reject(ReasonCode.implementationSpecificError);
    } finally {
      atWork--;
      whenFree?.();
    }
  };
  return await client.subscribe(
    topicFilters,
    (request) => {
      void work(request);
      if (atWork < concurrency) return undefined;
      // Those that follow wait until one is done.
      return new Promise<void>((resolve) => {
        whenFree = resolve;
      });
    },
    { qos: 1, ...more, acknowledge: "manual" },
  );
}

async function answer(client: Client, request: Message, response: Response): Promise<void> {
  const { responseTopic, correlationData, messageExpiryInterval } = request.properties ?? {};
  if (responseTopic === undefined) return;
  const whole =
    typeof response === "string" || response instanceof Uint8Array
      ? { payload: response }
      : response;
  await client.publish(responseTopic, whole.payload, {
    qos: whole.qos ?? request.qos,
    properties: { messageExpiryInterval, ...whole.properties, correlationData },
  });
}
