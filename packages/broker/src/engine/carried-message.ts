import type { QoS } from "@sericite/protocol";
import type { Engine } from "./engine.ts";
import { composeMessage } from "./forms.ts";
import type { Message } from "./message.ts";

/** A message between nodes. Its bytes are its own. */
export interface CarriedMessage {
  readonly topicName: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  /** Encoded 5.0 properties without their length, as they go out. */
  readonly properties: Uint8Array;
  readonly publisher: string;
  /** What is left of the Message Expiry Interval: nodes have clocks of their own. Milliseconds; `Infinity` where there is none. */
  readonly expiresIn: number;
}

/** What another node is given of a message. */
export function carry(engine: Engine, message: Message): CarriedMessage {
  return {
    topicName: message.topicName,
    payload: message.payload().slice(),
    qos: message.qos,
    retain: message.retain,
    properties: message.properties().slice(),
    publisher: message.publisher,
    expiresIn: message.expiresAt === 0 ? Infinity : message.expiresAt - engine.now,
  };
}

/** Makes the message that another node gave. @param number  This node's own. */
export function messageFromNode(engine: Engine, carried: CarriedMessage, number: number): Message {
  const { expiresIn, topicName, ...parts } = carried;
  return composeMessage(number, {
    ...parts,
    topic: engine.topicNames.intern(topicName),
    // Never 0, which stands for no time at all.
    expiresAt: expiresIn === Infinity ? 0 : engine.now + expiresIn || -1,
  });
}
