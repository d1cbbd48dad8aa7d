import type { ProtocolVersion, QoS, SubscriptionRequest, Will } from "@sericite/protocol";
import type { Chance } from "./random.ts";
import type { RawConnectOptions, RawPublish } from "./raw-client.ts";
import type { Habits } from "./simulation-profiles.ts";

/** Topic Names of a simulation; nobody may publish below `denied/`. */
export const TOPIC_NAMES = ["a", "a/b", "a/c", "b", "b/x/y", "denied/x"] as const;

/** Topic Filters of a simulation. They overlap. */
export const TOPIC_FILTERS = [
  "a",
  "a/b",
  "a/+",
  "a/#",
  "#",
  "+",
  "+/b",
  "b/#",
  "b/+/y",
  "denied/#",
] as const;

/** Topic Names of which only Shared Subscriptions get anything, and these. */
export const SHARED_TOPICS = ["$shared/x", "$shared/y"] as const;
export const SHARED_FILTERS = ["$share/g/$shared/x", "$share/h/$shared/y"] as const;

/** What is no packet, in several ways: a reserved type, a cut PUBLISH, QoS 3, an AUTH, a PINGREQ with a body. */
const NONSENSE = [
  [0x00, 0x00],
  [0x30, 0x01, 0x00],
  [0x36, 0x05, 0x00, 0x01, 0x61, 0x00, 0x01],
  [0xf0, 0x00],
  [0xc0, 0x01, 0x00],
] as const;

/** Draws what the steps of a simulation are about. Every payload is another, so that the ledger can tell messages apart. */
export class StepMaker {
  readonly #chance: Chance;
  readonly #habits: Habits;
  readonly #willTopics: readonly string[];
  #messages = 0;
  #identifiers = 0;

  constructor(chance: Chance, habits: Habits) {
    this.#chance = chance;
    this.#habits = habits;
    // A Will that may not be published keeps its client out, which is soon seen.
    this.#willTopics = habits.topicNames.filter((topicName) => !topicName.startsWith("denied/"));
  }

  /** How to connect. @param isOwn  Only what every client of this suite can be asked for. */
  connect(version: ProtocolVersion, isOwn: boolean): RawConnectOptions {
    const chance = this.#chance;
    const habits = this.#habits;
    const isNew = version === 5;
    return {
      cleanStart: chance.happens(habits.cleanStart),
      keepAlive: chance.pick(habits.keepAlives),
      sessionExpiryInterval: isNew ? chance.pick(habits.sessionExpiries) : undefined,
      receiveMaximum: isNew ? chance.pick(habits.receiveMaximums) : undefined,
      maximumPacketSize: isNew && !isOwn && chance.happens(habits.smallPackets) ? 40 : undefined,
      topicAliasMaximum: isNew && chance.happens(habits.aliases) ? chance.pick([1, 3]) : undefined,
      will: chance.happens(habits.will) ? this.#will(isNew) : undefined,
    };
  }

  #will(isNew: boolean): Will {
    const chance = this.#chance;
    this.#messages += 1;
    return {
      topicName: chance.pick(this.#willTopics),
      payload: new TextEncoder().encode(`w${this.#messages}`),
      qos: chance.integer(0, 2) as QoS,
      retain: chance.happens(0.3),
      properties: isNew ? { willDelayInterval: chance.pick(this.#habits.willDelays) } : undefined,
    };
  }

  /** A message. */
  publish(clientId: string, version: ProtocolVersion): RawPublish {
    const chance = this.#chance;
    const habits = this.#habits;
    this.#messages += 1;
    const retain = chance.happens(habits.retain);
    const isEmpty = retain && chance.happens(habits.empty);
    const padding = chance.happens(0.1) ? `:${"x".repeat(chance.integer(1, 300))}` : "";
    return {
      topicName: chance.pick(habits.topicNames),
      payload: isEmpty ? "" : `m${this.#messages}${padding}`,
      qos: chance.pick(habits.qos),
      retain,
      expiry:
        version === 5 && chance.happens(habits.expires)
          ? chance.pick(habits.messageExpiries)
          : undefined,
      topicAlias:
        version === 5 && chance.happens(habits.ownAliases) ? chance.integer(1, 3) : undefined,
      userProperties: chance.happens(0.2) ? [["from", clientId]] : undefined,
    };
  }

  /** A message that the broker is to keep for a while. */
  delayed(clientId: string): RawPublish {
    const chance = this.#chance;
    const { topicName, ...message } = this.publish(clientId, 4);
    const target = topicName.startsWith("denied/") ? "a" : topicName;
    return { ...message, topicName: `$delayed/${chance.pick([1, 5, 60, 300])}/${target}` };
  }

  /** A message for members of a Shared Subscription. */
  shared(clientId: string): RawPublish {
    const { payload } = this.publish(clientId, 4);
    this.#messages += 1;
    return {
      topicName: this.#chance.pick(SHARED_TOPICS),
      payload: payload || `m${this.#messages}`,
      qos: this.#chance.integer(0, 2) as QoS,
      retain: false,
    };
  }

  /** One SUBSCRIBE: its filters, and a Subscription Identifier or none. */
  subscribe(version: ProtocolVersion): {
    readonly subscriptions: SubscriptionRequest[];
    readonly identifier: number | undefined;
  } {
    const chance = this.#chance;
    const isNew = version === 5;
    const filters = new Set(
      Array.from({ length: chance.integer(1, 2) }, () => chance.pick(TOPIC_FILTERS)),
    );
    const subscriptions = [...filters].map((topicFilter): SubscriptionRequest => ({
      topicFilter,
      qos: chance.pick(this.#habits.granted),
      noLocal: isNew && chance.happens(0.2),
      retainAsPublished: isNew && chance.happens(0.3),
      retainHandling: isNew ? chance.pick([0, 0, 0, 1, 2] as const) : 0,
    }));
    this.#identifiers += 1;
    return {
      subscriptions,
      identifier: isNew && chance.happens(0.3) ? this.#identifiers : undefined,
    };
  }

  /** Bytes that are no packet. */
  nonsense(): Uint8Array {
    return Uint8Array.from(this.#chance.pick(NONSENSE));
  }
}

/** For the list of steps. */
export function describeConnect(options: RawConnectOptions): string {
  const { will } = options;
  const texts = [
    `clean ${options.cleanStart}`,
    `keep alive ${options.keepAlive}`,
    `expiry ${options.sessionExpiryInterval}`,
    `receive maximum ${options.receiveMaximum}`,
    `packets ${options.maximumPacketSize}`,
    `aliases ${options.topicAliasMaximum}`,
  ];
  if (will !== undefined) {
    const delay = will.properties?.willDelayInterval ?? 0;
    texts.push(
      `will ${new TextDecoder().decode(will.payload)} to ${will.topicName} QoS ${will.qos}${will.retain ? " retained" : ""} after ${delay} s`,
    );
  }
  return texts.filter((text) => !text.endsWith("undefined")).join(", ");
}

/** For the list of steps. */
export function describePublish({ topicName, payload, qos, retain, expiry }: RawPublish): string {
  const flags = `QoS ${qos}${retain ? ", retained" : ""}${expiry === undefined ? "" : `, expiry ${expiry}`}`;
  return `${payload.slice(0, 12) || "nothing"} to ${topicName}, ${flags}`;
}

/** For the list of steps. */
export function describeSubscriptions(subscriptions: readonly SubscriptionRequest[]): string {
  const texts = subscriptions.map(
    ({ topicFilter, qos, noLocal, retainAsPublished, retainHandling }) => {
      const options = `${noLocal === true ? " no local" : ""}${retainAsPublished === true ? " retain as published" : ""}`;
      return `${topicFilter} QoS ${qos}${options}${(retainHandling ?? 0) === 0 ? "" : ` retain handling ${retainHandling}`}`;
    },
  );
  return texts.join(", ");
}
