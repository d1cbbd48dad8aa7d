export type {
  Authentication,
  AuthenticationData,
  AuthenticationExchange,
} from "./authentication.ts";
export type { Client, SubscribeOptions, TopicFilters } from "./client.ts";
export type { ClientEvents, ClientStateName } from "./client-events.ts";
export type { ConnectTestResult } from "./connect-test.ts";
export type { DisconnectOptions } from "./connector.ts";
export type { TopicFilterRequest } from "./filter-entry.ts";
export type { MessageHandler } from "./mailbox.ts";
export type { Message, Payload } from "./message.ts";
export type {
  ClientOptions,
  ConnectAttempt,
  ConnectOptions,
  PublishProperties,
  QueueOptions,
  ReconnectOptions,
  RefreshedOptions,
  WillFunction,
  WillOptions,
} from "./options.ts";
export type { PublishOptions, PublishResult } from "./publication.ts";
export type { RequestOptions } from "./request.ts";
export type { RespondOptions, Responder, Response } from "./respond.ts";
export { scram, type ScramOptions } from "./scram.ts";
export type { Subscription } from "./subscription.ts";
export { RequestError, type ClientErrorCode } from "./errors.ts";
export type { AbortSignalLike } from "./abort.ts";
export type { ServerReferencePolicy } from "./servers.ts";
export type { TlsOptions, WebSocketOptions } from "./transport-options.ts";
export type { SessionChange, SessionStore } from "./session-store.ts";
export type { Task } from "./tasks.ts";
export { bytesCodec, jsonCodec, textCodec, type PayloadCodec } from "./codec.ts";
export type { SchemaIssue, SchemaResult, StandardSchema } from "./standard-schema.ts";
export {
  topic,
  type ReadTopicParameters,
  type Topic,
  type TopicOptions,
  type TopicParameterNames,
  type TopicParameters,
  type TypedHandler,
  type TypedMessage,
} from "./topic.ts";
export {
  ConnectionError,
  ProtocolError,
  ReasonCode,
  UsageError,
  type Clock,
  type ConnackPacket,
  type Dial,
  type Link,
  type LinkHandler,
  type Peer,
  type Properties,
  type ProtocolVersion,
  type QoS,
  type Random,
  type ScheduledTask,
  type Scheduler,
  type UserProperty,
} from "@sericite/protocol";
