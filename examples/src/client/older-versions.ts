import { connect } from "@sericite/client";
import type { Client } from "@sericite/client";

/** Speaks 5.0 where the server does, else 3.1.1, else 3.1. */
export function join(url: string): Promise<Client> {
  return connect(url, { protocolFallback: true });
}

/** A session that stays with a 3.1.1 server: there it has no Session Expiry Interval, only Clean Session. */
export function joinForLong(url: string): Promise<Client> {
  return connect(url, { clientId: "meter-7", protocolVersion: 4, cleanStart: false });
}
