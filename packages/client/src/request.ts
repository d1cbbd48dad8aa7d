import type { QoS, Random } from "@sericite/protocol";
import { ReasonCode, TimerEntry, UsageError } from "@sericite/protocol";
import type { AbortSignalLike } from "./abort.ts";
import { abortError, onAbort } from "./abort.ts";
import type { Client } from "./client.ts";
import type { ClientState } from "./client-state.ts";
import { RequestError } from "./errors.ts";
import type { Message, Payload } from "./message.ts";
import type { PublishProperties } from "./options.ts";
import type { Subscription } from "./subscription.ts";

/** How to ask (`Client.request`). */
export interface RequestOptions {
  /**
   * Time for the response. It goes along as Message Expiry Interval, so that nobody answers a
   * request that nobody waits for. Milliseconds. Default 10 000.
   */
  readonly timeoutMs?: number | undefined;
  /** Of the request. Default 1. */
  readonly qos?: QoS | undefined;
  /** What else goes along. Response Topic and Correlation Data are the client's own. */
  readonly properties?:
    | Omit<PublishProperties, "responseTopic" | "correlationData" | "messageExpiryInterval">
    | undefined;
  /** Ends the wait. A request that was not sent yet is not sent any more. */
  readonly signal?: AbortSignalLike | undefined;
}

interface Waiting {
  readonly finish: (response: Message | undefined, error?: Error) => void;
}

/** Highest QoS at which responses come. */
const responseQos = 1;

/**
 * Requests that wait for their responses (§4.10): one Response Topic for all of them, told apart by
 * Correlation Data.
 */
export class Requests {
  readonly #client: Client;
  readonly #state: ClientState;
  readonly #responseTopic: string | undefined;
  /** Tells the responses of this process from those to an earlier one. */
  readonly #process: string;
  readonly #waiting = new Map<string, Waiting>();
  #count = 0;
  #topic = "";
  #subscription: Promise<Subscription> | undefined = undefined;

  /** @param responseTopic  Default: the server's Response Information, or `responses/`, and the Client Identifier. */
  constructor(
    client: Client,
    state: ClientState,
    random: Random,
    responseTopic: string | undefined,
  ) {
    this.#client = client;
    this.#state = state;
    this.#responseTopic = responseTopic;
    this.#process = Math.floor(random() * 2 ** 32).toString(36);
  }

  /** See `Client.request`. */
  async request(topicName: string, payload: Payload, options: RequestOptions): Promise<Message> {
    const { timeoutMs = 10_000, qos = 1, properties, signal } = options;
    if (this.#state.settings.protocolVersion !== 5)
      throw new UsageError("ERR_USAGE", "request needs MQTT 5.0");
    if (!(timeoutMs > 0))
      throw new UsageError("ERR_USAGE", `timeoutMs is ${timeoutMs}, expected more than 0`);
    if (signal?.aborted === true) throw abortError(signal);
    const correlation = `${this.#process}.${++this.#count}`;
    return await new Promise((resolve, reject) => {
      const timer = new TimerEntry(() => {
        finish(
          undefined,
          new RequestError("ERR_REQUEST_TIMEOUT", `no response within ${timeoutMs} ms`),
        );
      });
      const stopListening = onAbort(signal, () => finish(undefined, abortError(signal!)));
      const finish = (response: Message | undefined, error?: Error): void => {
        if (!this.#waiting.delete(correlation)) return;
        this.#state.wheel.cancel(timer);
        stopListening();
        if (response !== undefined) resolve(response);
        else reject(error);
      };
      this.#state.wheel.schedule(timer, timeoutMs);
      this.#waiting.set(correlation, { finish });
      const messageExpiryInterval = Math.max(1, Math.ceil(timeoutMs / 1000));
      this.#send(topicName, payload, correlation, {
        qos,
        signal,
        properties: { ...properties, messageExpiryInterval },
      }).catch((error: Error) => finish(undefined, error));
    });
  }

  /** No response comes any more: every promise is rejected with `error`. */
  close(error: Error): void {
    for (const { finish } of [...this.#waiting.values()]) finish(undefined, error);
  }

  async #send(
    topicName: string,
    payload: Payload,
    correlation: string,
    options: {
      readonly qos: QoS;
      readonly signal: AbortSignalLike | undefined;
      readonly properties: PublishProperties;
    },
  ): Promise<void> {
    await this.#listen();
    if (!this.#waiting.has(correlation)) return;
    const { reasonCode } = await this.#client.publish(topicName, payload, {
      ...options,
      properties: {
        ...options.properties,
        responseTopic: this.#topic, // [MQTT5-3.3.2-14]
        correlationData: bytesOf(correlation),
      },
    });
    if (reasonCode === ReasonCode.noMatchingSubscribers)
      throw new RequestError("ERR_NO_RESPONDER", `nobody subscribes to ${topicName}`, {
        reasonCode,
      });
  }

  /** Subscribes to the Response Topic, unless it has been done. */
  async #listen(): Promise<void> {
    const present = this.#subscription;
    if (present !== undefined && !(await present).isEnded) return;
    if (this.#subscription === present) this.#subscription = this.#subscribe();
    await this.#subscription;
  }

  async #subscribe(): Promise<Subscription> {
    this.#topic = this.#responseTopicName();
    try {
      return await this.#client.subscribe(this.#topic, (message) => this.#onResponse(message), {
        qos: responseQos,
      });
    } catch (error) {
      // The next request asks again.
      this.#subscription = undefined;
      throw error;
    }
  }

  #responseTopicName(): string {
    if (this.#responseTopic !== undefined) return this.#responseTopic;
    const { connack, clientId } = this.#client;
    // No character of a Client Identifier may mean something in a Topic Filter.
    const own = clientId.replaceAll(/[+#/\s]/g, "_");
    return `${connack?.properties?.responseInformation ?? "responses"}/${own}`;
  }

  #onResponse(message: Message): void {
    const data = message.properties?.correlationData;
    if (data === undefined) return;
    this.#waiting.get(String.fromCharCode(...data.subarray(0, 64)))?.finish(message);
  }
}

/** Of ASCII. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
