import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { firstMatchFrom, nextProblem, splitMatches } from "../log_viewer/matches.js";

describe("splitMatches", () => {
  test("marks matches of any case within one piece", () => {
    assert.deepEqual(splitMatches([["An ERROR, error", -1]], "error"), [
      ["An ", -1, false],
      ["ERROR", -1, true],
      [", ", -1, false],
      ["error", -1, true],
    ]);
  });

  test("a match may span pieces, which keep their styles", () => {
    assert.deepEqual(splitMatches([["foo", 0], ["ba", 1], ["r baz", 2]], "obar b"), [
      ["fo", 0, false],
      ["o", 0, true],
      ["ba", 1, true],
      ["r b", 2, true],
      ["az", 2, false],
    ]);
  });

  test("matches do not overlap", () => {
    assert.deepEqual(splitMatches([["aaaaa", 0]], "aa"), [
      ["aa", 0, true],
      ["aa", 0, true],
      ["a", 0, false],
    ]);
  });

  test("nothing is split without a search or without a match", () => {
    assert.deepEqual(splitMatches([["abc", 0]], ""), [["abc", 0, false]]);
    assert.deepEqual(splitMatches([["abc", 0]], "x"), [["abc", 0, false]]);
    assert.deepEqual(splitMatches([], "x"), []);
  });

  test("nothing matches where lower case has another length", () => {
    assert.deepEqual(splitMatches([["İstanbul", 0]], "stanbul"), [["İstanbul", 0, false]]);
  });

  test("the parts are the line", () => {
    const pieces = /** @type {[string, number][]} */ ([["one two", 0], ["", 1], [" two one", 2], ["o", 0]]);
    for (const text of ["o", "two", "o two", " ", "e", "oo"]) {
      const parts = splitMatches(pieces, text);
      assert.equal(parts.map(([part]) => part).join(""), "one two two oneo");
      const matched = parts.filter(([, , match]) => match).map(([part]) => part).join("");
      assert.equal(matched, text.repeat("one two two oneo".split(text).length - 1));
    }
  });
});

test("the first match is the one at or below a line, else the first of all", () => {
  assert.equal(firstMatchFrom([10, 20, 30], 20), 1);
  assert.equal(firstMatchFrom([10, 20, 30], 21), 2);
  assert.equal(firstMatchFrom([10, 20, 30], 31), 0);
  assert.equal(firstMatchFrom([], 1), 0);
});

test("problems are visited in order, and around the ends of the log", () => {
  const problems = [10, 20, 30];
  assert.deepEqual([0, 10, 15, 30].map((line) => nextProblem(problems, line, 1)), [10, 20, 20, 10]);
  assert.deepEqual([31, 30, 15, 10].map((line) => nextProblem(problems, line, -1)), [30, 20, 10, 30]);
});
