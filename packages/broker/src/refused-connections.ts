import type { Engine } from "./engine/engine.ts";
import type { LimitName } from "./engine/limit-table.ts";
import { LINES_OF_REFUSALS } from "./engine/quiet-log.ts";
import type { Refusal, RefusalReason } from "./listeners/listener.ts";

/** Limits that a connection meets before it is a link. */
const LIMIT_OF_REASON: { readonly [R in RefusalReason]?: LimitName } = {
  "too-many-handshakes": "listen.handshakesMaximum",
  "handshake-timeout": "listen.handshakeTimeout",
};

/** Counts a connection that ended before it was a link, and tells of it: log and event. */
export function tellRefused(engine: Engine, { cause, ...refusal }: Refusal): void {
  engine.enter();
  engine.counters.handshakesRefused++;
  const { reason, ...from } = refusal;
  const limit = LIMIT_OF_REASON[reason];
  if (limit !== undefined)
    engine.limitReached(limit, { clientId: "", username: undefined, peer: from });
  // OpenSSL ends its messages with a line feed.
  const error = cause?.message.trimEnd();
  const fields = { ...from, ...(error !== undefined && { error }) };
  engine.quietLog.write(
    "info",
    "connection-refused",
    "reason",
    reason,
    engine.now,
    fields,
    LINES_OF_REFUSALS,
  );
  engine.events.emit("connectionRefused", { ...refusal, error });
}
