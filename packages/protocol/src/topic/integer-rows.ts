/** Rows of a chunk: a power of two. Smaller chunks cost a match more misses of the processor's cache. */
const chunkRows = 16_384;
const chunkShift = 14;
const rowMask = chunkRows - 1;
/** Rows that the first chunk begins with. */
const firstRows = 64;
const none = -1;

/**
 * Rows of a few integers each, known by their number: records without objects. They stand in
 * chunks of 16 384 rows, so that growing copies next to nothing; a chunk is given back when its
 * last row was freed.
 */
export class IntegerRows {
  readonly #width: number;
  readonly #chunks: (Int32Array | undefined)[] = [];
  /** Rows in use, by chunk. */
  readonly #used: number[] = [];
  /** First free row of each chunk. The free ones are linked by their column 0. */
  readonly #free: number[] = [];
  /** Chunks that have a free row or are to be made anew. New rows come from the last of them. */
  readonly #open: number[] = [];
  /** A chunk that is kept though it is empty, so that a row that comes and goes does not make it each time. */
  #spare = none;
  #size = 0;

  /** @param width  Integers of a row. */
  constructor(width: number) {
    this.#width = width;
  }

  /** Rows in use. */
  get size(): number {
    return this.#size;
  }

  get(row: number, column: number): number {
    return (this.#chunks[row >>> chunkShift] as Int32Array)[
      (row & rowMask) * this.#width + column
    ] as number;
  }

  set(row: number, column: number, value: number): void {
    (this.#chunks[row >>> chunkShift] as Int32Array)[(row & rowMask) * this.#width + column] =
      value;
  }

  /** @returns the sum. */
  add(row: number, column: number, difference: number): number {
    const sum = this.get(row, column) + difference;
    this.set(row, column, sum);
    return sum;
  }

  /** A row that was free. It holds whatever it held; the caller sets it. */
  allocate(): number {
    if (this.#open.length === 0) this.#extend();
    const index = this.#open[this.#open.length - 1] as number;
    if (this.#chunks[index] === undefined) this.#makeChunk(index);
    const row = this.#free[index] as number;
    const next = this.get(row, 0);
    this.#free[index] = next;
    if (next === none) this.#open.pop();
    this.#used[index]! += 1;
    this.#size += 1;
    return row;
  }

  /** The row may be given again. */
  free(row: number): void {
    const index = row >>> chunkShift;
    const next = this.#free[index] as number;
    if (next === none) this.#open.push(index);
    this.set(row, 0, next);
    this.#free[index] = row;
    this.#used[index]! -= 1;
    this.#size -= 1;
    if (this.#used[index] !== 0) return;
    if (this.#spare !== none && this.#spare !== index && this.#used[this.#spare] === 0)
      this.#chunks[this.#spare] = undefined;
    this.#spare = index;
  }

  /** Makes room where there is none. */
  #extend(): void {
    const first = this.#chunks[0];
    if (first !== undefined && first.length < chunkRows * this.#width) {
      const rows = first.length / this.#width;
      const longer = new Int32Array(first.length * 2);
      longer.set(first);
      this.#chunks[0] = longer;
      this.#linkFree(0, rows, rows * 2);
      this.#open.push(0);
    } else {
      this.#chunks.push(undefined);
      this.#used.push(0);
      this.#free.push(none);
      this.#open.push(this.#chunks.length - 1);
    }
  }

  #makeChunk(index: number): void {
    const rows = index === 0 ? firstRows : chunkRows;
    this.#chunks[index] = new Int32Array(rows * this.#width);
    this.#linkFree(index, 0, rows);
  }

  /** Makes the rows of a chunk from `from` to `to` the free ones. */
  #linkFree(index: number, from: number, to: number): void {
    const first = index * chunkRows;
    for (let row = from; row < to; row++)
      this.set(first + row, 0, row + 1 < to ? first + row + 1 : none);
    this.#free[index] = first + from;
  }
}
