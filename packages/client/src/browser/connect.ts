import type { Client } from "../client.ts";
import { openClient, optionsOf } from "../open-client.ts";
import type { ConnectTestResult } from "../connect-test.ts";
import { testConnection } from "../connect-test.ts";
import type { ConnectOptions } from "../options.ts";
import { browserPlatform } from "./platform.ts";

/**
 * Connects to a server by WebSocket and gives a client when its CONNACK has come.
 *
 * ```ts
 * await using client = await connect("wss://broker.example.com/mqtt", { clientId: "page-1" });
 * await client.subscribe("lamps/#", (message) => show(message.topicName, message.text()));
 * ```
 *
 * Rejects with a `ConnectionError` if the first attempt fails (see `reconnect.fromStart`), and with
 * a `UsageError` where an option is wrong.
 */
export function connect(url: string | readonly string[], options?: ConnectOptions): Promise<Client>;
export function connect(options: ConnectOptions): Promise<Client>;
export async function connect(
  urlOrOptions: string | readonly string[] | ConnectOptions,
  more?: ConnectOptions,
): Promise<Client> {
  return await openClient(browserPlatform, optionsOf(urlOrOptions, more));
}

/**
 * Tries a connection and ends it: says what the server announced and how long it took, or rejects with
 * the `ConnectionError` that `connect` would. Nothing of it stays. Take a `clientId` that nobody uses,
 * or none.
 */
export function connectTest(
  url: string | readonly string[],
  options: ConnectOptions = {},
): Promise<ConnectTestResult> {
  return testConnection(browserPlatform, { ...options, url });
}
