import { mosquittoClient } from "./mosquitto.ts";
import { mqttJsClient } from "./mqtt-js.ts";
import { pahoClient } from "./paho.ts";
import type { ForeignClient } from "./foreign-client.ts";

/** All clients that the broker is tried with. */
export function foreignClients(): ForeignClient[] {
  return [mosquittoClient(), mqttJsClient(), pahoClient()];
}

/** Options of a test that uses these clients: skipped, with the reason, if one is missing. */
export function needing(...clients: readonly ForeignClient[]): { skip: string | false } {
  return {
    skip: clients.map(({ missing }) => missing).find((reason) => reason !== undefined) ?? false,
  };
}
