import type { AcknowledgementPacket } from "@sericite/protocol";
import type { MessageNumber, Position, SessionKey } from "../engine/ports.ts";
import type { StoreRecord } from "../engine/records.ts";
import type { LedgerConnection } from "./ledger-connection.ts";
import type { Ledger } from "./ledger.ts";
import { EXPIRY_MARGIN_MS } from "./ledger-messages.ts";
import type { PublishedMessage, Routing } from "./ledger-messages.ts";
import { isShared } from "./ledger-shared.ts";
import type { LedgerSession } from "./ledger-session.ts";
import type { KeptRecord, WatchedStore } from "./watched-store.ts";

const decoder = new TextDecoder();

/**
 * What must survive a crash, asked of the store at the very moment at which the broker promises it:
 * which records has it, and are they durable?
 */
export class DurabilityAudit {
  readonly #ledger: Ledger;
  readonly #store: WatchedStore;
  /** Records looked at so far. */
  #seen = 0;
  /** By content: a message that is routed twice has two numbers. */
  readonly #numbers = new Map<string, MessageNumber[]>();
  readonly #positions = new Map<string, Position>();
  /** Of subscriptions every record, with its place among all: the same name comes again and again. */
  readonly #subscriptions = new Map<
    string,
    {
      readonly place: number;
      readonly type: "subscribe" | "unsubscribe";
      readonly position: Position;
    }[]
  >();
  readonly #keys = new Map<string, SessionKey>();

  constructor(ledger: Ledger, store: WatchedStore) {
    this.#ledger = ledger;
    this.#store = store;
  }

  /** CONNACK was sent. */
  attached(
    connection: LedgerConnection,
    session: LedgerSession,
    ended: LedgerSession | undefined,
  ): void {
    this.#read();
    if (ended?.storeKey !== undefined)
      this.#check(connection, "CONNACK", `session-end ${ended.storeKey}`, true);
    if (session.expiry === 0 && session.storeKey === undefined) return;
    session.storeKey ??= this.#keys.get(session.clientId);
    if (session.storeKey === undefined)
      return connection.complain(
        "CONNACK for a session that is to be kept, without a record of it",
      );
    this.#check(connection, "CONNACK", `session-attach ${session.storeKey}`, true);
  }

  /** PUBACK or PUBREC was sent. */
  acknowledged(
    connection: LedgerConnection,
    session: LedgerSession,
    routing: Routing,
    packet: AcknowledgementPacket,
  ): void {
    this.#read();
    const title = packet.type.toUpperCase();
    const numbers =
      routing.refused === undefined ? (this.#numbers.get(routing.message.key) ?? []) : [];
    // Of a message that came more than once each copy has a number, and which is whose is not known.
    const isOnce =
      routing.message.stream.routings.filter((other) => other.message === routing.message)
        .length === 1;
    // What another session had that a crash ends anyway is recorded only when it goes to a member after it.
    const mayBePassedOn =
      isShared(routing.message.topicName) &&
      !this.#ledger.shared.wasKeptFrom(routing.message.topicName, routing.from);
    const isDelayed = routing.source === undefined;
    if (isDelayed && routing.refused === undefined && numbers.length === 0)
      connection.complain(`${title} for ${routing.message.name}, but it is not stored`);
    if (isOnce && !mayBePassedOn)
      for (const number of numbers) this.#check(connection, title, `use of ${number}`, false);
    for (const receiver of this.#ledger.sessions()) {
      if (
        routing.refused !== undefined ||
        routing.mayBeRepeat ||
        isDelayed ||
        receiver.contenders.size > 0 ||
        !isKept(receiver) ||
        receiver.lifeAt(this.#ledger.nowMs, EXPIRY_MARGIN_MS) !== "lives"
      )
        continue;
      if (this.#ledger.mayDrop || receiver.hadSmallPackets) continue;
      const { topicName } = routing.message;
      if (
        !receiver.mustHave(
          topicName,
          routing.publisher,
          routing.qos,
          routing.from,
          this.#ledger.point,
        )
      )
        continue;
      const found = numbers.filter((number) =>
        this.#positions.has(`enqueue ${receiver.storeKey} ${number}`),
      );
      if (found.length === 0)
        connection.complain(
          `${title} for ${routing.message.name}, but it is not in the stored queue of ${receiver.name}`,
        );
      const first = found[0];
      if (first !== undefined)
        this.#check(connection, title, `enqueue ${receiver.storeKey} ${first}`, true);
    }
    if (packet.type === "pubrec" && isKept(session)) {
      this.#check(
        connection,
        title,
        `inbound-begin ${session.storeKey} ${packet.packetIdentifier}`,
        true,
      );
    }
  }

  /** A QoS 2 PUBLISH was sent: a crash must not make it a new message. */
  deliveredQos2(
    connection: LedgerConnection,
    session: LedgerSession,
    message: PublishedMessage,
  ): void {
    if (!isKept(session)) return;
    this.#read();
    const found = (this.#numbers.get(message.key) ?? []).filter((number) =>
      this.#positions.has(`enqueue ${session.storeKey} ${number}`),
    );
    if (found.length === 0)
      connection.complain(`QoS 2 ${message.name} sent, but it is not in the stored queue`);
    const first = found[0];
    if (first !== undefined)
      this.#check(
        connection,
        `QoS 2 ${message.name}`,
        `enqueue ${session.storeKey} ${first}`,
        true,
      );
  }

  /** PUBREL was sent. */
  released(connection: LedgerConnection, session: LedgerSession, packetIdentifier: number): void {
    if (!isKept(session)) return;
    this.#read();
    this.#check(connection, "PUBREL", `received ${session.storeKey} ${packetIdentifier}`, true);
  }

  /** PUBCOMP was sent. */
  completed(connection: LedgerConnection, session: LedgerSession, packetIdentifier: number): void {
    if (!isKept(session)) return;
    this.#read();
    const begun = this.#positions.has(`inbound-begin ${session.storeKey} ${packetIdentifier}`);
    this.#check(
      connection,
      "PUBCOMP",
      `inbound-end ${session.storeKey} ${packetIdentifier}`,
      begun,
    );
  }

  /** Where the store stands now: to be given back when what begins now is answered. */
  get place(): number {
    return this.#store.records.length;
  }

  /** SUBACK granted a subscription, asked for when the store stood at `since`. */
  subscribed(
    connection: LedgerConnection,
    session: LedgerSession,
    topicFilter: string,
    since: number,
  ): void {
    if (!isKept(session)) return;
    this.#read();
    const all = this.#subscriptions.get(`${session.storeKey} ${topicFilter}`) ?? [];
    const record = all.find(({ place, type }) => place >= since && type === "subscribe");
    if (record === undefined)
      connection.complain(`SUBACK without a record of the subscription to ${topicFilter}`);
    else this.#checkPosition(connection, "SUBACK", `subscribe ${topicFilter}`, record.position);
  }

  /** UNSUBACK was sent, asked for when the store stood at `since`. */
  unsubscribed(
    connection: LedgerConnection,
    session: LedgerSession,
    topicFilter: string,
    since: number,
  ): void {
    if (!isKept(session)) return;
    this.#read();
    const all = this.#subscriptions.get(`${session.storeKey} ${topicFilter}`) ?? [];
    if (all.findLast(({ place }) => place < since)?.type !== "subscribe") return;
    const record = all.find(({ place }) => place >= since);
    if (record?.type === "unsubscribe")
      this.#checkPosition(connection, "UNSUBACK", `unsubscribe ${topicFilter}`, record.position);
    else if (record === undefined)
      connection.complain(
        `UNSUBACK without a record of the end of the subscription to ${topicFilter}`,
      );
  }

  /** Nothing is under way: everything that was appended is durable. */
  atRest(): void {
    const last = this.#store.records[this.#store.records.length - 1]?.position ?? 0;
    if (this.#store.durable < last)
      this.#ledger.complain(
        `records up to position ${last}, but the store was given no end of a turn after ${this.#store.durable}`,
      );
  }

  #check(connection: LedgerConnection, what: string, name: string, isNeeded: boolean): void {
    const position = this.#positions.get(name);
    if (position === undefined) {
      if (isNeeded) connection.complain(`${what} without the record "${name}"`);
    } else this.#checkPosition(connection, what, name, position);
  }

  #checkPosition(
    connection: LedgerConnection,
    what: string,
    name: string,
    position: Position,
  ): void {
    if (position <= this.#store.durable) return;
    connection.complain(
      `${what} at durable position ${this.#store.durable}, but its record "${name}" is at ${position}`,
    );
  }

  /** Looks at the records that came since. */
  #read(): void {
    const { records } = this.#store;
    for (; this.#seen < records.length; this.#seen += 1)
      this.#readOne(records[this.#seen] as KeptRecord, this.#seen);
  }

  #readOne({ position, record }: KeptRecord, place: number): void {
    if (record.type === "subscribe" || record.type === "unsubscribe") {
      const name = `${record.session} ${record.topicFilter}`;
      const all = this.#subscriptions.get(name);
      const entry = { place, type: record.type, position };
      if (all === undefined) this.#subscriptions.set(name, [entry]);
      else all.push(entry);
      return;
    }
    for (const name of namesOf(record)) {
      // A retained message may be queued once more later; the first time is the one that was promised.
      // Likewise a session that left is over, though its end comes later.
      const isFirst = !this.#positions.has(name);
      if (isFirst || (record.type !== "enqueue" && record.type !== "session-end"))
        this.#positions.set(name, position);
    }
    if (record.type === "session-begin") this.#keys.set(record.clientId, record.session);
    if (record.type === "message") {
      const { topicName, payload, number } = record.message;
      const key = `${topicName} ${decoder.decode(payload)}`;
      const numbers = this.#numbers.get(key);
      if (numbers === undefined) this.#numbers.set(key, [number]);
      else numbers.push(number);
    }
  }
}

function isKept(session: LedgerSession): boolean {
  return session.expiry > 0 && !session.isEnded && session.storeKey !== undefined;
}

/** Names under which a record's latest position is looked up. */
function namesOf(record: StoreRecord): readonly string[] {
  switch (record.type) {
    case "session-begin":
    case "session-attach":
      return [`session-attach ${record.session}`];
    case "session-leave":
    case "session-end":
      return [`session-end ${record.session}`];
    case "enqueue":
      // Nobody waits for what may be lost.
      if (record.qos === 0) return [];
      return [`enqueue ${record.session} ${record.message}`, `use of ${record.message}`];
    case "retained":
    case "delayed":
      return [`use of ${record.message}`];
    case "received":
    case "inbound-begin":
    case "inbound-end":
      return [`${record.type} ${record.session} ${record.packetIdentifier}`];
    default:
      return [];
  }
}
