import type { ClientIdentity, Hooks } from "../engine/hooks.ts";
import { AclRules } from "./acl-file.ts";
import { AclBit, namedBit } from "./acl-rule-tree.ts";
import type { AclClient, AclRuleTree } from "./acl-rule-tree.ts";

/** Topic Names remembered for all clients with the same rules. */
const SHARED_ANSWERS = 16_384;
/** Topic Names remembered for one client: those where a rule that names it was looked at. */
const OWN_ANSWERS = 64;

/** What is known of one client, until the rules change. */
interface Access extends AclClient {
  readonly trees: readonly AclRuleTree[];
  /** Bits by Topic Name, for all clients with these trees; with `namedBit` where `own` has them. */
  readonly shared: Map<string, number>;
  own: Map<string, number> | undefined;
  /** The answer given last: most clients use few topics, one of them many times in a row. */
  lastTopicName: string | undefined;
  lastBits: number;
}

/**
 * Access by rules: what no rule allows is denied, and a rule that denies wins over all that allow.
 * Its `hooks` answer at once.
 *
 * ```ts
 * const acl = new Acl("user sensor\ntopic write sensors/#\n");
 * const broker = await createBroker({ hooks: acl.hooks });
 * acl.reload(changedText);
 * ```
 */
export class Acl {
  #rules: AclRules;
  /** Whom the last question was about: a client's packets come several at a time. */
  #lastClient: ClientIdentity | undefined;
  #lastAccess: Access | undefined;
  /** By the client's connection. */
  #accesses = new WeakMap<ClientIdentity, Access>();
  /** By the trees. */
  #shared = new Map<readonly AclRuleTree[], Map<string, number>>();

  /**
   * @param rules  Read already, or the text of an ACL file.
   * @throws UsageError ERR_ACL for a text that cannot be read.
   */
  constructor(rules: AclRules | string) {
    this.#rules = rulesOf(rules);
  }

  /** To be asked by a broker. */
  readonly hooks: Hooks = {
    authorizePublish: (client, { topicName }) =>
      isAllowed(this.#bitsOf(client, topicName), AclBit.allowWrite, AclBit.denyWrite),
    confirmWill: ({ clientId, username }, { topicName }) => {
      const access = { clientId, username, trees: this.#rules.of(username) };
      return isAllowed(bitsOf(access, topicName), AclBit.allowWrite, AclBit.denyWrite);
    },
    authorizeSubscribe: (client, { topicFilter }) => {
      const access = this.#accessOf(client);
      const bits = bitsOf(access, withoutShare(topicFilter));
      return isAllowed(bits, AclBit.allowRead, AclBit.denyRead);
    },
    authorizeDelivery: (client, { topicName }) =>
      isAllowed(this.#bitsOf(client, topicName), AclBit.allowRead, AclBit.denyRead),
    answers: {},
  };

  /**
   * Puts other rules in force, for what is published, subscribed to and delivered from now on. No
   * connection ends; a client that lost a right gets nothing more by it.
   *
   * @throws UsageError ERR_ACL for a text that cannot be read: then nothing changes.
   */
  reload(rules: AclRules | string): void {
    this.#rules = rulesOf(rules);
    this.hooks.answers = {};
    this.#accesses = new WeakMap();
    this.#shared = new Map();
    this.#lastClient = undefined;
    this.#lastAccess = undefined;
  }

  #bitsOf(client: ClientIdentity, topicName: string): number {
    const access = this.#accessOf(client);
    if (access.lastTopicName !== topicName) {
      access.lastBits = rememberedBitsOf(access, topicName);
      access.lastTopicName = topicName;
    }
    return access.lastBits;
  }

  #accessOf(client: ClientIdentity): Access {
    const known = client === this.#lastClient ? this.#lastAccess : this.#accesses.get(client);
    // Its names are settled once it is let in, and by a re-authentication.
    if (
      known !== undefined &&
      known.clientId === client.clientId &&
      known.username === client.username
    ) {
      this.#lastClient = client;
      this.#lastAccess = known;
      return known;
    }
    const { clientId, username } = client;
    const trees = this.#rules.of(username);
    let shared = this.#shared.get(trees);
    if (shared === undefined) this.#shared.set(trees, (shared = new Map()));
    const access: Access = {
      clientId,
      username,
      trees,
      shared,
      own: undefined,
      lastTopicName: undefined,
      lastBits: 0,
    };
    this.#lastClient = client;
    this.#lastAccess = access;
    this.#accesses.set(client, access);
    return access;
  }
}

function rulesOf(rules: AclRules | string): AclRules {
  return typeof rules === "string" ? AclRules.parse(rules, "ACL") : rules;
}

function rememberedBitsOf(access: Access, topicName: string): number {
  const shared = access.shared.get(topicName);
  if (shared !== undefined && (shared & namedBit) === 0) return shared;
  const own = access.own?.get(topicName);
  if (own !== undefined) return own;
  const bits = bitsOf(access, topicName);
  if (shared === undefined) remember(access.shared, SHARED_ANSWERS, topicName, bits);
  if ((bits & namedBit) !== 0) remember((access.own ??= new Map()), OWN_ANSWERS, topicName, bits);
  return bits;
}

function remember(
  answers: Map<string, number>,
  most: number,
  topicName: string,
  bits: number,
): void {
  if (answers.size >= most) answers.clear();
  answers.set(topicName, bits);
}

function bitsOf(
  access: AclClient & { readonly trees: readonly AclRuleTree[] },
  topic: string,
): number {
  const levels = topic.split("/");
  let bits = 0;
  for (const tree of access.trees) bits |= tree.bitsOf(levels, access);
  return bits;
}

function isAllowed(bits: number, allow: number, deny: number): boolean {
  return (bits & allow) !== 0 && (bits & deny) === 0;
}

/** The Topic Filter of a Shared Subscription without its prefix. */
export function withoutShare(topicFilter: string): string {
  if (topicFilter.startsWith("$share/")) return topicFilter.slice(topicFilter.indexOf("/", 7) + 1);
  return topicFilter.startsWith("$queue/") ? topicFilter.slice(7) : topicFilter;
}
