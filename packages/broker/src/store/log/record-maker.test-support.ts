import type { SessionKey, StoredMessage } from "../../engine/ports.ts";
import type { StoreRecord } from "../../engine/records.ts";
import type { Chance } from "../../testing/random.ts";
import { collectRecovery } from "../../testing/record-state.ts";
import type { RecordState } from "../../testing/record-state.ts";

/** Makes batches of records as an engine could: what they name exists, sequences and numbers rise. */
export class RecordMaker {
  readonly #chance: Chance;
  /** Next sequence by session, with sessions that a crash took away. */
  #sessions = new Map<SessionKey, number>();
  #session = 0;
  #message = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** @param state  All that was appended so far. */
  batch(state: RecordState): StoreRecord[] {
    const records: StoreRecord[] = [];
    for (let count = this.#chance.integer(1, 8); count > 0; count -= 1)
      records.push(...this.#some(state));
    return records;
  }

  #some(state: RecordState): StoreRecord[] {
    const chance = this.#chance;
    const keys = [...this.#sessions.keys()];
    if (keys.length === 0 || chance.happens(0.04)) return this.#begin();
    const session = chance.pick(keys);
    const topicFilter = `f/${chance.integer(1, 3)}`;
    const packetIdentifier = chance.integer(1, 5);
    const kind = chance.weighted({
      publish: 8,
      settle: 8,
      trim: 1,
      received: 1,
      takeOver: 1,
      retain: 2,
      clear: 1,
      retainedToQueue: 1,
      subscribe: 1,
      unsubscribe: 1,
      inbound: 2,
      attachment: 1,
      will: 1,
      delayed: 1,
      delayedEnd: 1,
      ban: 0.5,
      time: 0.3,
      leave: 0.2,
      end: 0.3,
    });
    switch (kind) {
      case "publish":
        return this.#publish(keys);
      case "settle": {
        const entry = state.queue(session)[chance.happens(0.8) ? 0 : 1];
        const given = this.#sessions.get(session) ?? 0;
        if (given === 0) return [];
        // One that waits, or one that was settled before.
        const sequence = entry?.sequence ?? chance.integer(0, given - 1);
        return [{ type: "settled", session, sequence }];
      }
      case "trim": {
        const entries = state.queue(session);
        const from = chance.pick([0, ...entries.map(({ sequence }) => sequence)]);
        return [{ type: "trim", session, from, count: chance.integer(0, 4) }];
      }
      case "received": {
        const entry = state.queue(session)[0];
        if (entry === undefined) return [];
        return [{ type: "received", session, sequence: entry.sequence, packetIdentifier }];
      }
      case "takeOver": {
        const entry = state.queue(session)[0];
        if (entry === undefined) return [];
        const other = chance.pick(keys);
        return [
          { type: "settled", session, sequence: entry.sequence },
          this.#enqueue(other, entry.message.number),
        ];
      }
      case "retain": {
        const message = this.#newMessage(`r/${chance.integer(1, 4)}`);
        return [
          { type: "message", message },
          { type: "retained", topicName: message.topicName, message: message.number },
        ];
      }
      case "clear":
        return [{ type: "retained-clear", topicName: `r/${chance.integer(1, 4)}` }];
      case "retainedToQueue": {
        const retained = retainedOf(state);
        return retained.length === 0 ? [] : [this.#enqueue(session, chance.pick(retained))];
      }
      case "subscribe":
        return [
          {
            type: "subscribe",
            session,
            topicFilter,
            qos: 1,
            noLocal: chance.happens(0.5),
            retainAsPublished: chance.happens(0.5),
            subscriptionIdentifier: chance.integer(0, 2) * 7,
            retainedOwed: chance.happens(0.5),
          },
        ];
      case "unsubscribe":
        return [
          { type: chance.happens(0.5) ? "unsubscribe" : "retained-sent", session, topicFilter },
        ];
      case "inbound":
        return chance.happens(0.5)
          ? [{ type: "inbound-begin", session, packetIdentifier, denied: chance.happens(0.3) }]
          : [{ type: "inbound-end", session, packetIdentifier }];
      case "attachment":
        return [
          chance.happens(0.5)
            ? {
                type: "session-detach",
                session,
                sessionExpiryInterval: 60,
                detachedAt: chance.integer(0, 1e9),
                inFlight: chance.integer(0, 3),
              }
            : {
                type: "session-attach",
                session,
                epoch: chance.integer(1, 9),
                sessionExpiryInterval: 9,
                isTrusted: false,
                inFlightMaximum: chance.integer(1, 3000),
              },
        ];
      case "will":
        return [
          chance.happens(0.6)
            ? {
                type: "will-set",
                session,
                clientId: `c${session}`,
                will: {
                  message: this.#content(0, "w"),
                  delayInterval: 5,
                  expiryInterval: chance.integer(-1, 1),
                  delayedBy: chance.integer(0, 1),
                },
              }
            : { type: "will-clear", session },
        ];
      case "delayed": {
        const message = this.#newMessage(`d/${chance.integer(1, 9)}`);
        const delayedId = chance.integer(1, 6);
        return [
          { type: "message", message },
          { type: "delayed", delayedId, message: message.number, dueAt: chance.integer(0, 1e9) },
        ];
      }
      case "delayedEnd":
        return [{ type: "delayed-end", delayedId: chance.integer(1, 6) }];
      case "ban": {
        const value = `c${chance.integer(1, 3)}`;
        return [
          chance.happens(0.5)
            ? { type: "ban", kind: "clientId", value, until: Infinity, reason: "why" }
            : { type: "ban-end", kind: "clientId", value },
        ];
      }
      case "time":
        return [{ type: "time-mark", storeTime: chance.integer(0, 1e9), wallTime: 1e12 }];
      case "leave":
        return [{ type: "session-leave", session }];
      case "end":
        this.#sessions.delete(session);
        return [{ type: "session-end", session }, ...(chance.happens(0.3) ? this.#begin() : [])];
      default:
        return kind satisfies never;
    }
  }

  #begin(): StoreRecord[] {
    this.#session += 1;
    this.#sessions.set(this.#session, 0);
    return [
      {
        type: "session-begin",
        session: this.#session,
        clientId: `c${this.#session}`,
        epoch: this.#session,
        username: this.#chance.happens(0.5) ? "ada" : undefined,
        sessionExpiryInterval: 100,
        isTrusted: false,
        inFlightMaximum: this.#chance.integer(1, 3000),
      },
    ];
  }

  #publish(keys: readonly SessionKey[]): StoreRecord[] {
    const message = this.#newMessage(`t/${this.#chance.integer(1, 9)}`);
    const records: StoreRecord[] = [{ type: "message", message }];
    for (const key of keys)
      if (this.#chance.happens(0.5)) records.push(this.#enqueue(key, message.number));
    return records;
  }

  #enqueue(session: SessionKey, message: number): StoreRecord {
    // Sequences may be left out: a message of QoS 0 has one too.
    const sequence = (this.#sessions.get(session) ?? 0) + this.#chance.integer(0, 1);
    this.#sessions.set(session, sequence + 1);
    return {
      type: "enqueue",
      session,
      sequence,
      message,
      qos: this.#chance.happens(0.5) ? 1 : 2,
      retain: this.#chance.happens(0.3),
      subscriptionIdentifiers: this.#chance.happens(0.3) ? [this.#chance.integer(1, 3)] : [],
      share: this.#chance.happens(0.3) ? "$share/group/t/#" : "",
    };
  }

  #newMessage(topicName: string): StoredMessage {
    this.#message += 1;
    return this.#content(this.#message, topicName);
  }

  #content(number: number, topicName: string): StoredMessage {
    return {
      number,
      topicName,
      payload: new Uint8Array(this.#chance.integer(0, 120)).fill(number),
      qos: 1,
      retain: this.#chance.happens(0.3),
      properties: this.#chance.happens(0.3) ? Uint8Array.of(1, 1) : new Uint8Array(),
      publisher: this.#chance.happens(0.5) ? "" : "p",
      expiresAt: this.#chance.happens(0.3) ? number * 1000 : Infinity,
    };
  }
}

function retainedOf(state: RecordState): number[] {
  const recovery = collectRecovery();
  state.recover(recovery);
  return recovery.state().retained.map(({ number }) => number);
}
