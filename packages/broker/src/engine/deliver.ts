import { OutboundState, TimerEntry } from "@sericite/protocol";
import type { QoS } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import { pageIn, SETTLED_UNSAFE } from "./backlog.ts";
import type { Engine } from "./engine.ts";
import { discard, recordSettled } from "./enqueue.ts";
import { sharedIdentifier } from "./forms.ts";
import { isPromise } from "./hooks.ts";
import type { Message } from "./message.ts";
import { META_DUP, META_KEPT, META_QOS, META_RETAIN } from "./queue.ts";
import { hasRightToReceive } from "./rights.ts";
import { sendAgain } from "./resend.ts";
import { refill } from "./retained.ts";
import { armRetry } from "./retry.ts";
import type { Session } from "./session.ts";
import { deliverToOther } from "./shared.ts";
import { identifierFor, sendPublish } from "./send-publish.ts";

/** Messages that one turn drops in place of sending them, such as those that the client may not have. */
const DROPS = 1000;
/** Messages that one turn sends while retained ones are to come: half a millisecond, and some more the first time. */
const REPLAYED = 512;
/** Members of a group that are asked about one message. */
const MEMBERS_ASKED = 16;

/** What came of the head of a queue. */
type Outcome = "sent" | "dropped" | "none";

/** Fills the connection's output. @returns whether there is more to send that only the turn's bound kept back. */
export function pump(connection: Connection, session: Session): boolean {
  const engine = connection.engine;
  const bound = engine.settings.limits.bytesPerTurn;
  if (
    session.outbound !== undefined &&
    session.outbound.resendNext !== 0 &&
    !resend(connection, session, bound)
  ) {
    return connection.sender.output.size >= bound;
  }
  let drops = DROPS;
  let replayed = 0;
  for (;;) {
    if (session.replays !== undefined) {
      refill(engine, session);
      replayed++;
    }
    if (connection.sender.output.size >= bound || drops === 0 || replayed > REPLAYED) {
      if (session.backlog !== undefined) pageIn(engine, session);
      return (
        session.replays !== undefined || (session.queue !== undefined && session.queue.length > 0)
      );
    }
    const outcome = sendNext(connection, session);
    if (outcome === "none") break;
    if (outcome === "dropped") drops--;
  }
  if (session.backlog !== undefined) pageIn(engine, session);
  return (
    session.replays !== undefined &&
    !session.isParked &&
    (session.queue === undefined || session.queue.length === 0)
  );
}

/** Sends again what was in flight, in order, as far as quota and bound allow. @returns whether all of it went. */
function resend(connection: Connection, session: Session, bound: number): boolean {
  const engine = connection.engine;
  const outbound = session.outbound!;
  for (;;) {
    const packetIdentifier = outbound.resendNext;
    if (packetIdentifier === 0) return true;
    if (connection.sender.output.size >= bound) return false;
    if (outbound.stateOf(packetIdentifier) !== OutboundState.awaitingPubcomp) {
      if (connection.sent >= connection.sendMaximum) return false;
      connection.sent++;
    } else (connection.uncounted ??= new Set()).add(packetIdentifier);
    outbound.resent(engine.now);
    if (sendAgain(connection, session, packetIdentifier)) armRetry(connection);
  }
}

/** Takes one message off the queue and sends it, or drops it. @returns "none" where none may go now. */
function sendNext(connection: Connection, session: Session): Outcome {
  const queue = session.queue;
  if (queue === undefined || session.isParked) return "none";
  const message = queue.head();
  if (message === undefined) return "none";
  const engine = connection.engine;
  const meta = queue.headMeta;
  const qos = meta & META_QOS;
  // What may have been sent has to be sent to the end: its Packet Identifier is taken at the client.
  if (message.expiresAt !== 0 && message.expiresAt <= engine.now && (meta & META_DUP) === 0) {
    engine.drop("expired", session.clientId, message, qos); // [MQTT5-3.3.2-5]
    return dropHead(engine, session);
  }
  let packetIdentifier = 0;
  if (qos !== 0) {
    if (connection.sent >= connection.sendMaximum) return "none"; // [MQTT5-3.3.4-9] [MQTT5-4.9.0-2] [MQTT5-3.3.4-10] [MQTT5-4.9.0-3]
    if (
      // A crash must not make a QoS 2 message a new one,
      (qos === 2 && queue.headPosition > engine.store.durable) ||
      // nor bring the message back that had its Packet Identifier before: its PUBREL would release this one,
      (qos === 2 && (meta & META_KEPT) !== 0 && isHeldByStore(engine, session, message)) ||
      // nor bring back so many settled ones that nobody knows which others were sent.
      (session.settledCount >= SETTLED_UNSAFE && session.settledAt > engine.store.durable)
    ) {
      engine.waitingSessions.add(session);
      return "none";
    }
    packetIdentifier = identifierFor(session, message, meta);
    if (packetIdentifier === 0) return "none";
  }
  if (
    connection.rights !== undefined &&
    (meta & META_DUP) === 0 &&
    !hasRightToReceive(connection, message.topicName)
  )
    return refuseHead(engine, session);
  if (
    engine.hooks.authorizeDelivery !== undefined &&
    !connection.isTrusted &&
    (meta & META_DUP) === 0
  ) {
    const allowed = isDeliveryAllowed(connection, session, message, meta);
    if (allowed === undefined) return "none";
    if (!allowed) return refuseHead(engine, session);
  }
  const sequence = queue.headSequence;
  if (
    !sendPublish(connection, session, message, meta, queue.headExtras, packetIdentifier, sequence)
  ) {
    engine.drop("packet-too-large", session.clientId, message, qos); // [MQTT5-3.1.2-24] [MQTT5-3.1.2-25]
    return dropHead(engine, session);
  }
  queue.shift();
  if (qos !== 0) return "sent";
  recordSettled(engine, session, sequence, meta);
  message.release();
  return "sent";
}

/** The client may not have the head. Another member of its group may, where a Shared Subscription chose this one. */
function refuseHead(engine: Engine, session: Session): Outcome {
  const queue = session.queue!;
  const message = queue.head()!;
  const extras = queue.headExtras;
  const qos = (queue.headMeta & META_QOS) as QoS;
  engine.drop("delivery-denied", session.clientId, message, qos);
  if (engine.events.has("deliveryRefused")) {
    engine.events.emit("deliveryRefused", {
      clientId: session.clientId,
      username: session.username,
      peer: session.connection?.peer,
      topicName: message.topicName,
      qos,
      publisher: message.publisher,
    });
  }
  const refusedBy = extras?.refusedBy ?? [];
  if (extras?.group === undefined || refusedBy.length + 1 >= MEMBERS_ASKED)
    return dropHead(engine, session);
  message.refer();
  dropHead(engine, session);
  // The store forgets a message that nothing there refers to, as it may be by now.
  message.isStored = false;
  deliverToOther(engine, extras.group, message, [...refusedBy, session]);
  message.release();
  return "dropped";
}

/** The head will not be sent; the next one may be. */
function dropHead(engine: Engine, session: Session): Outcome {
  const queue = session.queue!;
  const message = queue.head()!;
  const meta = queue.headMeta;
  const sequence = queue.headSequence;
  queue.shift();
  discard(engine, session, message, sequence, meta);
  return "dropped";
}

/** Whether the store may know another message under its Packet Identifier, which was settled just now. */
function isHeldByStore(engine: Engine, session: Session, message: Message): boolean {
  if (session.settledAt <= engine.store.durable) return false;
  const { freedIdentifiers } = session;
  return freedIdentifiers === undefined || freedIdentifiers.has(sharedIdentifier(message.number));
}

/** Asks the delivery hook about the head. @returns `undefined` where the answer is still to come. */
function isDeliveryAllowed(
  connection: Connection,
  session: Session,
  message: Message,
  meta: number,
): boolean | undefined {
  const engine = connection.engine;
  if (session.deliveryAllowed === message) {
    session.deliveryAllowed = undefined;
    return true;
  }
  const { answers } = engine.hooks;
  if (answers !== undefined && connection.isDeliveryAllowed(answers, message.topic)) return true;
  const request = {
    topicName: message.topicName,
    qos: (meta & META_QOS) as 0 | 1 | 2,
    retain: (meta & META_RETAIN) !== 0,
    publisher: message.publisher,
  };
  let answer: boolean | Promise<boolean>;
  try {
    answer = engine.hooks.authorizeDelivery!(connection, request);
  } catch (error) {
    engine.hookFailed("authorizeDelivery", error, connection);
    answer = false;
  }
  if (isPromise(answer)) {
    awaitDelivery(engine, session, message, answer);
    return undefined;
  }
  // A hook may do anything, such as ending the session.
  if (session.connection === connection && session.queue?.head() === message) {
    if (answer !== true) return false;
    if (answers !== undefined) connection.allowDelivery(answers, message.topic);
    return true;
  }
  engine.ready(connection);
  return undefined;
}

/** Sends this session nothing until the hook has answered, or its time is over. */
function awaitDelivery(
  engine: Engine,
  session: Session,
  message: Message,
  answer: Promise<boolean>,
): void {
  const question = {};
  session.isParked = true;
  session.question = question;
  const timer = new TimerEntry(() => {
    if (session.question === question) engine.hookTimedOut("authorizeDelivery", session);
    settle(false);
  });
  const settle = (allowed: boolean): void => {
    engine.wheel.cancel(timer);
    // Answered before, or the connection that it was asked for is gone.
    if (session.question !== question) return;
    engine.enter();
    session.isParked = false;
    session.question = undefined;
    if (session.queue?.head() === message) {
      if (allowed) session.deliveryAllowed = message;
      else refuseHead(engine, session);
    }
    if (session.connection !== undefined) engine.ready(session.connection);
  };
  engine.wheel.schedule(timer, engine.settings.limits.hookTimeout);
  answer.then(
    (allowed) => settle(allowed === true),
    (error: unknown) => {
      // It may come when nobody waits any more: the client is gone, or the deadline has passed.
      if (session.question === question) engine.hookFailed("authorizeDelivery", error, session);
      settle(false);
    },
  );
}
