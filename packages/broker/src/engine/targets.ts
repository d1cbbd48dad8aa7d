import type { RemoteNode } from "./cluster.ts";
import type { Engine } from "./engine.ts";
import { OPTION_MUTE, OPTION_NO_LOCAL, OPTION_QOS, OPTION_RETAIN_AS_PUBLISHED } from "./session.ts";
import type { SharedGroup } from "./shared.ts";
import type { Session } from "./session.ts";

/** How one receiver gets messages of a Topic Name: its overlapping subscriptions taken together. */
export interface Target {
  readonly session: Session;
  /** Highest granted QoS of its matching subscriptions [MQTT5-3.3.4-2] [MQTT3-3.3.5-1]. */
  qos: number;
  retainAsPublished: boolean;
  /** Holds the Subscription Identifiers of all its matching subscriptions; `undefined` where there are none. */
  extras: { readonly identifiers: number[]; readonly group: undefined } | undefined;
  /**
   * What counts for messages that this receiver published itself: `undefined` the same, `null`
   * nothing, since No Local is on [MQTT5-3.8.3-3].
   */
  own: Target | null | undefined;
}

/** Who gets messages of a Topic Name. */
export interface Receivers {
  readonly targets: readonly Target[];
  /** Shared Subscriptions that match; each chooses one member for each message. */
  readonly groups: readonly SharedGroup[];
  /** Other nodes where somebody receives them. */
  readonly nodes: readonly RemoteNode[];
}

/** Nobody. */
export const nobody: Receivers = { targets: [], groups: [], nodes: [] };

/** Finds the receivers of a Topic Name [MQTT5-3.3.2-3] [MQTT3-3.3.2-3]. The match cache keeps the result while no subscription changes it. */
export function findReceivers(engine: Engine, topicName: string): Receivers {
  const tree = engine.topicTree;
  let targets: Target[] | undefined;
  let groups: SharedGroup[] | undefined;
  let nodes: RemoteNode[] | undefined;
  let locals: number[] | undefined;
  let bySubscriber: Map<number, Target> | undefined;
  tree.match(topicName, (id) => {
    const options = tree.optionsOf(id);
    if ((options & OPTION_MUTE) !== 0) return;
    const subscriber = tree.subscriberOf(id);
    const session = engine.subscriberAt(subscriber);
    if (session === undefined) {
      const group = engine.sessions.groupAt(subscriber);
      if (group !== undefined) (groups ??= []).push(group);
      else {
        const node = engine.cluster?.nodeAt(subscriber);
        if (node !== undefined && nodes?.includes(node) !== true) (nodes ??= []).push(node);
      }
      return;
    }
    if ((options & OPTION_NO_LOCAL) !== 0) (locals ??= []).push(subscriber);
    targets ??= [];
    let target: Target | undefined;
    if (targets.length > 0) {
      bySubscriber ??= new Map([[targets[0]!.session.subscriber, targets[0]!]]);
      target = bySubscriber.get(subscriber);
    }
    if (target === undefined) {
      target = {
        session,
        qos: 0,
        retainAsPublished: false,
        extras: undefined,
        own: undefined,
      };
      targets.push(target);
      bySubscriber?.set(subscriber, target);
    }
    join(target, options, tree.identifierOf(id));
  });
  if (targets === undefined && groups === undefined && nodes === undefined) return nobody;
  targets ??= [];
  if (locals !== undefined)
    for (const subscriber of new Set<number>(locals))
      setOwn(engine, topicName, targets, subscriber);
  return { targets, groups: groups ?? [], nodes: nodes ?? [] };
}

function join(target: Target, options: number, identifier: number): void {
  const qos = options & OPTION_QOS;
  if (qos > target.qos) target.qos = qos;
  if ((options & OPTION_RETAIN_AS_PUBLISHED) !== 0) target.retainAsPublished = true;
  if (identifier !== 0)
    (target.extras ??= { identifiers: [], group: undefined }).identifiers.push(identifier);
}

/** Works out what a receiver with No Local gets of its own messages: the subscriptions without it. */
function setOwn(
  engine: Engine,
  topicName: string,
  targets: readonly Target[],
  subscriber: number,
): void {
  const target = targets.find((candidate) => candidate.session.subscriber === subscriber)!;
  const tree = engine.topicTree;
  let own: Target | null = null;
  tree.match(topicName, (id) => {
    const options = tree.optionsOf(id);
    if (tree.subscriberOf(id) !== subscriber || (options & (OPTION_NO_LOCAL | OPTION_MUTE)) !== 0)
      return;
    own ??= {
      session: target.session,
      qos: 0,
      retainAsPublished: false,
      extras: undefined,
      own: undefined,
    };
    join(own, options, tree.identifierOf(id));
  });
  target.own = own;
}
