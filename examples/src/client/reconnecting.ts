import { connect } from "@sericite/client";
import type { Client } from "@sericite/client";

/** Stays with its servers for years: new tokens, other servers, and a word about what happens. */
export async function start(
  urls: readonly string[],
  freshToken: () => Promise<string>,
  log: (line: string) => void,
): Promise<Client> {
  const client = await connect({
    url: urls,
    clientId: "gateway-1",
    reconnect: { fromStart: true, minDelayMs: 500, maxDelayMs: 30_000 },
    refresh: async () => ({ username: "gateway-1", password: await freshToken() }),
  });
  client.on("disconnected", ({ error, willReconnect }) =>
    log(`disconnected: ${error?.message ?? "asked to"}${willReconnect ? "" : ", for good"}`),
  );
  client.on("reconnecting", ({ attempt, delayMs }) =>
    log(`attempt ${attempt} in ${Math.round(delayMs)} ms`),
  );
  client.on("connected", ({ connack }) =>
    log(`connected to ${client.url}${connack.sessionPresent ? ", session resumed" : ""}`),
  );
  return client;
}
