import { Cut, Fault } from "../wire/wire-client.ts";
import type { WireClient } from "../wire/wire-client.ts";
import type { Moment, Scenario, World } from "../world.ts";
import { EventBook } from "./event-book.ts";
import { Subscriber } from "./subscriber.ts";

/** How a client with a Will leaves, unless the broker is killed before. */
type Way = "cut" | "disconnect" | "wait" | "return" | "return anew";

/** Time that the broker may take to notice, besides the Will Delay Interval. Milliseconds. */
const SLACK_MS = 1500;

/** What is known of one Will. */
interface Will {
  readonly id: string;
  /** Seconds. */
  readonly delay: number;
  readonly hasSession: boolean;
  /** CONNACK was seen. */
  armed: Moment | undefined;
  /** The connection ended without DISCONNECT. */
  ended: Moment | undefined;
  /** The broker closed it after DISCONNECT: no Will any more. */
  disarmed: Moment | undefined;
  /** DISCONNECT left; whether it arrived is not known. */
  isLeaving: boolean;
  /** The session was resumed in time: no Will any more. */
  isResumed: boolean;
  /** The session was asked for again, and nobody knows whether in time. */
  isUncertain: boolean;
  /** Clean Start over its session: the Will goes at once. */
  isReplaced: boolean;
}

/**
 * Clients with Wills: killed with the broker, cut, disconnected, back within the Will Delay Interval
 * or not. Each Will comes once where it is due, never where it is not.
 */
export class Wills implements Scenario {
  readonly name = "wills";
  readonly #world: World;
  readonly #book: EventBook;
  readonly #observer: Subscriber;
  #number = 0;

  constructor(world: World) {
    this.#world = world;
    this.#book = new EventBook(world, "wills");
    this.#observer = new Subscriber(
      world,
      {
        clientId: "will-observer",
        version: 5,
        topicFilter: "w/#",
        qos: 2,
        holdMs: 0,
        cuts: 0,
        renews: 0,
      },
      this.#book,
    );
  }

  prepare(): Promise<void> {
    return this.#observer.prepare();
  }

  async run(): Promise<void> {
    const clients = Array.from({ length: 5 }, () =>
      this.#world.repeat("wills", () => this.#client()),
    );
    await Promise.all([this.#observer.run(), ...clients]);
  }

  owed(): string[] {
    return this.#book.owed();
  }

  forget(): void {
    this.#book.forget();
  }

  /** A client with a Will, from its CONNECT to the end of its session. */
  async #client(): Promise<void> {
    const { chance } = this.#world;
    if (this.#world.isSettling) return this.#world.pause(50);
    const way = chance.pick<Way>(["cut", "cut", "disconnect", "wait", "return", "return anew"]);
    const isDelayed = way === "wait" || way.startsWith("return");
    const version = isDelayed ? 5 : chance.pick([4, 5] as const);
    const qos = chance.pick([1, 2] as const);
    const clientId = `will-${(this.#number += 1)}`;
    const will: Will = {
      id: `${clientId} QoS ${qos} ${way}`,
      delay: isDelayed ? chance.integer(1, this.#world.longestDelay) : 0,
      hasSession: isDelayed || chance.happens(0.5),
      armed: undefined,
      ended: undefined,
      disarmed: undefined,
      isLeaving: false,
      isResumed: false,
      isUncertain: false,
      isReplaced: false,
    };
    this.#book.expect({
      id: will.id,
      qos,
      owed: () => this.#owed(will),
      copies: () => 1,
      earliest: () =>
        will.ended === undefined || will.isReplaced ? 0 : will.ended.at + will.delay * 1000,
    });
    const client = await this.#world.connect("wills", {
      clientId,
      version,
      // A new Client Identifier: there is no session to resume.
      cleanStart: version === 4 && !will.hasSession,
      ...(will.hasSession ? { sessionExpiryInterval: 60 } : {}),
      will: {
        topicName: `w/${clientId}`,
        payload: will.id,
        qos,
        ...(isDelayed ? { delayInterval: will.delay } : {}),
      },
    });
    will.armed = this.#world.now();
    try {
      await this.#world.stay(client, chance.integer(0, 700));
      await this.#leave(client, way, will);
    } finally {
      client.cut();
    }
    if (!way.startsWith("return") || will.disarmed !== undefined) return;
    await this.#world.pause(chance.integer(0, will.delay * 1500));
    await this.#return(clientId, way === "return anew", will);
  }

  async #leave(client: WireClient, way: Way, will: Will): Promise<void> {
    if (client.isOpen && way === "disconnect") {
      will.isLeaving = true;
      await client.disconnect();
      will.disarmed = this.#world.now();
      return;
    }
    will.ended = this.#world.now();
    client.cut();
  }

  /** Comes back for the session that has the Will. */
  async #return(clientId: string, cleanStart: boolean, will: Will): Promise<void> {
    let sent: Moment | undefined;
    let client: WireClient;
    try {
      client = await this.#world.connect(
        "wills",
        { clientId, version: 5, cleanStart, sessionExpiryInterval: 60 },
        () => {
          sent = this.#world.now();
          will.isUncertain = !cleanStart;
          will.isReplaced = cleanStart;
        },
      );
    } catch (error) {
      // It may have been in time: nobody knows.
      if (error instanceof Cut) return;
      throw error;
    }
    const answered = this.#world.now();
    const { ended, delay, id } = will;
    if (ended === undefined) throw new Error("back before it was gone");
    if (!cleanStart) {
      if (!client.sessionPresent) throw new Fault(`"${id}": Session Present 0`);
      const counted = Math.max(ended.at, this.#world.listensSince);
      if (answered.at < ended.at + delay * 1000 - 100) will.isResumed = true;
      else if (sent!.at > counted + delay * 1000 + SLACK_MS) will.isUncertain = false;
    }
    await client.disconnect(0);
  }

  #owed(will: Will): "must" | "may" | "never" {
    if (will.isResumed) return "never";
    if (will.disarmed !== undefined && this.#world.isKept(will.disarmed)) return "never";
    if (will.isLeaving || will.isUncertain || will.armed === undefined) return "may";
    if (will.ended === undefined || !this.#world.isKept(will.armed)) return "may";
    return "must";
  }
}
