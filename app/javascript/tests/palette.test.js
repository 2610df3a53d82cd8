import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { logSearchEntry, rankEntries, splitLabel } from "../palette/entries.js";
import { parseQuery, prepareText, scoreText } from "../palette/score.js";

/** @import { Entry } from "../palette/entries.js" */

const score = (/** @type {string} */ query, /** @type {string} */ text) =>
  scoreText(parseQuery(query), prepareText(text))?.score ?? null;

/** The matched letters, with | between separate parts. */
const matched = (/** @type {string} */ query, /** @type {string} */ text) =>
  scoreText(parseQuery(query), prepareText(text))?.ranges.map(([start, end]) => text.slice(start, end)).join("|") ?? null;

/** @param {string[]} labels @returns {Entry[]} */
const workflows = (...labels) => labels.map((label) => ({ kind: "workflow", label, address: label }));

const ranking = (/** @type {string} */ query, /** @type {Entry[]} */ entries) =>
  rankEntries(entries, query, 50).map(({ entry }) => entry.label);

describe("matches", () => {
  test("parts match in any order and in any case, and all of them must match", () => {
    assert.equal(matched("web ci", "acme/web / CI"), "web|CI");
    assert.equal(matched("CI Web", "acme/web / CI"), "web|CI");
    assert.equal(matched("web deploy", "acme/web / CI"), null);
    assert.equal(matched("", "acme/web"), "");
    assert.equal(matched("größe", "acme/GRÖSSE / GRÖßE"), "GRÖßE");
  });

  test("letters of an abbreviation are scattered, from the start of a word", () => {
    assert.equal(matched("svc13", "acme/service-13"), "s|v|c|13");
    assert.equal(matched("svc13", "acme/settings-service-13"), "s|v|c|13");
    assert.equal(score("svc13", "acme/service-14"), null);
    assert.equal(matched("wci", "acme/web / CI"), "w|CI");
    assert.equal(matched("apigw", "acme/apiGateway"), "apiG|w");
    assert.equal(score("pay", "acme/api-gateway"), null);
  });

  test("the order of quality is: whole text, whole word, start of a word, inside of a word, scattered", () => {
    const found = ["api", "acme/api", "acme/apis", "acme/rapid", "acme/a-p-i"].map((text) => score("api", text));
    assert.ok(found.every((value) => value !== null));
    assert.deepEqual(found, found.toSorted((a, b) => Number(b) - Number(a)));
  });

  test("a number matches with and without its sign", () => {
    assert.equal(matched("web #14168", "acme/web / CI #14168"), "web|#14168");
    assert.equal(matched("14168", "acme/web / CI #14168"), "14168");
    assert.equal(score("#1416", "acme/web / CI #1417"), null);
  });

  test("of overlapping parts the label shows one", () => {
    assert.equal(matched("serv service", "acme/service"), "service");
    assert.deepEqual(splitLabel("acme/web", [[0, 4], [5, 99]]), ["", "acme", "/", "web", ""]);
  });
});

describe("ranking", () => {
  test("what is asked for comes first", () => {
    const names = workflows("acme/web-console / Circular build", "acme/web / CI", "acme/cookie-weblog / CI", "acme/api / CI");
    assert.equal(ranking("web ci", names)[0], "acme/web / CI");
    assert.deepEqual(ranking("api", names), ["acme/api / CI"]);
    const services = workflows("acme/service-113", "acme/service-130", "acme/service-13", "acme/savvy-cache-1-3");
    assert.equal(ranking("svc13", services)[0], "acme/service-13");
    assert.equal(ranking("13", services)[0], "acme/service-13");
  });

  test("equal matches are ordered by kind, and an empty query keeps the order", () => {
    /** @type {Entry[]} */
    const entries = [
      { kind: "branch", label: "runs" }, { kind: "page", label: "Runs" }, { kind: "action", label: "Clear filters", keywords: "reset" },
    ];
    assert.deepEqual(rankEntries(entries, "runs", 9).map(({ entry }) => entry.kind), ["page", "branch"]);
    assert.deepEqual(ranking("", entries), ["runs", "Runs", "Clear filters"]);
    assert.deepEqual(ranking("reset", entries), ["Clear filters"]);
    assert.deepEqual(rankEntries(entries, "reset", 9)[0].ranges, []);
  });

  test("the best of 20,000 entries are returned in their order", () => {
    const entries = workflows(...[...Array(20_000).keys()].map((number) => `acme/service-${number} / Build`));
    assert.deepEqual(ranking("service-13", entries)[0], "acme/service-13 / Build");
    assert.equal(rankEntries(entries, "build", 50).length, 50);
    assert.deepEqual(ranking("svc19999", entries), ["acme/service-19999 / Build"]);
  });
});

describe("cost", () => {
  /** Number of letters that are read to match a query with a text. */
  const reads = (/** @type {string} */ query, /** @type {string} */ text) => {
    let count = 0;
    const counted = (/** @type {object} */ letters) =>
      new Proxy(letters, { get: (target, name) => (count++, Reflect.get(target, name)) });
    const { lower, starts } = prepareText(text);
    scoreText(parseQuery(query), /** @type {any} */ ({ lower: counted(lower), starts: counted(starts) }));
    return count;
  };

  test("grows linearly with the text, also for texts that nearly match at every letter", () => {
    for (const query of ["aaaaaaaaab", "abababac", "a b c", "svc13", "aaaa"]) {
      for (const piece of ["a", "ab", "a-", "service-13 "]) {
        const [short, long] = [200, 2000].map((count) => reads(query, piece.repeat(count)));
        assert.ok(long <= 10.5 * short, `${query} in ${piece}: ${short} and ${long} reads`);
        assert.ok(long <= 12 * piece.length * 2000 * parseQuery(query).length, `${query} in ${piece}: ${long} reads`);
      }
    }
  });

  test("of 20,000 names is a few reads for every letter", () => {
    const names = [...Array(20_000).keys()].map((number) => `acme/service-${number} / Build and test`);
    const letters = names.reduce((sum, name) => sum + name.length, 0);
    assert.ok(names.reduce((sum, name) => sum + reads("svc13 build", name), 0) < 10 * letters);
  });
});

test("a text can be searched for in all logs", () => {
  assert.equal(logSearchEntry("  "), null);
  assert.deepEqual(logSearchEntry(" exit code 1 & more "), {
    kind: "action",
    label: "Search logs for “exit code 1 & more”",
    address: "search?text=exit+code+1+%26+more",
  });
});
