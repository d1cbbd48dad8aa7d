import type { ConnackPacket } from "@sericite/protocol";
import { openClient } from "./open-client.ts";
import type { ConnectOptions } from "./options.ts";
import type { Platform } from "./platform.ts";

/** What a test of a connection found. */
export interface ConnectTestResult {
  readonly connack: ConnackPacket;
  /** Address that answered, without credentials; none where there is a `dial`. */
  readonly url: string | undefined;
  /** From dialling to CONNACK. Milliseconds. */
  readonly elapsedMs: number;
}

/** See `connectTest` of the doors. */
export async function testConnection(
  platform: Platform,
  options: ConnectOptions,
): Promise<ConnectTestResult> {
  const clock = options.clock ?? platform.clock;
  const start = clock.now();
  const client = await openClient(platform, {
    ...options,
    // Nothing of it stays, neither here nor at the server.
    cleanStart: true,
    sessionExpiryInterval: 0,
    reconnect: false,
    will: undefined,
    store: undefined,
  });
  const elapsedMs = clock.now() - start;
  const { connack, url } = client;
  await client.disconnect();
  return { connack: connack!, url, elapsedMs };
}
