/** A Topic Name by its bytes. */
export interface KnownTopic {
  readonly name: string;
  /** UTF-8, of its own. Must not be changed. */
  readonly bytes: Uint8Array;
}

/** Where a parser finds the Topic Name that some bytes spell: a broker's `TopicNameTable`, or something plainer. */
export interface TopicNames<Topic extends KnownTopic> {
  /**
   * Gives the Topic Name of the bytes from `start` to `end` (exclusive), which it does not keep.
   *
   * @throws ProtocolError where they are not UTF-8, or hold U+0000 or a wildcard.
   */
  lookup(bytes: Uint8Array, start: number, end: number): Topic;
}
