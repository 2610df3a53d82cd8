import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { activeChoice, columnRules, formatChoice, knownColumns, parseChoice } from "../navigation/column_choice.js";
import { compareValues, formatSortOrder, nextSortOrder, parseSortOrder, sortByValue } from "../navigation/sort_order.js";
import {
  keepBrowserParameters,
  namedValues,
  parseRunSelection,
  tableValue,
  withNamedValues,
  withRunSelection,
  withTableValue,
  withToggledSection,
} from "../navigation/url_state.js";

describe("sorting of tables", () => {
  test("numbers are compared as numbers, text as text", () => {
    assert.ok(compareValues("9", "10", true) < 0);
    assert.ok(compareValues("-1.5", "0", true) < 0);
    assert.equal(compareValues("1", "1.0", true), 0);
    assert.ok(compareValues("10", "9", false) < 0);
    assert.ok(compareValues("Main", "release", false) < 0);
    assert.ok(compareValues("main", "Main", false) === 0);
    assert.ok(compareValues("1e5", "200000", false) < 0);
  });

  test("the server sorts text in the same order", () => {
    const items = ["b", "Z", "é", "10", "1a", "2", "a", "ß", "\uff5e", "😀", "_", "-x", "1e5"];
    const valueOf = (/** @type {string} */ item) => item;
    assert.deepEqual(sortByValue(items.toReversed(), valueOf, false, false), ["-x", "10", "1a", "1e5", "2", "_", "a", "b", "Z", "ß", "é", "😀", "\uff5e"]);
  });

  test("items without a value come last in either order", () => {
    const items = ["3", "", "10", "1", ""];
    const valueOf = (/** @type {string} */ item) => item;
    assert.deepEqual(sortByValue(items, valueOf, true, false), ["1", "3", "10", "", ""]);
    assert.deepEqual(sortByValue(items, valueOf, true, true), ["10", "3", "1", "", ""]);
    assert.deepEqual(items, ["3", "", "10", "1", ""]);
  });

  test("equal items keep their order in either order", () => {
    const items = [["a", "1"], ["b", "2"], ["c", "1"]];
    const valueOf = (/** @type {string[]} */ item) => item[1];
    assert.equal(sortByValue(items, valueOf, true, true).map(([name]) => name).join(""), "bac");
    assert.equal(sortByValue(items, valueOf, true, false).map(([name]) => name).join(""), "acb");
  });

  test("clicks sort numbers from the largest and text from A, then the reverse, then in the table's own order", () => {
    const first = nextSortOrder(null, "runs", true);
    assert.deepEqual(first, { column: "runs", descending: true });
    const second = nextSortOrder(first, "runs", true);
    assert.deepEqual(second, { column: "runs", descending: false });
    assert.equal(nextSortOrder(second, "runs", true), null);
    assert.deepEqual(nextSortOrder(first, "job", false), { column: "job", descending: false });
  });

  test("orders are written as in the URL", () => {
    for (const text of ["runs", "-runs", ""]) assert.equal(formatSortOrder(parseSortOrder(text)), text);
    assert.equal(parseSortOrder("-"), null);
  });
});

describe("the state of tables in the URL", () => {
  test("a table has its own value of a parameter", () => {
    const search = "?sort=causes.-runs&sort=jobs.p95&period=7d";
    assert.equal(tableValue(search, "sort", "causes"), "-runs");
    assert.equal(tableValue(search, "sort", "jobs"), "p95");
    assert.equal(tableValue(search, "sort", "cause"), "");
    assert.equal(tableValue("", "sort", "jobs"), "");
  });

  test("a value is replaced, and an empty one leaves no parameter", () => {
    assert.equal(withTableValue("?period=7d", "sort", "jobs", "-runs"), "?period=7d&sort=jobs.-runs");
    assert.equal(withTableValue("?sort=jobs.-runs&sort=causes.runs", "sort", "jobs", "p95"), "?sort=causes.runs&sort=jobs.p95");
    assert.equal(withTableValue("?sort=jobs.-runs", "sort", "jobs", ""), "");
  });

  test("the hidden series of a chart are values of their own, whatever their names contain", () => {
    const search = withNamedValues("?hidden=outcomes.Failed&period=7d", "hidden", "branch-rates", ["release/1.2", "a b&c"]);
    assert.equal(search, "?period=7d&hidden=outcomes.Failed&hidden=branch-rates.release%2F1.2&hidden=branch-rates.a+b%26c");
    assert.deepEqual(namedValues(search, "hidden", "branch-rates"), ["release/1.2", "a b&c"]);
    assert.deepEqual(namedValues(search, "hidden", "branch"), []);
    assert.equal(withNamedValues("?hidden=outcomes.Failed", "hidden", "outcomes", []), "");
    // Charts that are drawn anew write what the URL has.
    const two = "?hidden=a.x&hidden=b.y&hidden=a.z&period=7d";
    assert.equal(withNamedValues(two, "hidden", "a", ["z", "x"]), two);
    assert.equal(withNamedValues(two, "hidden", "a", ["z", "w"]), "?period=7d&hidden=b.y&hidden=a.z&hidden=a.w");
  });

  test("runs that are selected for a comparison are in the URL", () => {
    const search = withRunSelection("?period=7d&selected=1", ["12", "15"]);
    assert.deepEqual(parseRunSelection(search, 5), ["12", "15"]);
    assert.equal(withRunSelection(search, []), "?period=7d");
    assert.equal(withRunSelection("?a=b%2Fc", []), "?a=b%2Fc");
    assert.deepEqual(parseRunSelection("?selected=1,x,-2,03,4,5,6", 3), ["1", "4", "5"]);
  });

  test("the second change of a section removes it from the URL", () => {
    const both = withToggledSection(withToggledSection("?run_id=5", "job-12", true), "job-15", false);
    assert.equal(both, "?run_id=5&open=job-12.-job-15");
    assert.equal(withToggledSection(both, "job-15", true), "?run_id=5&open=job-12");
    assert.equal(withToggledSection("?open=job-12", "job-12", false), "");
    assert.equal(withToggledSection("?open=job-12", "job-1", true), "?open=job-12.job-1");
  });

  test("addresses that Streamlit writes keep what the browser has written since", () => {
    const current = "https://ci.example/x/runs?sort=runs.-queue&columns=runs.-branch&page=runs.2.a&open=job-1&hidden=c.x";
    assert.equal(keepBrowserParameters("/x/runs?period=7d&sort=runs.created", current),
      "/x/runs?period=7d&sort=runs.-queue&columns=runs.-branch&open=job-1&hidden=c.x");
    assert.equal(keepBrowserParameters("/x/flaky?period=7d", current), "/x/flaky?period=7d");
    assert.equal(keepBrowserParameters("/x/runs", "https://ci.example/x/runs"), "/x/runs");
  });
});

describe("the choice of columns", () => {
  test("a choice is what differs from the default", () => {
    const choice = parseChoice("cost.-trend");
    assert.deepEqual([...choice], [["cost", true], ["trend", false]]);
    assert.equal(formatChoice(choice), "cost.-trend");
    assert.equal(parseChoice("").size, 0);
    assert.equal(parseChoice("-.a b.<script>").size, 0);
  });

  test("columns that the table does not have are not part of a stored choice", () => {
    assert.equal(formatChoice(knownColumns(parseChoice("-812.-run-2.cost"), ["job", "run-1", "run-2", "cost"])), "-run-2.cost");
    assert.equal(formatChoice(knownColumns(parseChoice("-812"), ["job"])), "");
  });

  test("the URL wins over the stored choice, which is not added to the URL of a saved view", () => {
    const keys = ["job", "runs", "cost"];
    const active = (/** @type {string} */ search, /** @type {string} */ fromUrl, /** @type {string} */ stored) => {
      const { choice, isMissing } = activeChoice(search, fromUrl, stored, keys);
      return [formatChoice(choice), isMissing];
    };
    assert.deepEqual(active("?columns=jobs.cost", "cost", "-runs"), ["cost", false]);
    assert.deepEqual(active("", "", "-runs"), ["-runs", true]);
    assert.deepEqual(active("?period=7d&saved=3", "", "-runs"), ["-runs", false]);
    assert.deepEqual(active("", "", "-other"), ["", false]);
    assert.deepEqual(active("", "", ""), ["", false]);
  });

  test("rules name the columns by their position", () => {
    const rules = columnRules("jobs", ["", "job", "runs", "cost"], parseChoice("-runs.cost.other"));
    assert.deepEqual(rules.split("\n").map((rule) => rule.replace(/^.*nth-child/, "")), [
      "(3) { display: none !important; }",
      "(4) { display: table-cell !important; }",
    ]);
    assert.ok(rules.startsWith('table.ph-table[data-columns="jobs"] '));
  });
});
