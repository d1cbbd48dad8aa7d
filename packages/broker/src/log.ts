import type { Log, LogLevel } from "./engine/ports.ts";

/** A logger as many libraries have it: a method for each level that takes fields, then a message. */
export interface LoggerLike {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Writes nothing. */
export const silentLog: Log = {
  enabled: () => false,
  write: () => undefined,
};

/** Makes a `Log` of a logger; a `Log` is given back as it is. */
export function adaptLog(logger: Log | LoggerLike): Log {
  if ("write" in logger && "enabled" in logger) return logger;
  const isLevelEnabled = (logger as { isLevelEnabled?: (level: LogLevel) => boolean })
    .isLevelEnabled;
  return {
    enabled: (level) => isLevelEnabled?.call(logger, level) ?? true,
    write: (level, event, fields) => logger[level](fields, event),
  };
}
