/** Counts by name in windows of time that follow each other; each begins with nothing. */
export class WindowCounts {
  #counts = new Map<string, number>();
  #endsAt = -Infinity;

  /**
   * Counts one more.
   *
   * @param now  Engine time. Milliseconds.
   * @returns how many there are in this window.
   */
  add(name: string, now: number, windowMs: number): number {
    if (now >= this.#endsAt) {
      if (this.#counts.size > 0) this.#counts = new Map();
      this.#endsAt = now + windowMs;
    }
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    return count;
  }
}
