import type { ProtocolError } from "@sericite/protocol";
import { PacketLimits } from "@sericite/protocol";
import type { Engine } from "./engine.ts";
import { limitTable } from "./limit-table.ts";
import type { LimitName } from "./limit-table.ts";
import type { EngineSettings } from "./settings.ts";

/** Topic Filters that one SUBSCRIBE or UNSUBSCRIBE may have in any case; beyond, as many as a session may have. */
const FILTERS = 10_000;

/** `$`-topics are the broker's: $SYS always, others unless the setting opens them. */
export function mayPublishTo(engine: Engine, topicName: string): boolean {
  if (topicName.charCodeAt(0) !== 36) return true;
  if (topicName === "$SYS" || topicName.startsWith("$SYS/")) return false;
  return engine.settings.mqtt.allowDollarTopics;
}

/** What one packet of a client may hold. */
export function packetLimitsOf({ limits, session }: EngineSettings): PacketLimits {
  return new PacketLimits({
    topicFilters: Math.max(FILTERS, session.subscriptionsMaximum),
    userProperties: limits.userProperties,
    userPropertyBytes: limits.userPropertyBytes,
  });
}

/** The settings behind the bounds that the parser knows. */
const PARSER_LIMITS: Readonly<Record<string, LimitName>> = {
  maximumPacketSize: "mqtt.maximumPacketSize",
  topicFilters: "session.subscriptionsMaximum",
  userProperties: "limits.userProperties",
  userPropertyBytes: "limits.userPropertyBytes",
};

/** The limit that a client passed with a packet which ends its connection, or `undefined`. */
export function limitPassed({ limit }: ProtocolError): LimitName | undefined {
  if (limit === undefined) return undefined;
  return Object.hasOwn(limitTable, limit) ? (limit as LimitName) : PARSER_LIMITS[limit];
}

/** The limit that a topic passes, or `undefined`. */
export function topicLimit(engine: Engine, topic: string, levels: number): LimitName | undefined {
  if (levels > engine.settings.limits.topicLevels) return "limits.topicLevels";
  return isTooLong(engine, topic) ? "limits.topicBytes" : undefined;
}

/** Whether a Topic Name or Topic Filter has more bytes than `limits.topicBytes`. */
function isTooLong({ settings }: Engine, topic: string): boolean {
  const most = settings.limits.topicBytes;
  // A unit of a text has three bytes at most.
  return topic.length * 3 > most && bytesOf(topic) > most;
}

/** Bytes of a well-formed text in UTF-8. */
function bytesOf(text: string): number {
  let bytes = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    // Of four bytes, each half of a surrogate pair has two.
    const isHalf = unit >= 0xd800 && unit <= 0xdfff;
    bytes += unit < 0x80 ? 1 : unit < 0x800 || isHalf ? 2 : 3;
  }
  return bytes;
}
