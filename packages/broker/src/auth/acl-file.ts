import { parseTopicFilter, ProtocolError, UsageError } from "@sericite/protocol";
import { AclBit, AclRuleTree, hasName } from "./acl-rule-tree.ts";

/** Words for what a rule is about, and what they say. */
const accesses: Readonly<Record<string, number>> = {
  read: AclBit.allowRead,
  write: AclBit.allowWrite,
  readwrite: AclBit.allowRead | AclBit.allowWrite,
  deny: AclBit.denyRead | AclBit.denyWrite,
  "deny-read": AclBit.denyRead,
  "deny-write": AclBit.denyWrite,
};

/** The rules of an ACL file. */
export class AclRules {
  /** Rules for everybody: the patterns outside of roles. */
  readonly #everybody = new AclRuleTree();
  readonly #anonymous = new AclRuleTree();
  readonly #users = new Map<string, AclRuleTree>();
  readonly #roles = new Map<string, AclRuleTree>();
  /** By username; `undefined` for clients without one. */
  readonly #trees = new Map<string | undefined, readonly AclRuleTree[]>();
  /** For usernames that the file does not have. */
  readonly #others: readonly AclRuleTree[];

  private constructor(text: string, name: string) {
    const rolesOf = new Map<string | undefined, { role: string; at: string }[]>();
    this.#read(text, name, rolesOf);
    this.#others = [this.#everybody];
    for (const [username, own] of [
      [undefined, this.#anonymous] as const,
      ...this.#users.entries(),
    ]) {
      const roles = (rolesOf.get(username) ?? []).map(({ role, at }) => {
        const tree = this.#roles.get(role);
        if (tree === undefined)
          throw new UsageError(
            "ERR_ACL",
            `${at}: there is no role ${JSON.stringify(role)}; expected the name of one that the file describes`,
          );
        return tree;
      });
      this.#trees.set(username, [this.#everybody, own, ...new Set(roles)]);
    }
  }

  /**
   * Reads the text of an ACL file (docs/ACCESS.md).
   *
   * @param name  Of the file, for messages.
   * @throws UsageError ERR_ACL names file and line, what was seen and what was expected.
   */
  static parse(text: string, name: string): AclRules {
    return new AclRules(text, name);
  }

  /** The rules that a client has. The same array for the same username. */
  of(username: string | undefined): readonly AclRuleTree[] {
    return this.#trees.get(username) ?? this.#others;
  }

  #read(
    text: string,
    name: string,
    rolesOf: Map<string | undefined, { role: string; at: string }[]>,
  ): void {
    // As mosquitto has it: what stands before the first user is for clients without a username.
    let section = this.#anonymous;
    let isRole = false;
    for (const [index, line] of text
      .replace(/^\uFEFF/, "")
      .split("\n")
      .entries()) {
      const at = `${name}:${index + 1}`;
      const words = line.trim();
      if (words === "" || words.startsWith("#")) continue;
      const [, keyword, rest] = /^(\S+)\s*(.*)$/.exec(words)!;
      switch (keyword) {
        case "user": {
          const { subject, roles } = subjectOf(rest!, at);
          if (subject === "") throw fault(at, words, "user NAME, or user NAME role ROLE");
          section = treeOf(this.#users, subject);
          isRole = false;
          addRoles(rolesOf, subject, roles, at);
          break;
        }
        case "anonymous": {
          const { subject, roles } = subjectOf(` ${rest!}`, at);
          if (subject !== "") throw fault(at, words, "anonymous, or anonymous role ROLE");
          section = this.#anonymous;
          isRole = false;
          addRoles(rolesOf, undefined, roles, at);
          break;
        }
        case "everybody":
          if (rest !== "") throw fault(at, words, "everybody, and nothing else on the line");
          section = this.#everybody;
          isRole = false;
          break;
        case "role":
          if (rest === "" || /\s/.test(rest!)) throw fault(at, words, "role NAME, in one word");
          section = treeOf(this.#roles, rest!);
          isRole = true;
          break;
        case "topic":
          addRule(section, rest!, false, at);
          break;
        case "pattern":
          addRule(isRole ? section : this.#everybody, rest!, true, at);
          break;
        default:
          throw fault(
            at,
            words,
            "user, role, anonymous, everybody, topic, pattern, or # before a remark",
          );
      }
    }
  }
}

/** Takes `NAME role ROLE ROLE` apart. A name in quotation marks is a text of JSON. */
function subjectOf(text: string, at: string): { subject: string; roles: readonly string[] } {
  const quoted = /^("(?:[^"\\]|\\.)*")(?:\s+role\s+(.+))?$/.exec(text);
  if (quoted !== null) {
    try {
      return { subject: JSON.parse(quoted[1]!) as string, roles: wordsOf(quoted[2]) };
    } catch {
      throw fault(at, quoted[1]!, "a name, or one in quotation marks as JSON writes it");
    }
  }
  const [, subject, roles] = /^(.*?)(?:\srole\s+(.+))?$/.exec(text)!;
  return { subject: subject!.trim(), roles: wordsOf(roles) };
}

function wordsOf(text: string | undefined): readonly string[] {
  return text === undefined ? [] : text.split(/[\s,]+/).filter((word) => word !== "");
}

function addRoles(
  rolesOf: Map<string | undefined, { role: string; at: string }[]>,
  username: string | undefined,
  roles: readonly string[],
  at: string,
): void {
  let list = rolesOf.get(username);
  if (list === undefined) rolesOf.set(username, (list = []));
  for (const role of roles) list.push({ role, at });
}

function treeOf(trees: Map<string, AclRuleTree>, name: string): AclRuleTree {
  let tree = trees.get(name);
  if (tree === undefined) trees.set(name, (tree = new AclRuleTree()));
  return tree;
}

function addRule(tree: AclRuleTree, text: string, isPattern: boolean, at: string): void {
  const [, word, rest] = /^(\S+)\s+(\S.*)$/.exec(text) ?? [];
  const isAccess = word !== undefined && Object.hasOwn(accesses, word);
  const topicFilter = isAccess ? rest! : text;
  if (topicFilter === "" || Object.hasOwn(accesses, topicFilter))
    throw fault(at, text, `[${Object.keys(accesses).join("|")}] and a Topic Filter`);
  checkFilter(topicFilter, isPattern, at);
  tree.add(topicFilter, accesses[isAccess ? word : "readwrite"]!, isPattern);
}

function checkFilter(topicFilter: string, isPattern: boolean, at: string): void {
  if (topicFilter.startsWith("$share/") || topicFilter.startsWith("$queue/"))
    throw fault(at, topicFilter, "the Topic Filter without its share: it is what counts");
  if (topicFilter.startsWith("$delayed/"))
    throw fault(at, topicFilter, "the topic behind $delayed/: it is what counts");
  if (!isPattern && topicFilter.split("/").some(hasName))
    throw fault(at, topicFilter, "pattern in place of topic, where %c and %u are to be filled");
  try {
    parseTopicFilter(topicFilter);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new UsageError("ERR_ACL", `${at}: ${error.message}; expected a Topic Filter`, {
      cause: error,
    });
  }
}

function fault(at: string, seen: string, expected: string): UsageError {
  return new UsageError("ERR_ACL", `${at}: found ${JSON.stringify(seen)}, expected ${expected}`);
}
