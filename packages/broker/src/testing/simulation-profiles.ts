import type { ProtocolVersion } from "@sericite/protocol";
import { REWRITTEN_NAMES } from "./simulation-guards.ts";
import type { StepKind } from "./simulation-plan.ts";
import { TOPIC_NAMES } from "./simulation-steps.ts";

/** How clients of a run mostly behave. Shares are 0…1; of a list one is drawn each time. */
export interface Habits {
  readonly versions: readonly ProtocolVersion[];
  /** What is published to. */
  readonly topicNames: readonly string[];
  /** Share of CONNECTs with Clean Start 1. */
  readonly cleanStart: number;
  /** Share of CONNECTs that are sent though the client has a connection. */
  readonly takeover: number;
  /** Seconds. */
  readonly keepAlives: readonly number[];
  /** Session Expiry Intervals. Seconds. */
  readonly sessionExpiries: readonly (number | undefined)[];
  readonly receiveMaximums: readonly (number | undefined)[];
  /** Share of CONNECTs with a small Maximum Packet Size. */
  readonly smallPackets: number;
  /** Share of CONNECTs that let the broker use Topic Aliases. */
  readonly aliases: number;
  /** Share of PUBLISHes with a Topic Alias, where the broker takes some. */
  readonly ownAliases: number;
  /** Share of CONNECTs with a Will. */
  readonly will: number;
  /** Seconds. */
  readonly willDelays: readonly (number | undefined)[];
  readonly retain: number;
  /** Share of retained messages that are empty. */
  readonly empty: number;
  readonly qos: readonly (0 | 1 | 2)[];
  /** What is subscribed with. */
  readonly granted: readonly (0 | 1 | 2)[];
  /** Share of PUBLISHes with a Message Expiry Interval. */
  readonly expires: number;
  /** Seconds. */
  readonly messageExpiries: readonly number[];
  /** Share of clients that are back as soon as a crash is over. */
  readonly returns: number;
}

/** Of runs that dwell on nothing. */
export const ORDINARY_HABITS: Habits = {
  versions: [3, 4, 5, 5],
  topicNames: TOPIC_NAMES,
  cleanStart: 0.2,
  takeover: 0.3,
  keepAlives: [0, 0, 10, 60],
  sessionExpiries: [undefined, 5, 300, 300, 100_000],
  receiveMaximums: [undefined, undefined, 1, 2, 5],
  smallPackets: 0.05,
  aliases: 0.3,
  ownAliases: 0.1,
  will: 0.3,
  willDelays: [undefined, 0, 3, 60],
  retain: 0.25,
  empty: 0.25,
  qos: [0, 1, 2],
  granted: [0, 1, 2],
  expires: 0.2,
  messageExpiries: [1, 10, 1000],
  returns: 0.6,
};

/** What a run dwells on, so that what is rare elsewhere is common there. */
export interface Profile {
  readonly name: string;
  /** Share of clients that are this suite's own, 0…1. */
  readonly own?: number;
  /** The store, where not any will do. */
  readonly store?: "fault" | "log";
  /** "refusing": what disturbs the store mostly makes it take nothing. */
  readonly trouble?: "refusing";
  /** Clients may not do everything. */
  readonly isGuarded?: boolean;
  /** Weights of steps in place of the ordinary ones. */
  readonly weights: Partial<Readonly<Record<StepKind, number>>>;
  readonly habits: Partial<Habits>;
  readonly packetsPerTurn?: number;
  readonly inflightMaximum?: readonly number[];
  readonly queueMaximumMessages?: number;
}

/** Topic Names of guarded runs that dwell on nothing. */
const GUARDED_NAMES = [...TOPIC_NAMES, ...REWRITTEN_NAMES];

/** What makes a run guarded that dwells on nothing. */
export const GUARDED: Profile = {
  name: "ordinary rules",
  isGuarded: true,
  weights: { revoke: 4, ban: 1 },
  habits: { topicNames: GUARDED_NAMES },
};

/** Kept for long, and always resumed: what a session holds is what counts. */
const LASTING: Partial<Habits> = { cleanStart: 0.05, sessionExpiries: [300, 100_000], returns: 1 };

/** One of them leads about every other run. */
export const PROFILES: readonly Profile[] = [
  {
    name: "the store takes nothing while clients come and go",
    trouble: "refusing",
    weights: {
      refusal: 8,
      store: 20,
      connect: 40,
      disconnect: 16,
      rest: 12,
      settle: 25,
      publish: 15,
      some: 10,
      subscribe: 8,
      crash: 0,
      delay: 0,
      stall: 0,
    },
    habits: { cleanStart: 0.5, sessionExpiries: [300, 100_000], takeover: 0.6, keepAlives: [0] },
  },
  {
    name: "the store takes nothing while messages, subscriptions and Wills come, and crashes",
    trouble: "refusing",
    weights: { store: 25, connect: 16, subscribe: 30, unsubscribe: 8, crash: 6, rest: 8 },
    habits: {
      versions: [3, 3, 4, 5],
      will: 0.7,
      willDelays: [undefined, 3],
      sessionExpiries: [5, 300],
      qos: [1, 2],
    },
  },
  {
    name: "crashes in the middle of QoS 2",
    store: "fault",
    weights: { crash: 8, publish: 25, subscribe: 16, some: 80, settle: 8, rest: 2, withhold: 10 },
    habits: { ...LASTING, qos: [2, 2, 1], granted: [2, 2, 1], retain: 0, will: 0.1 },
    inflightMaximum: [1, 3, 1024],
  },
  {
    name: "queues of absent clients outlast crashes",
    weights: { crash: 6, publish: 60, disconnect: 8, connect: 8, settle: 25, subscribe: 16 },
    habits: { ...LASTING, qos: [1, 2], retain: 0.1, returns: 0.3 },
    inflightMaximum: [1, 3, 1024],
  },
  {
    name: "the embedded log with much that is retained, and waits",
    store: "log",
    weights: {
      crash: 5,
      publish: 60,
      rest: 8,
      store: 6,
      subscribe: 25,
      moment: 20,
      disconnect: 6,
      withhold: 6,
    },
    habits: { ...LASTING, qos: [1, 2], granted: [1, 2], retain: 0.7, empty: 0.4, will: 0.1 },
  },
  {
    name: "the same retained message again and again",
    store: "fault",
    weights: {
      crash: 8,
      publish: 8,
      subscribe: 30,
      some: 30,
      settle: 25,
      moment: 4,
      withhold: 12,
      acknowledge: 12,
      store: 12,
    },
    habits: {
      ...LASTING,
      topicNames: ["a", "b"],
      qos: [2],
      granted: [2],
      retain: 0.9,
      empty: 0,
      will: 0,
    },
  },
  {
    name: "takeovers",
    weights: { connect: 40, publish: 40, withhold: 5, disconnect: 6, some: 50 },
    habits: { takeover: 1, cleanStart: 0.3, will: 0.5 },
  },
  {
    name: "short Keep Alives",
    weights: { seconds: 14, half: 8, stall: 8, ping: 3, release: 4, connect: 14, rest: 6 },
    habits: { keepAlives: [1, 5, 10], sessionExpiries: [undefined, 5, 300], will: 0.4 },
  },
  {
    name: "Wills, of sessions that are kept and of such that are not",
    weights: { cut: 14, disconnect: 10, connect: 25, crash: 4, seconds: 6, rest: 6, subscribe: 14 },
    habits: { will: 1, sessionExpiries: [undefined, undefined, 5, 300], cleanStart: 0.4 },
  },
  {
    name: "many delayed messages",
    weights: { delay: 30, publish: 15, seconds: 10, crash: 4, subscribe: 14, hours: 1 },
    habits: { retain: 0.4 },
  },
  {
    name: "Shared Subscriptions whose members leave",
    weights: { share: 60, publish: 5, disconnect: 8, cut: 8, connect: 16, withhold: 6, rest: 6 },
    habits: { sessionExpiries: [undefined, 5, 300], receiveMaximums: [undefined, 1, 2] },
  },
  {
    name: "Topic Aliases",
    weights: { publish: 60, subscribe: 16, cut: 6, connect: 14 },
    habits: { versions: [5, 5, 5, 4], aliases: 1, ownAliases: 0.7, retain: 0.1 },
  },
  {
    name: "small limits",
    weights: { publish: 60, withhold: 8, acknowledge: 8, subscribe: 16, stall: 6, rest: 6 },
    habits: { versions: [5], receiveMaximums: [1, 2], smallPackets: 0.2, qos: [0, 1, 2, 2] },
    inflightMaximum: [1, 3],
    queueMaximumMessages: 3,
  },
  {
    name: "messages that expire while they wait",
    weights: { withhold: 12, acknowledge: 8, seconds: 10, publish: 60, subscribe: 16, rest: 6 },
    habits: {
      ...LASTING,
      versions: [5, 5, 4],
      receiveMaximums: [1, 2],
      expires: 0.8,
      messageExpiries: [1, 1, 10],
      will: 0.1,
    },
  },
  {
    name: "what is not acknowledged is sent again",
    weights: {
      withhold: 20,
      acknowledge: 2,
      seconds: 20,
      rest: 4,
      subscribe: 16,
      resend: 3,
      cut: 1,
      stall: 0,
      half: 0,
    },
    habits: { ...LASTING, versions: [3, 4], qos: [1, 2], will: 0.1, keepAlives: [0] },
  },
  {
    name: "sessions that are about to expire",
    weights: { seconds: 16, hours: 3, disconnect: 10, cut: 8, connect: 16, crash: 4, rest: 6 },
    habits: { sessionExpiries: [5, 5, 300], cleanStart: 0.1, keepAlives: [0] },
  },
  {
    name: "clients that say much and leave at once, and a broker that takes one packet at a time",
    packetsPerTurn: 1,
    weights: { disconnect: 20, connect: 25, publish: 50, settle: 25, rest: 6, crash: 2 },
    habits: { will: 0.7, sessionExpiries: [undefined, 5, 300] },
  },
  {
    name: "Topic Names that are rewritten, and that are denied",
    isGuarded: true,
    weights: { revoke: 2, publish: 60, subscribe: 20, connect: 14 },
    habits: { topicNames: [...REWRITTEN_NAMES, "hidden/x", "denied/x", "a"], retain: 0.3 },
  },
  {
    name: "rights that are lost and regained",
    isGuarded: true,
    weights: { revoke: 12, publish: 60, subscribe: 20, connect: 14, rest: 6 },
    habits: { sessionExpiries: [300, 100_000], retain: 0.3 },
  },
  {
    name: "bans",
    isGuarded: true,
    weights: { ban: 12, crash: 6, connect: 25, rest: 6, seconds: 6 },
    habits: { takeover: 0.6 },
  },
  {
    name: "more than the broker can bear",
    isGuarded: true,
    weights: {
      overload: 10,
      ban: 1,
      publish: 50,
      subscribe: 16,
      store: 0,
      stall: 0,
      half: 0,
      hours: 0,
    },
    habits: { keepAlives: [0] },
  },
  {
    name: "this suite's clients on bad links",
    own: 0.8,
    weights: {
      cut: 20,
      half: 4,
      subscribe: 25,
      publish: 60,
      crash: 3,
      connect: 14,
      moment: 25,
      withhold: 10,
    },
    habits: {
      qos: [2],
      granted: [2],
      versions: [4, 5],
      sessionExpiries: [300],
      receiveMaximums: [undefined],
      cleanStart: 0,
      retain: 0.1,
      will: 0.1,
    },
  },
];
