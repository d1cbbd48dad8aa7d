/** A message that a client was asked to publish. */
export interface AskedMessage {
  /** Its payload, which no other message has: whose it is, and which of them. */
  readonly payload: string;
  readonly topicName: string;
  readonly qos: 1 | 2;
  /** Its place among those of its publisher on its topic. */
  readonly place: number;
  /** The publisher was told that it is safe, or that it is acknowledged. */
  isAccepted: boolean;
}

/** What became of a message at one subscriber. */
interface Reception {
  /** Number of the subscriber's life in which its handler had the message last. */
  life: number;
  /** PUBREC, or PUBACK, was sent. */
  isAnswered: boolean;
}

/** What a subscriber had so far. */
interface Subscriber {
  readonly receptions: Map<string, Reception>;
  /** By publisher and topic: the highest place that came. */
  readonly places: Map<string, number>;
}

/**
 * Knows what clients with stores were promised, and nothing of how they keep it: what `publish` has
 * accepted arrives, QoS 2 once, in order.
 */
export class ClientLedger {
  readonly complaints: string[] = [];
  readonly #messages = new Map<string, AskedMessage>();
  readonly #subscribers = new Map<string, Subscriber>();
  readonly #places = new Map<string, number>();

  complain(text: string): void {
    this.complaints.push(text);
  }

  /** Somebody who subscribes to all topics, from before the first message. */
  subscriber(clientId: string): void {
    this.#subscribers.set(clientId, { receptions: new Map(), places: new Map() });
  }

  /** A client is about to publish its next message on a topic. */
  asked(clientId: string, topicName: string, qos: 1 | 2): AskedMessage {
    const stream = `${clientId} ${topicName}`;
    const place = this.#places.get(stream) ?? 0;
    this.#places.set(stream, place + 1);
    const payload = `${stream} ${place}`;
    const message = { payload, topicName, qos, place, isAccepted: false };
    this.#messages.set(payload, message);
    return message;
  }

  /** A subscriber's handler has got a message. @param life  Which of its lives it is in. */
  handled(clientId: string, life: number, payload: string): void {
    const message = this.#messages.get(payload);
    const subscriber = this.#subscribers.get(clientId) as Subscriber;
    if (message === undefined)
      return this.complain(`${clientId} got ${payload}, which nobody published`);
    const before = subscriber.receptions.get(payload);
    if (before === undefined) this.#checkOrder(clientId, subscriber, message);
    else if (message.qos === 2 && before.isAnswered)
      this.complain(`${clientId} got ${payload} once more after its PUBREC [MQTT5-4.3.3-10]`);
    else if (message.qos === 2 && before.life === life)
      this.complain(`${clientId} got ${payload} twice in one life [MQTT5-4.3.3-10]`);
    subscriber.receptions.set(payload, { life, isAnswered: before?.isAnswered ?? false });
  }

  /** A subscriber has sent the first acknowledgement of a message. */
  answered(clientId: string, payload: string): void {
    const reception = this.#subscribers.get(clientId)?.receptions.get(payload);
    if (reception === undefined)
      this.complain(`${clientId} acknowledged ${payload}, which its handler never got`);
    else reception.isAnswered = true;
  }

  /** All came to rest: what has not arrived by now is lost. */
  atRest(): void {
    for (const [clientId, { receptions }] of this.#subscribers) {
      for (const { payload, isAccepted, qos } of this.#messages.values())
        if (isAccepted && !receptions.has(payload))
          this.complain(`${clientId} never got ${payload} (QoS ${qos}), which was accepted`);
    }
  }

  #checkOrder(clientId: string, { places }: Subscriber, message: AskedMessage): void {
    const { payload, place } = message;
    const stream = payload.slice(0, payload.lastIndexOf(" "));
    const highest = places.get(stream) ?? -1;
    if (place < highest)
      this.complain(`${clientId} got ${payload} behind ${highest} [MQTT5-4.6.0-6]`);
    places.set(stream, Math.max(place, highest));
  }
}
