import type { Position } from "../../engine/ports.ts";

/** Batches from one to another, both included. */
export interface PositionRange {
  readonly from: Position;
  readonly to: Position;
}

/** A set of batch numbers that mostly come in order: a list of ranges. */
export class PositionSet {
  /** In order, none touching another. */
  readonly #ranges: { from: Position; to: Position }[] = [];

  add(position: Position): void {
    const ranges = this.#ranges;
    const place = this.#placeOf(position);
    const before = ranges[place];
    if (before !== undefined && position <= before.to) return;
    const after = ranges[place + 1];
    const joinsBefore = before !== undefined && before.to + 1 === position;
    const joinsAfter = after !== undefined && position + 1 === after.from;
    if (joinsBefore && joinsAfter) {
      before.to = after.to;
      ranges.splice(place + 1, 1);
    } else if (joinsBefore) before.to = position;
    else if (joinsAfter) after.from = position;
    else ranges.splice(place + 1, 0, { from: position, to: position });
  }

  has(position: Position): boolean {
    const range = this.#ranges[this.#placeOf(position)];
    return range !== undefined && position <= range.to;
  }

  /** What is not in the set, from one batch to another, both included. */
  missing(from: Position, to: Position): PositionRange[] {
    const missing: PositionRange[] = [];
    let next = from;
    for (const range of this.#ranges) {
      if (range.to < next) continue;
      if (range.from > to) break;
      if (range.from > next) missing.push({ from: next, to: range.from - 1 });
      next = range.to + 1;
    }
    if (next <= to) missing.push({ from: next, to });
    return missing;
  }

  /** Place of the last range that begins at or before `position`; -1 where none does. */
  #placeOf(position: Position): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as PositionRange).from <= position) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
