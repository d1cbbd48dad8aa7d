import type { Engine } from "./engine.ts";

/** `$`-topics are the broker's: $SYS always, others unless the setting opens them. */
export function mayPublishTo(engine: Engine, topicName: string): boolean {
  if (topicName.charCodeAt(0) !== 36) return true;
  if (topicName === "$SYS" || topicName.startsWith("$SYS/")) return false;
  return engine.settings.mqtt.allowDollarTopics;
}
