import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { basePath, isPage } from "../navigation/pages.js";
import { compareValues, nextSortOrder, sortByValue } from "../navigation/table_sort.js";

const PAGES = { "": "Overview", runs: "Runs", run: "Run" };

test("the base path is that of the current page without the page", () => {
  assert.equal(basePath("/", PAGES), "/");
  assert.equal(basePath("/runs", PAGES), "/");
  assert.equal(basePath("/runs/", PAGES), "/");
  assert.equal(basePath("/health/ci", PAGES), "/health/ci/");
  assert.equal(basePath("/health/ci/", PAGES), "/health/ci/");
  assert.equal(basePath("/health/ci/run", PAGES), "/health/ci/");
  assert.equal(basePath("/reruns", PAGES), "/reruns/");
});

describe("isPage", () => {
  const location = { origin: "https://ci.example", pathname: "/health/runs" };
  const check = (/** @type {string} */ url) => isPage(new URL(url, "https://ci.example"), location, PAGES);

  test("a page below the base path is one, with or without parameters and a slash", () => {
    for (const url of ["/health/run?run_id=1", "/health/runs/", "/health/", "/health", "/health/run#x"])
      assert.equal(check(url), true, url);
  });

  test("other hosts, other paths and unknown names are none", () => {
    for (const url of ["https://github.com/health/runs", "http://ci.example/health/runs", "/runs", "/health/nothing",
      "/health/logs/1/2/text", "/health/toString", "/healthy/runs"])
      assert.equal(check(url), false, url);
  });
});

describe("sorting of tables", () => {
  test("numbers are compared as numbers, text as text", () => {
    assert.ok(compareValues("9", "10") < 0);
    assert.ok(compareValues("-1.5", "0") < 0);
    assert.ok(compareValues("main", "release") < 0);
    assert.ok(compareValues("10", "main") < 0);
    assert.equal(compareValues("1", "1.0"), 0);
  });

  test("items without a value come last in either order", () => {
    const items = ["3", "", "10", "1", ""];
    const valueOf = (/** @type {string} */ item) => item;
    assert.deepEqual(sortByValue(items, valueOf, false), ["1", "3", "10", "", ""]);
    assert.deepEqual(sortByValue(items, valueOf, true), ["10", "3", "1", "", ""]);
    assert.deepEqual(items, ["3", "", "10", "1", ""]);
  });

  test("the first click sorts numbers from the largest and text from A, the second reverses the order", () => {
    const first = nextSortOrder(undefined, 2, true);
    assert.deepEqual(first, { column: 2, descending: true });
    assert.deepEqual(nextSortOrder(first, 2, true), { column: 2, descending: false });
    assert.deepEqual(nextSortOrder(first, 1, false), { column: 1, descending: false });
  });
});
