import type { Broker } from "@sericite/broker";
import type { LogWriter } from "../log/log-writer.ts";

/** The traces that the settings ask for. */
export class Traces {
  readonly #broker: Broker;
  readonly #log: LogWriter;
  #running: Disposable[] = [];

  constructor(broker: Broker, log: LogWriter) {
    this.#broker = broker;
    this.#log = log;
  }

  /** Ends those that run, and begins those that are asked for. */
  set({ client, topic }: { readonly client: string; readonly topic: string }): void {
    for (const trace of this.#running) trace[Symbol.dispose]();
    const wanted = [
      ...(client === "" ? [] : [{ clientId: client }]),
      ...(topic === "" ? [] : [{ topicFilter: topic }]),
    ];
    this.#running = wanted.map((options) =>
      this.#broker.trace(options, (traced) => this.#log.always("info", "packet", { ...traced })),
    );
  }
}
