import type { MatchGenerations } from "./match-generations.ts";
import type { TopicName } from "./topic-name-table.ts";
import type { TopicTree } from "./topic-tree.ts";

/**
 * Remembers what `build` made for a Topic Name as long as no subscription that could match it came,
 * went or changed. What is remembered stands on the `TopicName` itself, and goes when the table
 * lets go of that: the cache has no memory of its own and is as large as the table.
 *
 * A Topic Name has room for one cache; give each cache a table of its own.
 */
export class MatchCache<T> {
  readonly #generations: MatchGenerations;
  readonly #build: (topicName: string) => T;

  /** @param build  Makes what is to be remembered, from `tree.match`. */
  constructor(tree: TopicTree, build: (topicName: string) => T) {
    this.#generations = tree.generations;
    this.#build = build;
  }

  /** What `build` makes for this Topic Name, made anew only where it could be different. */
  get(topic: TopicName): T {
    const { current } = this.#generations;
    if (topic.matchOwner === this) {
      if (topic.matchGeneration === current) return topic.match as T;
      if (this.#generations.isCurrent(topic.hashes, topic.matchGeneration)) {
        topic.matchGeneration = current;
        return topic.match as T;
      }
    }
    const match = this.#build(topic.name);
    topic.match = match;
    topic.matchOwner = this;
    topic.matchGeneration = current;
    return match;
  }
}
