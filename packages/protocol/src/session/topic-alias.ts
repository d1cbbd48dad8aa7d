import { ProtocolError } from "../errors.ts";
import { ReasonCode } from "../reason-code.ts";

/**
 * Topic Aliases that the peer set on this connection (§3.3.2.3.4), for the side that receives.
 *
 * @typeParam T  What is kept for an alias: the Topic Name in whatever form the receiver wants it.
 */
export class TopicAliasInbound<T> {
  readonly maximum: number;
  #topics: (T | undefined)[] | undefined = undefined;

  /** @param maximum  The Topic Alias Maximum that was announced to the peer; 0: none may be used. */
  constructor(maximum: number) {
    this.maximum = maximum;
  }

  /**
   * What an alias stands for.
   *
   * @throws ProtocolError 0x94 for 0 or above the maximum, 0x82 for one never set.
   */
  resolve(topicAlias: number): T {
    this.#check(topicAlias);
    const topic = this.#topics?.[topicAlias];
    if (topic === undefined) {
      throw new ProtocolError(
        "ERR_PROTOCOL",
        ReasonCode.protocolError,
        `Topic Alias ${topicAlias} was not set before`,
      );
    }
    return topic;
  }

  /**
   * Sets or changes what an alias stands for.
   *
   * @throws ProtocolError 0x94 for 0 or above the maximum.
   */
  set(topicAlias: number, topic: T): void {
    this.#check(topicAlias);
    this.#topics ??= [];
    this.#topics[topicAlias] = topic;
  }

  #check(topicAlias: number): void {
    if (topicAlias >= 1 && topicAlias <= this.maximum) return; // [MQTT5-3.3.2-10] [MQTT5-3.3.2-12]
    throw new ProtocolError(
      "ERR_PROTOCOL",
      ReasonCode.topicAliasInvalid,
      `Topic Alias ${topicAlias}, expected 1…${this.maximum}`,
    );
  }
}

/** A Topic Name below this many characters is as short as its alias. */
const SHORTEST_TOPIC_NAME = 4;

/**
 * Topic Aliases for the side that sends: which Topic Names get one, within the peer's Topic Alias
 * Maximum [MQTT5-3.1.2-26] [MQTT5-3.2.2-17]. Belongs to one connection [MQTT5-3.3.2-7].
 *
 * While aliases are free, each Topic Name gets the next one. Then a name that is used again keeps
 * its alias, and each name without one moves a hand by one step: an alias that was not used since
 * the hand last passed is given to it, else it goes without. So the busy names have the aliases.
 */
export class TopicAliasOutbound {
  readonly maximum: number;
  #aliases: Map<string, number> | undefined = undefined;
  /** Index is the alias less one. */
  #names: string[] | undefined = undefined;
  #used: boolean[] | undefined = undefined;
  #hand = 0;
  #isNew = false;

  /** @param maximum  The lower of the peer's Topic Alias Maximum and what the caller wants to hold. */
  constructor(maximum: number) {
    this.maximum = maximum;
  }

  /** Whether the alias given out last is new to the peer, so that the Topic Name must go with it. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /**
   * The alias to send with a PUBLISH, or 0: none. Look at `isNew` next; if it is false, the Topic
   * Name is left empty. Call it only for a PUBLISH that is sent for certain, in the order of sending.
   */
  assign(topicName: string): number {
    this.#isNew = false;
    if (this.maximum === 0 || topicName.length < SHORTEST_TOPIC_NAME) return 0;
    this.#aliases ??= new Map();
    this.#names ??= [];
    this.#used ??= [];
    const known = this.#aliases.get(topicName);
    if (known !== undefined) {
      this.#used[known - 1] = true;
      return known;
    }
    if (this.#names.length < this.maximum) {
      this.#names.push(topicName);
      this.#used.push(false);
      return this.#give(topicName, this.#names.length);
    }
    const index = this.#hand;
    this.#hand = index + 1 === this.maximum ? 0 : index + 1;
    if (this.#used[index] === true) {
      this.#used[index] = false;
      return 0;
    }
    this.#aliases.delete(this.#names[index]!);
    this.#names[index] = topicName;
    return this.#give(topicName, index + 1);
  }

  /** What an alias stands for at present; `undefined` where it was not given out. */
  nameOf(topicAlias: number): string | undefined {
    return this.#names?.[topicAlias - 1];
  }

  #give(topicName: string, topicAlias: number): number {
    this.#aliases!.set(topicName, topicAlias);
    this.#isNew = true;
    return topicAlias;
  }
}
