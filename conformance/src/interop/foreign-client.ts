/**
 * What the tests of interoperation ask of a client. Each driver in this folder makes one real
 * client do it: mosquitto_pub and mosquitto_sub, MQTT.js, paho-mqtt for Python, and our own two.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";

/** Version of the protocol, as people write it. */
export type Version = "3.1" | "3.1.1" | "5";

/** All three. */
export const VERSIONS: readonly Version[] = ["3.1", "3.1.1", "5"];

/** Quality of service. */
export type Qos = 0 | 1 | 2;

/** All three. */
export const QOS: readonly Qos[] = [0, 1, 2];

/** A message as a test publishes it. */
export interface Outgoing {
  readonly topicName: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain?: boolean;
}

/** A message as a client got it. */
export interface Incoming {
  readonly topicName: string;
  /** Length and SHA-256 of the payload: enough to compare, also of 10 MiB. */
  readonly digest: string;
  readonly qos: Qos;
  readonly retain: boolean;
}

/** How a subscriber connects. */
export interface SubscriberOptions {
  readonly version: Version;
  /** At most 23 characters, for MQTT 3.1. */
  readonly clientId: string;
  readonly topicFilters: readonly string[];
  readonly qos: Qos;
  /** The session outlives the connection. */
  readonly persistent?: boolean;
  readonly will?: Outgoing;
}

/** A client that is connected and subscribed. */
export interface Subscriber {
  readonly inbox: Inbox;
  /** DISCONNECT, then close. */
  disconnect(): Promise<void>;
  /** Close without DISCONNECT, as a dying device does. */
  cut(): Promise<void>;
}

/** The authority that vouches for the broker's certificate, a PEM file. */
export const AUTHORITY = join(
  import.meta.dirname,
  "../../../packages/broker/src/listeners/test-certificates/ca.pem",
);

/**
 * A client program or library, most often not ours. Where the broker is it is told by a URL of one
 * of the schemes mqtt, mqtts, ws, wss and unix; not every client can be used with all.
 */
export interface ForeignClient {
  readonly name: string;
  /** Why it cannot be used here; its tests are skipped with this reason. */
  readonly missing: string | undefined;
  /** Connects and subscribes; resolves when the SUBACK has come. */
  subscribe(url: string, options: SubscriberOptions): Promise<Subscriber>;
  /** Connects, publishes all in order, disconnects; resolves when all is acknowledged. */
  publish(url: string, version: Version, messages: readonly Outgoing[]): Promise<void>;
  /** Ends what belongs to this client. */
  close(): Promise<void>;
}

/** Time in which a message must come. Milliseconds. */
const DEADLINE_MS = 15_000;

/** Messages that came and were not yet taken. */
export class Inbox {
  readonly #owner: string;
  readonly #messages: Incoming[] = [];
  #arrived: (() => void) | undefined;

  /** @param owner Whose it is, for the text of an error. */
  constructor(owner: string) {
    this.#owner = owner;
  }

  /** Puts a message in. */
  put(message: Incoming): void {
    this.#messages.push(message);
    this.#arrived?.();
  }

  /** How many are in it. */
  get size(): number {
    return this.#messages.length;
  }

  /**
   * Takes the oldest message, or the oldest on `topicName`; waits for it.
   *
   * @throws Error if none comes in 15 s.
   */
  async take(topicName?: string): Promise<Incoming> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const index = this.#messages.findIndex(
        (m) => topicName === undefined || m.topicName === topicName,
      );
      const [found] = index < 0 ? [] : this.#messages.splice(index, 1);
      if (found !== undefined) return found;
      if (!(await this.#arrival(deadline))) {
        const others = this.#messages.map((m) => m.topicName).join(", ") || "nothing";
        throw new Error(`${this.#owner} waits for ${topicName ?? "a message"} and has ${others}`);
      }
    }
  }

  #arrival(deadline: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), Math.max(0, deadline - Date.now()));
      this.#arrived = () => {
        clearTimeout(timer);
        this.#arrived = undefined;
        resolve(true);
      };
    });
  }
}

/** Length and SHA-256 of bytes. */
export function digest(bytes: Uint8Array): string {
  return `${bytes.length}:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Bytes 0…255 over and over: every value occurs, and none stands at the place of another. */
export function pattern(length: number): Buffer {
  return Buffer.alloc(length, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
}

/** A promise that fails with `what` unless `promise` settles in 15 s. */
export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: not within ${DEADLINE_MS / 1000} s`)),
      DEADLINE_MS,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
