export { connect, type ConnectOptions } from "./node.ts";
export {
  Client,
  type ClientEvents,
  type ClientStateName,
  type DisconnectOptions,
  type SubscribeOptions,
  type TopicFilters,
} from "./client.ts";
export { type TopicFilterRequest } from "./filter-entry.ts";
export { type MessageHandler } from "./mailbox.ts";
export { Message, type Payload } from "./message.ts";
export type {
  ClientOptions,
  PublishProperties,
  QueueOptions,
  ReconnectOptions,
  WillOptions,
} from "./options.ts";
export type { PublishOptions, PublishResult } from "./publication.ts";
export { Subscription } from "./subscription.ts";
export { RequestError, clientErrorCodes, type ClientErrorCode } from "./errors.ts";
export { type AbortSignalLike } from "./abort.ts";
export { dialTcp, type TcpOptions } from "./transport/tcp.ts";
export {
  ConnectionError,
  ProtocolError,
  ReasonCode,
  UsageError,
  connectMemory,
  type ConnackPacket,
  type Dial,
  type ProtocolVersion,
  type QoS,
} from "@sericite/protocol";
