/**
 * Heights of rows in pixels. Most rows have the default height; a Fenwick tree holds the differences of those that were
 * measured, so that a lookup among n rows takes O(log n) steps.
 */
export class RowHeights {
  /** Measured heights by row. @type {Map<number, number>} */
  #measured = new Map();
  /** @type {Float64Array} */
  #tree;
  /** The largest power of two that is not above the number of rows. */
  #largestStep = 1;

  /**
   * @param {number} rowCount
   * @param {number} defaultHeight
   */
  constructor(rowCount, defaultHeight) {
    this.rowCount = rowCount;
    this.defaultHeight = defaultHeight;
    this.#tree = new Float64Array(rowCount + 1);
    while (this.#largestStep * 2 <= rowCount) this.#largestStep *= 2;
  }

  /** The height of all rows together. */
  get total() {
    return this.offset(this.rowCount);
  }

  /**
   * Stores the measured height of a row. Returns whether it differs from the stored one.
   * @param {number} row
   * @param {number} height
   */
  set(row, height) {
    const change = height - (this.#measured.get(row) ?? this.defaultHeight);
    if (!change) return false;
    this.#measured.set(row, height);
    for (let node = row + 1; node <= this.rowCount; node += node & -node) this.#tree[node] += change;
    return true;
  }

  /**
   * The distance from the top of the first row to the top of `row`.
   * @param {number} row
   */
  offset(row) {
    let sum = row * this.defaultHeight;
    for (let node = row; node > 0; node -= node & -node) sum += this.#tree[node];
    return sum;
  }

  /**
   * The row at a distance from the top of the first row.
   * @param {number} offset
   */
  find(offset) {
    let row = 0;
    let rest = offset;
    for (let step = this.#largestStep; step > 0; step >>= 1) {
      if (row + step > this.rowCount) continue;
      const height = step * this.defaultHeight + this.#tree[row + step];
      if (height <= rest) {
        row += step;
        rest -= height;
      }
    }
    return Math.min(row, Math.max(this.rowCount - 1, 0));
  }
}
