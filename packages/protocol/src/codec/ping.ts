import { packetTitles } from "./fixed-header.ts";
import { malformed } from "./malformed.ts";

/**
 * Checks a PINGREQ or PINGRESP (§3.12, §3.13), which have nothing behind the fixed header.
 *
 * @throws ProtocolError
 */
export function checkPing(packetType: number, remainingLength: number): void {
  if (remainingLength !== 0) {
    throw malformed(`${packetTitles[packetType]} has Remaining Length ${remainingLength}, not 0`);
  }
}
