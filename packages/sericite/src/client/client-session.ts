import { connect, RequestError } from "@sericite/client";
import type { Client, ClientOptions } from "@sericite/client";
import { ConnectionError } from "@sericite/protocol";
import { ExitCode, exitCodeOfRefusal } from "../exit-code.ts";
import type { ConnectionRequest } from "./connection-options.ts";

/** Errors that carry what a broker refused with. */
const refusals: ReadonlySet<string> = new Set([
  "ERR_CONNECT_REFUSED",
  "ERR_PUBLISH_REFUSED",
  "ERR_SUBSCRIBE_REFUSED",
  "ERR_NOT_SUPPORTED",
]);

/**
 * Connects, works, disconnects. Errors of the connection and of what was asked end in an exit code
 * and a line on standard error; others are thrown.
 *
 * @param more  Where messages of a resumed session go that come before its subscriptions, and what
 * gives the attempt to connect up, without a word.
 * @param work  Its promise is the exit code. It is given up when the client is closed for good.
 */
export async function withClient(
  request: ConnectionRequest,
  more: Pick<ClientOptions, "onUnclaimedMessage" | "signal">,
  work: (client: Client) => Promise<number>,
): Promise<number> {
  try {
    const client = await connect(request.url, { ...request.client, ...more });
    if (request.isDebug) tell(client);
    const lost = new Promise<never>((_, reject) => {
      client.on("closed", ({ error }) => {
        if (error) reject(error);
      });
    });
    const code = await Promise.race([work(client), lost]);
    const { sessionExpiryInterval, ...properties } = request.properties.disconnect;
    await client.disconnect({ sessionExpiryInterval, properties });
    return code;
  } catch (error) {
    const known = rootOf(error);
    if (!known) throw error;
    const isGivenUp = known.code === "ERR_ABORTED";
    if (!request.isQuiet && !isGivenUp) process.stderr.write(`sericite: ${known.message}\n`);
    const isRefusal = refusals.has(known.code) && known.reasonCode !== undefined;
    return isRefusal ? exitCodeOfRefusal(known.reasonCode!) : ExitCode.failure;
  }
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
