import type { SettingTable } from "@sericite/broker";
import { parseTopicFilter, ProtocolError } from "@sericite/protocol";

function isTraceFilter(text: string): boolean {
  if (text === "") return true;
  try {
    return parseTopicFilter(text).shareName === undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}

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
    audit: {
      type: "string",
      default: "",
      live: true,
      flag: "audit",
      placeholder: "FILE",
      text: "Where it is written who came, who was refused and why: log for the log itself, else a file that gets JSON lines; SIGHUP opens it anew. Empty: nowhere.",
    },
    auditRate: {
      type: "integer",
      default: 100,
      minimum: 0,
      live: true,
      text: "Lines of one event of the audit log a second; of those above it the number is told. 0: no bound.",
    },
    auditMaximumSize: {
      type: "bytes",
      default: 100 * 1024 * 1024,
      minimum: 0,
      live: true,
      text: "Size at which the file of the audit log is moved to the same name with .1 behind it, in place of the one before, and begun anew. 0: no bound.",
    },
  },
  trace: {
    client: {
      type: "string",
      default: "",
      live: true,
      flag: "trace-client",
      placeholder: "CLIENTID",
      text: "Log each packet of this client, readable, without passwords and payloads, whatever log.level is; empty: none.",
    },
    topic: {
      type: "string",
      default: "",
      live: true,
      flag: "trace-topic",
      placeholder: "FILTER",
      text: "Log each PUBLISH, received or sent, whose Topic Name this Topic Filter matches, as trace.client does; with both, each is traced for itself.",
      expected: (value) => (isTraceFilter(value) ? undefined : "a Topic Filter, and no shared one"),
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
