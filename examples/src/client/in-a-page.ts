import { connect } from "@sericite/client/browser";
import type { Client, SessionStore } from "@sericite/client/browser";

/** A page that shows what comes. With `indexedDbStore("page-1")` as store a reload loses nothing. */
export async function start(
  url: string,
  store: SessionStore | undefined,
  show: (line: string) => void,
): Promise<Client> {
  const client = await connect(url, {
    clientId: "page-1",
    store,
    reconnect: { fromStart: true },
  });
  client.on("disconnected", () => show("offline"));
  client.on("connected", () => show("online"));
  await client.subscribe("news/#", (message) => show(message.text()), { qos: 1 });
  return client;
}
