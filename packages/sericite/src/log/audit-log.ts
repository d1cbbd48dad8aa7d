import { closeSync, openSync } from "node:fs";
import type { Broker, Events } from "@sericite/broker";
import { usageError } from "../errors.ts";
import { jsonFormat } from "./log-format.ts";
import { LogSink } from "./log-sink.ts";
import { LogWriter } from "./log-writer.ts";

/** Every event of the audit log, with what it tells. The documentation is made from this table. */
export const auditEvents = {
  "audit-connected": "A client was let in.",
  "audit-disconnected": "A client that was let in is gone; `reason` says why.",
  "audit-refused": "A client was not let in; `reasonCode` and `reason` say why.",
  "audit-connection-refused":
    "A connection ended before it was a client: see the reasons of Listeners.",
  "audit-subscription-refused": "A client asked for a Topic Filter that it does not get.",
  "audit-left-out": "So many lines of `left` were left out in a flood.",
} as const;

/** Name of an event of the audit log. */
export type AuditEvent = keyof typeof auditEvents;

/** Where the lines go: whatever the level of the log. */
export type AuditWrite = (event: AuditEvent, fields: Readonly<Record<string, unknown>>) => void;

/** Lines of one event in the present second. */
interface Second {
  lines: number;
  leftOut: number;
}

/** Writes lines, of each event so many a second; of those above it tells the number. */
export class AuditRate {
  readonly #write: AuditWrite;
  readonly #seconds = new Map<AuditEvent, Second>();
  #timer: NodeJS.Timeout | undefined;
  /** Lines of one event a second; 0: no bound. */
  maximum: number;

  constructor(maximum: number, write: AuditWrite) {
    this.maximum = maximum;
    this.#write = write;
  }

  tell(event: AuditEvent, fields: Readonly<Record<string, unknown>>): void {
    if (this.maximum === 0) return this.#write(event, fields);
    let second = this.#seconds.get(event);
    if (second === undefined) this.#seconds.set(event, (second = { lines: 0, leftOut: 0 }));
    this.#timer ??= setTimeout(() => this.endSecond(), 1000).unref();
    if (second.lines >= this.maximum) second.leftOut++;
    else {
      second.lines++;
      this.#write(event, fields);
    }
  }

  /** Tells what was left out, and begins to count anew. */
  endSecond(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [left, { leftOut }] of this.#seconds)
      if (leftOut > 0) this.#write("audit-left-out", { left, count: leftOut });
    this.#seconds.clear();
  }
}

/** What the settings say of the audit log. */
export interface AuditSettings {
  /** Empty: none. `log`: the log of the command. Else a file. */
  readonly audit: string;
  readonly auditRate: number;
}

/** A change of the audit log, checked and not yet in force. Call one of both. */
export interface PreparedAudit {
  apply(): void;
  cancel(): void;
}

interface AuditFile {
  readonly descriptor: number;
  readonly sink: LogSink;
}

/** Writes who came, who was refused and why: to the log, or to a file of its own, as JSON lines. */
export class AuditLog {
  readonly #log: LogWriter;
  readonly #rate: AuditRate;
  #file: AuditFile | undefined;
  #writer: LogWriter | undefined;

  /** @param log  That of the command. */
  constructor(log: LogWriter) {
    this.#log = log;
    this.#rate = new AuditRate(0, (event, fields) => this.#writer?.always("info", event, fields));
  }

  /**
   * Opens the file that the settings name, also where it is open already: it may have been moved away.
   *
   * @throws UsageError ERR_AUDIT_FILE where it cannot be opened; nothing has changed then.
   */
  prepare({ audit, auditRate }: AuditSettings): PreparedAudit {
    const file = audit === "" || audit === "log" ? undefined : open(audit);
    const apply = (): void => {
      this.#rate.endSecond();
      const before = this.#file;
      if (before !== undefined) void closeWhenWritten(before);
      this.#file = file;
      const own = file && new LogWriter(file.sink, "info", jsonFormat);
      this.#writer = audit === "" ? undefined : (own ?? this.#log);
      this.#rate.maximum = auditRate;
    };
    const cancel = (): void => {
      if (file !== undefined) closeSync(file.descriptor);
    };
    return { apply, cancel };
  }

  /** Settles when the last lines are written. */
  async end(): Promise<void> {
    this.#rate.endSecond();
    await this.#file?.sink.end();
  }

  /** Listens to a broker. */
  listen(broker: Broker): void {
    const tell: AuditWrite = (event, fields) => {
      if (this.#writer !== undefined) this.#rate.tell(event, fields);
    };
    broker.on("clientConnected", ({ protocolVersion, sessionPresent, ...client }) =>
      tell("audit-connected", { ...whoOf(client), protocolVersion, sessionPresent }),
    );
    broker.on("clientDisconnected", ({ reasonCode, reason, ...client }) =>
      tell("audit-disconnected", { ...whoOf(client), reasonCode, reason }),
    );
    broker.on("clientRefused", ({ reasonCode, reason, ...client }) =>
      tell("audit-refused", { ...whoOf(client), reasonCode, reason }),
    );
    broker.on("connectionRefused", (refusal) => tell("audit-connection-refused", refusal));
    broker.on("subscriptionRefused", (refusal) => tell("audit-subscription-refused", refusal));
  }
}

function whoOf({
  clientId,
  username,
  peer,
}: Pick<Events["clientRefused"], "clientId" | "username" | "peer">): Record<string, unknown> {
  const { listener, address, port } = peer;
  return { clientId, username, listener, address, port };
}

/** One that cannot be written stays open: a line is still on its way to it. */
async function closeWhenWritten({ sink, descriptor }: AuditFile): Promise<void> {
  if (await sink.end()) closeSync(descriptor);
}

function open(file: string): AuditFile {
  try {
    const descriptor = openSync(file, "a", 0o640);
    return { descriptor, sink: new LogSink(descriptor) };
  } catch (cause) {
    const { message } = cause as Error;
    throw usageError("ERR_AUDIT_FILE", `log.audit: ${file} cannot be opened: ${message}`, cause);
  }
}
