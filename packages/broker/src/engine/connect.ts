import { ReasonCode, TopicAliasOutbound } from "@sericite/protocol";
import type { ConnectPacket, Properties } from "@sericite/protocol";
import { ask } from "./ask.ts";
import { beginAuthentication } from "./auth.ts";
import { inFlightMaximumOf } from "./backlog.ts";
import type { Connection } from "./connection.ts";
import type { Engine } from "./engine.ts";
import type { Admission, Authentication, Claim, Position } from "./ports.ts";
import { mayPublishTo } from "./limits.ts";
import { PublishRate } from "./publish-rate.ts";
import { hasRightToPublish } from "./rights.ts";
import type { Session } from "./session.ts";
import { endSession } from "./session-registry.ts";
import { armWill, dropWill, recordWill, rewriteWill, willFault } from "./will.ts";
import { acceptedEncodings } from "./unpacking.ts";

const refused: Authentication = { accepted: false };

/** Lets a client in (§3.1): who it is, then whose session it takes, then CONNACK. */
export function handleConnect(connection: Connection, packet: ConnectPacket): void {
  const { engine } = connection;
  connection.protocolVersion = packet.protocolVersion;
  connection.isBridge = packet.bridge === true;
  connection.clientId = packet.clientId;
  connection.username = packet.username;
  connection.maximumPacketSize = packet.properties?.maximumPacketSize ?? 0xffff_ffff;
  // Before anything is hashed for it.
  const { entryLimits } = engine;
  if (refuseBanned(connection) || entryLimits.refusesExcess(connection)) return;
  if (entryLimits.refusesRate(connection)) return;
  if (engine.overload.refuses(connection, packet.cleanStart)) return;
  const fault = clientIdentifierFault(engine, packet);
  if (fault !== undefined) return connection.refuse(ReasonCode.clientIdentifierNotValid, fault); // [MQTT5-3.1.3-8] [MQTT3-3.1.3-9]
  const properties = packet.properties;
  const will = willFault(connection, packet);
  if (will !== 0)
    return connection.refuse(will, "the Will asks for what this broker does not offer");
  // Taken now: the packet's bytes are gone once something has to be waited for.
  connection.will = armWill(engine, packet);
  if (engine.isDraining)
    return connection.refuse(ReasonCode.serverUnavailable, "the broker is shutting down");
  const isEnhanced = properties?.authenticationMethod !== undefined;
  if (!isEnhanced && (connection.isTrusted || engine.authenticator === undefined)) {
    return authorizeConnect(connection, packet);
  }
  const request = {
    clientId: packet.clientId,
    username: packet.username,
    password: packet.password?.slice(),
    protocolVersion: packet.protocolVersion,
    cleanStart: packet.cleanStart,
    userProperties: properties?.userProperties ?? [],
    peer: connection.peer,
  };
  if (isEnhanced) {
    return beginAuthentication(connection, packet, request, (step) => {
      connection.authenticationData = step.data;
      admit(connection, step);
      authorizeConnect(connection, packet);
    });
  }
  ask(
    connection,
    "authenticate",
    () => engine.authenticator!.authenticate(request),
    refused,
    (answer) => {
      if (!answer.accepted) {
        return connection.refuse(
          answer.reasonCode ?? ReasonCode.badUserNameOrPassword,
          answer.reason ?? "not let in by the authenticator",
        ); // [MQTT5-3.1.4-2]
      }
      admit(connection, answer);
      authorizeConnect(connection, packet);
    },
  );
}

/** Keeps out whom a ban is about. @returns whether it is refused. */
function refuseBanned(connection: Connection): boolean {
  const { engine } = connection;
  const reason = engine.bans.find(connection);
  if (reason === undefined) return false;
  engine.counters.connectBanned++;
  connection.refuse(ReasonCode.banned, `banned: ${reason}`);
  return true;
}

/** What the authenticator made of the client. */
function admit(connection: Connection, admission: Admission): void {
  if (admission.clientId !== undefined) connection.clientId = admission.clientId;
  if (admission.username !== undefined) connection.username = admission.username;
  connection.renewAnswers(undefined);
  connection.rights = admission.rights;
  connection.expireIn(admission.expiresInMs);
}

/** Why the Client Identifier cannot be used, or `undefined` [MQTT5-3.1.3-5] [MQTT3-3.1.3-5]. */
function clientIdentifierFault(engine: Engine, packet: ConnectPacket): string | undefined {
  const length = packet.clientId.length;
  if (packet.protocolVersion === 3) {
    if (length === 0) return "MQTT 3.1 asks for a Client Identifier";
    if (engine.settings.mqtt.strictClientIdentifier && length > 23)
      return `the Client Identifier has ${length} characters, MQTT 3.1 allows 23`;
  }
  if (packet.protocolVersion === 4 && length === 0 && !packet.cleanStart)
    return "an empty Client Identifier needs Clean Session 1"; // [MQTT3-3.1.3-8]
  return undefined;
}

/** Names the client for good, and asks whether it may come in. */
function authorizeConnect(connection: Connection, packet: ConnectPacket): void {
  const { engine } = connection;
  if (connection.clientId === "") connection.clientId = engine.assignClientIdentifier(); // [MQTT5-3.1.3-6] [MQTT3-3.1.3-6]
  const authorize = engine.hooks.authorizeConnect;
  if (authorize === undefined || connection.isTrusted) return authorizeWill(connection, packet);
  const intent = {
    cleanStart: packet.cleanStart,
    keepAlive: packet.keepAlive,
    sessionExpiryInterval: expiryOf(engine, packet),
    userProperties: packet.properties?.userProperties ?? [],
  };
  ask(
    connection,
    "authorizeConnect",
    () => authorize(connection, intent),
    false,
    (allowed) => {
      if (allowed === true) authorizeWill(connection, packet);
      else connection.refuse(ReasonCode.notAuthorized, "not let in by a hook");
    },
  );
}

/** A Will is a PUBLISH that its client may have to answer for when it is gone: it is checked now. */
function authorizeWill(connection: Connection, packet: ConnectPacket): void {
  const { engine } = connection;
  const authorize = engine.hooks.authorizePublish;
  if (connection.will === undefined || connection.isTrusted) return claim(connection, packet);
  const will = rewriteWill(engine, connection, connection.will);
  if (will === undefined) {
    return connection.refuse(
      ReasonCode.topicNameInvalid,
      `no rewrite rule makes a Topic Name of the Will's ${connection.will.topic.name}`,
    );
  }
  connection.will = will;
  const topicName = will.topic.name;
  const request = { topicName, qos: will.qos, retain: will.retain, isWill: true };
  const refuse = (): void =>
    connection.refuse(ReasonCode.notAuthorized, `the Will may not be published to ${topicName}`);
  if (
    !mayPublishTo(engine, topicName) ||
    !hasRightToPublish(engine, connection, topicName, will.qos, will.retain)
  )
    return refuse();
  if (authorize === undefined) return claim(connection, packet);
  ask(
    connection,
    "authorizePublish",
    () => authorize(connection, request),
    false,
    (allowed) => {
      if (allowed === true) claim(connection, packet);
      else refuse();
    },
  );
}

/** Nobody is taken over by a client that was not let in: the session is claimed last. */
function claim(connection: Connection, packet: ConnectPacket): void {
  const { engine } = connection;
  if (!connection.isTrusted && engine.sessions.get(connection.clientId)?.isTrusted === true) {
    return connection.refuse(
      ReasonCode.clientIdentifierNotValid,
      "the session belongs to the embedding program",
    );
  }
  // Again, since the authenticator may have named it otherwise, or the ban come meanwhile.
  if (refuseBanned(connection) || engine.entryLimits.refusesUser(connection)) return;
  ask<Claim | undefined>(
    connection,
    "claim",
    () => (engine.cluster?.moves ?? engine.ownership).claim(connection.clientId),
    undefined,
    (granted) => {
      if (granted === undefined)
        return connection.refuse(ReasonCode.serverUnavailable, "the session could not be claimed");
      if (engine.cluster === undefined) open(connection, packet, granted);
      else engine.cluster.moves.fetch(connection, granted, () => open(connection, packet, granted));
    },
  );
}

function open(connection: Connection, packet: ConnectPacket, granted: Claim): void {
  const { engine } = connection;
  if (engine.entryLimits.refusesUser(connection)) return;
  engine.entryLimits.countConnect(connection);
  if (refuseBanned(connection)) return;
  const expiryInterval = expiryOf(engine, packet);
  const before = engine.sessions.get(connection.clientId);
  if (engine.store.state === "refusing" && (expiryInterval > 0 || before?.isStored === true)) {
    // Before any effect: nobody is taken over, no session ends.
    return connection.refuse(ReasonCode.quotaExceeded, "the store takes nothing at present");
  }
  const { records } = engine;
  if (before?.connection !== undefined) takeOver(connection, before.connection);
  // A second look: the old connection's end may have ended its session.
  const known = engine.sessions.get(connection.clientId);
  const sessionPresent = known !== undefined && !packet.cleanStart; // [MQTT5-3.2.2-2] [MQTT5-3.2.2-3] [MQTT3-3.2.2-1] [MQTT3-3.2.2-2] [MQTT5-3.1.2-5] [MQTT3-3.1.2-4] [MQTT3-3.2.2-3]
  if (known !== undefined && packet.cleanStart) endSession(engine, known, "Clean Start"); // [MQTT5-3.1.2-4] [MQTT3-3.1.2-6] [MQTT5-3.1.4-4] [MQTT3-3.1.4-3]
  const session = sessionPresent
    ? known
    : engine.sessions.create(connection.clientId, engine.nextSessionKey(), granted); // [MQTT5-3.1.2-6]
  connection.sendMaximum = Math.min(
    packet.properties?.receiveMaximum ?? 65535,
    engine.settings.session.inflightMaximum,
  );
  attach(engine, session, connection, granted, expiryInterval, sessionPresent);
  // CONNACK waits for all that was recorded: also that a session before has ended, now or just before.
  const position =
    engine.records > records ? engine.newestPosition : engine.sessions.endOf(connection.clientId);
  setWill(engine, session, connection);
  acceptConnection(connection, session, packet, sessionPresent, position);
}

/** Ends the older connection with the same Client Identifier [MQTT5-3.1.4-3] [MQTT3-3.1.4-2]. */
function takeOver(connection: Connection, older: Connection): void {
  const { engine } = connection;
  // What it sent before its link ended comes first: DISCONNECT may be in it.
  older.finishIntake();
  if (!older.isAlive) return;
  engine.counters.takeovers++;
  engine.log.write("info", "session-taken-over", {
    clientId: connection.clientId,
    from: addressOf(older),
    by: addressOf(connection),
  });
  older.close(ReasonCode.sessionTakenOver, `taken over by ${addressOf(connection)}`);
}

function addressOf(connection: Connection): string {
  const { address, port, transport } = connection.peer;
  return address === undefined ? transport : `${address}:${port ?? ""}`;
}

/** Seconds that the session lives without a connection. */
function expiryOf(engine: Engine, packet: ConnectPacket): number {
  const longest = engine.settings.session.maximumExpiryInterval;
  if (packet.protocolVersion === 5)
    return Math.min(packet.properties?.sessionExpiryInterval ?? 0, longest); // [X-23] [MQTT5-3.1.2-23]
  return packet.cleanStart ? 0 : longest;
}

/** Gives the session its connection. */
function attach(
  engine: Engine,
  session: Session,
  connection: Connection,
  granted: Claim,
  expiryInterval: number,
  isResumed: boolean,
): void {
  session.claim = granted;
  session.isTrusted = connection.isTrusted;
  session.username = connection.username;
  session.connection = connection;
  session.expiryInterval = expiryInterval;
  connection.session = session;
  connection.epoch = granted.epoch;
  engine.cluster?.attachmentChanged(session);
  if (session.expiryTimer !== undefined) engine.wheel.cancel(session.expiryTimer);
  if (isResumed) {
    engine.counters.sessionsResumed++;
    dropWill(engine, session); // [MQTT5-3.1.3-9]
  } else {
    engine.counters.sessionsStarted++;
    engine.events.emit("sessionStarted", { clientId: session.clientId });
  }
  if (engine.store.isVolatile || (expiryInterval === 0 && !session.isStored)) return;
  if (session.isStored) {
    engine.append({
      type: "session-attach",
      session: session.key,
      epoch: granted.epoch,
      sessionExpiryInterval: expiryInterval,
      isTrusted: session.isTrusted,
      inFlightMaximum: inFlightMaximumOf(session, connection.sendMaximum),
    });
    return;
  }
  session.isStored = true;
  engine.append({
    type: "session-begin",
    session: session.key,
    clientId: session.clientId,
    epoch: granted.epoch,
    username: session.username,
    sessionExpiryInterval: expiryInterval,
    isTrusted: session.isTrusted,
    inFlightMaximum: inFlightMaximumOf(session, connection.sendMaximum),
  });
}

/** Leaves the Will with the session. Nobody waits for its record: a crash may miss the Will of its last flush's window. */
function setWill(engine: Engine, session: Session, connection: Connection): void {
  const will = connection.will;
  connection.will = undefined;
  session.will = will;
  recordWill(engine, session);
}

function acceptConnection(
  connection: Connection,
  session: Session,
  packet: ConnectPacket,
  sessionPresent: boolean,
  position: Position,
): void {
  const { engine } = connection;
  const properties = packet.properties;
  const settings = engine.settings;
  connection.wantsProblemInformation = (properties?.requestProblemInformation ?? 1) === 1;
  connection.acceptedEncodings = acceptedEncodings(properties);
  connection.keepAlive = keepAliveOf(engine, packet);
  // [MQTT5-3.1.2-26] [MQTT5-3.1.2-27]
  const aliases = Math.min(
    properties?.topicAliasMaximum ?? 0,
    settings.mqtt.topicAliasOutboundMaximum,
  );
  if (aliases > 0) connection.outboundAliases = new TopicAliasOutbound(aliases);
  connection.rate = PublishRate.of(connection);
  connection.open();
  if (session.outbound !== undefined) session.outbound.rewind();
  // [MQTT5-3.1.4-5] [MQTT3-3.1.4-4]
  const isTold = connection.sender.sendConnack(
    {
      type: "connack",
      sessionPresent,
      reasonCode: ReasonCode.success,
      properties:
        packet.protocolVersion === 5 ? connackProperties(connection, session, packet) : undefined,
    },
    position,
  );
  engine.counters.connectAccepted++;
  engine.counters.clientsConnected++;
  engine.entryLimits.entered(connection);
  engine.events.emit("clientConnected", {
    clientId: session.clientId,
    username: session.username,
    protocolVersion: packet.protocolVersion,
    keepAlive: connection.keepAlive,
    sessionPresent,
    peer: connection.peer,
  });
  if (engine.log.enabled("info")) {
    engine.log.write("info", "client-connected", {
      clientId: session.clientId,
      username: session.username,
      protocolVersion: packet.protocolVersion,
      address: connection.peer.address,
      port: connection.peer.port,
      sessionPresent,
    });
  }
  // Without CONNACK there is no connection [MQTT5-3.2.0-1].
  if (!isTold)
    return connection.abort("its Maximum Packet Size is below CONNACK", ReasonCode.packetTooLarge);
  // A listener may have sent it away.
  if (!connection.isTrusted && connection.isAlive) engine.autoSubscriptions?.subscribe(connection);
}

function keepAliveOf(engine: Engine, packet: ConnectPacket): number {
  const longest = engine.settings.mqtt.maximumKeepAlive;
  if (longest === 0 || packet.protocolVersion !== 5) return packet.keepAlive; // [MQTT5-3.2.2-22]
  return packet.keepAlive === 0 ? longest : Math.min(packet.keepAlive, longest);
}

/** What a 5.0 client is told: only what differs from what it asked for or may assume. */
function connackProperties(
  connection: Connection,
  session: Session,
  packet: ConnectPacket,
): Properties {
  const { mqtt } = connection.engine.settings;
  const properties: Properties = {
    receiveMaximum: mqtt.receiveMaximum,
    maximumPacketSize: connection.parser.maximumPacketSize,
    topicAliasMaximum: mqtt.topicAliasMaximum,
  };
  if (packet.clientId !== session.clientId) properties.assignedClientIdentifier = session.clientId; // [MQTT5-3.1.3-7] [MQTT5-3.2.2-16]
  if ((packet.properties?.sessionExpiryInterval ?? 0) !== session.expiryInterval)
    properties.sessionExpiryInterval = session.expiryInterval;
  if (connection.keepAlive !== packet.keepAlive) properties.serverKeepAlive = connection.keepAlive;
  // [MQTT5-4.12.0-6]
  if (connection.authentication !== undefined) {
    properties.authenticationMethod = connection.authentication.method; // [MQTT5-4.12.0-5]
    properties.authenticationData = connection.authenticationData;
  }
  // [MQTT5-3.1.2-28]
  if (packet.properties?.requestResponseInformation === 1 && mqtt.responseInformation !== "") {
    properties.responseInformation = mqtt.responseInformation.replaceAll("%c", session.clientId);
  }
  if (mqtt.maximumQos < 2) properties.maximumQoS = mqtt.maximumQos as 0 | 1; // [MQTT5-3.2.2-9]
  if (!mqtt.wildcardSubscriptionAvailable) properties.wildcardSubscriptionAvailable = 0;
  if (!mqtt.sharedSubscriptionAvailable) properties.sharedSubscriptionAvailable = 0;
  if (!mqtt.subscriptionIdentifiersAvailable) properties.subscriptionIdentifiersAvailable = 0;
  if (!mqtt.retainAvailable) properties.retainAvailable = 0;
  return properties;
}
