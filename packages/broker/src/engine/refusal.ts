import { ReasonCode } from "@sericite/protocol";
import type { Packet, ProtocolVersion } from "@sericite/protocol";

/** The CONNACK that refuses, in the client's version; `undefined` where it gets none and is just closed. */
export function connackFailure(
  protocolVersion: ProtocolVersion,
  reasonCode: number,
  reason: string,
  isAnswerable: boolean,
): Packet | undefined {
  if (!isAnswerable) return undefined;
  if (protocolVersion === 5)
    return {
      type: "connack",
      sessionPresent: false,
      reasonCode,
      properties: { reasonString: reason },
    };
  const returnCode = RETURN_CODE_OF[reasonCode];
  return returnCode === undefined
    ? undefined
    : { type: "connack", sessionPresent: false, reasonCode: returnCode };
}

/** What 3.1 and 3.1.1 have for a 5.0 Reason Code; what is missing closes without an answer. */
const RETURN_CODE_OF: Readonly<Record<number, number>> = {
  [ReasonCode.unsupportedProtocolVersion]: 1,
  [ReasonCode.clientIdentifierNotValid]: 2,
  [ReasonCode.serverUnavailable]: 3,
  [ReasonCode.serverBusy]: 3,
  [ReasonCode.quotaExceeded]: 3,
  [ReasonCode.connectionRateExceeded]: 3,
  [ReasonCode.unspecifiedError]: 3,
  [ReasonCode.badUserNameOrPassword]: 4,
  [ReasonCode.notAuthorized]: 5,
  [ReasonCode.banned]: 5,
  [ReasonCode.badAuthenticationMethod]: 5,
};
