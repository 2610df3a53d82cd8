import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { RowLayout } from "../log_viewer/row_layout.js";

/** @import { Group } from "../log_viewer/types.d.ts" */

/** @type {Group[]} */
const GROUPS = [
  [3, 5],
  [6, 9],
  [12, 20],
];

/** @param {RowLayout} layout */
const visibleLines = (layout) => Array.from({ length: layout.rowCount }, (_, row) => layout.lineAt(row));

describe("RowLayout", () => {
  test("without folds, every line takes one row", () => {
    const layout = new RowLayout(20, GROUPS);
    assert.equal(layout.rowCount, 20);
    assert.deepEqual(visibleLines(layout), [...Array(20).keys()].map((row) => row + 1));
    assert.equal(layout.rowOf(20), 19);
  });

  test("an empty log has no rows", () => {
    assert.equal(new RowLayout(0, []).rowCount, 0);
  });

  test("a folded group takes the row of its first line", () => {
    const layout = new RowLayout(20, GROUPS);
    layout.fold(6, true);
    assert.deepEqual(visibleLines(layout), [1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    assert.deepEqual([6, 7, 9, 10].map((line) => layout.rowOf(line)), [5, 5, 5, 6]);
    layout.fold(6, false);
    assert.equal(layout.rowCount, 20);
  });

  test("all groups fold but the excepted ones", () => {
    const layout = new RowLayout(20, GROUPS);
    layout.foldAll(true, ([first]) => first === 6);
    assert.deepEqual(visibleLines(layout), [1, 2, 3, 6, 7, 8, 9, 10, 11, 12]);
    assert.equal(layout.rowOf(20), 9);
    layout.foldAll(false);
    assert.equal(layout.rowCount, 20);
  });

  test("the gap takes one row, and hides the groups in it", () => {
    const layout = new RowLayout(20, GROUPS);
    layout.foldAll(true);
    layout.setGap(7);
    // The rest of the group that begins within the gap is displayed.
    assert.deepEqual(visibleLines(layout), [0, 8, 9, 10, 11, 12]);
    assert.equal(layout.rowOf(3), 0);
    assert.equal(layout.rowOf(8), 1);
  });

  test("a hidden line is revealed, and a visible one changes nothing", () => {
    const layout = new RowLayout(20, GROUPS);
    layout.foldAll(true);
    layout.setGap(4);
    assert.equal(layout.reveal(10), false);
    assert.equal(layout.reveal(12), false);
    assert.equal(layout.reveal(15), true);
    assert.equal(layout.lineAt(layout.rowOf(15)), 15);
    assert.equal(layout.gap, 4);
    assert.equal(layout.reveal(4), true);
    assert.equal(layout.gap, 0);
    assert.equal(layout.lineAt(layout.rowOf(4)), 4);
    assert.deepEqual([...layout.folded], [6]);
  });

  test("rows and lines are inverse to each other for every visible line", () => {
    const layout = new RowLayout(500, Array.from({ length: 50 }, (_, k) => [10 * k + 1, 10 * k + 7]));
    layout.foldAll(true, ([first]) => first % 3 === 0);
    layout.setGap(33);
    for (let row = 0; row < layout.rowCount; row++) {
      const line = layout.lineAt(row);
      if (line) assert.equal(layout.rowOf(line), row);
    }
  });

  test("line ranges skip what is folded away when it is longer than the allowed distance", () => {
    const layout = new RowLayout(2000, [
      [3, 5],
      [10, 1500],
    ]);
    layout.foldAll(true);
    assert.deepEqual(layout.lineRanges(0, 8, 250), [
      [1, 10],
      [1501, 1501],
    ]);
    layout.setGap(2);
    assert.deepEqual(layout.lineRanges(0, 1, 250), [[3, 3]]);
    assert.deepEqual(layout.lineRanges(0, 0, 250), []);
  });
});
