import type { Engine } from "./engine.ts";
import { OPTION_MUTE, OPTION_NO_LOCAL, OPTION_QOS, OPTION_RETAIN_AS_PUBLISHED } from "./session.ts";
import type { Session } from "./session.ts";

/** How one receiver gets messages of a Topic Name: its overlapping subscriptions taken together. */
export interface Target {
  readonly session: Session;
  /** Highest granted QoS of its matching subscriptions [MQTT5-3.3.4-2] [MQTT3-3.3.5-1]. */
  qos: number;
  retainAsPublished: boolean;
  /** All Subscription Identifiers of its matching subscriptions; `undefined` where there are none. */
  identifiers: number[] | undefined;
  /**
   * What counts for messages that this receiver published itself: `undefined` the same, `null`
   * nothing, since No Local is on [MQTT5-3.8.3-3].
   */
  own: Target | null | undefined;
}

/** Nobody. */
export const noTargets: readonly Target[] = [];

/** Finds the receivers of a Topic Name. The match cache keeps the result while no subscription changes it. */
export function findTargets(engine: Engine, topicName: string): readonly Target[] {
  const tree = engine.topicTree;
  let targets: Target[] | undefined;
  let locals: number[] | undefined;
  let bySubscriber: Map<number, Target> | undefined;
  tree.match(topicName, (id) => {
    const options = tree.optionsOf(id);
    if ((options & OPTION_MUTE) !== 0) return;
    const subscriber = tree.subscriberOf(id);
    const session = engine.subscriberAt(subscriber);
    if (session === undefined) return;
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
        identifiers: undefined,
        own: undefined,
      };
      targets.push(target);
      bySubscriber?.set(subscriber, target);
    }
    join(target, options, tree.identifierOf(id));
  });
  if (targets === undefined) return noTargets;
  if (locals !== undefined)
    for (const subscriber of new Set<number>(locals))
      setOwn(engine, topicName, targets, subscriber);
  return targets;
}

function join(target: Target, options: number, identifier: number): void {
  const qos = options & OPTION_QOS;
  if (qos > target.qos) target.qos = qos;
  if ((options & OPTION_RETAIN_AS_PUBLISHED) !== 0) target.retainAsPublished = true;
  if (identifier !== 0) (target.identifiers ??= []).push(identifier);
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
      identifiers: undefined,
      own: undefined,
    };
    join(own, options, tree.identifierOf(id));
  });
  target.own = own;
}
