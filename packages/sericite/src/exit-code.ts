import { UsageError } from "@sericite/protocol";

/** Exit codes of every command. Refusals of a broker have their Reason Code besides: see `exitCodeOfRefusal`. */
export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
  storeUnusable: 6,
  timeout: 27,
} as const;

/** What each exit code means: for help and documentation. */
export const exitCodeTexts: readonly (readonly [code: string, text: string])[] = [
  [
    "0",
    "Done. `broker`: stopped by a signal and drained. `sub`: stopped by a signal, by `-C` or by `-E`.",
  ],
  [
    "1",
    "Failed while running: no broker at the address, connection lost for good, port or data directory in use, disk full or read-only, output or input broken. `broker`: stopped before it had drained, or before its store was written. `store check`: the store is damaged.",
  ],
  ["2", "Wrong option, setting or config file. Nothing was started."],
  ["3", "`pub`, `sub`: the broker refused the connection, server unavailable (MQTT 3.x)."],
  ["4", "`pub`, `sub`: the broker refused the connection, bad user name or password (MQTT 3.x)."],
  ["5", "`pub`, `sub`: the broker refused the connection, not authorized (MQTT 3.x)."],
  [
    "6",
    "`broker`, `store`: the store is damaged, or of a newer version. Trying again does not help.",
  ],
  ["27", "`sub`: the time of `-W` ran out."],
  [
    "128 to 162",
    "`pub`, `sub`: the broker refused the connection, the message or all subscriptions; the number is its Reason Code of MQTT 5.0. An MQTT 3.x broker that does not accept the version gives 132, one that does not accept the Client Identifier 133.",
  ],
];

/** Reason Codes of 5.0 that stand for a refusal of 3.x whose own number means something else here. */
const reasonCodeOfReturnCode: Readonly<Record<number, number>> = { 1: 0x84, 2: 0x85 };

/**
 * Exit code that tells what a broker refused with.
 *
 * @param reasonCode  Return code 1…5 of 3.x, or Reason Code 0x80…0xFF of 5.0.
 */
export function exitCodeOfRefusal(reasonCode: number): number {
  return (
    reasonCodeOfReturnCode[reasonCode] ??
    (reasonCode >= 3 && reasonCode <= 255 ? reasonCode : ExitCode.failure)
  );
}

/** Codes of errors that every further start would meet again. */
const lastingCodes: readonly string[] = ["ERR_STORE_DAMAGED", "ERR_STORE_NEWER"];

/** Exit code of a command that ended with an error. */
export function exitCodeOfError(error: unknown): number {
  if (error instanceof UsageError) return ExitCode.usage;
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return lastingCodes.includes(code as string) ? ExitCode.storeUnusable : ExitCode.failure;
}
