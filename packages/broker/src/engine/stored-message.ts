import type { Engine } from "./engine.ts";
import { composeInRoom, composeMessage, roomOf } from "./forms.ts";
import type { MessageParts, Room } from "./forms.ts";
import type { Message } from "./message.ts";
import type { QueueEntry, StoredMessage } from "./ports.ts";

/**
 * Makes the message that a store gave back: the same number, so that every receiver gets it under
 * the same Packet Identifier, and the rest of its Message Expiry Interval. Its bytes are copied.
 * The store has it: it is not recorded again.
 */
export function messageFromStore(engine: Engine, stored: StoredMessage, room?: Room): Message {
  const parts: MessageParts = {
    topic: engine.topicNames.intern(stored.topicName),
    payload: stored.payload,
    properties: stored.properties,
    qos: stored.qos,
    retain: stored.retain,
    publisher: stored.publisher,
    expiresAt: stored.expiresAt === Infinity ? 0 : engineTimeOf(engine, stored.expiresAt),
  };
  const message =
    room === undefined
      ? composeMessage(stored.number, parts)
      : composeInRoom(room, stored.number, parts);
  message.isStored = true;
  return message;
}

/** Memory for all messages of a page at once: many small pieces cost more than one. */
export function roomFor(entries: readonly QueueEntry[]): Room {
  let length = 0;
  for (const { message } of entries)
    length += roomOf(message.topicName.length, message.properties.length, message.payload.length);
  return { bytes: new Uint8Array(length), used: 0 };
}

/** Engine time of a moment in store time; never 0, which stands for no time at all. It may be past, and negative. */
export function engineTimeOf(engine: Engine, storeTime: number): number {
  return engine.now + (storeTime - engine.storeTime()) || -1;
}

/** What a store keeps of a message. Its bytes are the message's own: a store copies them. */
export function messageToStore(engine: Engine, message: Message): StoredMessage {
  return {
    number: message.number,
    topicName: message.topicName,
    payload: message.payload(),
    qos: message.qos,
    retain: message.retain,
    properties: message.properties(),
    publisher: message.publisher,
    expiresAt: message.expiresAt === 0 ? Infinity : storeTimeOf(engine, message.expiresAt),
  };
}

/** Store time of a moment in engine time. */
function storeTimeOf(engine: Engine, engineTime: number): number {
  return engine.storeTime() + (engineTime - engine.now);
}
