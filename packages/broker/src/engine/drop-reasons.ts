/**
 * Why a message was not delivered, or a packet refused: the one list. Logs, counters, metrics and
 * the documentation use these names.
 */
export const dropReasons = {
  "offline-qos0": "QoS 0, and the receiver is not connected.",
  "queue-full":
    "The receiver's queue was full (session.queueMaximumMessages or session.queueMaximumBytes); or it is away, and too much waits in memory (limits.queuedBytes).",
  expired: "The Message Expiry Interval passed before the message was sent.",
  "packet-too-large": "The packet is above the receiver's Maximum Packet Size.",
  "publish-denied": "The publisher may not publish to this Topic Name.",
  "delivery-denied": "The receiver may not get messages of this Topic Name.",
  "rewrite-failed": "A rewrite rule made no valid Topic Name of the one that the publisher gave.",
  "hook-refused": "A hook refused the message.",
  "payload-format": "The payload is marked as UTF-8 and is not (mqtt.checkPayloadFormat).",
  "rate-exceeded":
    "The publisher was above limits.messageRate or limits.byteRate (limits.rateExceeded drop).",
  overload: "QoS 0, and the broker had too much to do (limits.queuedBytes, limits.overloadLag).",
  "delayed-full":
    "The message may not be delayed: delayed.maximumMessages, maximumBytes or maximumDelay.",
  "session-ended": "The session ended with the message still waiting.",
  "retained-full":
    "The message was not retained: limits.retainedMessages or limits.retainedBytes is reached.",
  unreadable: "The store could not give the message back: its bytes are damaged.",
  "store-refusing": "The store takes no durable messages at present.",
} as const;

/** A row of `dropReasons`. */
export type DropReason = keyof typeof dropReasons;
