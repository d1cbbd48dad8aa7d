import { ReasonCode } from "@sericite/protocol";
import type { UnsubscribePacket } from "@sericite/protocol";
import { goOnNextTurn } from "./ask.ts";
import type { Connection } from "./connection.ts";
import type { Position } from "./ports.ts";
import type { Session } from "./session.ts";
import { isInUse } from "./subscribe.ts";

/** One UNSUBSCRIBE on its way: the answer is one, however many turns it takes. */
interface Progress {
  readonly packet: UnsubscribePacket;
  readonly reasonCodes: number[];
  position: Position;
}

/** Ends subscriptions whose Topic Filter is the same to the character [MQTT5-3.10.4-1] [MQTT3-3.10.4-1]. */
export function handleUnsubscribe(connection: Connection, packet: UnsubscribePacket): void {
  const progress: Progress = { packet, reasonCodes: [], position: 0 };
  if (isInUse(connection, packet.packetIdentifier)) {
    for (const _ of packet.topicFilters)
      progress.reasonCodes.push(ReasonCode.packetIdentifierInUse);
    return finish(connection, progress);
  }
  advance(connection, progress);
}

function advance(connection: Connection, progress: Progress): void {
  const { packet, reasonCodes } = progress;
  const session = connection.session!;
  let budget = connection.engine.settings.limits.packetsPerTurn;
  while (reasonCodes.length < packet.topicFilters.length) {
    if (budget-- === 0) return goOnNextTurn(connection, () => advance(connection, progress));
    const topicFilter = packet.topicFilters[reasonCodes.length]!;
    // As it was rewritten when it was subscribed to; where the rules are others now, as it was sent.
    const rewritten = connection.isTrusted
      ? topicFilter
      : (connection.engine.rewriter?.topicFilter(connection, topicFilter) ?? topicFilter);
    const removed =
      unsubscribe(connection, session, rewritten) ??
      (rewritten === topicFilter ? undefined : unsubscribe(connection, session, topicFilter));
    reasonCodes.push(removed === undefined ? ReasonCode.noSubscriptionExisted : ReasonCode.success); // [MQTT5-3.11.3-1]
    if (removed !== undefined && removed > progress.position) progress.position = removed;
  }
  finish(connection, progress);
}

function finish(connection: Connection, { packet, reasonCodes, position }: Progress): void {
  // Sent even when nothing was deleted [MQTT5-3.10.4-5] [MQTT3-3.10.4-5]; one for all filters [MQTT5-3.10.4-6]
  // [MQTT3-3.10.4-6], under the same identifier [MQTT5-3.10.4-4] [MQTT3-3.10.4-4] [MQTT5-2.2.1-6] [MQTT3-2.3.1-7].
  connection.sender.sendWhenDurable(
    { type: "unsuback", packetIdentifier: packet.packetIdentifier, reasonCodes },
    position,
    0,
  );
}

/** @returns the record's position, or `undefined` where there was no such subscription. */
function unsubscribe(
  connection: Connection,
  session: Session,
  topicFilter: string,
): Position | undefined {
  const { engine } = connection;
  const id = engine.topicTree.find(topicFilter, session.subscriber);
  if (id >= 0) {
    engine.topicTree.remove(id); // [MQTT5-3.10.4-2] [MQTT3-3.10.4-2]
    engine.cluster?.filterRemoved(topicFilter);
  } else if (!engine.shared.leave(session, topicFilter)) return undefined;
  // What is queued or in flight already goes on [MQTT5-3.10.4-3] [MQTT3-3.10.4-3].
  session.endReplay(topicFilter);
  engine.events.emit("unsubscribed", { clientId: session.clientId, topicFilter });
  if (!session.isKept) return 0;
  return engine.append({ type: "unsubscribe", session: session.key, topicFilter });
}
