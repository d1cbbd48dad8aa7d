import type { ProtocolVersion } from "@sericite/protocol";
import type { LinkFaults } from "./faulty-link.ts";
import type { StoreFaults } from "./fault-store.ts";
import type { Chance } from "./random.ts";
import { HOLD_TIMEOUT_MS } from "./simulation-guards.ts";
import type { GuardStep } from "./simulation-guards.ts";
import { GUARDED, ORDINARY_HABITS, PROFILES } from "./simulation-profiles.ts";
import type { Habits, Profile } from "./simulation-profiles.ts";
import { NO_DISK_FAULTS } from "./simulated-disk.ts";
import type { DiskFaults } from "./simulated-disk.ts";

/** What a seed decides before the first step: the world of a run. */
export interface SimulationPlan {
  /** What the run dwells on; `undefined`: nothing. */
  readonly profile: string | undefined;
  readonly clients: readonly {
    readonly clientId: string;
    readonly version: ProtocolVersion;
    readonly isOwn: boolean;
  }[];
  readonly steps: number;
  readonly link: LinkFaults;
  /** `undefined`: a memory store, and no crashes. */
  readonly store:
    | { readonly type: "fault"; readonly faults: StoreFaults }
    /** The embedded log on a disk. */
    | { readonly type: "log"; readonly faults: DiskFaults }
    | undefined;
  /** What disturbs the store. */
  readonly trouble: "any" | "refusing";
  readonly habits: Habits;
  /** All clients are connected and subscribed before the first step. */
  readonly isPrepared: boolean;
  /** There are rules by which clients may or may not. */
  readonly isGuarded: boolean;
  /** Share of questions to hooks and ports that are answered late, 0…1. */
  readonly late: number;
  readonly settings: {
    readonly mqtt: {
      readonly retryInterval: number;
      readonly maximumKeepAlive: number;
      readonly allowDollarTopics: boolean;
    };
    readonly session: {
      readonly inflightMaximum: number;
      readonly queueMaximumMessages: number;
      readonly queueQos0: boolean;
    };
    readonly sys: { readonly interval: number };
    readonly limits: {
      readonly packetsPerTurn: number;
      readonly bytesPerTurn: number;
      readonly hookTimeout: number;
      readonly holdTimeout: number;
    };
  };
  /** How often each kind of step comes. */
  readonly weights: Readonly<Record<StepKind, number>>;
}

/** What may happen in one step. */
export type StepKind =
  | "connect"
  | "disconnect"
  | "publish"
  | "delay"
  | "share"
  | "subscribe"
  | "unsubscribe"
  | "ping"
  | "cut"
  | "half"
  | "stall"
  | "release"
  | "withhold"
  | "acknowledge"
  | "resend"
  | "misbehave"
  | "some"
  | "settle"
  | "moment"
  | "seconds"
  | "hours"
  | "store"
  | "refusal"
  | "rest"
  | "crash"
  | GuardStep;

/** How often each kind of step comes in a run that dwells on nothing. */
export const ORDINARY: Readonly<Record<StepKind, number>> = {
  connect: 10,
  disconnect: 3,
  publish: 40,
  delay: 3,
  share: 8,
  subscribe: 10,
  unsubscribe: 3,
  ping: 1,
  cut: 4,
  half: 2,
  stall: 3,
  release: 4,
  withhold: 3,
  acknowledge: 4,
  resend: 1,
  misbehave: 0.3,
  some: 30,
  settle: 15,
  moment: 12,
  seconds: 3,
  hours: 0.5,
  store: 5,
  refusal: 0,
  rest: 3,
  crash: 2,
  ban: 0,
  revoke: 0,
  overload: 0,
};

/** Share of runs that dwell on something. */
const PROFILED = 0.65;
/** Share of the others in which clients may not do everything. */
const GUARDED_SHARE = 0.25;

function profileOf(chance: Chance): { profile: Profile | undefined; isDwelling: boolean } {
  if (chance.happens(PROFILED)) return { profile: chance.pick(PROFILES), isDwelling: true };
  return { profile: chance.happens(GUARDED_SHARE) ? GUARDED : undefined, isDwelling: false };
}

/** Draws a plan. */
export function planOf(chance: Chance): SimulationPlan {
  const { profile, isDwelling } = profileOf(chance);
  const habits: Habits = { ...ORDINARY_HABITS, ...profile?.habits };
  const count = chance.integer(2, 5);
  // Most runs have none of the suite's own clients: they are the quicker ones.
  const own = profile === undefined && chance.happens(0.3) ? 0.5 : (profile?.own ?? 0);
  const clients = Array.from({ length: count }, (_, index) => ({
    clientId: `c${index}`,
    version: chance.pick(habits.versions),
    isOwn: chance.happens(own),
  }));
  const isCalm = chance.happens(0.3);
  // What a port or a turn leaves open, the ledger must leave open too: a run that dwells on something is mostly strict.
  const isStrict = isDwelling && chance.happens(0.75);
  const packetsPerTurn = profile?.packetsPerTurn ?? (isStrict ? 1000 : chance.pick([1, 3, 1000]));
  return {
    profile: profile?.name,
    clients,
    steps: chance.integer(60, isDwelling ? 180 : 240),
    link: isCalm
      ? { delay: 0, delayMaximumMs: 0, split: 0, hold: 0 }
      : {
          delay: chance.pick([0, 0.1, 0.5]),
          delayMaximumMs: chance.pick([1, 20, 100]),
          split: chance.pick([0, 0.3]),
          hold: chance.pick([0, 0.3]),
        },
    store: storeOf(chance, profile),
    trouble: profile?.trouble ?? "any",
    habits,
    isPrepared: isDwelling && chance.happens(0.7),
    isGuarded: profile?.isGuarded === true,
    late: isStrict ? 0 : chance.pick([0, 0, 0, 0.2, 0.7]),
    settings: {
      mqtt: { retryInterval: 10_000, maximumKeepAlive: 0, allowDollarTopics: true },
      session: {
        inflightMaximum: chance.pick(profile?.inflightMaximum ?? [1, 3, 1024, 1024]),
        queueMaximumMessages: chance.happens(0.1) ? 3 : (profile?.queueMaximumMessages ?? 100_000),
        queueQos0: chance.happens(0.3),
      },
      sys: { interval: 0 },
      limits: {
        packetsPerTurn,
        bytesPerTurn: chance.pick([1024, 256 * 1024]),
        hookTimeout: 1000,
        holdTimeout: HOLD_TIMEOUT_MS,
      },
    },
    weights: weightsOf(chance, profile, isCalm),
  };
}

const FACTORS = { never: 0, often: 4, ordinary: 1 } as const;

/** Each run leaves some kinds of steps out and does others more often, so that runs differ. */
function weightsOf(
  chance: Chance,
  profile: Profile | undefined,
  isCalm: boolean,
): Record<StepKind, number> {
  const weights: Record<StepKind, number> = { ...ORDINARY, ...profile?.weights };
  for (const kind of Object.keys(weights) as StepKind[]) {
    const isDweltOn = profile?.weights[kind] !== undefined;
    if (isDweltOn || kind === "connect" || kind === "publish") continue;
    weights[kind] *= FACTORS[chance.weighted({ never: 15, often: 13, ordinary: 72 })];
  }
  if (!isCalm) return weights;
  for (const kind of ["cut", "half", "stall", "misbehave"] as const)
    if (profile?.weights[kind] === undefined) weights[kind] = 0;
  return weights;
}

function storeOf(chance: Chance, profile: Profile | undefined): SimulationPlan["store"] {
  const isKept =
    profile !== undefined && (profile.weights.crash ?? 0) + (profile.weights.store ?? 0) > 0;
  const type = profile?.store ?? chance.weighted({ none: isKept ? 0 : 1, fault: 3, log: 2 });
  const faults = { delay: chance.pick([0, 0.3, 1]), delayMaximumMs: chance.pick([1, 30, 200]) };
  if (type === "none") return undefined;
  if (type === "fault") return { type, faults };
  // Many operations of a disk come to one of a store.
  const delay = faults.delay / 3;
  return { type, faults: { ...NO_DISK_FAULTS, ...faults, delay, shortWrite: 0.1 } };
}
