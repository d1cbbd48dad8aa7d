import { TimerEntry, utf8Length, writeUtf8 } from "@sericite/protocol";
import type { Engine } from "./engine.ts";
import type { Events } from "./events.ts";
import { composeMessage } from "./forms.ts";
import { route } from "./route.ts";
import { countedFigures, sysFigures } from "./sys-figures.ts";

const none = new Uint8Array(0);

/**
 * The broker's own topics: figures below `$SYS/broker/` every `sys.interval`, retained so that a new
 * subscriber has them at once, with each limit and drop that has been counted; and, where `sys.presence` is on, who comes and goes below
 * `$SYS/brokers/<node>/clients/`, as EMQX names it. They enter by `route` like everything else.
 */
export class SysTopics {
  readonly #engine: Engine;
  readonly #timer: TimerEntry;
  readonly #startedAt: number;
  readonly #last = new Map<string, string>();

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#startedAt = engine.now;
    this.#timer = new TimerEntry(() => this.#tick());
    engine.events.on("clientConnected", (event) => this.#tellConnected(event));
    engine.events.on("clientDisconnected", (event) => this.#tellDisconnected(event));
    this.reschedule();
  }

  /** `sys.interval` may have changed. */
  reschedule(): void {
    const { interval } = this.#engine.settings.sys;
    if (interval === 0) this.#engine.wheel.cancel(this.#timer);
    else this.#engine.wheel.schedule(this.#timer, interval);
  }

  #tick(): void {
    const engine = this.#engine;
    // A store that is still telling takes no records.
    if (engine.recovered !== undefined) return this.reschedule();
    engine.enter();
    const uptime = Math.floor((engine.now - this.#startedAt) / 1000);
    for (const [name, figure] of Object.entries(sysFigures))
      this.#tell(name, String(figure.read(engine, uptime)));
    for (const [name, count] of countedFigures(engine)) this.#tell(name, String(count));
    this.reschedule();
  }

  /** What did not change is retained already. */
  #tell(name: string, value: string): void {
    if (this.#last.get(name) === value) return;
    this.#last.set(name, value);
    this.#publish(`$SYS/broker/${name}`, value, true);
  }

  #tellConnected(event: Events["clientConnected"]): void {
    if (!this.#engine.settings.sys.presence) return;
    this.#publish(
      this.#presenceTopic(event.clientId, "connected"),
      JSON.stringify({
        clientid: event.clientId,
        username: event.username ?? null,
        ipaddress: event.peer.address ?? null,
        sockport: event.peer.port ?? null,
        proto_name: event.protocolVersion === 3 ? "MQIsdp" : "MQTT",
        proto_ver: event.protocolVersion,
        keepalive: event.keepAlive,
        session_present: event.sessionPresent,
        ts: Math.round(this.#engine.clock.wallTime()),
      }),
      false,
    );
  }

  #tellDisconnected(event: Events["clientDisconnected"]): void {
    if (!this.#engine.settings.sys.presence) return;
    this.#publish(
      this.#presenceTopic(event.clientId, "disconnected"),
      JSON.stringify({
        clientid: event.clientId,
        username: event.username ?? null,
        ipaddress: event.peer.address ?? null,
        reason_code: event.reasonCode,
        reason: event.reason,
        ts: Math.round(this.#engine.clock.wallTime()),
      }),
      false,
    );
  }

  /** A Client Identifier may hold what a Topic Name level may not. */
  #presenceTopic(clientId: string, what: string): string {
    return `$SYS/brokers/${this.#engine.settings.sys.node}/clients/${clientId.replace(/[+#/]/g, "_")}/${what}`;
  }

  #publish(topicName: string, payload: string, retain: boolean): void {
    const engine = this.#engine;
    const message = composeMessage(engine.nextMessageNumber(), {
      topic: engine.topicNames.intern(topicName),
      payload: bytesOf(payload),
      properties: none,
      qos: 0,
      retain,
      publisher: "",
      expiresAt: 0,
    });
    route(engine, message, "sys");
  }
}

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Length(text));
  writeUtf8(bytes, 0, text);
  return bytes;
}
