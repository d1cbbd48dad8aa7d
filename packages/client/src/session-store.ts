/** One change of what a `SessionStore` keeps. */
export interface SessionChange {
  /** ASCII, at most 40 characters. */
  readonly key: string;
  /** What is kept under the key from now on; `undefined`: nothing. */
  readonly value: Uint8Array | undefined;
}

/**
 * Keeps the session of one client beyond its process: messages on their way, and Packet Identifiers.
 * A store of your own passes the tests that come with the client.
 */
export interface SessionStore {
  /**
   * Opens the store and gives all that it keeps. Once, first. Rejects where another process has it.
   */
  open(): Promise<ReadonlyMap<string, Uint8Array>>;
  /**
   * Keeps changes in their order, all or none of one call, and those of earlier calls before those of
   * later ones. The client waits for one call before it makes the next.
   *
   * @param changes  Not changed afterwards; a key may be there more than once.
   * @returns settles when they outlive the process.
   */
  write(changes: readonly SessionChange[]): Promise<void>;
  /**
   * Lets go of what `open` took. Not while a `write` is under way; nothing follows it but another
   * `close`, which does nothing.
   */
  close(): Promise<void>;
}
