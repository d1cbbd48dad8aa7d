/** What a rule says, as a bit, so that what several rules say is one number. */
export const AclBit = { allowRead: 1, allowWrite: 2, denyRead: 4, denyWrite: 8 } as const;

/** Beside what the rules say: another client may be told something else, since a rule with a client's name was looked at. */
export const namedBit = 16;

/** Names that patterns are filled with. */
export interface AclClient {
  readonly clientId: string;
  readonly username: string | undefined;
}

/** A level with `%c` or `%u` in it, and what follows it. */
interface NamedLevel {
  readonly text: string;
  readonly node: Node;
}

/** One level of the rules. */
class Node {
  exact: Map<string, Node> | undefined;
  /** Behind `+`. */
  any: Node | undefined;
  named: NamedLevel[] | undefined;
  /** Bits of the rules that end here. */
  own = 0;
  /** Bits of the rules that end with `#` here: they mean this level and all below it. */
  all = 0;
}

const deny = AclBit.denyRead | AclBit.denyWrite;
const dollar = 0x24;

/**
 * The rules of one user, role or of everybody, by Topic Filter. One walk tells what all of them say
 * together; its work grows with the levels of the question and the rules that fit, not with those
 * that do not.
 */
export class AclRuleTree {
  readonly #root = new Node();

  /** Adds a rule. @param topicFilter  Valid; with `isPattern`, `%c` and `%u` stand for the client's names. */
  add(topicFilter: string, bits: number, isPattern: boolean): void {
    let node = this.#root;
    for (const level of topicFilter.split("/")) {
      if (level === "#") {
        node.all |= bits;
        return;
      }
      if (level === "+") node = node.any ??= new Node();
      else if (isPattern && hasName(level)) {
        const named = (node.named ??= []);
        let found = named.find(({ text }) => text === level);
        if (found === undefined) named.push((found = { text: level, node: new Node() }));
        node = found.node;
      } else {
        const exact = (node.exact ??= new Map<string, Node>());
        let next = exact.get(level);
        if (next === undefined) exact.set(level, (next = new Node()));
        node = next;
      }
    }
    node.own |= bits;
  }

  /**
   * What the rules say, with `namedBit` where that holds for this client alone.
   *
   * @param levels  Of a Topic Name: the rules that match it count. Of a Topic Filter: those that
   *                cover it, which means that they match all that it matches.
   */
  bitsOf(levels: readonly string[], client: AclClient): number {
    return bitsFrom(this.#root, levels, 0, client);
  }
}

function bitsFrom(node: Node, levels: readonly string[], depth: number, client: AclClient): number {
  const level = levels[depth];
  // Neither `#`, `+` nor a client's name reaches into `$`-topics, as for subscriptions [MQTT5-4.7.2-1] [MQTT3-4.7.2-1].
  const isDollar = depth === 0 && level!.charCodeAt(0) === dollar;
  let bits = isDollar ? 0 : node.all;
  if (level === undefined) return bits | node.own;
  if (level === "#") return bits;
  if (node.any !== undefined && !isDollar) bits |= bitsFrom(node.any, levels, depth + 1, client);
  if (level === "+") return bits;
  const exact = node.exact?.get(level);
  if (exact !== undefined) bits |= bitsFrom(exact, levels, depth + 1, client);
  if (node.named === undefined || isDollar) return bits;
  bits |= namedBit;
  for (const named of node.named) {
    const filled = fill(named.text, client);
    if (filled === level) bits |= bitsFrom(named.node, levels, depth + 1, client);
    else if (filled === unusable) bits |= bitsBelow(named.node) & deny;
  }
  return bits;
}

/** Of all rules from here on. */
function bitsBelow(node: Node): number {
  let bits = node.own | node.all;
  if (node.any !== undefined) bits |= bitsBelow(node.any);
  for (const next of node.exact?.values() ?? []) bits |= bitsBelow(next);
  for (const next of node.named ?? []) bits |= bitsBelow(next.node);
  return bits;
}

/** Stands for a level that the client's name cannot fill. */
const unusable = Symbol("unusable");

/** Whether a level of a pattern names the client. */
export function hasName(level: string): boolean {
  return level.includes("%c") || level.includes("%u");
}

/**
 * A level with the client's names in it.
 *
 * @returns `undefined` where it has no username: the rule is not about it; `unusable` where a name
 * would be another filter: such a client is given nothing by the rule, and all of what it denies.
 */
function fill(text: string, { clientId, username }: AclClient): string | undefined | symbol {
  if (text.includes("%u")) {
    if (username === undefined) return undefined;
    if (!isLevel(username)) return unusable;
  }
  if (text.includes("%c") && !isLevel(clientId)) return unusable;
  if (text === "%c") return clientId;
  if (text === "%u") return username;
  return text.replaceAll(/%[cu]/g, (name) => (name === "%c" ? clientId : username!));
}

/** Whether a name is good for one level: a client that may choose it must not reach beyond its own. */
function isLevel(name: string): boolean {
  return name !== "" && !/[+#/]/.test(name);
}
