import { TimerEntry } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import { isPromise } from "./hooks.ts";

/**
 * Puts a question to a hook or a port on behalf of a connection. An answer goes on at once; a
 * promise parks the connection until it settles or the deadline passes, and whatever went wrong
 * counts as `refusal`. Nothing goes on for a connection that was closed or taken over meanwhile.
 *
 * @param name  What is asked, for the log and the counters.
 */
export function ask<V>(
  connection: Connection,
  name: string,
  question: () => V | Promise<V>,
  refusal: V,
  proceed: (answer: V) => void,
): void {
  let answer: V | Promise<V>;
  try {
    answer = question();
  } catch (error) {
    connection.engine.hookFailed(name, error, connection);
    answer = refusal;
  }
  if (isPromise(answer)) parkFor(connection, name, answer, refusal, proceed);
  else proceed(answer);
}

/** Parks the connection for a promise. */
export function parkFor<V>(
  connection: Connection,
  name: string,
  promise: Promise<V>,
  refusal: V,
  proceed: (answer: V) => void,
): void {
  const { engine } = connection;
  const ticket = connection.park();
  const timer = new TimerEntry(() => {
    engine.enter();
    if (!connection.isWaitingFor(ticket)) return;
    engine.hookTimedOut(name, connection);
    settle(refusal);
  });
  const settle = (answer: V): void => {
    engine.enter();
    engine.wheel.cancel(timer);
    if (!connection.isWaitingFor(ticket)) return;
    connection.unpark();
    connection.guarded(() => proceed(answer));
    if (!connection.isParked) connection.intake.run();
  };
  engine.wheel.schedule(timer, engine.settings.limits.hookTimeout);
  promise.then(settle, (error: unknown) => {
    if (connection.isWaitingFor(ticket)) engine.hookFailed(name, error, connection);
    settle(refusal);
  });
}

/** Lets the other connections have their turn in the middle of one long packet: parks until the next turn. */
export function goOnNextTurn(connection: Connection, proceed: () => void): void {
  const ticket = connection.park();
  connection.engine.nextTurn(() => {
    if (!connection.isWaitingFor(ticket)) return;
    connection.unpark();
    connection.guarded(proceed);
    if (!connection.isParked) connection.intake.run();
  });
}
