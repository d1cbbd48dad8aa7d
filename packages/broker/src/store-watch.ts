import { TimerEntry } from "@sericite/protocol";
import type { TimingWheel } from "@sericite/protocol";
import type { Log, Store, StoreState } from "./engine/ports.ts";
import { storeErrorCodes } from "./store/log/error-codes.ts";

/** The same state or trouble is told once in so much time. Milliseconds. */
const QUIET_MS = { state: 10_000, trouble: 60_000 } as const;

/** A store, with what one on a disk tells besides. */
export interface WatchedStore extends Store {
  /** What keeps the store from being "ok". */
  readonly trouble?: Error | undefined;
  onTrouble?: ((error: Error) => void) | undefined;
}

const stateTexts: Readonly<Record<StoreState, string>> = {
  ok: "the store takes messages again",
  slow: "the disk of the store does not keep up: publishers are held",
  full: "the store takes no durable messages until clients have fetched some; all else goes on",
  refusing: "the store can write nothing at present: durable messages and sessions are refused",
};

/**
 * Writes to the log what a store's state is and what goes wrong there, so that a disk that fails
 * each second leaves a line a minute.
 */
export class StoreWatch {
  readonly #store: WatchedStore;
  readonly #log: Log;
  readonly #wheel: TimingWheel;
  readonly #quietStates = new Map<StoreState, TimerEntry>();
  readonly #troubles = new Map<string, { count: number; last: Error; timer: TimerEntry }>();
  #told: StoreState = "ok";
  #changes = 0;

  constructor(store: WatchedStore, log: Log, wheel: TimingWheel) {
    this.#store = store;
    this.#log = log;
    this.#wheel = wheel;
  }

  /** Listens, besides those who listen already: to be called when there is an engine. */
  begin(): void {
    const store = this.#store;
    const { onState, onTrouble } = store;
    store.onState = () => {
      onState?.();
      this.#changes += 1;
      this.#tellState();
    };
    if ("onTrouble" in store)
      store.onTrouble = (error) => {
        onTrouble?.(error);
        this.#takeTrouble(error);
      };
  }

  #tellState(): void {
    const { state, trouble } = this.#store;
    if (state === this.#told || this.#quietStates.has(state)) return;
    const timer = new TimerEntry(() => {
      this.#quietStates.delete(state);
      this.#tellState();
    });
    this.#quietStates.set(state, timer);
    this.#wheel.schedule(timer, QUIET_MS.state);
    this.#log.write(state === "ok" ? "info" : "warn", "store-state", {
      message: [stateTexts[state], ...(trouble === undefined ? [] : [describe(trouble)])].join(
        ": ",
      ),
      state,
      code: codeOf(trouble),
      reason: trouble?.message,
      changes: this.#changes > 1 ? this.#changes : undefined,
    });
    this.#told = state;
    this.#changes = 0;
  }

  #takeTrouble(error: Error): void {
    const code = codeOf(error) ?? error.name;
    const known = this.#troubles.get(code);
    if (known !== undefined) {
      known.count += 1;
      known.last = error;
      return;
    }
    const trouble = {
      count: 0,
      last: error,
      timer: new TimerEntry(() => {
        if (trouble.count === 0) {
          this.#troubles.delete(code);
          return;
        }
        this.#writeTrouble(trouble.last, trouble.count);
        trouble.count = 0;
        this.#wheel.schedule(trouble.timer, QUIET_MS.trouble);
      }),
    };
    this.#troubles.set(code, trouble);
    this.#wheel.schedule(trouble.timer, QUIET_MS.trouble);
    this.#writeTrouble(error, 1);
  }

  #writeTrouble(error: Error, count: number): void {
    const times = count === 1 ? "" : ` (${count} times in the last minute)`;
    this.#log.write("error", "store-trouble", {
      message: `the store has trouble: ${describe(error)}${times}`,
      code: codeOf(error),
      reason: error.message,
      count,
    });
  }
}

function codeOf(error: Error | undefined): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}

/** An error with its code, and what to do about it. */
function describe(error: Error): string {
  const code = codeOf(error);
  if (code === undefined) return error.message;
  const advice = (storeErrorCodes as Readonly<Record<string, string>>)[code];
  return `${error.message} (${code}${advice === undefined ? "" : `: ${advice}`})`;
}
