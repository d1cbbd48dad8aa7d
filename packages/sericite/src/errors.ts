import { UsageError } from "@sericite/protocol";

/** Every error code of the command itself, with what it means. Documentation is made from this table. */
export const commandErrorCodes = {
  ERR_COMMAND_UNKNOWN: "There is no command of that name.",
  ERR_OPTION_UNKNOWN: "The command has no option of that name.",
  ERR_OPTION_VALUE:
    "An option has no value, one that it does not accept, or one that contradicts another option.",
  ERR_OPTION_LATER: "The option is reserved: this version does not have the feature yet.",
  ERR_SETTING: "A setting is unknown or has a value that it does not accept.",
  ERR_CONFIG_FILE: "The config file cannot be read.",
  ERR_TABLE: "Two parts describe the same section of the configuration.",
  ERR_EXPOSED: "The broker would be reachable from other machines, and nothing says who may enter.",
  ERR_AUDIT_FILE: "The file of the audit log cannot be opened.",
  ERR_NO_LISTENER: "Every listener is switched off.",
  ERR_ADDRESS_IN_USE: "Another process listens on the address already.",
  ERR_ADDRESS_FORBIDDEN: "The system does not let this user listen on the port.",
  ERR_ADDRESS_UNKNOWN: "No network interface of this machine has the address.",
  ERR_FILE_LIMIT: "The process has no file descriptor left.",
  ERR_DRAIN: "The broker was asked to stop and did not within its time.",
  ERR_OUTPUT: "What was received, or exported, could not be written to the output.",
  ERR_INPUT: "What was to be published or imported, or a password, could not be read.",
  ERR_NO_STORE: "The directory holds no store. `--data-dir` names another one.",
  ERR_NOT_EMPTY: "A store is imported into an empty directory only.",
  ERR_STOPPED: "A signal ended the command before it was done. The message says what is left.",
  ERR_PASSWORD_FILE: "A password file cannot be read or written, or lacks the user.",
} as const;

/** A code of the command. */
export type CommandErrorCode = keyof typeof commandErrorCodes;

/**
 * A `UsageError` with a code of the command.
 *
 * @param message  What was seen and what was expected.
 */
export function usageError(code: CommandErrorCode, message: string, cause?: unknown): UsageError {
  return new UsageError(code, message, cause === undefined ? undefined : { cause });
}
