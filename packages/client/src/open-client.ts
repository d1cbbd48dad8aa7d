import { ConnectionError } from "@sericite/protocol";
import type { AbortSignalLike } from "./abort.ts";
import { abortError } from "./abort.ts";
import { Client } from "./client.ts";
import type { KeptSession } from "./kept-session.ts";
import { keptSession } from "./kept-session.ts";
import type { ConnectOptions } from "./options.ts";
import type { Platform } from "./platform.ts";
import type { SessionStore } from "./session-store.ts";

/** The options that `connect` was called with. */
export function optionsOf(
  urlOrOptions: string | readonly string[] | ConnectOptions,
  more: ConnectOptions | undefined,
): ConnectOptions {
  if (typeof urlOrOptions === "string" || isList(urlOrOptions))
    return { ...more, url: urlOrOptions };
  // A caller without types may have an environment variable that is not set.
  return (urlOrOptions as ConnectOptions | undefined) ?? {};
}

function isList(value: object): value is readonly string[] {
  return Array.isArray(value);
}

/** Opens a client and waits for its first connection. */
export function openClient(platform: Platform, options: ConnectOptions): Promise<Client> {
  const open = (kept: KeptSession | undefined): Promise<Client> =>
    new Promise((resolve, reject) => {
      if (options.signal?.aborted === true) throw abortError(options.signal);
      const client = new Client(platform, options, kept, resolve, reject);
      const { reconnect } = options;
      if (reconnect !== false && reconnect?.fromStart === "background") resolve(client);
    });
  const { store, signal } = options;
  return store === undefined ? open(undefined) : openKept(store, signal, open);
}

async function openKept(
  store: SessionStore,
  signal: AbortSignalLike | undefined,
  open: (kept: KeptSession) => Promise<Client>,
): Promise<Client> {
  const records = await store.open();
  try {
    if (signal?.aborted === true) throw abortError(signal);
    return await open(keptSession(records));
  } catch (error) {
    // There is no client that would close it.
    if (!(error instanceof ConnectionError) || signal?.aborted === true) await store.close();
    throw error;
  }
}
