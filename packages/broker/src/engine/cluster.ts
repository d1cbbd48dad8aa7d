import { parseTopicFilter } from "@sericite/protocol";
import { carry, messageFromNode } from "./carried-message.ts";
import type { CarriedMessage } from "./carried-message.ts";
import type { Engine } from "./engine.ts";
import type {
  ChosenMember,
  Envelope,
  MemberState,
  NodeEvent,
  RetainedVersion,
} from "./envelope.ts";
import type { Message } from "./message.ts";
import { route } from "./route.ts";
import type { Origin } from "./route.ts";
import { SessionMoves } from "./session-move.ts";
import type { Session } from "./session.ts";
import type { RemoteMember } from "./shared.ts";

/** The nodes that are one broker. */
export interface ClusterOptions {
  /** Name of this one. */
  readonly node: string;
  readonly others: readonly string[];
}

/** Another node. In the topic tree it is one subscriber, with the Topic Filters of all its sessions. */
export interface RemoteNode {
  readonly name: string;
  readonly subscriber: number;
  /** Highest number heard of it: what comes with a lower one is a repeat. */
  heard: number;
}

/** Where a message entered, and which of that node's it was. */
export interface Stamp {
  readonly node: string;
  readonly number: number;
}

/**
 * What this node knows of the others and tells them: Topic Filters, members of Shared Subscriptions,
 * messages, retained messages' versions, sessions that move. There is none where there is one node.
 */
export class Cluster {
  readonly node: string;
  readonly moves: SessionMoves;
  readonly #engine: Engine;
  readonly #nodes = new Map<string, RemoteNode>();
  readonly #bySubscriber = new Map<number, RemoteNode>();
  /** How many subscriptions of sessions here have each Topic Filter. */
  readonly #filters = new Map<string, number>();
  readonly #versions = new Map<string, RetainedVersion>();
  /** Of the newest thing told. */
  #number = 0;
  /** Where the message came from that is being routed; absent: it enters here. */
  #stamp: Stamp | undefined;
  /** Of the message that is being routed. */
  #version: RetainedVersion | undefined;
  #chosen: { readonly member: RemoteMember; readonly topicFilter: string }[] = [];

  constructor(engine: Engine, { node, others }: ClusterOptions) {
    this.#engine = engine;
    this.node = node;
    for (const name of others) {
      const remote = { name, subscriber: engine.sessions.takeNumber(), heard: 0 };
      this.#nodes.set(name, remote);
      this.#bySubscriber.set(remote.subscriber, remote);
    }
    this.moves = new SessionMoves(engine, this);
    engine.bus.onEnvelope = (envelope, taken) => this.#receive(envelope, taken);
    engine.ownership.onFound = (clientId, claim) => this.moves.fetchFound(clientId, claim);
  }

  /** Names of the other nodes. */
  get others(): IterableIterator<string> {
    return this.#nodes.keys();
  }

  /** The node with this number in the topic tree, if there is one. */
  nodeAt(subscriber: number): RemoteNode | undefined {
    return this.#bySubscriber.get(subscriber);
  }

  /** Up to which number this node has heard of each, and told itself. */
  heard(): Map<string, number> {
    const heard = new Map([[this.node, this.#number]]);
    for (const { name, heard: number } of this.#nodes.values()) heard.set(name, number);
    return heard;
  }

  /** Of the message that is being routed. */
  stamp(): Stamp {
    return this.#stamp ?? { node: this.node, number: this.#number + 1 };
  }

  // --- what the others are told ---

  /** Tells one node. */
  tell(to: string, event: NodeEvent): void {
    this.#number++;
    this.#send(to, event);
  }

  /** Tells all of them. */
  tellAll(event: NodeEvent): void {
    this.#number++;
    for (const to of this.#nodes.keys()) this.#send(to, event);
  }

  #send(to: string, event: NodeEvent): void {
    const engine = this.#engine;
    engine.enter();
    engine.newestBusPosition = engine.bus.send({
      from: this.node,
      to,
      number: this.#number,
      event,
    });
  }

  /** A session here has a subscription more. */
  filterAdded(topicFilter: string): void {
    const count = this.#filters.get(topicFilter) ?? 0;
    this.#filters.set(topicFilter, count + 1);
    if (count === 0) this.tellAll({ type: "filter", topicFilter, isAdded: true });
  }

  /** A session here has a subscription less. */
  filterRemoved(topicFilter: string): void {
    const count = this.#filters.get(topicFilter)! - 1;
    if (count > 0) return void this.#filters.set(topicFilter, count);
    this.#filters.delete(topicFilter);
    this.tellAll({ type: "filter", topicFilter, isAdded: false });
  }

  /** A session here ends, and its subscriptions with it. */
  filtersRemoved(session: Session): void {
    const tree = this.#engine.topicTree;
    for (let id = tree.firstOf(session.subscriber); id >= 0; id = tree.nextOf(id))
      this.filterRemoved(tree.topicFilterOf(id));
  }

  /** A session here came to a Shared Subscription, or left it. */
  memberChanged(session: Session, topicFilter: string, isGone: boolean): void {
    const attached: MemberState = session.connection === undefined ? "detached" : "attached";
    const state = isGone ? "gone" : attached;
    this.tellAll({ type: "member", topicFilter, clientId: session.clientId, state });
  }

  /** A session here has a connection now, or none any more. */
  attachmentChanged(session: Session): void {
    if (session.shares === undefined) return;
    for (const topicFilter of session.shares.keys())
      this.memberChanged(session, topicFilter, false);
  }

  // --- messages ---

  /** A member at another node gets the message that is being routed. */
  choose(member: RemoteMember, topicFilter: string): void {
    this.#chosen.push({ member, topicFilter });
  }

  /**
   * Sends a message on that entered here: one envelope to each node that has receivers for it, and
   * to all nodes where it is retained. One that came from another node goes no further.
   */
  forward(
    message: Message,
    nodes: readonly RemoteNode[],
    origin: Origin,
    target: string | undefined,
  ): void {
    const chosen = this.#chosen;
    const version = this.#version;
    this.#version = undefined;
    if (origin === "cluster") return;
    const engine = this.#engine;
    this.#number++;
    // $SYS is each node's own; a member of a Shared Subscription may be chosen for it all the same.
    const interested = origin === "sys" ? [] : nodes;
    engine.receipt.sessions += interested.length;
    const to = new Set(
      version === undefined ? interested.map(({ name }) => name) : this.#nodes.keys(),
    );
    for (const { member } of chosen) to.add(member.node);
    if (to.size === 0) return;
    this.#chosen = [];
    const carried = carry(engine, message);
    for (const name of to) this.#send(name, messageEvent(carried, target, chosen, name, version));
    engine.receipt.bus = engine.newestBusPosition;
  }

  /** Sends a message on to the members that were chosen for it after it was routed. */
  passOn(message: Message): void {
    const chosen = this.#chosen;
    this.#chosen = [];
    for (const one of chosen)
      this.tell(
        one.member.node,
        messageEvent(carry(this.#engine, message), undefined, [one], one.member.node, undefined),
      );
  }

  /**
   * Whether a message that asks to be retained is the newest of its Topic Name. Nodes hear of
   * messages in different orders, and keep the same one all the same.
   */
  retains(message: Message, origin: Origin): boolean {
    if (origin === "sys") return true;
    const known = this.#versions.get(message.topicName);
    if (origin !== "cluster") {
      // Above what is known, also where another node's clock is ahead of this one's.
      const time = Math.max(this.#engine.clock.wallTime(), (known?.time ?? 0) + 1);
      this.#version = { time, node: this.node, number: this.#number + 1 };
    }
    const version = this.#version;
    if (version === undefined || (known !== undefined && !isHigher(version, known))) return false;
    this.#versions.set(message.topicName, version);
    return true;
  }

  // --- what the others tell ---

  #receive(envelope: Envelope, taken: () => void): void {
    const engine = this.#engine;
    engine.enter();
    const node = this.#nodes.get(envelope.from);
    if (node === undefined) return taken();
    if (envelope.number > node.heard) {
      node.heard = envelope.number;
      this.#handle(node, envelope);
    }
    // A repeat too: what it caused the first time may not be safe yet.
    engine.whenDurable(engine.newestPosition, 0, taken);
  }

  #handle(node: RemoteNode, { event, number }: Envelope): void {
    const { topicTree, shared } = this.#engine;
    switch (event.type) {
      case "message":
        this.#stamp = { node: node.name, number };
        this.#handleMessage(event);
        this.#stamp = undefined;
        return;
      case "filter":
        if (event.isAdded) topicTree.add(event.topicFilter, node.subscriber, 0, 0);
        else topicTree.remove(topicTree.find(event.topicFilter, node.subscriber));
        return;
      case "member": {
        const parsed = parseTopicFilter(event.topicFilter);
        return shared.setRemote(event.topicFilter, parsed, node.name, event.clientId, event.state);
      }
      default:
        return this.moves.handle(node.name, event);
    }
  }

  #handleMessage(event: Extract<NodeEvent, { type: "message" }>): void {
    const engine = this.#engine;
    const message = messageFromNode(engine, event.message, engine.nextMessageNumber());
    this.#version = event.version;
    route(engine, message, "cluster", event.target);
    for (const { topicFilter, clientId } of event.members)
      engine.shared.deliverTo(topicFilter, clientId, message);
  }
}

function messageEvent(
  message: CarriedMessage,
  target: string | undefined,
  chosen: readonly { readonly member: RemoteMember; readonly topicFilter: string }[],
  node: string,
  version: RetainedVersion | undefined,
): NodeEvent {
  const members: ChosenMember[] = [];
  for (const { member, topicFilter } of chosen)
    if (member.node === node) members.push({ topicFilter, clientId: member.clientId });
  return { type: "message", message, target, members, version };
}

function isHigher(one: RetainedVersion, other: RetainedVersion): boolean {
  if (one.time !== other.time) return one.time > other.time;
  if (one.node !== other.node) return one.node > other.node;
  return one.number > other.number;
}
