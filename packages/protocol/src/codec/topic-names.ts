import type { TopicName } from "../topic/topic-name-table.ts";

/** Where a parser finds the Topic Name that some bytes spell: a `TopicNameTable`. */
export interface TopicNames {
  /**
   * Gives the Topic Name of the bytes from `start` to `end` (exclusive), which it does not keep.
   *
   * @throws ProtocolError where they are not UTF-8, or hold U+0000 or a wildcard.
   */
  lookup(bytes: Uint8Array, start: number, end: number): TopicName;
}
