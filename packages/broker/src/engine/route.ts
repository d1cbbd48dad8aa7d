import { decodeProperties, PacketType } from "@sericite/protocol";
import type { Engine } from "./engine.ts";
import { handOver } from "./hand-over.ts";
import type { Message } from "./message.ts";
import type { Position } from "./ports.ts";
import { META_RETAIN } from "./queue.ts";
import { deliverShared } from "./shared.ts";

/** Where a message came from; a bridge or a cluster must not send it back there. */
export type Origin = "client" | "will" | "delayed" | "broker" | "sys" | "cluster";

/** What became of a message. One object for all: read it before the next `route`. */
export interface Receipt {
  /** Sessions that took it; another node counts as one. */
  sessions: number;
  /** What an acknowledgement waits for; 0: nothing. */
  store: Position;
  bus: Position;
}

/**
 * The one door by which messages enter: clients, Wills, the embedding program, and whatever comes
 * later. It trusts; who may publish was decided at the door before. It never waits.
 *
 * @param target  Client Identifier of the only receiver; absent for everybody who subscribed.
 */
export function route(engine: Engine, message: Message, origin: Origin, target?: string): Receipt {
  const receipt = engine.receipt;
  engine.counters.messagesRouted++;
  if (engine.events.hearsMessages) tellPublished(engine, message, origin);
  // Not in the receipt yet: what a listener publishes meanwhile, such as one of drops, uses it too.
  let sessions = 0;
  let store: Position = 0;
  // Retained first: a subscription made by a listener of this very message must find it.
  if (
    message.retain &&
    target === undefined &&
    (engine.cluster === undefined || engine.cluster.retains(message, origin))
  )
    store = engine.retained.put(message); // [MQTT5-3.3.1-8] [MQTT3-3.3.1-12]
  const { targets, groups, nodes } = engine.matches.get(message.topic);
  const length = targets.length;
  for (let i = 0; i < length; i++) {
    let to = targets[i]!;
    const session = to.session;
    if (to.own !== undefined && session.clientId === message.publisher) {
      if (to.own === null) continue; // [MQTT5-3.8.3-3]
      to = to.own;
    }
    if (target !== undefined && session.clientId !== target) continue;
    const qos = to.qos < message.qos ? to.qos : message.qos; // [MQTT5-3.8.4-8] [MQTT3-3.8.4-6]
    // [MQTT5-3.3.1-12] [MQTT5-3.3.1-13] [MQTT3-3.3.1-9]
    const meta = message.retain && to.retainAsPublished ? qos | META_RETAIN : qos;
    const position = handOver(engine, session, message, meta, to.extras);
    if (position > store) store = position;
    sessions++;
  }
  // Where it comes from another node, its receivers in groups were chosen there.
  if (groups.length > 0 && target === undefined && origin !== "cluster") {
    for (const group of groups) {
      const position = deliverShared(engine, group, message);
      if (position < 0) continue;
      if (position > store) store = position;
      sessions++;
    }
  }
  receipt.sessions = sessions;
  receipt.store = store;
  receipt.bus = 0;
  if (engine.cluster !== undefined) engine.cluster.forward(message, nodes, origin, target);
  if (receipt.sessions === 0) engine.counters.messagesUnmatched++;
  return receipt;
}

function tellPublished(engine: Engine, message: Message, origin: Origin): void {
  engine.events.emit("messagePublished", {
    origin,
    publisher: message.publisher,
    topicName: message.topicName,
    payload: message.payload(),
    qos: message.qos,
    retain: message.retain,
    properties: decodeProperties(
      message.bytes,
      message.start + message.propertiesStart,
      message.start + message.propertiesEnd,
      PacketType.publish,
    ),
  });
}
