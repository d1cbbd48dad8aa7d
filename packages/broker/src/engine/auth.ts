import { ProtocolError, ReasonCode } from "@sericite/protocol";
import type { AuthPacket, ConnectPacket } from "@sericite/protocol";
import { ask } from "./ask.ts";
import type { Connection } from "./connection.ts";
import type { AuthenticationExchange, AuthenticationStep, ConnectRequest } from "./ports.ts";

/** An enhanced authentication (§4.12) of one connection, under way or done. */
export interface EnhancedAuthentication {
  readonly method: string;
  exchange: AuthenticationExchange;
  /** What AUTH goes on with: CONNECT, or the re-authentication of an open connection. */
  stage: "connect" | "open" | "re-authenticating";
  /** Lets the client in; of the first stage. */
  readonly admit: (step: Extract<AuthenticationStep, { type: "accept" }>) => void;
}

const refusal: AuthenticationStep = { type: "refuse" };

/** Begins with the Authentication Method of CONNECT. */
export function beginAuthentication(
  connection: Connection,
  packet: ConnectPacket,
  request: ConnectRequest,
  admit: EnhancedAuthentication["admit"],
): void {
  const method = packet.properties!.authenticationMethod!;
  const exchange = connection.engine.authenticator?.exchange?.(method, request);
  if (exchange === undefined) {
    return connection.refuse(
      ReasonCode.badAuthenticationMethod,
      `Authentication Method ${method} is not supported`,
    ); // [MQTT5-4.12.0-1]
  }
  connection.authentication = { method, exchange, stage: "connect", admit };
  step(connection, packet.properties!.authenticationData);
}

/** The client goes on, or begins to authenticate again (§4.12.1). */
export function handleAuth(connection: Connection, packet: AuthPacket): void {
  const authentication = connection.authentication;
  if (authentication === undefined) {
    throw fault("AUTH without an Authentication Method in CONNECT"); // [X-70] [MQTT5-4.12.0-7]
  }
  if (packet.properties?.authenticationMethod !== authentication.method) {
    throw fault("AUTH with another Authentication Method than CONNECT's"); // [X-70] [MQTT5-4.12.0-5]
  }
  const reasonCode = packet.reasonCode ?? ReasonCode.success;
  if (reasonCode === ReasonCode.reAuthenticate) {
    if (authentication.stage !== "open") throw fault("re-authentication at a wrong time");
    const again = connection.engine.authenticator?.exchange?.(
      authentication.method,
      requestOf(connection),
    );
    if (again === undefined)
      throw new ProtocolError(
        "ERR_PROTOCOL",
        ReasonCode.notAuthorized,
        "the Authentication Method is not supported any more",
      );
    authentication.exchange = again;
    authentication.stage = "re-authenticating";
  } else if (reasonCode !== ReasonCode.continueAuthentication || authentication.stage === "open") {
    throw fault(`AUTH 0x${reasonCode.toString(16)} at a wrong time`); // [MQTT5-4.12.0-3]
  }
  step(connection, packet.properties?.authenticationData);
}

function step(connection: Connection, data: Uint8Array | undefined): void {
  const authentication = connection.authentication!;
  const copied = data?.slice();
  ask<AuthenticationStep>(
    connection,
    "authenticate",
    () => authentication.exchange.step(copied),
    refusal,
    (answer) => proceed(connection, authentication, answer),
  );
}

function proceed(
  connection: Connection,
  authentication: EnhancedAuthentication,
  answer: AuthenticationStep,
): void {
  const isAgain = authentication.stage === "re-authenticating";
  switch (answer.type) {
    case "continue":
      // [MQTT5-4.12.0-2] [MQTT5-4.12.0-5]
      return sendAuth(
        connection,
        ReasonCode.continueAuthentication,
        authentication.method,
        answer.data,
      );
    case "accept":
      authentication.stage = "open";
      if (isAgain) {
        // Client Identifier and Username stay; what the client may do is told anew.
        connection.rights = answer.rights;
        connection.expireIn(answer.expiresInMs);
        return sendAuth(connection, ReasonCode.success, authentication.method, answer.data);
      }
      return authentication.admit(answer);
    case "refuse": {
      const reasonCode = answer.reasonCode ?? ReasonCode.notAuthorized;
      const reason = answer.reason ?? "not let in by the authenticator";
      if (isAgain) return connection.close(reasonCode, reason); // [MQTT5-4.12.1-2]
      return connection.refuse(reasonCode, reason); // [MQTT5-4.12.0-4]
    }
  }
}

function sendAuth(
  connection: Connection,
  reasonCode: number,
  method: string,
  data: Uint8Array | undefined,
): void {
  connection.sender.send({
    type: "auth",
    reasonCode,
    properties: { authenticationMethod: method, authenticationData: data },
  });
}

function requestOf(connection: Connection): ConnectRequest {
  return {
    clientId: connection.clientId,
    username: connection.username,
    password: undefined,
    protocolVersion: connection.protocolVersion,
    cleanStart: false,
    userProperties: [],
    peer: connection.peer,
  };
}

function fault(message: string): ProtocolError {
  return new ProtocolError("ERR_PROTOCOL", ReasonCode.protocolError, message);
}
