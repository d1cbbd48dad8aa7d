import type { ConnectPacket, Will } from "@sericite/protocol";
import { payloadBytes } from "./message.ts";
import type { AuthenticationStart } from "./authentication.ts";
import type { ClientSettings, WillOptions } from "./options.ts";

/** The CONNECT of a client (§3.1). */
export function connectPacket(
  settings: ClientSettings,
  clientId: string,
  cleanStart: boolean,
  authentication: AuthenticationStart | undefined,
): ConnectPacket {
  const { protocolVersion, keepAlive, username, password, will } = settings;
  return {
    type: "connect",
    protocolVersion,
    clientId,
    cleanStart,
    keepAlive,
    username,
    password: password === undefined ? undefined : payloadBytes(password),
    will: will === undefined ? undefined : willOf(will),
    properties:
      protocolVersion === 5
        ? {
            // No Request Problem Information 0: whatever reasons the server gives are welcome.
            sessionExpiryInterval: settings.sessionExpiryInterval,
            receiveMaximum: settings.receiveMaximum,
            maximumPacketSize: settings.maximumPacketSize,
            topicAliasMaximum: settings.topicAliasMaximum,
            userProperties: settings.userProperties,
            ...authentication, // [MQTT5-4.12.0-1]
          }
        : undefined,
  };
}

function willOf(will: WillOptions): Will {
  return {
    topicName: will.topicName,
    payload: payloadBytes(will.payload ?? ""),
    qos: will.qos ?? 0,
    retain: will.retain ?? false,
    properties: will.properties,
  };
}
