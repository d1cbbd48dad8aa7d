import type { Broker, Events } from "@sericite/broker";
import type { AuditWrite } from "./audit-events.ts";
import { AuditFile } from "./audit-file.ts";
import { AuditRate } from "./audit-rate.ts";
import { AuditRepetitions } from "./audit-repetitions.ts";
import { jsonFormat } from "./log-format.ts";
import type { LogWriter } from "./log-writer.ts";

/** What the settings say of the audit log. */
export interface AuditSettings {
  /** Empty: none. `log`: the log of the command. Else a file. */
  readonly audit: string;
  /** Lines of one event a second; 0: no bound. */
  readonly auditRate: number;
  /** Bytes of the file; 0: no bound. */
  readonly auditMaximumSize: number;
}

/** A change of the audit log, checked and not yet in force. Call one of both. */
export interface PreparedAudit {
  apply(): void;
  cancel(): void;
}

/**
 * Writes who came, who was refused and why: to the log, or to a file of its own, as JSON lines. How
 * much that is does not depend on how much clients do.
 */
export class AuditLog {
  readonly #log: LogWriter;
  readonly #rate: AuditRate;
  readonly #repetitions: AuditRepetitions;
  #isWanted = false;
  /** `undefined`: to the log. */
  #file: AuditFile | undefined;

  /** @param log  That of the command. */
  constructor(log: LogWriter) {
    this.#log = log;
    this.#rate = new AuditRate(0, (event, fields) => this.#write(event, fields));
    this.#repetitions = new AuditRepetitions((event, fields) => this.#rate.tell(event, fields));
  }

  readonly #write: AuditWrite = (event, fields) => {
    if (!this.#isWanted) return;
    if (this.#file === undefined) return this.#log.always("info", event, fields);
    const file = this.#file;
    try {
      const dropped = file.takeDropped();
      if (dropped > 0)
        file.write(jsonFormat(new Date(), "warn", "log-lines-dropped", { count: dropped }));
      file.write(jsonFormat(new Date(), "info", event, fields));
    } catch (error) {
      this.#log.always("error", "audit-file-not-moved", {
        message: `the audit log is as large as log.auditMaximumSize and cannot be moved away: it grows on. ${(error as Error).message}`,
      });
    }
  };

  /**
   * Opens the file that the settings name, also where it is open already: it may have been moved away.
   *
   * @throws UsageError ERR_AUDIT_FILE where it cannot be opened; nothing has changed then.
   */
  prepare({ audit, auditRate, auditMaximumSize }: AuditSettings): PreparedAudit {
    const file = audit === "" || audit === "log" ? undefined : new AuditFile(audit);
    const apply = (): void => {
      this.#endCounts();
      this.#file?.close();
      this.#file = file;
      if (file !== undefined) file.maximumSize = auditMaximumSize;
      this.#isWanted = audit !== "";
      this.#rate.maximum = auditRate;
    };
    return { apply, cancel: () => file?.discard() };
  }

  #endCounts(): void {
    this.#repetitions.endPeriod();
    this.#rate.endSecond();
  }

  /** Settles when the last lines are written. */
  async end(): Promise<void> {
    this.#endCounts();
    await this.#file?.end();
  }

  /** Listens to a broker. */
  listen(broker: Broker): void {
    // Asked first: these come with every client, and most brokers keep no audit log.
    broker.on("clientConnected", (event) => {
      if (!this.#isWanted) return;
      const { protocolVersion, sessionPresent } = event;
      this.#rate.tell("audit-connected", { ...whoOf(event), protocolVersion, sessionPresent });
    });
    broker.on("clientDisconnected", (event) => {
      if (!this.#isWanted) return;
      const { reasonCode, reason } = event;
      this.#rate.tell("audit-disconnected", { ...whoOf(event), reasonCode, reason });
    });
    broker.on("clientRefused", (event) => {
      if (!this.#isWanted) return;
      const { reasonCode, reason } = event;
      this.#rate.tell("audit-refused", { ...whoOf(event), reasonCode, reason });
    });
    broker.on("connectionRefused", (refusal) => {
      if (this.#isWanted) this.#rate.tell("audit-connection-refused", refusal);
    });
    this.#listenToDenials(broker);
  }

  /** What a client that was let in does not get done: it may try as often as it likes. */
  #listenToDenials(broker: Broker): void {
    broker.on("subscriptionRefused", ({ topicFilter, reasonCode, isUnasked, ...client }) => {
      // Where the client did not try it is no news, and would be told at each of its connects.
      if (!this.#isWanted || isUnasked) return;
      const fields = { ...whoOf(client), topicFilter, reasonCode };
      this.#repetitions.tell(
        "audit-subscription-refused",
        `${client.clientId} ${reasonCode}`,
        fields,
      );
    });
    broker.on("publishRefused", ({ topicName, qos, retain, isWill, reason, ...client }) => {
      if (!this.#isWanted) return;
      const fields = { ...whoOf(client), topicName, qos, retain, isWill, reason };
      this.#repetitions.tell("audit-publish-refused", `${client.clientId} ${reason}`, fields);
    });
    broker.on("deliveryRefused", ({ topicName, qos, publisher, ...client }) => {
      if (!this.#isWanted) return;
      const fields = { ...whoOf(client), topicName, qos, publisher };
      this.#repetitions.tell("audit-delivery-refused", client.clientId, fields);
    });
  }
}

/** Who it was about; a client that is gone has no address. */
function whoOf({
  clientId,
  username,
  peer,
}: Pick<Events["publishRefused"], "clientId" | "username" | "peer">): Record<string, unknown> {
  return {
    clientId,
    username,
    listener: peer?.listener,
    address: peer?.address,
    port: peer?.port,
  };
}
