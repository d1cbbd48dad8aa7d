import { Acknowledgement, refusalOfError } from "./acknowledgement.ts";
import type { Message } from "./message.ts";
import { Queue } from "./queue.ts";
import type { Receipt } from "./receiver.ts";

/**
 * Handles the messages of a subscription, one at a time and in order. The acknowledgement of a
 * QoS 1 or 2 message leaves when what it returns is settled; on 5.0 with 0x83 if it fails, or with the
 * `reasonCode` of the `RequestError` that it throws.
 */
export type MessageHandler = (message: Message) => unknown;

/** What a `Mailbox` tells. */
export interface MailboxOwner {
  /** A handler threw, or its promise was rejected. */
  onHandlerError(error: unknown): void;
  /** A QoS 0 message was dropped. */
  onDropped(message: Message): void;
  /** More QoS 1 or 2 messages wait than the bound: +1; half of it or less: -1. */
  onCongestion(change: 1 | -1): void;
}

/** How messages are acknowledged by hand. */
export interface ManualAcknowledgements {
  /** 5.0: a message can be refused. */
  readonly mayReject: boolean;
}

interface Waiting {
  readonly message: Message;
  readonly receipt: Receipt | undefined;
}

interface Taker {
  readonly taken: (receipt: Receipt | undefined) => void;
  readonly resolve: (result: IteratorResult<Message, undefined>) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Messages of one subscription on their way to its handler or to whoever iterates over it. A message
 * that waits is not acknowledged, so the server's Receive Maximum bounds those of QoS 1 and 2.
 */
export class Mailbox {
  readonly #handler: MessageHandler | undefined;
  readonly #maximum: number;
  readonly #owner: MailboxOwner;
  readonly #manual: ManualAcknowledgements | undefined;
  /** Handed out or waiting, to be acknowledged by hand. */
  #unacknowledged = 0;
  readonly #waiting = new Queue<Waiting>();
  readonly #takers = new Queue<Taker>();
  #isBusy = false;
  #isCongested = false;
  #isEnded = false;
  #error: Error | undefined = undefined;
  /** QoS 0 messages that were dropped since nobody took them in time. */
  dropped = 0;

  /**
   * @param maximum  Messages that may wait: above it QoS 0 is dropped, and reading stops for others.
   * @param manual  Given where the receiver acknowledges by hand; what it has not yet acknowledged
   * counts as waiting then.
   */
  constructor(
    handler: MessageHandler | undefined,
    maximum: number,
    owner: MailboxOwner,
    manual?: ManualAcknowledgements,
  ) {
    this.#handler = handler;
    this.#maximum = maximum;
    this.#owner = owner;
    this.#manual = manual;
  }

  /** Whether a handler gets the messages. */
  get hasHandler(): boolean {
    return this.#handler !== undefined;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** A message came. Counts itself in `receipt.pending` until it is done with. */
  accept(message: Message, receipt: Receipt | undefined): void {
    if (this.#isEnded) return;
    if (this.#manual !== undefined) this.#acceptManual(this.#manual, message, receipt);
    else this.#accept(message, receipt);
  }

  #acceptManual(
    { mayReject }: ManualAcknowledgements,
    message: Message,
    receipt: Receipt | undefined,
  ): void {
    const given = (): void => {
      this.#unacknowledged--;
      this.#checkCongestion();
    };
    const acknowledgement = new Acknowledgement(
      receipt,
      mayReject,
      receipt === undefined ? () => {} : given,
    );
    if (receipt !== undefined) {
      receipt.pending++;
      this.#unacknowledged++;
    }
    this.#accept(message.withAcknowledgement(acknowledgement), undefined);
    if (this.#unacknowledged > this.#maximum && !this.#isCongested) {
      this.#isCongested = true;
      this.#owner.onCongestion(1);
    }
  }

  #accept(message: Message, receipt: Receipt | undefined): void {
    if (this.#handler !== undefined && !this.#isBusy && this.#waiting.length === 0) {
      if (receipt !== undefined) receipt.pending++;
      this.#run(this.#handler, message, receipt);
      return;
    }
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      if (receipt !== undefined) receipt.pending++;
      taker.taken(receipt);
      taker.resolve({ done: false, value: message });
      return;
    }
    const length = this.#waiting.length;
    if (message.qos === 0 && length >= this.#maximum) {
      this.dropped++;
      this.#owner.onDropped(message);
      return;
    }
    if (receipt !== undefined) receipt.pending++;
    this.#waiting.push({ message, receipt });
    if (receipt !== undefined && length >= this.#maximum && !this.#isCongested) {
      this.#isCongested = true;
      this.#owner.onCongestion(1);
    }
  }

  /** Iterates over the messages. A message counts as handled when the next one is asked for. */
  iterate(): AsyncIterator<Message, undefined> {
    let receipts: Receipt[] = [];
    const taken = (receipt: Receipt | undefined): void => {
      if (receipt !== undefined) receipts.push(receipt);
    };
    const release = (): void => {
      const released = receipts;
      receipts = [];
      for (const receipt of released) receipt.done();
    };
    return {
      next: () => {
        release();
        return new Promise((resolve, reject) => this.#take({ taken, resolve, reject }));
      },
      return: () => {
        release();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  /** Hands over those messages that wait and are for another mailbox, in order. */
  passOn(to: Mailbox, isFor: (message: Message) => boolean): void {
    const kept: Waiting[] = [];
    for (const waiting of this.#waiting.clear()) {
      if (isFor(waiting.message)) {
        to.accept(waiting.message, waiting.receipt);
        waiting.receipt?.done();
      } else kept.push(waiting);
    }
    this.#waiting.unshift(kept);
    this.#checkCongestion();
  }

  /** No more messages. Those that wait are dropped, and acknowledged all the same [MQTT5-4.5.0-2] [MQTT3-4.5.0-2]. */
  end(error?: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#error = error;
    for (const { message, receipt } of this.#waiting.clear()) {
      if (this.#manual === undefined) receipt?.done();
      else message.ack();
    }
    this.#checkCongestion();
    for (const taker of this.#takers.clear()) this.#tellEnd(taker);
  }

  #take(taker: Taker): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      taker.taken(waiting.receipt);
      this.#checkCongestion();
      taker.resolve({ done: false, value: waiting.message });
    } else if (this.#isEnded) this.#tellEnd(taker);
    else this.#takers.push(taker);
  }

  #tellEnd(taker: Taker): void {
    // The error once; who asks again is told that it is over.
    const error = this.#error;
    this.#error = undefined;
    if (error === undefined) taker.resolve({ done: true, value: undefined });
    else taker.reject(error);
  }

  #run(handler: MessageHandler, message: Message, receipt: Receipt | undefined): void {
    let result: unknown;
    try {
      result = handler(message);
    } catch (error) {
      this.#owner.onHandlerError(error);
      receipt?.done(refusalOfError(error));
      return;
    }
    if (!isPromise(result)) {
      receipt?.done();
      return;
    }
    this.#isBusy = true;
    result.then(
      () => this.#handled(handler, receipt, 0),
      (error: unknown) => {
        this.#owner.onHandlerError(error);
        this.#handled(handler, receipt, refusalOfError(error));
      },
    );
  }

  #handled(handler: MessageHandler, receipt: Receipt | undefined, reasonCode: number): void {
    this.#isBusy = false;
    receipt?.done(reasonCode);
    while (!this.#isBusy) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) break;
      this.#run(handler, waiting.message, waiting.receipt);
    }
    this.#checkCongestion();
  }

  #checkCongestion(): void {
    const open = this.#manual === undefined ? this.#waiting.length : this.#unacknowledged;
    if (!this.#isCongested || open > this.#maximum / 2) return;
    this.#isCongested = false;
    this.#owner.onCongestion(-1);
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
