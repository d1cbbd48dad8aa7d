/** What one packet may hold, above which it is refused (0x97) before objects are made of it. */
export interface PacketLimits {
  /** Topic Filters of a SUBSCRIBE or UNSUBSCRIBE. */
  readonly topicFilters: number;
  /** User Properties, of a packet and of a Will. */
  readonly userProperties: number;
  /** Bytes of all of them, identifiers and lengths included. */
  readonly userPropertyBytes: number;
}

/** No limits. */
export const noPacketLimits: PacketLimits = {
  topicFilters: Infinity,
  userProperties: Infinity,
  userPropertyBytes: Infinity,
};
