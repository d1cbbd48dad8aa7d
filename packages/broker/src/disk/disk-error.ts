import type { ConnectionError } from "@sericite/protocol";
import { storeError } from "../store/log/error-codes.ts";

/** The system's error as one of the store's, by its code. */
export function diskError(cause: NodeJS.ErrnoException, what: string): ConnectionError {
  switch (cause.code) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return storeError("ERR_STORE_DISK_FULL", `no space left to ${what}`, cause);
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return storeError("ERR_STORE_READ_ONLY", `not allowed to ${what}`, cause);
    default:
      return storeError(
        "ERR_STORE_DISK",
        `could not ${what}: ${cause.code ?? cause.message}`,
        cause,
      );
  }
}
