import { UsageError } from "../errors.ts";
import type { QoS } from "../packet.ts";

/**
 * Gives the QoS back [MQTT5-3.3.1-4] [MQTT5-3.1.2-12] [MQTT3-3.3.1-4] [MQTT3-3.1.2-14].
 *
 * @throws UsageError ERR_USAGE where a caller without types gives something else.
 */
export function checkedQoS(qos: QoS): QoS {
  if (qos !== 0 && qos !== 1 && qos !== 2) {
    throw new UsageError("ERR_USAGE", `QoS is 0, 1 or 2, not ${String(qos)}`);
  }
  return qos;
}
