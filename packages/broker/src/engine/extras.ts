import type { SharedGroup } from "./shared.ts";

/** What some deliveries have beyond QoS and RETAIN. One object for all deliveries of a subscription. */
export interface Extras {
  /** Subscription Identifiers that go out with the message; empty for none. */
  readonly identifiers: readonly number[];
  /** The Shared Subscription that chose this receiver. */
  readonly group: SharedGroup | undefined;
}
