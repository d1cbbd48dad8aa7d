/** What becomes of a client that meets a limit: as one of 5.0 sees it, and one of 3.x. */
export interface LimitRow {
  readonly v5: string;
  readonly v3: string;
}

const CLOSED = { v5: "closed", v3: "closed" } as const;
const TOO_MANY = {
  v5: "CONNACK 0x97; closed beyond limits.refusalReserve",
  v3: "CONNACK 3; the same",
} as const;
const TOO_FAST = { v5: "CONNACK 0x9F", v3: "CONNACK 3" } as const;
const RATE = {
  v5: "as limits.rateExceeded says: waits; PUBACK or PUBREC 0x97; DISCONNECT 0x96",
  v3: "waits; is acknowledged without effect; closed",
} as const;
const TOPIC = {
  v5: "DISCONNECT 0x90, SUBACK 0x8F; of a Will CONNACK 0x90",
  v3: "closed; 3.1.1 SUBACK 0x80",
} as const;
const DROPPED = { v5: "messages are dropped, as session.queueFull says", v3: "the same" } as const;
const NOT_RETAINED = {
  v5: "PUBACK or PUBREC 0x97, without effect; at QoS 0 as 3.x",
  v3: "delivered, and not retained",
} as const;
const NOT_DELAYED = {
  v5: "PUBACK or PUBREC 0x97",
  v3: "acknowledged without effect",
} as const;
const OVERLOAD = {
  v5: "CONNACK 0x89; held; QoS 0 dropped; what waits while it is away is cut; DISCONNECT 0x97",
  v3: "CONNACK 3; the same; closed",
} as const;

/**
 * Limits that a client can meet, by the path of the setting: the one list. Each is counted, and is a
 * line `limit-reached` of the log, one in ten seconds.
 */
export const limitTable = {
  "listen.handshakesMaximum": CLOSED,
  "listen.handshakeTimeout": CLOSED,
  "mqtt.connectTimeout": CLOSED,
  "limits.connections": TOO_MANY,
  "limits.connectionsPerAddress": TOO_MANY,
  "limits.connectionsPerUser": { v5: "CONNACK 0x97", v3: "CONNACK 3" },
  "limits.connectRate": TOO_FAST,
  "limits.connectRatePerAddress": TOO_FAST,
  "limits.flappingConnects": { v5: "CONNACK 0x8A", v3: "CONNACK 5" },
  "limits.messageRate": RATE,
  "limits.byteRate": RATE,
  "mqtt.maximumPacketSize": { v5: "DISCONNECT 0x95", v3: "closed" },
  "mqtt.receiveMaximum": { v5: "DISCONNECT 0x93", v3: "closed, beyond 65 535" },
  "limits.userProperties": { v5: "DISCONNECT 0x97, CONNACK 0x97", v3: "has none" },
  "limits.userPropertyBytes": { v5: "DISCONNECT 0x97, CONNACK 0x97", v3: "has none" },
  "limits.topicBytes": TOPIC,
  "limits.topicLevels": TOPIC,
  "session.subscriptionsMaximum": {
    v5: "SUBACK 0x97; DISCONNECT 0x97 where one packet has too many Topic Filters",
    v3: "3.1.1 SUBACK 0x80, 3.1 as if granted; closed",
  },
  "session.queueMaximumMessages": DROPPED,
  "session.queueMaximumBytes": DROPPED,
  "session.slowConsumerTimeout": CLOSED,
  "limits.retainedMessages": NOT_RETAINED,
  "limits.retainedBytes": NOT_RETAINED,
  "delayed.maximumMessages": NOT_DELAYED,
  "delayed.maximumBytes": NOT_DELAYED,
  "delayed.maximumDelay": NOT_DELAYED,
  "limits.holdTimeout": { v5: "DISCONNECT 0x97", v3: "closed" },
  "limits.queuedBytes": OVERLOAD,
  "limits.overloadLag": OVERLOAD,
} as const satisfies Readonly<Record<string, LimitRow>>;

/** Path of a limit. */
export type LimitName = keyof typeof limitTable;
