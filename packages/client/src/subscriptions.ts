import type {
  Properties,
  SubackPacket,
  SubscriptionRequest,
  UnsubackPacket,
} from "@sericite/protocol";
import { ReasonCode, topicFilterMatches } from "@sericite/protocol";
import type { AbortSignalLike } from "./abort.ts";
import { abortError, onAbort } from "./abort.ts";
import type { ClientState } from "./client-state.ts";
import type { Connection } from "./connection.ts";
import { RequestError, reasonText } from "./errors.ts";
import { FilterEntry, filtersOverlap, subscribeRefusal } from "./filter-entry.ts";
import type { Mailbox } from "./mailbox.ts";
import type { Message } from "./message.ts";
import type { ReceivedTopic } from "./received-topics.ts";
import type { Deliverer, Receipt } from "./receiver.ts";
import type { ServerLimits } from "./server-limits.ts";
import { SubscriptionRequests } from "./subscription-requests.ts";
import { connectionsMinimum, isClosedByServer, patienceMs } from "./suspicion.ts";

/** What `Subscriptions` tells. */
export interface SubscriptionsOwner {
  /** A message came, for whatever subscription. */
  onMessage(message: Message): void;
  /** No subscription takes the message. */
  onUnclaimed(message: Message, receipt: Receipt | undefined): void;
  /** The server lost a subscription with the session and refused it when it was renewed. */
  onRefused(topicFilter: string, error: RequestError): void;
}

/** Topic Filters up to which overlaps are looked for; above it each has an identifier. */
const overlapMaximum = 256;

/**
 * The subscriptions of a client: brings the server to what was asked for last, whatever happens
 * meanwhile, and says who gets a message.
 *
 * Each Topic Filter is an entry with what is wanted. An entry that the server does not know to be so
 * is *due*: what is due is sent in batches at the end of a turn, when the last request for the entry
 * was answered. A lost connection or session makes entries due again.
 *
 * On 5.0 a Topic Filter that overlaps another has a Subscription Identifier, so that one copy of a
 * message goes to one handler. Others have none: it would cost the broker its quickest way.
 */
export class Subscriptions implements Deliverer {
  readonly #state: ClientState;
  readonly #entries = new Map<string, FilterEntry>();
  readonly #due = new Set<FilterEntry>();
  readonly #requests: SubscriptionRequests;
  readonly #owner: SubscriptionsOwner;
  /** Rises with each entry that comes or goes: matches that were found before are out of date. */
  #generation = 0;
  #lastIdentifier = 0;
  /** What is outstanding is one request that the server may close for. */
  #isAlone = false;
  #closedBy: Error | undefined = undefined;
  #idleWaiters: (() => void)[] = [];

  constructor(state: ClientState, owner: SubscriptionsOwner) {
    this.#state = state;
    this.#owner = owner;
    this.#requests = new SubscriptionRequests(state, {
      onTooLarge: (entry, error) =>
        this.#refuse(entry, entry.revision, ReasonCode.packetTooLarge, error),
      onLater: (entries) => {
        for (const entry of entries) this.#due.add(entry);
      },
    });
  }

  /**
   * Brings the messages of `requests` to `mailbox`.
   *
   * @returns the granted QoS of each. Rejects if one is refused; the others are then ended.
   */
  subscribe(
    requests: readonly SubscriptionRequest[],
    mailbox: Mailbox,
    signal?: AbortSignalLike,
  ): Promise<number[]> {
    return new Promise((resolve, reject) => {
      if (this.#closedBy !== undefined) throw this.#closedBy;
      if (signal?.aborted === true) throw abortError(signal);
      const entries = requests.map((request) => this.#want(request, mailbox));
      const granted: number[] = [];
      let open = entries.length;
      let failure: RequestError | undefined;
      const stopListening = onAbort(signal, () => finish(abortError(signal!)));
      const finish = (error: RequestError | undefined): void => {
        if (open < 0) return;
        open = -1;
        stopListening();
        if (error === undefined) {
          resolve(granted);
          return;
        }
        mailbox.end();
        // Only what was granted is worth an answer, and nobody waits for it.
        void this.unsubscribe(mailbox).catch(ignoreRefusal);
        reject(error);
      };
      for (const [index, entry] of entries.entries()) {
        entry.waiters.push({
          revision: entry.revision,
          settle: (reasonCode, error) => {
            granted[index] = reasonCode;
            failure ??= error;
            open--;
            if (open === 0) finish(failure);
          },
        });
      }
      this.#state.connection?.wake();
    });
  }

  /** Ends what `mailbox` subscribed to, or of that `topicFilter` alone. */
  unsubscribe(mailbox: Mailbox, topicFilter?: string): Promise<void> {
    const entries: FilterEntry[] = [];
    for (const entry of this.#entries.values()) {
      if (topicFilter !== undefined && entry.topicFilter !== topicFilter) continue;
      if (!entry.mailboxes.delete(mailbox)) continue;
      if (entry.mailboxes.size === 0) entries.push(entry);
    }
    return this.#unwant(entries);
  }

  /** Ends `topicFilter` for every subscription; one that this client does not know is asked of the server. */
  unsubscribeFilter(topicFilter: string): Promise<void> {
    let entry = this.#entries.get(topicFilter);
    if (entry === undefined) {
      entry = this.#add({ topicFilter, qos: 0 });
      entry.serverHas = undefined;
    }
    const mailboxes = [...entry.mailboxes];
    entry.mailboxes.clear();
    for (const mailbox of mailboxes) if (!this.#hasEntries(mailbox)) mailbox.end();
    return this.#unwant([entry]);
  }

  /** A connection is there. @param sessionPresent  The server still has what it had. */
  connected(sessionPresent: boolean): void {
    for (const entry of this.#entries.values()) {
      if (!sessionPresent) {
        entry.serverHas = false;
        entry.confirmedIdentifier = 0;
        entry.isRenumbering = false;
        this.#due.add(entry);
      }
    }
  }

  /**
   * The connection is gone: what was not answered is sent again with the next. What makes the server
   * close once too often is given up.
   *
   * @returns whether there was such a request: then no message is to blame.
   */
  disconnected(error: Error | undefined): boolean {
    const unanswered = this.#requests.disconnected();
    const isSuspicious = unanswered.length > 0 && isClosedByServer(error);
    const wasAlone = this.#isAlone;
    this.#isAlone = false;
    for (const { entries } of unanswered) {
      for (const { entry, revision } of entries) {
        entry.isOutstanding = false;
        entry.serverHas = undefined;
        this.#due.add(entry);
        if (isSuspicious && this.#isToBlame(entry) && wasAlone)
          this.#abandon(entry, revision, error);
      }
    }
    return isSuspicious;
  }

  /** Every promise is rejected and every subscription ends. */
  close(error: Error, isClean: boolean): void {
    this.#closedBy = error;
    this.#requests.disconnected();
    const failure = new RequestError("ERR_CLIENT_CLOSED", "the client was closed", {
      cause: error,
    });
    const mailboxes = new Set<Mailbox>();
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    this.#due.clear();
    for (const entry of entries) {
      for (const mailbox of entry.mailboxes) mailboxes.add(mailbox);
      entry.mailboxes.clear();
      entry.answer(entry.revision, ReasonCode.unspecifiedError, failure);
    }
    for (const mailbox of mailboxes) mailbox.end(isClean ? undefined : error);
  }

  /** Settles when the server has answered everything. */
  whenIdle(): Promise<void> {
    return new Promise((onIdle) => {
      this.#idleWaiters.push(onIdle);
      this.#tellIdle();
    });
  }

  #tellIdle(): void {
    if (this.#due.size > 0 || this.#requests.size > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const waiter of waiters) waiter();
  }

  /** Whether a request goes alone, so that messages have to wait. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  /** Appends what is due to the connection's output. @returns whether there is more. */
  fill(connection: Connection, limits: ServerLimits): boolean {
    if (this.#due.size === 0) return false;
    const suspect = this.#suspect();
    // It goes alone: only that shows that it is the one.
    if (this.#isAlone || (suspect !== undefined && this.#requests.size > 0)) return false;
    const subscribes = new Map<number, FilterEntry[]>();
    const unsubscribes: FilterEntry[] = [];
    for (const entry of suspect === undefined ? this.#due : [suspect]) {
      if (entry.isOutstanding) continue;
      if (!this.#requests.hasRoom(subscribes.size)) break;
      this.#due.delete(entry);
      if (!entry.isWanted) {
        if (entry.serverHas === false) {
          this.#drop(entry);
          entry.answer(entry.revision, ReasonCode.noSubscriptionExisted);
        } else unsubscribes.push(entry);
        continue;
      }
      const refusal = subscribeRefusal(entry, limits);
      if (refusal !== undefined) {
        this.#refuse(entry, entry.revision, refusal.reasonCode!, refusal);
        continue;
      }
      const identifier = limits.subscriptionIdentifiersAvailable ? entry.identifier : 0;
      const batch = subscribes.get(identifier);
      if (batch === undefined) subscribes.set(identifier, [entry]);
      else batch.push(entry);
    }
    for (const [identifier, entries] of subscribes)
      this.#requests.send("subscribe", entries, identifier, connection, limits);
    this.#requests.send("unsubscribe", unsubscribes, 0, connection, limits);
    this.#isAlone = suspect !== undefined && this.#requests.size > 0;
    if (this.#idleWaiters.length > 0) this.#tellIdle();
    return suspect !== undefined && !this.#isAlone;
  }

  /** SUBACK or UNSUBACK came. @throws ProtocolError where nobody asked for it. */
  onAnswer(packet: SubackPacket | UnsubackPacket, connection: Connection): void {
    const outstanding = this.#requests.answered(packet);
    if (outstanding === undefined) return;
    this.#isAlone = false;
    const { type } = outstanding;
    const { reasonCodes, properties } = packet;
    for (const [index, { entry, revision }] of outstanding.entries.entries()) {
      entry.isOutstanding = false;
      entry.closings = 0;
      if (entry.revision > revision) this.#due.add(entry);
      const reasonCode = reasonCodes?.[index] ?? ReasonCode.success;
      if (type === "unsubscribe") this.#onUnsubscribed(entry, revision, reasonCode, properties);
      else if (reasonCode >= 0x80) {
        const failure = new RequestError(
          "ERR_SUBSCRIBE_REFUSED",
          `the server refused ${entry.topicFilter}: ${reasonText(reasonCode, properties)}`,
          { reasonCode },
        );
        this.#refuse(entry, revision, reasonCode, failure);
      } else {
        entry.serverHas = true;
        entry.isRenumbering = false;
        entry.confirmedIdentifier = outstanding.identifier;
        entry.answer(revision, reasonCode);
      }
    }
    connection.wake();
    this.#tellIdle();
  }

  deliver(message: Message, topic: ReceivedTopic, receipt: Receipt | undefined): void {
    this.#owner.onMessage(message);
    const entries = this.#matching(topic);
    const first = entries[0];
    if (first === undefined) {
      this.#owner.onUnclaimed(message, receipt);
      return;
    }
    if (entries.length === 1) {
      for (const mailbox of first.mailboxes) mailbox.accept(message, receipt);
      return;
    }
    const mailboxes = new Set<Mailbox>();
    for (const entry of meant(entries, message))
      for (const mailbox of entry.mailboxes) mailboxes.add(mailbox);
    for (const mailbox of mailboxes) mailbox.accept(message, receipt);
  }

  /** Counts one more connection that ended over the entry. */
  #isToBlame(entry: FilterEntry): boolean {
    const now = this.#state.clock.now();
    if (entry.closings++ === 0) entry.firstClosedAt = now;
    return entry.closings >= connectionsMinimum && now - entry.firstClosedAt >= patienceMs;
  }

  /** Before 5.0 a server may have no other way to refuse a SUBSCRIBE than to close. */
  #abandon(entry: FilterEntry, revision: number, cause: Error | undefined): void {
    const failure = new RequestError(
      "ERR_SUBSCRIBE_ABANDONED",
      `the server closed the connection each time that it was asked for ${entry.topicFilter}`,
      { cause },
    );
    entry.closings = 0;
    if (entry.isWanted) this.#refuse(entry, revision, ReasonCode.unspecifiedError, failure);
    else {
      if (entry.revision === revision) this.#drop(entry);
      entry.answer(revision, ReasonCode.unspecifiedError, failure);
    }
  }

  /** Of what is due, the first that the server may have closed connections for. */
  #suspect(): FilterEntry | undefined {
    for (const entry of this.#due) if (entry.closings >= connectionsMinimum - 1) return entry;
    return undefined;
  }

  #matching(topic: ReceivedTopic): readonly FilterEntry[] {
    if (topic.generation === this.#generation) return topic.entries;
    const entries: FilterEntry[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.mailboxes.size > 0 && topicFilterMatches(entry.matchFilter, topic.name))
        entries.push(entry);
    }
    topic.entries = entries;
    topic.generation = this.#generation;
    return entries;
  }

  #want(request: SubscriptionRequest, mailbox: Mailbox): FilterEntry {
    const entry = this.#entries.get(request.topicFilter) ?? this.#add(request);
    this.#generation++;
    entry.request = request;
    entry.isWanted = true;
    entry.isRenumbering = false;
    entry.revision++;
    entry.mailboxes.add(mailbox);
    this.#due.delete(entry); // Behind those that were given an identifier because of it.
    this.#due.add(entry);
    return entry;
  }

  #add(request: SubscriptionRequest): FilterEntry {
    const entry = new FilterEntry(request);
    if (this.#entries.size >= overlapMaximum) this.#identify(entry);
    else {
      for (const other of this.#entries.values()) {
        if (!filtersOverlap(other.matchFilter, entry.matchFilter)) continue;
        if (entry.identifier === 0) this.#identify(entry);
        if (other.identifier === 0) this.#renumber(other);
      }
    }
    this.#entries.set(entry.topicFilter, entry);
    this.#generation++;
    return entry;
  }

  #identify(entry: FilterEntry): void {
    if (this.#state.settings.protocolVersion !== 5) return;
    this.#lastIdentifier = this.#lastIdentifier === 268_435_455 ? 1 : this.#lastIdentifier + 1;
    entry.identifier = this.#lastIdentifier;
  }

  /** The server has the entry without an identifier: it is subscribed to again, with one. */
  #renumber(entry: FilterEntry): void {
    this.#identify(entry);
    if (entry.identifier === 0 || !entry.isWanted) return;
    if (!this.#due.has(entry)) entry.isRenumbering = true;
    entry.revision++;
    this.#due.add(entry);
  }

  #unwant(entries: readonly FilterEntry[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closedBy !== undefined || entries.length === 0) {
        resolve();
        return;
      }
      this.#generation++;
      let open = entries.length;
      let failure: RequestError | undefined;
      for (const entry of entries) {
        entry.isWanted = false;
        entry.revision++;
        this.#due.add(entry);
        entry.waiters.push({
          revision: entry.revision,
          settle: (_reasonCode, error) => {
            // At the end of the client there is no subscription either.
            if (this.#closedBy === undefined) failure ??= error;
            open--;
            if (open > 0) return;
            if (failure === undefined) resolve();
            else reject(failure);
          },
        });
        // What the server was never asked for needs no answer of it.
        if (entry.serverHas === false && !entry.isOutstanding) {
          this.#drop(entry);
          entry.answer(entry.revision, ReasonCode.noSubscriptionExisted);
        }
      }
      this.#state.connection?.wake();
    });
  }

  #hasEntries(mailbox: Mailbox): boolean {
    for (const entry of this.#entries.values()) if (entry.mailboxes.has(mailbox)) return true;
    return false;
  }

  #drop(entry: FilterEntry): void {
    this.#due.delete(entry);
    if (this.#entries.get(entry.topicFilter) === entry) this.#entries.delete(entry.topicFilter);
    this.#generation++;
  }

  #onUnsubscribed(
    entry: FilterEntry,
    revision: number,
    reasonCode: number,
    properties: Properties | undefined,
  ): void {
    if (reasonCode < 0x80) entry.serverHas = false;
    if (entry.revision === revision) this.#drop(entry);
    const failure =
      reasonCode < 0x80
        ? undefined
        : new RequestError(
            "ERR_UNSUBSCRIBE_REFUSED",
            `the server keeps ${entry.topicFilter}: ${reasonText(reasonCode, properties)}`,
            { reasonCode },
          );
    entry.answer(revision, reasonCode, failure);
  }

  /** The server will not have the entry: ends what rests on it, unless more was asked meanwhile. */
  #refuse(entry: FilterEntry, revision: number, reasonCode: number, failure: RequestError): void {
    entry.answer(revision, reasonCode, failure);
    if (entry.revision !== revision || entry.serverHas === true) return;
    // Who waited for an answer is gone by now. The others had it: it was lost with the session.
    const mailboxes = [...entry.mailboxes];
    entry.mailboxes.clear();
    this.#drop(entry);
    if (mailboxes.length > 0) this.#owner.onRefused(entry.topicFilter, failure);
    for (const mailbox of mailboxes) {
      mailbox.end(failure);
      void this.unsubscribe(mailbox).catch(ignoreRefusal);
    }
  }
}

/** Of entries that match a message, those that this copy of it was sent for. */
function meant(entries: readonly FilterEntry[], message: Message): readonly FilterEntry[] {
  const identifiers = message.properties?.subscriptionIdentifiers;
  const chosen =
    identifiers === undefined
      ? entries.filter((entry) => entry.confirmedIdentifier === 0)
      : entries.filter((entry) => entry.identifier !== 0 && identifiers.includes(entry.identifier));
  // Identifiers that mean nothing here are those of an earlier process.
  return chosen.length > 0 ? chosen : entries;
}

/** Nobody asked for the answer to an UNSUBSCRIBE that followed from a failure, which was told. */
function ignoreRefusal(): void {}
