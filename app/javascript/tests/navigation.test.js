import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { basePath, isPage } from "../navigation/pages.js";

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
