import type { QoS, UserProperty } from "@sericite/protocol";
import { topicFilterMatches } from "@sericite/protocol";

/** A moment in the ledger's own order of things; it rises with everything that is seen. */
export type Point = number;

/** One time that a message may be, or was, handed to its subscribers. */
export interface Routing {
  readonly message: PublishedMessage;
  readonly qos: QoS;
  readonly retain: boolean;
  /** Seconds; `undefined`: never expires. */
  readonly expiry: number | undefined;
  /** Client Identifier. */
  readonly publisher: string;
  /** It happens after this point … */
  from: Point;
  /** … and before this one; `Infinity` while it may still happen. */
  to: Point;
  /** Time at `from`. Milliseconds. */
  fromMs: number;
  /** Latest time at which the broker was given it, where that was more than once. */
  latestMs: number;
  /** Known to have happened: acknowledged, or nothing was left that could have stopped it. */
  isSure: boolean;
  /** It may be taken for a repeat of an earlier one, and then does not happen. */
  mayBeRepeat: boolean;
  /** Known not to happen, and why. */
  refused: string | undefined;
  /** Places in its stream that it may have, lowest first: one, or more where it came again unanswered. */
  readonly ranks: number[];
  /** Of a Will: it may not come before this time. Milliseconds. */
  notBeforeMs: number;
  /** Connection that brought it; `undefined` of a Will. */
  readonly source: { readonly isClosed: boolean } | undefined;
}

/** A message that somebody published, with every time that it may have been routed. */
export interface PublishedMessage {
  /** What tells it from all others: Topic Name and payload. */
  readonly key: string;
  /** For people: the beginning of the key. */
  readonly name: string;
  readonly topicName: string;
  readonly payload: string;
  readonly userProperties: readonly UserProperty[];
  /** Order holds within a stream: one publisher and Topic Name. */
  readonly stream: Stream;
}

/** Routings of one publisher on one topic, in the order in which the broker was given them. */
export interface Stream {
  readonly name: string;
  /** Wills come when they are due, and empty messages are not told apart: they have no order. */
  readonly isOrdered: boolean;
  readonly routings: Routing[];
}

/** What a topic may have retained. */
export interface RetainedCandidates {
  readonly routings: readonly Routing[];
  /** Perhaps nothing. */
  readonly mayBeNone: boolean;
}

/** Time by which the broker's clock may be behind when something expires. Milliseconds. */
export const EXPIRY_MARGIN_MS = 1500;

const decoder = new TextDecoder();

/** Every message that was published, by what stands in its payload. */
export class MessageBook {
  readonly #messages = new Map<string, PublishedMessage>();
  readonly #streams = new Map<string, Stream>();
  /** Routings with RETAIN 1, by Topic Name. */
  readonly #retained = new Map<string, Routing[]>();
  /** Routings whose time is not over. */
  readonly #open = new Set<Routing>();
  /** Routings that were not looked at when everything was at rest. */
  #recent: Routing[] = [];
  #rank = 0;

  /** The message with this payload on this topic, or `undefined` where none was published. */
  find(topicName: string, payload: Uint8Array): PublishedMessage | undefined {
    return this.#messages.get(keyOf(topicName, decoder.decode(payload)));
  }

  /**
   * Notes that the broker was given a message.
   *
   * @param stream  What order it belongs to: the publisher, or something of its own.
   */
  add(
    publisher: string,
    stream: string,
    packet: {
      readonly topicName: string;
      readonly payload: Uint8Array;
      readonly qos: QoS;
      readonly retain: boolean;
      readonly expiry: number | undefined;
      readonly userProperties: readonly UserProperty[];
    },
    from: Point,
    fromMs: number,
    source: { readonly isClosed: boolean } | undefined,
  ): Routing {
    const payload = decoder.decode(packet.payload);
    const key = keyOf(packet.topicName, payload);
    let message = this.#messages.get(key);
    if (message === undefined) {
      // What is empty cannot be told from other empty ones: it has an order of its own.
      const name = payload === "" ? `empty ${packet.topicName}` : `${stream} ${packet.topicName}`;
      let found = this.#streams.get(name);
      if (found === undefined)
        this.#streams.set(
          name,
          (found = { name, isOrdered: payload !== "" && source !== undefined, routings: [] }),
        );
      message = {
        key,
        name: key.length > 40 ? `${key.slice(0, 40)}…` : key,
        topicName: packet.topicName,
        payload,
        userProperties: packet.userProperties,
        stream: found,
      };
      this.#messages.set(key, message);
    }
    const routing: Routing = {
      message,
      qos: packet.qos,
      retain: packet.retain,
      expiry: packet.expiry,
      publisher,
      from,
      to: Infinity,
      fromMs,
      latestMs: fromMs,
      isSure: false,
      mayBeRepeat: false,
      refused: undefined,
      ranks: [(this.#rank += 1)],
      notBeforeMs: 0,
      source,
    };
    message.stream.routings.push(routing);
    this.#recent.push(routing);
    this.#open.add(routing);
    if (packet.retain) {
      let routings = this.#retained.get(packet.topicName);
      if (routings === undefined) this.#retained.set(packet.topicName, (routings = []));
      routings.push(routing);
    }
    return routing;
  }

  /** It came again and was never answered: perhaps it is only routed now. */
  reopen(routing: Routing, nowMs: number): void {
    // After a crash it may be earlier than it was.
    routing.fromMs = Math.min(routing.fromMs, nowMs);
    routing.latestMs = Math.max(routing.latestMs, nowMs);
    routing.ranks.push((this.#rank += 1));
    if (routing.refused !== undefined || this.#open.has(routing)) return;
    routing.to = Infinity;
    this.#open.add(routing);
    this.#recent.push(routing);
  }

  /** It was routed, for certain, before `at`. */
  confirm(routing: Routing, at: Point): void {
    if (routing.refused !== undefined) return;
    if (!this.#open.delete(routing)) return;
    routing.isSure = !routing.mayBeRepeat;
    routing.to = at;
  }

  /** It will not be routed, or not any more: what is seen of it from now on is a fault. */
  refuse(routing: Routing, why: string): void {
    routing.refused ??= why;
    this.#open.delete(routing);
  }

  /** It was refused, which a crash may have undone. */
  revive(routing: Routing): void {
    routing.refused = undefined;
    routing.to = Infinity;
    this.#open.add(routing);
    this.#recent.push(routing);
  }

  /** Time was lost in a crash: what had come before `crashedAtMs` may come again at `nowMs`. */
  timeLost(crashedAtMs: number, nowMs: number): void {
    for (const { routings } of this.#streams.values()) {
      for (const routing of routings) {
        if (routing.notBeforeMs > nowMs && routing.notBeforeMs <= crashedAtMs)
          routing.notBeforeMs = nowMs;
        // What had expired is gone.
        const { expiry } = routing;
        if (expiry !== undefined && mayBeExpired(routing, crashedAtMs))
          routing.fromMs = Math.min(routing.fromMs, nowMs - expiry * 1000);
      }
    }
  }

  /** If it happened, it was before `at`. */
  close(routing: Routing, at: Point): void {
    if (this.#open.delete(routing)) routing.to = at;
  }

  /**
   * Everything is at rest at point `at`: what was not answered is closed, and what its client need
   * not hear of counts as routed where the connection lives on. Wills keep their own time.
   *
   * @param wasTroubledSince  Whether the broker had reason to refuse anything since a time.
   * @returns all that surely was routed since the last rest.
   */
  rest(at: Point, wasTroubledSince: (ms: number) => boolean): Routing[] {
    const recent = this.#recent;
    this.#recent = recent.filter(
      (routing) => routing.source === undefined && this.#open.has(routing),
    );
    for (const routing of recent) {
      const { source } = routing;
      if (source === undefined) continue;
      if (routing.qos === 0 && !source.isClosed && !wasTroubledSince(routing.fromMs))
        this.confirm(routing, at);
      else this.close(routing, at);
    }
    return recent.filter((routing) => routing.isSure);
  }

  /** Topic Names on which something was retained and that a Topic Filter matches. */
  retainedTopics(topicFilter: string): string[] {
    return [...this.#retained.keys()].filter((topicName) =>
      topicFilterMatches(topicFilter, topicName),
    );
  }

  /**
   * What may have been the retained message of a topic at some moment between two points.
   *
   * @param nowMs  For messages that expire.
   */
  retainedBetween(topicName: string, from: Point, to: Point, nowMs: number): RetainedCandidates {
    const all = (this.#retained.get(topicName) ?? []).filter(
      (routing) => routing.refused === undefined && routing.from <= to,
    );
    const before = all.filter((routing) => routing.isSure && routing.to <= from);
    const latestBefore = Math.max(-1, ...before.map((routing) => routing.from));
    // One that was surely replaced before `from` is out of the question.
    const candidates = all.filter((routing) => routing.to >= latestBefore);
    const mayBeNone =
      before.length === 0 ||
      candidates.some((routing) => routing.message.payload === "" || mayBeExpired(routing, nowMs));
    return { routings: candidates.filter((routing) => routing.message.payload !== ""), mayBeNone };
  }
}

/** Whether a message's time may be over. */
export function mayBeExpired({ expiry, fromMs }: Routing, nowMs: number): boolean {
  return expiry !== undefined && nowMs + EXPIRY_MARGIN_MS >= fromMs + expiry * 1000;
}

/** Whether a message's time is over for certain. */
export function isExpired({ expiry, latestMs }: Routing, nowMs: number): boolean {
  return expiry !== undefined && nowMs >= latestMs + expiry * 1000;
}

function keyOf(topicName: string, payload: string): string {
  return `${topicName} ${payload}`;
}
