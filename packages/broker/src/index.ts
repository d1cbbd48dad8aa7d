export { Acl } from "./auth/acl.ts";
export { AclRules } from "./auth/acl-file.ts";
export { rightsOfLists } from "./auth/acl-rights.ts";
export type { RightsList } from "./auth/acl-rights.ts";
export { Broker, createBroker } from "./broker.ts";
export type {
  BanOptions,
  BrokerOptions,
  LocalSubscribeOptions,
  LocalPublishOptions,
  LocalPublishResult,
  Reconfigurable,
  Reconfiguration,
} from "./broker-options.ts";
export type { ChainAnswer, ChainedAuthenticator } from "./auth/chain.ts";
export { entryMethods, namesAuthentication } from "./auth/entry-methods.ts";
export type { EntryMethod } from "./auth/entry-methods.ts";
export type {
  AuthenticatorFunction,
  ChainedAuthenticatorFunction,
  EntrySettings,
} from "./entry.ts";
export type { ClientInfo, ClientListOptions, ClientPage } from "./client-list.ts";
export { NodeDisk } from "./disk/node-disk.ts";
export { brokerErrorCodes } from "./error-codes.ts";
export { banKinds, configuredBanFault } from "./engine/bans.ts";
export type { BanInfo, ConfiguredBan } from "./engine/bans.ts";
export { counterTable } from "./engine/counters.ts";
export type { CounterName, CounterRow, Counters } from "./engine/counters.ts";
export type { DelayedInfo } from "./engine/delayed.ts";
export type { TracedPacket, TraceListener, TraceOptions } from "./engine/packet-trace.ts";
export { dropReasons } from "./engine/drop-reasons.ts";
export { limitTable } from "./engine/limit-table.ts";
export type { LimitName, LimitRow } from "./engine/limit-table.ts";
export type { DropReason } from "./engine/drop-reasons.ts";
export type { EventListener, EventName, Events } from "./engine/events.ts";
export type {
  ClientIdentity,
  ConnectIntent,
  DeliveryRequest,
  Hooks,
  IncomingMessage,
  MessageChange,
  PublishRequest,
  WillOwner,
} from "./engine/hooks.ts";
export { autoSubscriptionFault } from "./engine/auto-subscribe.ts";
export type { AutoSubscription } from "./engine/auto-subscribe.ts";
export { rewriteActions, rewriteRuleFault } from "./engine/rewrite.ts";
export type { EntryFault, RewriteAction, RewriteRule } from "./engine/rewrite.ts";
export type {
  Admission,
  Authentication,
  AuthenticationExchange,
  AuthenticationStep,
  Authenticator,
  Bus,
  Claim,
  ConnectRequest,
  Envelope,
  Log,
  LogLevel,
  MessageNumber,
  Ownership,
  Position,
  QueueEntry,
  QueuePage,
  Rights,
  SessionKey,
  Store,
  StoredMessage,
  StoreState,
} from "./engine/ports.ts";
export type {
  BanKind,
  QueueSummary,
  RecoveredSession,
  Recovery,
  StoredBan,
  StoredDelayed,
  StoredWill,
  StoreRecord,
  TimeMark,
} from "./engine/records.ts";
export type {
  SettingRow,
  SettingSection,
  SettingsOf,
  SettingTable,
  SettingType,
} from "./engine/settings.ts";
export { refusalReasons } from "./listeners/listener.ts";
export type { Listener, ProxyOptions, RefusalReason } from "./listeners/listener.ts";
export { TlsContexts } from "./listeners/tls-contexts.ts";
export type { TlsCertificate, TlsOptions } from "./listeners/tls-contexts.ts";
export type { UpgradeOptions } from "./listeners/upgrade-door.ts";
export { checkConfiguration } from "./check-configuration.ts";
export type {
  ListenOptions,
  ListenPolicy,
  OwnListenOptions,
  ServerListenOptions,
  TcpListenOptions,
  TlsFiles,
  TlsListenOptions,
  UnixListenOptions,
  WebSocketListenOptions,
} from "./listen-options.ts";
export { LocalSubscription } from "./local-subscription.ts";
export type { LoggerLike } from "./log.ts";
export { brokerSettings, createSettings, defaultOf, settingFault } from "./settings.ts";
export { usableMemory } from "./platform.ts";
export type { PartialSettings, Settings } from "./settings.ts";
export type { Recovered } from "./store-opening.ts";
export { durabilityTexts } from "./store/settings.ts";
export type { Durability } from "./store/settings.ts";
export type { Disk, DiskEntry, DiskFile, Step } from "./store/log/disk.ts";
export { storeErrorCodes } from "./store/log/error-codes.ts";
export type { StoreErrorCode } from "./store/log/error-codes.ts";
export { DEFAULT_LOG_STORE_OPTIONS } from "./store/log/log-store-options.ts";
export type { LogStoreOptions } from "./store/log/log-store-options.ts";
export { LogStore } from "./store/log/log-store.ts";
export type { LogStoreFigures } from "./store/log/log-store.ts";
export type { CheckOptions, StoreLoss, StoreReport } from "./store/log/check.ts";
export type { PositionRange } from "./store/log/positions.ts";
export { isLogRecord } from "./store/log/log-record.ts";
export type {
  EndRecord,
  LogRecord,
  NumbersRecord,
  OwnRecord,
  SequenceRecord,
} from "./store/log/log-record.ts";
export type { KeptRecord, TrimmedRecord } from "./store/log/record-table.ts";
export { StoppedStore } from "./store/log/stopped-store.ts";
export type { LargeQueue, LostReferences, StoreContent } from "./store/log/store-content.ts";
export type { SegmentFigures, StoreFigures } from "./store/log/store-figures.ts";
export type { StoreProgress, StoreWork } from "./store/log/store-work.ts";
export type { StoreDamage } from "./store/log/survey.ts";
export type { Message, MessageHandler, TopicFilters } from "@sericite/client";
export { ReasonCode, UsageError, ConnectionError } from "@sericite/protocol";
export type {
  Peer,
  Properties,
  ProtocolVersion,
  QoS,
  SubscriptionRequest,
  UserProperty,
} from "@sericite/protocol";
