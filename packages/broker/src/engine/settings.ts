/** What a setting holds, and how a text is read into it. */
export type SettingType =
  | "integer"
  | "bytes"
  | "seconds"
  | "milliseconds"
  | "boolean"
  | "string"
  | "port"
  | "choice";

/** One setting as data: flags, environment names, file keys, help, errors and documentation come from it. */
export interface SettingRow<V = unknown> {
  readonly type: SettingType;
  readonly default: V;
  /**
   * The default is a share of the memory that the process may use, where that is less than `default`:
   * one for each `each` bytes of it, and `least` at least.
   */
  readonly ofMemory?: { readonly each: number; readonly least: number };
  /** What it means, in one sentence. */
  readonly text: string;
  /** Lowest and highest value, of numbers. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** Of `choice`: the words that are allowed. */
  readonly choices?: readonly string[];
  /** Of `string`: what is expected in place of a value that does not fit, or `undefined`. */
  readonly expected?: (value: string) => string | undefined;
  /** Of `string`: the word that stands for the value in help. Default TEXT. */
  readonly placeholder?: string;
  /** Of `string`: what an empty value stands for, where that is not nothing. */
  readonly emptyMeans?: string;
  /** A running broker takes a new value; else it waits for a restart. */
  readonly live: boolean;
  /** Never printed or logged. */
  readonly secret?: boolean;
  /** Flag of its own on the command line, besides `--section.key`. */
  readonly flag?: string;
}

/** A section of the configuration: the keys of one part. */
export type SettingSection = Readonly<Record<string, SettingRow>>;

/** Table of a part: its sections by name. */
export type SettingTable = Readonly<Record<string, SettingSection>>;

type Widen<V> = V extends number
  ? number
  : V extends boolean
    ? boolean
    : V extends string
      ? string
      : V;

/** The values that a table describes, frozen. */
export type SettingsOf<T extends SettingTable> = {
  readonly [S in keyof T]: { readonly [K in keyof T[S]]: Widen<T[S][K]["default"]> };
};

/** Settings of the engine. A maximum of 0 means that there is none, unless said otherwise. */
export const engineSettings = {
  auth: {
    deniedPublish: {
      type: "choice",
      choices: ["ignore", "close"],
      default: "ignore",
      live: true,
      text: "What becomes of a client of MQTT 3.1 or 3.1.1 that publishes where it may not: its packet is acknowledged without effect, or its connection ends. Clients of 5.0 get Reason Code 0x87.",
    },
  },
  mqtt: {
    maximumPacketSize: {
      type: "bytes",
      default: 10 * 1024 * 1024 + 65536,
      minimum: 1024,
      maximum: 268_435_460,
      live: true,
      text: "Largest packet that a client may send.",
    },
    maximumQos: {
      type: "integer",
      default: 2,
      minimum: 0,
      maximum: 2,
      live: true,
      text: "Highest QoS that a client may publish with.",
    },
    retainAvailable: {
      type: "boolean",
      default: true,
      live: true,
      text: "Whether messages may be retained.",
    },
    wildcardSubscriptionAvailable: {
      type: "boolean",
      default: true,
      live: true,
      text: "Whether Topic Filters may have wildcards.",
    },
    sharedSubscriptionAvailable: {
      type: "boolean",
      default: true,
      live: true,
      text: "Whether there are Shared Subscriptions ($share/group/filter, $queue/filter).",
    },
    subscriptionIdentifiersAvailable: {
      type: "boolean",
      default: true,
      live: true,
      text: "Whether a 5.0 client may give Subscription Identifiers.",
    },
    topicAliasOutboundMaximum: {
      type: "integer",
      default: 64,
      minimum: 0,
      maximum: 65535,
      live: true,
      text: "Topic Aliases that the broker uses towards a client that allows as many.",
    },
    unpackBytes: {
      type: "bytes",
      default: 0,
      minimum: 0,
      maximum: 268_435_455,
      live: true,
      text: "Largest payload that is made of a compressed one (User Property content-encoding: gzip or br), for receivers whose CONNECT does not say that they read it (accept-encoding). 0: none is.",
    },
    checkPayloadFormat: {
      type: "boolean",
      default: false,
      live: true,
      text: "Refuse a PUBLISH whose Payload Format Indicator says UTF-8 and whose payload is not.",
    },
    allowDollarTopics: {
      type: "boolean",
      default: false,
      live: true,
      text: "Whether clients may publish to Topic Names that begin with $ (never to $SYS).",
    },
    responseInformation: {
      type: "string",
      default: "",
      live: true,
      text: "Response Information for clients that request it; %c stands for the Client Identifier. Empty: none.",
    },
    serverReference: {
      type: "string",
      default: "",
      live: true,
      text: "Server Reference that 5.0 clients are told to use when the broker shuts down. Empty: none.",
    },
    receiveMaximum: {
      type: "integer",
      default: 1024,
      minimum: 1,
      maximum: 65535,
      live: true,
      text: "QoS 1 and 2 messages that a client may have unacknowledged towards the broker.",
    },
    topicAliasMaximum: {
      type: "integer",
      default: 64,
      minimum: 0,
      maximum: 65535,
      live: true,
      text: "Topic Aliases that a client may use towards the broker.",
    },
    maximumKeepAlive: {
      type: "seconds",
      default: 0,
      minimum: 0,
      maximum: 65535,
      live: true,
      text: "Longest Keep Alive; a 5.0 client that asks for more or none is told this one. 0: none.",
    },
    retryInterval: {
      type: "milliseconds",
      default: 10_000,
      minimum: 0,
      live: true,
      text: "Time after which an unacknowledged PUBLISH or PUBREL is sent again to a 3.x client. 0: never.",
    },
    retryMaximum: {
      type: "integer",
      default: 5,
      minimum: 0,
      live: true,
      text: "How often a packet is sent again before the connection is closed.",
    },
    connectTimeout: {
      type: "milliseconds",
      default: 10_000,
      minimum: 100,
      live: true,
      text: "Time from accept to CONNECT, after which the connection is closed.",
    },
    strictClientIdentifier: {
      type: "boolean",
      default: false,
      live: true,
      text: "Refuse MQTT 3.1 Client Identifiers that are not 1 to 23 characters.",
    },
  },
  session: {
    maximumExpiryInterval: {
      type: "seconds",
      default: 604_800,
      minimum: 0,
      maximum: 4_294_967_295,
      live: true,
      text: "Longest Session Expiry Interval; also that of 3.x sessions with Clean Session 0. 4294967295: they never expire.",
    },
    queueMaximumMessages: {
      type: "integer",
      default: 100_000,
      minimum: 1,
      live: true,
      text: "Messages that wait for one session; when reached, QoS 0 goes first, then what queueFull says.",
    },
    queueMaximumBytes: {
      type: "bytes",
      default: 128 * 1024 * 1024,
      minimum: 1024,
      live: true,
      text: "Bytes of messages that wait for one session.",
    },
    queueFull: {
      type: "choice",
      default: "oldest",
      choices: ["oldest", "newest"],
      live: true,
      text: "Which message goes when a queue is full: the oldest that waits, or the newest.",
    },
    windowBytes: {
      type: "bytes",
      default: 1024 * 1024,
      minimum: 16 * 1024,
      live: true,
      text: "Memory for the messages that wait for one session, where a store holds them too; what is above waits in the store only.",
    },
    queueQos0: {
      type: "boolean",
      default: false,
      live: true,
      text: "Whether QoS 0 messages wait for a session that is not connected.",
    },
    inflightMaximum: {
      type: "integer",
      default: 1024,
      minimum: 1,
      maximum: 65535,
      live: true,
      text: "QoS 1 and 2 messages sent to a client and not yet acknowledged; a lower Receive Maximum of the client counts.",
    },
    subscriptionsMaximum: {
      type: "integer",
      default: 100_000,
      minimum: 1,
      live: true,
      text: "Subscriptions of one session.",
    },
    slowConsumerTimeout: {
      type: "milliseconds",
      default: 60_000,
      minimum: 0,
      live: true,
      text: "Time that a client may leave its transport full before it is disconnected. 0: for ever.",
    },
  },
  shared: {
    strategy: {
      type: "choice",
      default: "round-robin",
      choices: ["round-robin", "random", "sticky", "hash-client", "hash-topic", "least-in-flight"],
      live: true,
      text: "How the receiver of a message is chosen in a Shared Subscription; connected members come first.",
    },
  },
  delayed: {
    maximumMessages: {
      type: "integer",
      default: 100_000,
      minimum: 0,
      live: true,
      text: "Messages that wait below $delayed/; 0: none are taken.",
    },
    maximumBytes: {
      type: "bytes",
      default: 64 * 1024 * 1024,
      ofMemory: { each: 32, least: 2 * 1024 * 1024 },
      minimum: 0,
      live: true,
      text: "Bytes of messages that wait below $delayed/.",
    },
    maximumDelay: {
      type: "seconds",
      default: 4_294_967,
      minimum: 1,
      live: true,
      text: "Longest delay of a message.",
    },
  },
  sys: {
    interval: {
      type: "milliseconds",
      default: 10_000,
      minimum: 0,
      live: true,
      text: "How often the figures below $SYS/broker/ are published. 0: never.",
    },
    presence: {
      type: "boolean",
      default: false,
      live: true,
      text: "Tell who comes and goes below $SYS/brokers/<node>/clients/.",
    },
    node: {
      type: "string",
      default: "sericite",
      live: true,
      text: "Name of this broker in $SYS topics.",
      expected: (value) =>
        /^[^/+#\0]+$/.test(value) ? undefined : "a name without /, + and #, for one topic level",
    },
  },
  limits: {
    memory: {
      type: "bytes",
      default: 0,
      minimum: 0,
      live: true,
      text: "Memory by which other defaults are measured. 0: what the process may use, by the machine's memory and the limit of its container.",
    },
    windowsBytes: {
      type: "bytes",
      default: 64 * 1024 * 1024,
      ofMemory: { each: 16, least: 4 * 1024 * 1024 },
      minimum: 1024 * 1024,
      live: true,
      text: "What session.windowBytes says, for all sessions together.",
    },
    connections: {
      type: "integer",
      default: 1_000_000,
      ofMemory: { each: 64 * 1024, least: 1000 },
      minimum: 0,
      live: true,
      text: "Connections at once. 0: as many as the system allows.",
    },
    connectionsPerAddress: {
      type: "integer",
      default: 0,
      minimum: 0,
      live: true,
      text: "Connections at once from one address; of IPv6 from one network of 64 bits. 0: no limit.",
    },
    refusalReserve: {
      type: "integer",
      default: 100,
      minimum: 0,
      live: true,
      text: "Connections beyond these limits that may be there at once until their CONNECT is refused with the reason (0x97, 3.x: 3); more are closed without a word. 0: all are.",
    },
    connectionsPerUser: {
      type: "integer",
      default: 0,
      minimum: 0,
      live: true,
      text: "Connections at once with one Username. 0: no limit.",
    },
    connectRate: {
      type: "integer",
      default: 0,
      minimum: 0,
      live: true,
      text: "CONNECTs in a second; more are refused with 0x9F (3.x: 3). 0: no limit.",
    },
    connectRatePerAddress: {
      type: "integer",
      default: 0,
      minimum: 0,
      live: true,
      text: "The same from one address.",
    },
    flappingConnects: {
      type: "integer",
      default: 0,
      minimum: 0,
      live: true,
      text: "Connects of one Client Identifier in limits.flappingWindow, beyond which it is banned for limits.flappingBan. 0: no limit.",
    },
    flappingWindow: {
      type: "milliseconds",
      default: 60_000,
      minimum: 1000,
      live: true,
      text: "Time in which the connects of a Client Identifier are counted.",
    },
    flappingBan: {
      type: "milliseconds",
      default: 300_000,
      minimum: 1000,
      live: true,
      text: "Time for which a Client Identifier that connects too often is banned.",
    },
    messageRate: {
      type: "integer",
      default: 0,
      minimum: 0,
      live: true,
      text: "PUBLISH packets of one client in a second. 0: no limit.",
    },
    byteRate: {
      type: "bytes",
      default: 0,
      minimum: 0,
      live: true,
      text: "Bytes of PUBLISH packets of one client in a second. 0: no limit.",
    },
    rateExceeded: {
      type: "choice",
      default: "wait",
      choices: ["wait", "drop", "disconnect"],
      live: true,
      text: "What becomes of a client that publishes faster: it waits, its message is dropped, or it is disconnected.",
    },
    userProperties: {
      type: "integer",
      default: 1000,
      minimum: 0,
      live: true,
      text: "User Properties of one packet, and of a Will; more end the connection with 0x97.",
    },
    userPropertyBytes: {
      type: "bytes",
      default: 256 * 1024,
      minimum: 0,
      live: true,
      text: "Bytes of the User Properties of one packet, and of a Will.",
    },
    queuedBytes: {
      type: "bytes",
      default: 4 * 1024 ** 3,
      ofMemory: { each: 4, least: 16 * 1024 * 1024 },
      minimum: 0,
      live: true,
      text: "Bytes of messages that wait in memory, of all clients together and each client's counted, beyond which there is overload. 0: that does not count.",
    },
    overloadLag: {
      type: "milliseconds",
      default: 5000,
      minimum: 0,
      live: true,
      text: "How late the event loop may be before there is overload. 0: that does not count.",
    },
    topicBytes: {
      type: "bytes",
      default: 65_535,
      minimum: 1,
      maximum: 65_535,
      live: true,
      text: "Bytes of a Topic Name or Topic Filter.",
    },
    topicLevels: {
      type: "integer",
      default: 128,
      minimum: 1,
      maximum: 65535,
      live: true,
      text: "Levels of a Topic Name or Topic Filter.",
    },
    retainedMessages: {
      type: "integer",
      default: 1_000_000,
      ofMemory: { each: 4096, least: 10_000 },
      minimum: 0,
      live: true,
      text: "Retained messages; when reached, new topics are not retained.",
    },
    retainedBytes: {
      type: "bytes",
      default: 256 * 1024 * 1024,
      ofMemory: { each: 16, least: 4 * 1024 * 1024 },
      minimum: 0,
      live: true,
      text: "Bytes of retained messages.",
    },
    hookTimeout: {
      type: "milliseconds",
      default: 10_000,
      minimum: 1,
      live: true,
      text: "Time that a hook may take; then its answer counts as refusal.",
    },
    holdTimeout: {
      type: "milliseconds",
      default: 60_000,
      minimum: 1,
      live: true,
      text: "Time that a publisher may be kept waiting for the store; then it is disconnected.",
    },
    packetsPerTurn: {
      type: "integer",
      default: 1000,
      minimum: 1,
      live: true,
      text: "Packets of one connection handled before the others have their turn; a SUBSCRIBE or UNSUBSCRIBE counts as twenty. They are fewer where they take longer than a millisecond.",
    },
    bytesPerTurn: {
      type: "bytes",
      default: 256 * 1024,
      minimum: 1024,
      live: true,
      text: "Bytes sent to one connection before the others have their turn; a client that does not read leaves no more than that and one packet with its transport.",
    },
  },
} as const satisfies SettingTable;

/** The engine's settings, as values. */
export type EngineSettings = SettingsOf<typeof engineSettings>;
