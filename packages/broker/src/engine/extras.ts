import type { Session } from "./session.ts";
import type { SharedGroup } from "./shared.ts";

/** What some deliveries have beyond QoS and RETAIN. One object for all deliveries of a subscription. */
export interface Extras {
  /** Subscription Identifiers that go out with the message; empty for none. */
  readonly identifiers: readonly number[];
  /** The Shared Subscription that chose this receiver. */
  readonly group: SharedGroup | undefined;
  /** Members of the group that may not have the message. */
  readonly refusedBy?: readonly Session[];
}
