import type { EntryMethod, ListenerEntryPolicy } from "./auth/index.ts";
import type { ConnectionGroup } from "./engine/engine.ts";
import type { OwnListenOptions } from "./listen-options.ts";
import { nameOfPlace } from "./listen-plan.ts";
import type { ListenPlan } from "./listen-plan.ts";
import type { TlsContexts, TlsOptions } from "./listeners/index.ts";
import type { ReplaceableListener } from "./replaceable-listener.ts";

/** Who asked for a listener: the settings, the list beside them, or a call of `listen`. */
export type ListenerOrigin = "settings" | "list" | "call";

/** What is looked at when a connection comes; changes while the listener lives. */
export interface ListenerPolicy extends ListenerEntryPolicy {
  allowsAnonymous: boolean | undefined;
  methods: readonly EntryMethod[] | undefined;
  /** Its connections, also those that came before a change. */
  readonly group: ConnectionGroup;
}

/** A listener that is asked for. */
export interface WantedListener {
  readonly origin: ListenerOrigin;
  readonly options: OwnListenOptions;
  /** As messages name it; empty where the call that failed says it. */
  readonly path: string;
  readonly plan: ListenPlan;
  readonly certificates: TlsContexts | TlsOptions | undefined;
}

/** A listener that is open. */
export interface OpenListener extends WantedListener {
  readonly listener: ReplaceableListener;
  readonly policy: ListenerPolicy;
}

/** What becomes of the listeners that are open. */
export interface ListenerChanges {
  /** Each with what it is to be from now on. */
  readonly kept: readonly (readonly [OpenListener, WantedListener])[];
  readonly added: readonly WantedListener[];
  readonly removed: readonly OpenListener[];
}

/** Finds for each listener that is asked for the one that is at its place already. */
export function compareListeners(
  open: readonly OpenListener[],
  wanted: readonly WantedListener[],
): ListenerChanges {
  const rest = new Set(open);
  const kept: [OpenListener, WantedListener][] = [];
  const added: WantedListener[] = [];
  for (const one of wanted) {
    const name = nameOfPlace(one.plan.place);
    const there = [...rest].find(({ plan }) => nameOfPlace(plan.place) === name);
    if (there === undefined) added.push(one);
    else {
      rest.delete(there);
      kept.push([there, one]);
    }
  }
  return { kept, added, removed: [...rest] };
}

/** Whether a listener may have to be gone before another one can be opened: 127.0.0.1 keeps 0.0.0.0 from its port. */
export function isInTheWay({ plan: { place } }: OpenListener, wanted: WantedListener): boolean {
  return place.port > 0 && place.port === wanted.plan.place.port;
}
