import type { QoS } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import type { Engine } from "./engine.ts";
import type { Session } from "./session.ts";

/**
 * Whether the rights that a client came in with let it publish. An error counts as no.
 *
 * @param client  Its connection, or its session once that is gone.
 */
export function hasRightToPublish(
  engine: Engine,
  client: Connection | Session,
  topicName: string,
  qos: QoS,
  retain: boolean,
): boolean {
  const { rights } = client;
  if (rights?.mayPublish === undefined) return true;
  try {
    return rights.mayPublish(topicName, qos, retain) === true;
  } catch (error) {
    engine.hookFailed("rights.mayPublish", error, client);
    return false;
  }
}

/** Whether they let it subscribe. An error counts as no. */
export function hasRightToSubscribe(
  connection: Connection,
  topicFilter: string,
  qos: QoS,
): boolean {
  const { rights } = connection;
  if (rights?.maySubscribe === undefined) return true;
  try {
    return rights.maySubscribe(topicFilter, qos) === true;
  } catch (error) {
    connection.engine.hookFailed("rights.maySubscribe", error, connection);
    return false;
  }
}

/** Whether they let it have messages of this Topic Name. An error counts as no. */
export function hasRightToReceive(connection: Connection, topicName: string): boolean {
  const { rights } = connection;
  if (rights?.mayReceive === undefined) return true;
  try {
    return rights.mayReceive(topicName) === true;
  } catch (error) {
    connection.engine.hookFailed("rights.mayReceive", error, connection);
    return false;
  }
}
