/** Time as an input. Pure code is given a `Clock` and never asks the platform. */
export interface Clock {
  /** Monotonic time. Milliseconds from an arbitrary start; never goes back. */
  now(): number;
  /** Wall-clock time. Milliseconds since 1970; may jump either way. */
  wallTime(): number;
}
