import type { KnownTopic, Parser, TopicNames } from "@sericite/protocol";
import { ProtocolError, ReasonCode, decodeUtf8, topicNameFault } from "@sericite/protocol";
import type { FilterEntry } from "./filter-entry.ts";

/** A Topic Name that came from the server, and who gets its messages. */
export class ReceivedTopic implements KnownTopic {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What of `Subscriptions` matches it. */
  entries: readonly FilterEntry[] = [];
  /** When `entries` were found; -1: never. */
  generation = -1;

  constructor(name: string, bytes: Uint8Array) {
    this.name = name;
    this.bytes = bytes;
  }
}

/** Reads what the server sends. */
export type ServerParser = Parser<ReceivedTopic>;

/** Names that are remembered with their matches. */
const topicsMaximum = 1024;

/** The Topic Names that came lately. */
export class ReceivedTopics implements TopicNames<ReceivedTopic> {
  readonly #topics = new Map<string, ReceivedTopic>();

  /** See `TopicNames`. */
  lookup(bytes: Uint8Array, start: number, end: number): ReceivedTopic {
    const name = decodeUtf8(bytes, start, end);
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    const fault = topicNameFault(name);
    if (fault !== undefined)
      throw new ProtocolError(
        "ERR_TOPIC_NAME",
        ReasonCode.topicNameInvalid,
        `a Topic Name ${fault}`,
      );
    // All at once: a client that sees more than that has no favourites among them.
    if (this.#topics.size >= topicsMaximum) this.#topics.clear();
    const topic = new ReceivedTopic(name, bytes.slice(start, end));
    this.#topics.set(name, topic);
    return topic;
  }
}
