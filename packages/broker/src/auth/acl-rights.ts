import { parseTopicFilter } from "@sericite/protocol";
import type { Rights } from "../engine/ports.ts";
import { withoutShare } from "./acl.ts";
import { AclBit, AclRuleTree } from "./acl-rule-tree.ts";
import type { AclClient } from "./acl-rule-tree.ts";

/** Rights as a token or a service lists them. `%c` and `%u` stand for the client's names. */
export interface RightsList {
  /** Topic Filters whose topics it may publish to. */
  readonly publish?: readonly string[] | undefined;
  /** Topic Filters that it may subscribe to, and get messages of. */
  readonly subscribe?: readonly string[] | undefined;
  /** Topic Filters of what it may neither publish to nor get: they win. */
  readonly deny?: readonly string[] | undefined;
}

/**
 * Rights by lists of Topic Filters: what is not listed is denied.
 *
 * @param client  Asked each time, so it may get its names later.
 * @throws ProtocolError ERR_TOPIC_FILTER for a text that is no Topic Filter.
 */
export function rightsOfLists(lists: RightsList, client: AclClient): Rights {
  const tree = new AclRuleTree();
  for (const [filters, bits] of [
    [lists.publish, AclBit.allowWrite],
    [lists.subscribe, AclBit.allowRead],
    [lists.deny, AclBit.denyRead | AclBit.denyWrite],
  ] as const) {
    for (const filter of filters ?? []) {
      parseTopicFilter(filter);
      tree.add(filter, bits, true);
    }
  }
  const says = (topic: string, allow: number, deny: number): boolean => {
    const bits = tree.bitsOf(topic.split("/"), client);
    return (bits & allow) !== 0 && (bits & deny) === 0;
  };
  return {
    mayPublish: (topicName) => says(topicName, AclBit.allowWrite, AclBit.denyWrite),
    maySubscribe: (topicFilter) =>
      says(withoutShare(topicFilter), AclBit.allowRead, AclBit.denyRead),
    mayReceive: (topicName) => says(topicName, AclBit.allowRead, AclBit.denyRead),
  };
}
