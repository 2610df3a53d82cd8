import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { newItems } from "../navigation/announcements_text.js";
import { restLabel } from "../navigation/attention_rest.js";
import { fieldGrid, isKiosk, restText, updatedText, viewAt } from "../navigation/kiosk_layout.js";
import { currentPage } from "../navigation/pages.js";
import { helpSections } from "../navigation/shortcut_list.js";
import { neighbour, placeTip } from "../navigation/tooltip_layout.js";
import { isDark, parseTheme } from "../theme/choice.js";

test("the current page is the address below the base path", () => {
  const pages = { "": "Overview", runs: "Runs", run: "Run" };
  for (const [path, page] of [["/", ""], ["/run", "run"], ["/health/ci/runs/", "runs"], ["/health/ci", ""]])
    assert.equal(currentPage(path, pages), page, path);
});

test("the help lists every shortcut", () => {
  const sections = helpSections({ keys: { r: "runs" }, pages: { runs: "Runs" } });
  assert.deepEqual(sections[0], ["Go to", [["g r", "Runs"]]]);
  const keys = sections.flatMap(([, rows]) => rows.map(([key]) => key));
  for (const key of ["/", "?", "Esc", "n", "p"]) assert.ok(keys.includes(key), key);
});

test("a list of fixed height names the number of items without space", () => {
  assert.equal(restLabel([], 0, 37), "");
  assert.equal(restLabel([28, 80], 100.5, 100), "");
  assert.equal(restLabel([28], 55, 37), "Show more");
  assert.equal(restLabel([28, 83, 138], 165, 37), "Show 2 more");
});

describe("theme", () => {
  const given = { parameter: null, stored: null, systemIsDark: false, isPrinting: false };

  test("the system's theme is the default", () => {
    assert.equal(isDark(given), false);
    assert.equal(isDark({ ...given, systemIsDark: true }), true);
    assert.equal(isDark({ ...given, stored: "system", systemIsDark: true }), true);
  });

  test("a stored theme precedes the system, the URL precedes both, and paper is light", () => {
    assert.equal(isDark({ ...given, stored: "light", systemIsDark: true }), false);
    assert.equal(isDark({ ...given, stored: "light", parameter: "dark" }), true);
    assert.equal(isDark({ ...given, stored: "dark", parameter: "dark", isPrinting: true }), false);
  });

  test("unknown values are no themes", () => {
    assert.equal(parseTheme("dark"), "dark");
    for (const value of ["Dark", "", null, undefined, 1]) assert.equal(parseTheme(value), null);
  });
});

describe("explanations", () => {
  const window = { width: 400, height: 300 };
  const tip = { width: 200, height: 50 };
  const element = { left: 20, top: 100, bottom: 120, width: 40 };

  test("are below their element, or above it at the end of the window", () => {
    assert.deepEqual(placeTip(element, tip, window), { left: 20, top: 126 });
    assert.deepEqual(placeTip({ ...element, top: 270, bottom: 290 }, tip, window), { left: 20, top: 214 });
  });

  test("stay within the window", () => {
    assert.equal(placeTip({ ...element, left: 390 }, tip, window).left, 192);
    assert.equal(placeTip({ ...element, left: -50 }, tip, window).left, 8);
    assert.equal(placeTip({ ...element, top: 20, bottom: 280 }, tip, window).top, 286);
  });

  test("of a table follow each other by arrow keys", () => {
    const tips = [{ x: 1, y: 0 }, { x: 3, y: 0 }, { x: 3, y: 2 }, { x: 1, y: 5 }];
    const move = (/** @type {number} */ from, /** @type {string} */ key) => {
      const next = neighbour(tips, from, key);
      return next && tips.indexOf(next);
    };
    assert.equal(move(0, "ArrowRight"), 1);
    assert.equal(move(1, "ArrowLeft"), 0);
    assert.equal(move(0, "ArrowDown"), 3);
    assert.equal(move(1, "ArrowDown"), 2);
    assert.equal(move(3, "ArrowUp"), 0);
    assert.equal(move(3, "ArrowRight"), undefined);
    assert.equal(move(0, "ArrowUp"), undefined);
    assert.equal(move(0, "Enter"), undefined);
  });
});

describe("fields of a wall screen", () => {
  const hd = { width: 1880, height: 525, gap: 5.6, unit: 16 };

  test("fill the width and fit the height", () => {
    for (const count of [1, 2, 7, 19, 60, 120, 200]) {
      const { columns, rowHeight, shown } = fieldGrid(count, hd);
      assert.equal(shown, count);
      const rows = Math.ceil(count / columns);
      assert.ok(rows * rowHeight + (rows - 1) * hd.gap <= hd.height, `${count}: ${rows} × ${rowHeight}`);
      assert.ok(rowHeight >= 1.5 * hd.unit, `${count}: ${rowHeight}`);
    }
  });

  test("are as many at 4K as at 1080p", () => {
    for (const count of [5, 200, 1000]) {
      const large = fieldGrid(count, { width: 3760, height: 1050, gap: 11.2, unit: 32 });
      assert.equal(large.columns, fieldGrid(count, hd).columns);
      assert.equal(large.shown, fieldGrid(count, hd).shown);
    }
  });

  test("that have no space are not shown", () => {
    const { columns, shown } = fieldGrid(1000, hd);
    assert.ok(shown < 1000 && shown % columns === 0);
    assert.equal(fieldGrid(5, { width: 10, height: 10, gap: 8, unit: 16 }).columns, 1);
  });

  test("that are not shown are counted, with the failing ones", () => {
    assert.equal(restText(1_200, 1_001), "1,200 more, 1,001 of them failing");
    assert.equal(restText(3, 0), "3 more");
  });

  test("belong to kiosk mode by the URL, with or without data", () => {
    assert.deepEqual(["?wall=1&repo=gone%2Fx", "?wall=alerts"].map(isKiosk), [true, true]);
    assert.deepEqual(["", "?wall=0", "?wall=", "?repo=wall"].map(isKiosk), [false, false, false, false]);
  });

  test("views follow each other, without empty ones", () => {
    const views = [{ name: "overview", isEmpty: false }, { name: "failing", isEmpty: true }, { name: "alerts", isEmpty: false }];
    assert.equal(viewAt(views, 0, 99_000), "overview");
    assert.equal(viewAt(views, 30, 29_000), "overview");
    assert.equal(viewAt(views, 30, 31_000), "alerts");
    assert.equal(viewAt(views, 30, 61_000), "overview");
    assert.equal(viewAt(views.slice(1, 2), 30, 0), "failing");
    assert.equal(viewAt([], 30, 0), undefined);
  });

  test("the age of the data is in words", () => {
    assert.equal(updatedText(-3), "updated just now");
    assert.equal(updatedText(61), "updated 1 min ago");
    assert.equal(updatedText(7300), "updated 2 h ago");
    assert.equal(updatedText(200_000), "updated 2 d ago");
  });
});

test("only items that are new in a list are announced", () => {
  const before = new Set(["a", "b"]);
  assert.equal(newItems(before, new Set(["b", "a"])), "");
  assert.equal(newItems(before, new Set(["a"])), "");
  assert.equal(newItems(before, new Set(["a", "c"])), "Needs attention: c");
  assert.equal(newItems(before, new Set(["c", "d", "a"])), "2 more items need attention");
});
