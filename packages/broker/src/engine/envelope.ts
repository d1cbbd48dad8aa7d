import type { CarriedMessage } from "./carried-message.ts";
import type { MovingEntry, SessionSnapshot } from "./session-snapshot.ts";

/** Of two retained messages of one Topic Name the one with the higher version is kept, everywhere. */
export interface RetainedVersion {
  /** Milliseconds since 1970, on the clock of the node where it entered. */
  readonly time: number;
  readonly node: string;
  readonly number: number;
}

/** A member of a Shared Subscription that was chosen for a message. */
export interface ChosenMember {
  /** With its prefix: `$share/group/filter` or `$queue/filter`. */
  readonly topicFilter: string;
  readonly clientId: string;
}

/** What one node tells another. */
export type NodeEvent =
  | {
      /** Was published at the sender. */
      readonly type: "message";
      readonly message: CarriedMessage;
      /** Client Identifier of the only receiver; absent for everybody who subscribed. */
      readonly target: string | undefined;
      /** Members at this node that get it by their Shared Subscriptions. */
      readonly members: readonly ChosenMember[];
      /** Of a message that is retained, and goes to every node therefore. */
      readonly version: RetainedVersion | undefined;
    }
  /** The first of the sender's sessions subscribed to it, or the last one did no more. */
  | { readonly type: "filter"; readonly topicFilter: string; readonly isAdded: boolean }
  | {
      /** What a Shared Subscription has at the sender. */
      readonly type: "member";
      readonly topicFilter: string;
      readonly clientId: string;
      readonly state: MemberState;
    }
  | MoveEvent;

/** What becomes of a member of a Shared Subscription. */
export type MemberState = "attached" | "detached" | "gone";

/** What nodes tell each other to move a session; session-move.ts has the way of it. */
export type MoveEvent = {
  readonly clientId: string;
  /** Of the claim that the session moves for. */
  readonly epoch: number;
} & (
  | { readonly type: "session-ask" }
  /** It is not here; `isRefused`: it is, and stays. */
  | { readonly type: "session-none"; readonly isRefused: boolean }
  | { readonly type: "session-state"; readonly snapshot: SessionSnapshot }
  /** `owner` wants to know that you have heard this: what you sent it before comes before. */
  | { readonly type: "session-sync"; readonly owner: string }
  | { readonly type: "session-synced" }
  | { readonly type: "session-page"; readonly entries: readonly MovingEntry[] }
  /** Up to these numbers of each node it has all that concerns it. */
  | { readonly type: "session-last"; readonly heard: ReadonlyMap<string, number> }
  | { readonly type: "session-taken" }
);

/** What a node tells another, on its way. */
export interface Envelope {
  readonly from: string;
  readonly to: string;
  /**
   * Rises with everything that `from` tells anybody; what several nodes are told at once has the
   * same number for all. A repeat has the number that it had.
   */
  readonly number: number;
  readonly event: NodeEvent;
}
