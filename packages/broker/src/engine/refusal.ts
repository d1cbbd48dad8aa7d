import { ReasonCode } from "@sericite/protocol";
import type { ConnackPacket, ProtocolVersion } from "@sericite/protocol";

/** The CONNACK that refuses, in the client's version; `undefined` where it gets none and is just closed. */
export function connackFailure(
  protocolVersion: ProtocolVersion,
  reasonCode: number,
  reason: string,
  isAnswerable: boolean,
): ConnackPacket | undefined {
  if (!isAnswerable) return undefined;
  if (protocolVersion === 5)
    return {
      type: "connack",
      sessionPresent: false,
      // An authenticator may come up with any code [MQTT5-3.2.2-8].
      reasonCode: isForConnack(reasonCode) ? reasonCode : ReasonCode.unspecifiedError,
      properties: { reasonString: reason },
    };
  const returnCode = RETURN_CODE_OF[reasonCode];
  return returnCode === undefined
    ? undefined
    : { type: "connack", sessionPresent: false, reasonCode: returnCode };
}

/** What 3.1 and 3.1.1 have for a 5.0 Reason Code; what is missing closes without an answer [X-101] [MQTT3-3.2.2-6]. */
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

/** Whether a refusing CONNACK of 5.0 may have the code. */
function isForConnack(reasonCode: number): boolean {
  return (
    (reasonCode >= ReasonCode.unspecifiedError && reasonCode <= ReasonCode.banned) ||
    OTHERS_FOR_CONNACK.has(reasonCode)
  );
}

const OTHERS_FOR_CONNACK: ReadonlySet<number> = new Set([
  ReasonCode.badAuthenticationMethod,
  ReasonCode.topicNameInvalid,
  ReasonCode.packetTooLarge,
  ReasonCode.quotaExceeded,
  ReasonCode.payloadFormatInvalid,
  ReasonCode.retainNotSupported,
  ReasonCode.qosNotSupported,
  ReasonCode.useAnotherServer,
  ReasonCode.serverMoved,
  ReasonCode.connectionRateExceeded,
]);
