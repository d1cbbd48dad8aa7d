import type { ConnackPacket } from "@sericite/protocol";
import type { RequestError } from "./errors.ts";
import type { Message } from "./message.ts";

/**
 * Where a client is: trying, connected, waiting to try again, or done for good.
 */
export type ClientStateName = "connecting" | "connected" | "disconnected" | "closed";

/** What a client tells its listeners (`Client.on`). */
export interface ClientEvents {
  /** CONNACK came. */
  connected: { readonly connack: ConnackPacket; readonly isReconnect: boolean };
  /** A connection ended. No error: the client asked for it. */
  disconnected: { readonly error: Error | undefined; readonly willReconnect: boolean };
  /** The next attempt begins after `delayMs`; `error` is what ended the last one. */
  reconnecting: {
    readonly attempt: number;
    readonly delayMs: number;
    readonly error: Error | undefined;
  };
  /** The client is closed. The error says why it gave up; none: it was asked to. */
  closed: { readonly error: Error | undefined };
  /** A message came, whatever subscription takes it; before any handler has it. */
  message: { readonly message: Message };
  /** A QoS 0 message was dropped: its subscription has as many waiting as it may. */
  messageDropped: { readonly message: Message };
  /** A message that no subscription takes was dropped. */
  messageUnclaimed: { readonly message: Message };
  /** A message that an earlier process left in the store cannot be sent. */
  publishFailed: {
    readonly topicName: string;
    readonly payload: Uint8Array;
    readonly error: Error;
  };
  /** A subscription was lost with the session, and the server refused to renew it: it is over. */
  subscriptionRefused: { readonly topicFilter: string; readonly error: RequestError };
}
