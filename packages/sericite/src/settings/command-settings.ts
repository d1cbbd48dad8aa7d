import type { SettingTable } from "@sericite/broker";

/** Settings of the command itself; the broker's stand in its own table. */
export const commandSettings = {
  log: {
    level: {
      type: "choice",
      default: "info",
      choices: ["debug", "info", "warn", "error"],
      live: true,
      flag: "log-level",
      text: "Least important lines that are logged. The line that says where the broker listens is always written.",
    },
    format: {
      type: "choice",
      default: "auto",
      choices: ["auto", "text", "json"],
      live: false,
      flag: "log-format",
      text: "Form of the log: text for people, json with one object a line for programs, auto is text on a terminal and json elsewhere.",
    },
  },
  shutdown: {
    timeout: {
      type: "milliseconds",
      default: 10_000,
      minimum: 0,
      maximum: 3_600_000,
      live: true,
      text: "Time that SIGTERM and SIGINT leave for the connections to drain; then the broker stops all the same.",
    },
  },
} as const satisfies SettingTable;
