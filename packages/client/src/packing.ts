import type { Packing, PackingClient } from "./compression.ts";
import { RequestError } from "./errors.ts";
import type { Message, Payload } from "./message.ts";
import { payloadBytes } from "./message.ts";
import type { PublishOptions, PublishResult } from "./publication.ts";

/** Name of the User Property that says how a payload is compressed. */
export const encodingProperty = "content-encoding";

/** A payload that was made smaller. */
export interface PackedPayload {
  readonly payload: Uint8Array;
  readonly encoding: string;
}

/** Makes payloads smaller, and reads them. */
export interface PayloadPacker {
  /** `undefined`, or a promise of it: the payload goes as it is. */
  pack(topicName: string, payload: Uint8Array): Promise<PackedPayload | undefined> | undefined;
  /** A message that was not compressed comes back as it is. Throws, or rejects with, a RequestError. */
  unpack(message: Message): Message | Promise<Message>;
}

/** See `Packing`. */
export class OrderedPacking implements Packing {
  readonly #packer: PayloadPacker;
  readonly #client: PackingClient;
  /** Settles when all before has been given to the client. */
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(packer: PayloadPacker, client: PackingClient) {
    this.#packer = packer;
    this.#client = client;
  }

  get idle(): Promise<void> {
    return this.#turn;
  }

  publish(topicName: string, payload: Payload, options: PublishOptions): Promise<PublishResult> {
    const bytes = payloadBytes(payload);
    const isBytes = bytes instanceof Uint8Array; // Else it is refused in its turn.
    const packing = isBytes ? this.#packer.pack(topicName, bytes) : undefined;
    if (packing === undefined && this.#waiting === 0)
      return this.#client.publish(topicName, payload, options);
    // Looked at in its turn; until then a failure is nobody's fault.
    packing?.catch(() => {});
    return new Promise((resolve, reject) => {
      if (this.#waiting >= this.#client.maximumMessages)
        throw new RequestError("ERR_QUEUE_FULL", `${this.#waiting} messages wait`);
      this.#waiting++;
      this.#turn = this.#turn
        .then(() => packing)
        .then((packed) =>
          packed === undefined
            ? () => this.#client.publish(topicName, payload, options)
            : () => this.#client.publish(topicName, packed.payload, marked(options, packed)),
        )
        .then(
          (publish) => {
            this.#waiting--;
            publish().then(resolve, reject);
          },
          (error: Error) => {
            this.#waiting--;
            reject(error);
          },
        );
    });
  }

  handler(handler: (message: Message) => unknown): (message: Message) => unknown {
    return (message) => {
      const unpacked = this.#packer.unpack(message);
      return unpacked instanceof Promise ? unpacked.then(handler) : handler(unpacked);
    };
  }

  async *iterate(
    messages: AsyncIterable<Message>,
    refuse: (error: unknown, message: Message) => void,
  ): AsyncGenerator<Message, undefined> {
    for await (const message of messages) {
      let unpacked: Message;
      try {
        unpacked = await this.#packer.unpack(message);
      } catch (error) {
        refuse(error, message);
        continue;
      }
      yield unpacked;
    }
    return undefined;
  }
}

function marked(options: PublishOptions, { encoding }: PackedPayload): PublishOptions {
  const { userProperties = [], ...properties } = options.properties ?? {};
  return {
    ...options,
    properties: {
      ...properties,
      userProperties: [...userProperties, [encodingProperty, encoding]],
    },
  };
}
