import { ReasonCode } from "@sericite/protocol";
import type { UnsubscribePacket } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import type { Position } from "./ports.ts";
import type { Session } from "./session.ts";
import { isInUse } from "./subscribe.ts";

/** Ends subscriptions whose Topic Filter is the same to the character [MQTT5-3.10.4-1] [MQTT3-3.10.4-1]. */
export function handleUnsubscribe(connection: Connection, packet: UnsubscribePacket): void {
  const session = connection.session!;
  const reasonCodes: number[] = [];
  let position: Position = 0;
  const inUse = isInUse(connection, packet.packetIdentifier);
  for (const topicFilter of packet.topicFilters) {
    if (inUse) {
      reasonCodes.push(ReasonCode.packetIdentifierInUse);
      continue;
    }
    const removed = unsubscribe(connection, session, topicFilter);
    reasonCodes.push(removed === undefined ? ReasonCode.noSubscriptionExisted : ReasonCode.success);
    if (removed !== undefined && removed > position) position = removed;
  }
  // Sent even when nothing was deleted [MQTT5-3.10.4-5] [MQTT3-3.10.4-5]; one for all filters [MQTT5-3.10.4-6].
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
  if (id >= 0) engine.topicTree.remove(id);
  else if (!engine.shared.leave(session, topicFilter)) return undefined;
  if (session.replays !== undefined)
    session.replays = session.replays.filter((replay) => replay.topicFilter !== topicFilter);
  engine.events.emit("unsubscribed", { clientId: session.clientId, topicFilter });
  if (!session.isDurable || engine.store.isVolatile) return 0;
  return engine.append({ type: "unsubscribe", session: session.key, topicFilter });
}
