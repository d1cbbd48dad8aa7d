import { OutboundState, TimerEntry } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import { sendAgain } from "./resend.ts";

/**
 * Ack retry of 3.x: an unacknowledged PUBLISH or PUBREL is sent again after `mqtt.retryInterval`, at
 * most `mqtt.retryMaximum` times; then the connection ends and the session stays. Nothing is
 * ever resent on a live 5.0 connection [MQTT5-4.4.0-1]. One timer for a connection, on its oldest
 * unacknowledged packet.
 */
export function armRetry(connection: Connection): void {
  const { engine } = connection;
  const interval = engine.settings.mqtt.retryInterval;
  if (interval === 0 || connection.protocolVersion === 5) return;
  const timer = (connection.retryTimer ??= new TimerEntry(() => retry(connection)));
  if (!timer.isScheduled) engine.wheel.schedule(timer, interval);
}

function retry(connection: Connection): void {
  const { engine, session } = connection;
  engine.enter();
  const outbound = session?.outbound;
  if (
    session === undefined ||
    connection.state !== "open" ||
    outbound === undefined ||
    outbound.size === 0
  )
    return;
  const interval = engine.settings.mqtt.retryInterval;
  // Time stands still while the link takes nothing: what was handed over may still be in there.
  if (interval === 0) return;
  if (!connection.isWritable) return engine.wheel.schedule(connection.retryTimer!, interval);
  const due: number[] = [];
  let next = interval;
  const { sender, writableSince } = connection;
  outbound.forEach((packetIdentifier, state, _message, _detail, sentAt) => {
    let since = Math.max(sentAt, writableSince);
    if (state === OutboundState.awaitingPubcomp) {
      // A PUBREL may have waited in line for its record: it counts from when it was handed over.
      if (sender.isWaiting || outbound.sendingsOf(packetIdentifier) === 0) return;
      since = Math.max(since, sender.releasedAt);
    }
    if (sentAt < 0) return;
    const age = engine.now - since;
    if (age >= interval) due.push(packetIdentifier);
    else next = Math.min(next, interval - age);
  });
  const bound = engine.settings.limits.bytesPerTurn;
  for (const packetIdentifier of due) {
    if (connection.sender.output.size >= bound) {
      next = 1; // The rest is due as well, when these bytes are out.
      break;
    }
    if (outbound.sendingsOf(packetIdentifier) > engine.settings.mqtt.retryMaximum) {
      engine.counters.retriesExhausted++;
      engine.log.write("warn", "retries-exhausted", {
        clientId: session.clientId,
        packetIdentifier,
        retries: engine.settings.mqtt.retryMaximum,
      });
      return connection.close(0x80, `Packet Identifier ${packetIdentifier} stayed unacknowledged`);
    }
    // In the original order [MQTT3-4.6.0-6].
    if (sendAgain(connection, session, packetIdentifier))
      outbound.touch(packetIdentifier, engine.now);
  }
  if (due.length > 0) engine.ready(connection);
  engine.wheel.schedule(connection.retryTimer!, next);
}
