import { ProtocolError, ReasonCode } from "@sericite/protocol";
import type { DisconnectPacket } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import { dropWill } from "./will.ts";

/** The client leaves in order (§3.14). */
export function handleDisconnect(connection: Connection, packet: DisconnectPacket): void {
  const session = connection.session!;
  const { engine } = connection;
  const expiry = packet.properties?.sessionExpiryInterval;
  if (expiry !== undefined) {
    if (session.expiryInterval === 0 && expiry > 0) {
      throw new ProtocolError(
        "ERR_PROTOCOL",
        ReasonCode.protocolError,
        "DISCONNECT sets a Session Expiry Interval after CONNECT had none",
      );
    }
    session.expiryInterval = Math.min(expiry, engine.settings.session.maximumExpiryInterval);
  }
  // [MQTT5-3.14.4-3] [MQTT3-3.14.4-3]
  if ((packet.reasonCode ?? ReasonCode.success) === ReasonCode.success) dropWill(engine, session);
  connection.finish();
}
