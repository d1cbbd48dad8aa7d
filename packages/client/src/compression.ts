import { UsageError, topicFilterMatches } from "@sericite/protocol";
import { RequestError } from "./errors.ts";
import { parsedFilter } from "./filter-entry.ts";
import type { Message, Payload } from "./message.ts";
import { OrderedPacking, encodingProperty } from "./packing.ts";
import type { PackedPayload, PayloadPacker } from "./packing.ts";
import type { PublishOptions, PublishResult } from "./publication.ts";

/** One way to make payloads smaller. */
export interface CompressionAlgorithm {
  /** As the mark on the message calls it: a content coding of HTTP, such as `gzip`, `br` or `zstd`. */
  readonly name: string;
  /** Whether this platform has it. */
  readonly isSupported: boolean;
  compress(bytes: Uint8Array): Promise<Uint8Array>;
  /**
   * Rejects where the bytes are not of its making, or would become more than `maximumBytes`; no more
   * than that is ever made.
   */
  decompress(bytes: Uint8Array, maximumBytes: number): Promise<Uint8Array>;
}

/** What `compression` takes. */
export interface CompressionOptions {
  /** By Topic Filter how payloads are compressed; the first that matches counts. Default: none is. */
  readonly topics?: Readonly<Record<string, CompressionAlgorithm>> | undefined;
  /** What is read. Default: all that the platform has. */
  readonly accept?: readonly CompressionAlgorithm[] | undefined;
  /** Payloads below it go as they are. Bytes. Default 512. */
  readonly minimumBytes?: number | undefined;
  /** What a payload may become when it is read: against those that grow without end. Bytes. Default 16 MiB. */
  readonly maximumBytes?: number | undefined;
}

/** Makes payloads smaller on their way (option `compression`). Made by the function of that name. */
export interface Compression {
  /** What the client can read. */
  readonly accepted: readonly string[];
  /** Begins to work for a client. */
  begin(client: PackingClient): Packing;
}

/** What a `Packing` needs of its client. */
export interface PackingClient {
  /** Messages that may wait to be compressed. */
  readonly maximumMessages: number;
  publish(topicName: string, payload: Payload, options: PublishOptions): Promise<PublishResult>;
}

/** Compresses what one client publishes and reads what it gets, each in its order. */
export interface Packing {
  /** Settles when nothing waits to be compressed. */
  readonly idle: Promise<void>;
  /** As `Client.publish`; what follows a message that is being compressed waits for it. */
  publish(topicName: string, payload: Payload, options: PublishOptions): Promise<PublishResult>;
  /** A handler that gets what was compressed as it was before. */
  handler(handler: (message: Message) => unknown): (message: Message) => unknown;
  /** Messages as they were before. @param refuse  Gets what cannot be read. */
  iterate(
    messages: AsyncIterable<Message>,
    refuse: (error: unknown, message: Message) => void,
  ): AsyncIterator<Message, undefined>;
}

/** `compression`, for a platform with these algorithms. */
export function makeCompression(
  options: CompressionOptions,
  algorithms: readonly CompressionAlgorithm[],
): Compression {
  const { topics = {}, minimumBytes = 512, maximumBytes = 16 * 1024 * 1024 } = options;
  const accept = options.accept ?? algorithms.filter(({ isSupported }) => isSupported);
  const rules = Object.entries(topics);
  for (const [topicFilter, algorithm] of rules) {
    parsedFilter(topicFilter);
    checkSupported(algorithm);
  }
  for (const algorithm of accept) checkSupported(algorithm);
  const codec: PayloadPacker = {
    pack(topicName, payload) {
      if (payload.length < minimumBytes) return undefined;
      const rule = rules.find(([topicFilter]) => topicFilterMatches(topicFilter, topicName));
      return rule === undefined ? undefined : pack(rule[1], payload);
    },
    unpack(message) {
      const encoding = encodingOf(message);
      if (encoding === undefined) return message;
      const algorithm = accept.find(({ name }) => name === encoding);
      if (algorithm === undefined)
        throw invalid(`its ${encodingProperty} is ${encoding}, which is not read here`);
      return unpack(algorithm, message, maximumBytes);
    },
  };
  return {
    accepted: accept.map(({ name }) => name),
    begin: (client) => new OrderedPacking(codec, client),
  };
}

function checkSupported({ name, isSupported }: CompressionAlgorithm): void {
  if (!isSupported) throw new UsageError("ERR_USAGE", `this platform has no ${name}`);
}

async function pack(
  algorithm: CompressionAlgorithm,
  payload: Uint8Array,
): Promise<PackedPayload | undefined> {
  const packed = await algorithm.compress(payload);
  // What is compressed already only grows.
  if (packed.length >= payload.length) return undefined;
  return { payload: packed, encoding: algorithm.name };
}

async function unpack(
  algorithm: CompressionAlgorithm,
  message: Message,
  maximumBytes: number,
): Promise<Message> {
  let payload: Uint8Array;
  try {
    payload = await algorithm.decompress(message.payload, maximumBytes);
  } catch (cause) {
    throw invalid(`it is no ${algorithm.name} of at most ${maximumBytes} bytes`, cause);
  }
  const { userProperties = [], ...rest } = message.properties ?? {};
  const others = userProperties.filter(([name]) => name !== encodingProperty);
  const properties = others.length === 0 ? rest : { ...rest, userProperties: others };
  return message.with(payload, properties);
}

function encodingOf(message: Message): string | undefined {
  return message.properties?.userProperties?.find(([name]) => name === encodingProperty)?.[1];
}

function invalid(what: string, cause?: unknown): RequestError {
  return new RequestError("ERR_PAYLOAD_INVALID", `the payload cannot be read: ${what}`, {
    cause,
    reasonCode: 0x99,
  });
}
