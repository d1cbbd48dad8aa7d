import { protocolErrorCodes } from "@sericite/protocol";
import { storeErrorCodes } from "./store/log/error-codes.ts";

/** Every error code of the broker as a library, with what it means and what to do. */
export const brokerErrorCodes = {
  ...protocolErrorCodes,
  ERR_SETTING:
    "A setting is unknown, or its value is of the wrong type or out of range. The message names it.",
  ERR_ANONYMOUS_BEYOND_LOOPBACK:
    "A listener beyond loopback would let everybody in. Configure authentication, or ask for anonymous access by name (auth.allowAnonymous).",
  ERR_CALLBACK: "A web service that was asked gave no answer, or none that can be read.",
  ERR_ACL:
    "A rule of the ACL file, or the file itself, cannot be read. The message names file and line, what was found and what was expected.",
  ERR_REWRITE_RULE:
    "A rewrite rule cannot be used. The message says which one, what was found and what was expected.",
  ERR_AUTO_SUBSCRIBE:
    "A subscription for clients that connect cannot be used. The message says which one, what was found and what was expected.",
  ERR_PASSWORD_FILE:
    "A password file cannot be read or written. The message names the file, and the line where it is about one.",
  ERR_JWT_KEY: "The file of jwt.keyFile cannot be read or holds no key that fits.",
  ERR_BROKER_CLOSED: "The broker was closed before or during the call.",
  ERR_STORE_REFUSING:
    "The store takes nothing durable at present; the message or the ban had no effect.",
  ...storeErrorCodes,
  ERR_TLS_CERTIFICATE:
    "A certificate, its key or the authorities of a TLS listener are missing or cannot be used. The message says which.",
  ERR_LISTEN: "A listener could not be opened; `cause` has the system's error.",
} as const;
