export * from "./packet.ts";
export * from "./reason-code.ts";
export * from "./errors.ts";
export * from "./ports/clock.ts";
export * from "./ports/scheduler.ts";
export * from "./ports/random.ts";
export * from "./ports/link.ts";
export * from "./ports/memory-link.ts";
export * from "./session/outbound.ts";
export * from "./session/inbound.ts";
export * from "./session/receive-maximum.ts";
export * from "./session/topic-alias.ts";
export * from "./session/packet-identifiers.ts";
export { topicNameFault } from "./topic/topic-name.ts";
export { parseTopicFilter, topicFilterMatches, type TopicFilter } from "./topic/topic-filter.ts";
export { TopicNameTable, type TopicName } from "./topic/topic-name-table.ts";
export { TopicTree, type SubscriptionId } from "./topic/topic-tree.ts";
export { MatchCache } from "./topic/match-cache.ts";
export { TopicNameTree, type TopicNameCursor } from "./topic/topic-name-tree.ts";
export { ByteRows } from "./topic/byte-rows.ts";
export { IntegerRows } from "./topic/integer-rows.ts";
export { TimerEntry, TimingWheel } from "./timer/timing-wheel.ts";
export { Schedule, type ScheduledTask } from "./timer/schedule.ts";
export { PacketLimits, type PacketBounds } from "./codec/packet-limits.ts";
export { PacketStream, type ServerPacket } from "./codec/packet-stream.ts";
export { Parser, type ParserOptions } from "./codec/parser.ts";
export type { Sender } from "./codec/fixed-header.ts";
export { fromClient } from "./codec/from-client.ts";
export { fromServer } from "./codec/from-server.ts";
export type { PacketSource } from "./codec/packet-source.ts";
export type { KnownTopic, TopicNames } from "./codec/topic-names.ts";
export { encodePacket } from "./codec/encode-packet.ts";
export { encodeClientPacket, type ClientPacket } from "./codec/encode-client-packet.ts";
export { Writer } from "./codec/writer.ts";
export { writeAcknowledgement } from "./codec/acknowledgement.ts";
export { decodeProperties } from "./codec/read-properties.ts";
export { encodeProperties } from "./codec/write-properties.ts";
export { decodeUtf8, isUtf8, utf8Length, writeUtf8 } from "./codec/utf8.ts";
export {
  readVariableByteInteger,
  variableByteIntegerEnd,
  variableByteIntegerLength,
  writeVariableByteInteger,
} from "./codec/variable-byte-integer.ts";
export {
  PropertyType,
  propertyDefinitions,
  willProperties,
  type PropertyDefinition,
} from "./property.ts";
