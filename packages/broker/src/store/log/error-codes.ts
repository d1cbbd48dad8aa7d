import { ConnectionError } from "@sericite/protocol";

/** Every error code of the embedded log store, with what it means and what to do. */
export const storeErrorCodes = {
  ERR_STORE_DISK: "The disk of the store failed; `cause` has the system's error.",
  ERR_STORE_DISK_FULL:
    "There is no space left for the store. Free some; nothing is lost meanwhile.",
  ERR_STORE_FULL:
    "The store has all the bytes it may have. Let clients fetch what waits for them, end sessions that nobody needs, or raise store.maximumBytes.",
  ERR_STORE_READ_ONLY: "The store's directory cannot be written. Check its rights and its mount.",
  ERR_STORE_LOCKED:
    "Another process has the store's directory. End it, or give this one a directory of its own.",
  ERR_STORE_DAMAGED:
    "A file of the store is damaged where it had been flushed. The message names file and offset.",
  ERR_STORE_NEWER: "A file of the store was written by a newer version. Use that version.",
  ERR_STORE_CLOSED: "The store was closed before or during the call.",
} as const;

/** A code of the embedded log store. */
export type StoreErrorCode = keyof typeof storeErrorCodes;

/** The world failed the store. */
export function storeError(
  code: StoreErrorCode,
  message: string,
  cause?: unknown,
): ConnectionError {
  return new ConnectionError(code, message, cause === undefined ? undefined : { cause });
}

/** Damage at a place in a file. */
export function damaged(file: string, offset: number, what: string): ConnectionError {
  return storeError("ERR_STORE_DAMAGED", `${file} is damaged at byte ${offset}: ${what}`);
}

/** Something in a file that this version does not know. */
export function newer(what: string): Error {
  return storeError("ERR_STORE_NEWER", `${what} was written by a newer version of this software`);
}
