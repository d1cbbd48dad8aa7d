import { ConnectionError, RequestError, UsageError } from "@sericite/client";

/** What to do about an error of the client. */
export function adviceFor(error: unknown): string {
  // The caller's mistake: it is not going to be right the next time either.
  if (error instanceof UsageError) return `mend the call: ${error.message}`;
  // The server refused, or it can no longer be done. The client goes on.
  if (error instanceof RequestError) {
    if (error.code === "ERR_QUEUE_FULL") return "publish less";
    if (error.reasonCode === 0x87) return "ask for the right to do it";
    return `give it up: ${error.code}`;
  }
  // The network, or a server that cannot be reached.
  if (error instanceof ConnectionError) return `look at the network: ${error.code}`;
  throw error;
}
