import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { RowHeights } from "../log_viewer/row_heights.js";

/** Pseudo-random numbers from 0 to 1, the same in every run. @param {number} seed */
const randomNumbers = (seed) => {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
};

describe("RowHeights", () => {
  test("unmeasured rows have the default height", () => {
    const heights = new RowHeights(100_000, 20);
    assert.equal(heights.total, 2_000_000);
    assert.equal(heights.offset(77_777), 77_777 * 20);
    assert.equal(heights.find(77_777 * 20), 77_777);
    assert.equal(heights.find(77_777 * 20 - 1), 77_776);
  });

  test("a measured height moves the rows below it", () => {
    const heights = new RowHeights(5, 20);
    assert.equal(heights.set(1, 50), true);
    assert.deepEqual([0, 1, 2, 3, 4, 5].map((row) => heights.offset(row)), [0, 20, 70, 90, 110, 130]);
    assert.deepEqual([0, 19, 20, 69, 70, 129].map((offset) => heights.find(offset)), [0, 0, 1, 1, 2, 4]);
  });

  test("only a different height is a change", () => {
    const heights = new RowHeights(5, 20);
    assert.equal(heights.set(2, 20), false);
    assert.equal(heights.set(2, 40), true);
    assert.equal(heights.set(2, 40), false);
    assert.equal(heights.set(2, 20), true);
    assert.equal(heights.total, 100);
  });

  test("offsets beyond the end belong to the last row", () => {
    for (const count of [1, 2, 3, 7, 8, 9]) assert.equal(new RowHeights(count, 20).find(1e9), count - 1);
    assert.equal(new RowHeights(0, 20).find(100), 0);
    assert.equal(new RowHeights(0, 20).total, 0);
  });

  test("lookups agree with sums over all rows", () => {
    const random = randomNumbers(7);
    for (const count of [1, 6, 64, 65, 200]) {
      const heights = new RowHeights(count, 20);
      const expected = Array(count).fill(20);
      for (let k = 0; k < count; k++) {
        const row = Math.floor(random() * count);
        expected[row] = 20 + Math.floor(random() * 100);
        heights.set(row, expected[row]);
      }
      let offset = 0;
      for (let row = 0; row < count; row++) {
        assert.equal(heights.offset(row), offset);
        assert.equal(heights.find(offset), row);
        assert.equal(heights.find(offset + expected[row] - 1), row);
        offset += expected[row];
      }
      assert.equal(heights.total, offset);
    }
  });
});
