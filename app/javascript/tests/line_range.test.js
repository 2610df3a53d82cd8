import assert from "node:assert/strict";
import { test } from "node:test";

import { formatLineRange, parseLineRange } from "../log_viewer/line_range.js";

test("a line or a range of lines is parsed, in either order", () => {
  assert.deepEqual(parseLineRange("12"), { from: 12, to: 12 });
  assert.deepEqual(parseLineRange("12-20"), { from: 12, to: 20 });
  assert.deepEqual(parseLineRange("20-12"), { from: 12, to: 20 });
  assert.deepEqual(parseLineRange("9-100"), { from: 9, to: 100 });
});

test("anything else is no range", () => {
  for (const text of ["", null, undefined, "0", "0-5", "x", "1-", "-1", "1.5", "1-2-3", " 1", "1234567890"])
    assert.equal(parseLineRange(text), null, String(text));
});

test("a range is formatted as it is parsed", () => {
  assert.equal(formatLineRange(12, 12), "12");
  assert.equal(formatLineRange(12, 20), "12-20");
});
