import { RequestError } from "./errors.ts";

/** What the client needs of an `AbortSignal`. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** What a caller gets whose signal was triggered. */
export function abortError(signal: AbortSignalLike): RequestError {
  return new RequestError("ERR_ABORTED", "aborted by the caller", { cause: signal.reason });
}

/** Calls `listener` when `signal` is triggered. @returns what takes it back. */
export function onAbort(signal: AbortSignalLike | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {};
  signal.addEventListener("abort", listener);
  return () => signal.removeEventListener("abort", listener);
}
