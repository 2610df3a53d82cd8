/** @import { Group } from "./types.d.ts" */

/**
 * Consecutive lines that take one row each. With `gap`, they are collapsed into a single row.
 * @typedef {{ row: number, line: number, gap: boolean }} Segment
 */

/**
 * Maps rows to lines. A folded group takes the row of its first line; the gap, which collapses the beginning of the
 * log, takes one row. Rows count from 0, lines from 1.
 */
export class RowLayout {
  /**
   * @param {number} lineCount
   * @param {Group[]} groups sorted and not overlapping
   */
  constructor(lineCount, groups) {
    this.lineCount = lineCount;
    this.groups = groups;
    /** Last line of a group by its first line. */
    this.groupEnds = new Map(groups);
    /** First lines of folded groups. @type {Set<number>} */
    this.folded = new Set();
    /** Number of lines collapsed at the beginning of the log. */
    this.gap = 0;
    /** Number of rows. */
    this.rowCount = 0;
    /** @type {Segment[]} */
    this.segments = [];
    this.#computeSegments();
  }

  #computeSegments() {
    /** @type {Segment[]} */
    const segments = [];
    let row = 0;
    let line = 1;
    const append = (/** @type {number} */ lastLine, /** @type {boolean} */ gap) => {
      segments.push({ row, line, gap });
      row += gap ? 1 : lastLine - line + 1;
      line = lastLine + 1;
    };
    if (this.gap) append(this.gap, true);
    for (const [first, last] of this.groups) {
      if (first < line || !this.folded.has(first)) continue;
      append(first, false);
      line = last + 1;
    }
    if (line <= this.lineCount) append(this.lineCount, false);
    this.segments = segments;
    this.rowCount = row;
  }

  /**
   * Index of the last segment that starts at or before `value`.
   * @param {number} value
   * @param {"row" | "line"} key
   */
  #segmentIndex(value, key) {
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.segments[middle][key] <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /**
   * The line of a row; 0 for the gap.
   * @param {number} row
   */
  lineAt(row) {
    const segment = this.segments[this.#segmentIndex(row, "row")];
    return segment.gap ? 0 : segment.line + row - segment.row;
  }

  /**
   * The row of a line. For a hidden line, the row of the folded group or the gap that contains it.
   * @param {number} line
   */
  rowOf(line) {
    const index = this.#segmentIndex(line, "line");
    const segment = this.segments[index];
    if (segment.gap) return segment.row;
    const nextRow = this.segments[index + 1]?.row ?? this.rowCount;
    return Math.min(segment.row + line - segment.line, nextRow - 1);
  }

  /**
   * @param {number} first first line of the group
   * @param {boolean} folded
   */
  fold(first, folded) {
    if (folded) this.folded.add(first);
    else this.folded.delete(first);
    this.#computeSegments();
  }

  /**
   * Folds or unfolds all groups.
   * @param {boolean} folded
   * @param {(group: Group) => boolean} [except] groups to leave unfolded
   */
  foldAll(folded, except = () => false) {
    this.folded = new Set(folded ? this.groups.filter((group) => !except(group)).map(([first]) => first) : []);
    this.#computeSegments();
  }

  /** @param {number} lines number of lines to collapse at the beginning of the log */
  setGap(lines) {
    this.gap = lines;
    this.#computeSegments();
  }

  /**
   * Unfolds whatever hides a line. Returns whether the layout has changed.
   * @param {number} line
   */
  reveal(line) {
    let changed = false;
    if (line <= this.gap) {
      this.gap = 0;
      changed = true;
    }
    for (const [first, last] of this.groups) {
      if (first < line && line <= last && this.folded.delete(first)) changed = true;
    }
    if (changed) this.#computeSegments();
    return changed;
  }

  /**
   * Line ranges of the rows from `first` to `last`. Ranges that are at most `maxGap` lines apart are merged.
   * @param {number} first
   * @param {number} last
   * @param {number} maxGap
   */
  lineRanges(first, last, maxGap) {
    let from = 0;
    let to = 0;
    /** @type {[from: number, to: number][]} */
    const ranges = [];
    for (let row = first; row <= last; row++) {
      const line = this.lineAt(row);
      if (!line) continue;
      if (!from) from = line;
      else if (line - to > maxGap) {
        ranges.push([from, to]);
        from = line;
      }
      to = line;
    }
    if (from) ranges.push([from, to]);
    return ranges;
  }
}
