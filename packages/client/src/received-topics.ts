import { ProtocolError, ReasonCode, topicNameFault } from "@sericite/protocol";
import type { FilterEntry } from "./filter-entry.ts";

/** A Topic Name that came from the server, and who gets its messages. */
export class ReceivedTopic {
  readonly name: string;
  /** What of `Subscriptions` matches it. */
  entries: readonly FilterEntry[] = [];
  /** When `entries` were found; -1: never. */
  generation = -1;

  constructor(name: string) {
    this.name = name;
  }
}

/** Names that are remembered with their matches. */
const topicsMaximum = 1024;

/** The Topic Names that came lately. */
export class ReceivedTopics {
  readonly #topics = new Map<string, ReceivedTopic>();

  /** The Topic Name that a PUBLISH has. @throws ProtocolError where it has a wildcard. */
  lookup(name: string): ReceivedTopic {
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
    const topic = new ReceivedTopic(name);
    this.#topics.set(name, topic);
    return topic;
  }
}
