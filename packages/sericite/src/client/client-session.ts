import { connect, RequestError } from "@sericite/client";
import type { Client, ClientOptions } from "@sericite/client";
import { ConnectionError } from "@sericite/protocol";
import { ExitCode, exitCodeOfRefusal } from "../exit-code.ts";
import type { ConnectionRequest } from "./connection-options.ts";

/** Errors that carry what a broker refused with; those of a request, not of the connection. */
const refusals: ReadonlySet<string> = new Set([
  "ERR_CONNECT_REFUSED",
  "ERR_PUBLISH_REFUSED",
  "ERR_SUBSCRIBE_REFUSED",
  "ERR_NOT_SUPPORTED",
]);

/** How a command uses its client. */
export interface SessionOptions extends Pick<
  ClientOptions,
  "onUnclaimedMessage" | "signal" | "reconnect"
> {
  /** The end of the connection tells what became of the messages: nothing else does at QoS 0. */
  readonly mustEndInOrder?: boolean;
}

/**
 * Connects, works, disconnects. Errors of the connection and of what was asked end in an exit code
 * and a line on standard error; others are thrown.
 *
 * @param options  Where messages of a resumed session go that come before its subscriptions, what
 * gives the attempt to connect up without a word, and what the end of the connection means.
 * @param work  Its promise is the exit code. It is given up when the client is closed for good.
 */
export async function withClient(
  request: ConnectionRequest,
  { mustEndInOrder = false, ...more }: SessionOptions,
  work: (client: Client) => Promise<number>,
): Promise<number> {
  let client: Client | undefined;
  try {
    client = await connect(request.url, { ...request.client, ...more });
    if (request.isDebug) tell(client);
    const code = await Promise.race([work(client), lossOf(client)]);
    await leave(client, request, mustEndInOrder);
    return code;
  } catch (error) {
    // A connection that is left open keeps the process; the broker need not publish the Will.
    await client?.disconnect({ timeoutMs: 0 });
    const known = rootOf(error);
    if (!known) throw error;
    const isGivenUp = known.code === "ERR_ABORTED";
    if (!request.isQuiet && !isGivenUp) process.stderr.write(`sericite: ${known.message}\n`);
    const isRefusal =
      known.reasonCode !== undefined &&
      (refusals.has(known.code) ||
        (known instanceof RequestError && known.code === "ERR_PACKET_TOO_LARGE"));
    return isRefusal ? exitCodeOfRefusal(known.reasonCode!) : ExitCode.failure;
  }
}

/** Rejects when the client gives up. */
function lossOf(client: Client): Promise<never> {
  return new Promise((_, reject) => {
    client.on("closed", ({ error }) => {
      if (error) reject(error);
    });
  });
}

/** Disconnects. @throws the end of the connection, where it came before everything was sent. */
async function leave(
  client: Client,
  request: ConnectionRequest,
  mustEndInOrder: boolean,
): Promise<void> {
  let loss: Error | undefined;
  client.on("disconnected", ({ error }) => (loss = error));
  if (client.state !== "connected") {
    loss = new ConnectionError(
      "ERR_CONNECTION_LOST",
      "the connection was lost before everything was sent",
    );
  }
  const { sessionExpiryInterval, ...properties } = request.properties.disconnect;
  await client.disconnect({ sessionExpiryInterval, properties });
  if (mustEndInOrder && loss !== undefined) throw loss;
}

/** The error that says what happened: `ERR_CLIENT_CLOSED` says it by its cause. */
function rootOf(error: unknown): ConnectionError | RequestError | undefined {
  if (!(error instanceof ConnectionError) && !(error instanceof RequestError)) return undefined;
  return error.code === "ERR_CLIENT_CLOSED" ? (rootOf(error.cause) ?? error) : error;
}

/** A line on standard error for people who asked what goes on (`-d`). */
export function debugLine(text: string): void {
  process.stderr.write(`${text}\n`);
}

function tell(client: Client): void {
  const connected = (isReconnect: boolean): void => {
    const present = client.connack?.sessionPresent ? "resumed" : "new";
    debugLine(
      `${client.clientId}: ${isReconnect ? "connected again" : "connected"}, ${present} session`,
    );
  };
  connected(false);
  client.on("connected", ({ isReconnect }) => connected(isReconnect));
  client.on("disconnected", ({ error }) =>
    debugLine(`${client.clientId}: disconnected${error ? `: ${error.message}` : ""}`),
  );
  client.on("reconnecting", ({ delayMs }) =>
    debugLine(`${client.clientId}: connecting again in ${Math.round(delayMs)} ms`),
  );
}
