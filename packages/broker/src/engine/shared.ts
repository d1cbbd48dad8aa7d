import type { TopicFilter } from "@sericite/protocol";
import { waitingOf } from "./backlog.ts";
import { enqueue } from "./enqueue.ts";
import type { Engine } from "./engine.ts";
import type { MemberState } from "./envelope.ts";
import type { Extras } from "./extras.ts";
import type { Message } from "./message.ts";
import type { Position } from "./ports.ts";
import { META_RETAIN } from "./queue.ts";
import { OPTION_QOS, OPTION_RETAIN_AS_PUBLISHED } from "./session.ts";
import type { Session } from "./session.ts";

/** How the receiver of a message is chosen among the members of a group. */
export const sharedStrategies = [
  "round-robin",
  "random",
  "sticky",
  "hash-client",
  "hash-topic",
  "least-in-flight",
] as const;

/** A member of a Shared Subscription at another node. What it has to do there is not known here. */
export class RemoteMember {
  readonly node: string;
  readonly clientId: string;
  /** As a session's: defined while it has one. */
  connection: true | undefined;

  constructor(node: string, clientId: string) {
    this.node = node;
    this.clientId = clientId;
  }
}

/** A session's part in a Shared Subscription. */
interface Member {
  readonly session: Session | RemoteMember;
  options: number;
  extras: Extras;
}

/**
 * One Shared Subscription: a group name and a Topic Filter (§4.8.2). It stands in the topic tree as
 * one subscriber; the receiver of each message is chosen here, once, connected members first.
 */
export class SharedGroup {
  /** With its prefix: `$share/group/filter` or `$queue/filter`. */
  readonly topicFilter: string;
  /** Number in the topic tree. */
  readonly subscriber: number;
  /** Its subscription there. */
  subscriptionId = -1;
  readonly members: Member[] = [];
  #next = 0;
  #sticky: Session | RemoteMember | undefined;

  constructor(topicFilter: string, subscriber: number) {
    this.topicFilter = topicFilter;
    this.subscriber = subscriber;
  }

  indexOf(session: Session | RemoteMember): number {
    return this.members.findIndex((member) => member.session === session);
  }

  /** The member that gets a message, or `undefined` where there is none. */
  choose(engine: Engine, message: Message): Member | undefined {
    const { members } = this;
    const count = members.length;
    if (count <= 1) return members[0];
    switch (engine.settings.shared.strategy) {
      case "random":
        return this.#from(Math.floor(engine.random() * count));
      case "sticky": {
        const at = this.#sticky?.connection === undefined ? -1 : this.indexOf(this.#sticky);
        const member = at >= 0 ? members[at] : this.#from(Math.floor(engine.random() * count));
        this.#sticky = member!.session;
        return member;
      }
      case "hash-client":
        return this.#from(hash(message.publisher) % count);
      case "hash-topic":
        return this.#from(hash(message.topicName) % count);
      case "least-in-flight":
        return this.#least();
      default: {
        const member = this.#from(this.#next % count)!;
        this.#next = (members.indexOf(member) + 1) % count;
        return member;
      }
    }
  }

  /** A member here that is none of these, connected ones first. */
  other(than: readonly Session[]): Member | undefined {
    const others = this.members.filter(
      ({ session }) => !(session instanceof RemoteMember) && !than.includes(session),
    );
    return others.find(({ session }) => session.connection !== undefined) ?? others[0];
  }

  /** The first connected member from `start` on; where none is connected, the one at `start`. */
  #from(start: number): Member | undefined {
    const { members } = this;
    for (let i = 0; i < members.length; i++) {
      const member = members[(start + i) % members.length]!;
      if (member.session.connection !== undefined) return member;
    }
    return members[start];
  }

  #least(): Member | undefined {
    let best: Member | undefined;
    let least = Infinity;
    for (const member of this.members) {
      const { session } = member;
      // Members without a connection come behind all others.
      const load =
        (session instanceof RemoteMember ? 0 : waitingOf(session) + (session.outbound?.size ?? 0)) +
        (session.connection === undefined ? 2 ** 40 : 0);
      if (load < least) {
        least = load;
        best = member;
      }
    }
    return best;
  }
}

/** The Shared Subscriptions of a broker. */
export class SharedGroups {
  readonly #engine: Engine;
  readonly #groups = new Map<string, SharedGroup>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The group of this text, with its prefix. */
  get(text: string): SharedGroup | undefined {
    return this.#groups.get(text);
  }

  /** Groups there are. */
  get size(): number {
    return this.#groups.size;
  }

  /** Makes a session a member, or changes what it asked for: several times count once. @returns whether it was one. */
  join(
    session: Session,
    text: string,
    parsed: TopicFilter,
    options: number,
    identifier: number,
  ): boolean {
    const engine = this.#engine;
    const group = this.#open(text, parsed);
    const extras: Extras = { identifiers: identifier === 0 ? [] : [identifier], group }; // [X-58] [MQTT5-3.3.4-5]
    const at = group.indexOf(session);
    if (at >= 0) {
      group.members[at]!.options = options;
      group.members[at]!.extras = extras;
      return true;
    }
    group.members.push({ session, options, extras });
    (session.shares ??= new Map()).set(text, group);
    engine.cluster?.memberChanged(session, text, false);
    return false;
  }

  #open(text: string, parsed: TopicFilter): SharedGroup {
    const engine = this.#engine;
    let group = this.#groups.get(text);
    if (group !== undefined) return group;
    group = new SharedGroup(text, engine.sessions.takeNumber());
    engine.sessions.setGroup(group.subscriber, group);
    group.subscriptionId = engine.topicTree.add(parsed.topicFilter, group.subscriber, 0, 0);
    this.#groups.set(text, group);
    return group;
  }

  /** Ends a session's membership. @returns whether it was a member. */
  leave(session: Session, text: string): boolean {
    const group = session.shares?.get(text);
    if (group === undefined) return false;
    session.shares!.delete(text);
    this.#remove(group, group.indexOf(session));
    this.#engine.cluster?.memberChanged(session, text, true);
    return true;
  }

  #remove(group: SharedGroup, index: number): void {
    group.members.splice(index, 1);
    if (group.members.length > 0) return;
    this.#groups.delete(group.topicFilter);
    this.#engine.topicTree.remove(group.subscriptionId);
    this.#engine.sessions.setGroup(group.subscriber, undefined);
    this.#engine.sessions.giveNumber(group.subscriber);
  }

  /** Notes what a group has at another node. */
  setRemote(
    text: string,
    parsed: TopicFilter,
    node: string,
    clientId: string,
    state: MemberState,
  ): void {
    const group = this.#open(text, parsed);
    const index = group.members.findIndex(
      ({ session: other }) =>
        other instanceof RemoteMember && other.node === node && other.clientId === clientId,
    );
    // It came before it goes.
    if (state === "gone") return this.#remove(group, index);
    let member = group.members[index]?.session;
    if (member === undefined) {
      member = new RemoteMember(node, clientId);
      group.members.push({ session: member, options: 0, extras: { identifiers: [], group } });
    }
    (member as RemoteMember).connection = state === "attached" ? true : undefined;
  }

  /** Gives a message to the member that another node chose for it; to another one where it is gone meanwhile. */
  deliverTo(text: string, clientId: string, message: Message): void {
    const group = this.#groups.get(text);
    if (group === undefined) return;
    const session = this.#engine.sessions.get(clientId);
    const member = session === undefined ? undefined : group.members[group.indexOf(session)];
    if (member === undefined) this.#engine.passOn(group, message);
    else give(this.#engine, group, member, message);
  }

  /** The session ended: it is a member of nothing any more. */
  leaveAll(session: Session): void {
    if (session.shares === undefined) return;
    for (const text of [...session.shares.keys()]) this.leave(session, text);
    session.shares = undefined;
  }
}

/** Gives a message to one member of the group. @returns the record's position, or -1 where nobody took it. */
export function deliverShared(engine: Engine, group: SharedGroup, message: Message): Position {
  const member = group.choose(engine, message);
  return member === undefined ? -1 : give(engine, group, member, message);
}

/** The same for a message that some of this node's members may not have: others of this node get it. */
export function deliverToOther(
  engine: Engine,
  group: SharedGroup,
  message: Message,
  refusedBy: readonly Session[],
): void {
  const member = group.other(refusedBy);
  if (member !== undefined) give(engine, group, member, message, refusedBy);
}

function give(
  engine: Engine,
  group: SharedGroup,
  member: Member,
  message: Message,
  refusedBy?: readonly Session[],
): Position {
  const { session } = member;
  if (session instanceof RemoteMember) {
    engine.cluster!.choose(session, group.topicFilter);
    return 0;
  }
  const granted = member.options & OPTION_QOS;
  const qos = granted < message.qos ? granted : message.qos; // [MQTT5-4.8.2-3]
  const meta =
    message.retain && (member.options & OPTION_RETAIN_AS_PUBLISHED) !== 0 ? qos | META_RETAIN : qos;
  const extras = refusedBy === undefined ? member.extras : { ...member.extras, refusedBy };
  return enqueue(engine, session, message, meta, extras);
}

/** A small hash of a text (FNV-1a, 32 bits). */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
