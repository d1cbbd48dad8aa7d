import type { ScheduledTask, TimingWheel } from "@sericite/protocol";
import { Schedule } from "@sericite/protocol";

/** What is to be done at its time. A promise counts as at work until it settles. */
export type Task = () => unknown;

/** The tasks that a client runs for its user. */
export class Tasks {
  readonly #schedule: Schedule;
  readonly #onError: (error: unknown) => void;
  readonly #tasks = new Set<ScheduledTask>();
  #isClosed = false;

  /** @param onError  Gets what tasks throw. */
  constructor(wheel: TimingWheel, onError: (error: unknown) => void) {
    this.#schedule = new Schedule(wheel);
    this.#onError = onError;
  }

  /** See `Client.schedule`. */
  schedule(task: Task, intervalMs: number): ScheduledTask {
    let isAtWork = false;
    return this.#add(
      this.#schedule.schedule(() => {
        if (isAtWork) return;
        isAtWork = true;
        void this.#run(task).then(() => {
          isAtWork = false;
        });
      }, intervalMs),
    );
  }

  /** See `Client.scheduleOnce`. */
  scheduleOnce(task: Task, delayMs: number): ScheduledTask {
    const added = this.#add(
      this.#schedule.scheduleOnce(() => {
        added.cancel();
        void this.#run(task);
      }, delayMs),
    );
    return added;
  }

  /** None of them runs again. */
  close(): void {
    this.#isClosed = true;
    for (const task of this.#tasks) task.cancel();
  }

  #add(scheduled: ScheduledTask): ScheduledTask {
    const cancel = (): void => {
      scheduled.cancel();
      this.#tasks.delete(scheduled);
    };
    if (this.#isClosed) scheduled.cancel();
    else this.#tasks.add(scheduled);
    return { cancel, [Symbol.dispose]: cancel };
  }

  async #run(task: Task): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#onError(error);
    }
  }
}
