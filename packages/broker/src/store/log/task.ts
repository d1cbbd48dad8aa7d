import type { Disk, Step } from "./disk.ts";

/**
 * A sequence of steps written as one function: `yield* wait(step)` goes on when the step is done
 * and gives its value, or throws its error. Unlike an async function it goes on inside the disk's
 * own callback, so that a simulated disk alone decides when.
 */
export type Task<T> = Generator<Step<unknown>, T, unknown>;

/** Waits inside a task for one step. */
export function* wait<T>(step: Step<T>): Task<T> {
  return (yield step as Step<unknown>) as T;
}

/** Lets everybody else have a turn: a long piece of work does this every millisecond or two. */
export function* pause(disk: Disk): Task<void> {
  yield* wait<void>((resolve) => void disk.later(0, resolve));
}

/** A whole task as one step. */
export function stepOf<T>(task: Task<T>): Step<T> {
  return (resolve, reject) => {
    const proceed = (move: () => IteratorResult<Step<unknown>, T>): void => {
      let result: IteratorResult<Step<unknown>, T>;
      try {
        result = move();
      } catch (error) {
        reject(error as Error);
        return;
      }
      if (result.done === true) resolve(result.value);
      else
        result.value(
          (value) => proceed(() => task.next(value)),
          (error) => proceed(() => task.throw(error)),
        );
    };
    proceed(() => task.next());
  };
}

/** Several steps at the same time. @returns their values, in order; fails after all have ended. */
export function together<T>(steps: readonly Step<T>[]): Step<T[]> {
  return (resolve, reject) => {
    const values: T[] = [];
    let left = steps.length;
    let failure: Error | undefined;
    const end = (): void => {
      left -= 1;
      if (left > 0) return;
      if (failure === undefined) resolve(values);
      else reject(failure);
    };
    for (const [index, step] of steps.entries())
      step(
        (value) => {
          values[index] = value;
          end();
        },
        (error) => {
          failure ??= error;
          end();
        },
      );
  };
}
