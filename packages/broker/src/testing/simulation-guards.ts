import type { Hooks } from "../engine/hooks.ts";
import type { Rights } from "../engine/ports.ts";
import { TopicRewriter } from "../engine/rewrite.ts";
import type { Ledger } from "./ledger.ts";
import type { Chance } from "./random.ts";
import type { SimulatedBroker } from "./simulated-broker.ts";
import { TOPIC_NAMES } from "./simulation-steps.ts";
import type { WatchedStore } from "./watched-store.ts";

/** Topic Names that the rewrite rules put others in place of; one of these nobody may publish to. */
export const REWRITTEN_NAMES = ["moved/a", "moved/b/x/y", "hidden/x"] as const;

/** What the rewrite rules of a guarded run make of a Topic Name. */
export function rewriteTopic(topicName: string): string {
  if (topicName.startsWith("moved/")) return topicName.slice("moved/".length);
  return topicName === "hidden/x" ? "denied/x" : topicName;
}

/** Nobody may publish to these. */
export function isDeniedTopic(topicName: string): boolean {
  return topicName.startsWith("denied/");
}

/** A rule that never changes: one client may not have what comes on one topic. */
export function mayReceiveTopic(clientId: string, topicName: string): boolean {
  return clientId !== "c1" || topicName !== "b/x/y";
}

/** What the guards of a run do in one step. */
export type GuardStep = "ban" | "revoke" | "overload";

/** How long a publisher is held in a guarded run, at most. Milliseconds. */
export const HOLD_TIMEOUT_MS = 5000;

/** The guards of a run: rules by which clients may or may not, which change meanwhile, and overload. */
export class SimulationGuards {
  readonly rewriter = new TopicRewriter([
    { action: "publish", from: "moved/#", pattern: "^moved/(.*)$", to: "$1" },
    { action: "publish", from: "hidden/x", pattern: "^hidden/x$", to: "denied/x" },
  ]);
  readonly #ledger: Ledger;
  readonly #chance: Chance;
  readonly #note: (text: string) => void;
  /** Client Identifier and Topic Name of what was taken away. */
  readonly #withheld = new Set<string>();

  constructor(ledger: Ledger, chance: Chance, note: (text: string) => void) {
    this.#ledger = ledger;
    this.#chance = chance;
    this.#note = note;
  }

  /** What a client may do: the answer changes while it is connected. */
  rightsOf(clientId: string): Rights {
    return { mayReceive: (topicName) => !this.#withheld.has(`${clientId} ${topicName}`) };
  }

  /** @param answer  Gives an answer at once, or late. */
  deliveryHook(
    answer: (allowed: boolean) => boolean | Promise<boolean>,
  ): NonNullable<Hooks["authorizeDelivery"]> {
    return ({ clientId }, { topicName }) => answer(mayReceiveTopic(clientId, topicName));
  }

  /** A right goes or comes back. */
  revoke(clientId: string): void {
    const topicName = this.#chance.pick(TOPIC_NAMES.slice(0, 4));
    const key = `${clientId} ${topicName}`;
    const isBack = this.#withheld.delete(key);
    this.#note(`${clientId} may ${isBack ? "have" : "not have"} what comes on ${topicName}`);
    if (isBack) return this.#ledger.guards.regain(clientId, topicName);
    this.#withheld.add(key);
    this.#ledger.guards.lose(clientId, topicName);
  }

  /** A client is banned, or its ban is lifted. */
  ban({ engine }: SimulatedBroker, clientId: string, store: WatchedStore | undefined): void {
    const { guards } = this.#ledger;
    const since = store?.records.length ?? 0;
    if (guards.isBanned(clientId)) {
      this.#note(`the ban of ${clientId} is lifted`);
      if (engine.bans.lift("clientId", clientId)) guards.judged(clientId, 0, store, since);
      else guards.checkUnknown(clientId);
      return;
    }
    const expiresInMs = this.#chance.pick([3000, 60_000, 1_000_000]);
    this.#note(`${clientId} is banned for ${expiresInMs} ms`);
    engine.bans.add("clientId", clientId, expiresInMs, "drawn");
    guards.judged(clientId, expiresInMs, store, since);
  }

  /** There is one step more of overload, or one less. */
  overload({ engine }: SimulatedBroker): void {
    const isWorse = this.#chance.happens(0.7);
    engine.overload.look(isWorse ? Number.MAX_VALUE : 0, Infinity);
    this.#note(`overload: level ${engine.overload.level}`);
  }

  /** Publishers are held until nobody may be any more. @returns whether time is to pass for it. */
  holds({ engine }: SimulatedBroker): boolean {
    return engine.overload.holdsPublishers && this.#chance.happens(0.3);
  }

  /** There is no overload. */
  calm({ engine }: SimulatedBroker): void {
    while (engine.overload.level > 0) engine.overload.look(0, Infinity);
  }
}
