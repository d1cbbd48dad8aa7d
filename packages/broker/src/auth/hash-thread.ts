import { Worker } from "node:worker_threads";
import type { PasswordHash } from "./password-hash.ts";

/** What the thread is asked. */
export interface HashQuestion {
  /** As it stands in the file. */
  readonly hash: string;
  readonly password: Uint8Array;
}

/** An idle thread ends after so long: it keeps some 7 MiB. Milliseconds. */
const IDLE_MS = 10_000;

interface Waiter {
  readonly resolve: (isRight: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Checks passwords in a thread of its own, in the order in which they are asked. It does not share
 * the thread pool with the store's flushes, and on Linux it has a lower priority than they and the
 * event loop: what it takes of the cores is what they leave. It begins with the first password.
 */
export class HashThread {
  readonly #idleMs: number;
  readonly #waiters: Waiter[] = [];
  #worker: Worker | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(idleMs: number = IDLE_MS) {
    this.#idleMs = idleMs;
  }

  /** Whether there is a thread at present. */
  get isRunning(): boolean {
    return this.#worker !== undefined;
  }

  /** Whether the hash was made of this password. @throws whatever the thread failed by. */
  verify(hash: PasswordHash, password: Uint8Array): Promise<boolean> {
    clearTimeout(this.#timer);
    const worker = (this.#worker ??= this.#begin());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      worker.ref();
      // A copy: of a view, all that lies below it would be sent.
      const question: HashQuestion = { hash: hash.text, password: new Uint8Array(password) };
      worker.postMessage(question);
    });
  }

  /** Ends the thread; what it works on fails. The next password begins another one. */
  close(): void {
    clearTimeout(this.#timer);
    void this.#worker?.terminate();
    this.#ended(new Error("the check of passwords was ended"));
  }

  #begin(): Worker {
    const worker = new Worker(new URL("./hash-thread-program.js", import.meta.url));
    worker.on("message", (isRight: boolean) => {
      if (worker !== this.#worker) return;
      this.#waiters.shift()?.resolve(isRight);
      if (this.#waiters.length === 0) this.#rest();
    });
    worker.on("error", (error) => {
      if (worker === this.#worker) this.#ended(error);
    });
    return worker;
  }

  #rest(): void {
    this.#worker?.unref();
    this.#timer = setTimeout(() => this.close(), this.#idleMs);
    this.#timer.unref();
  }

  #ended(error: unknown): void {
    this.#worker = undefined;
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }
}
