import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { clickAddress, joinAddress, markAddress, pointAt } from "../charts/addresses.js";
import { axisMilliseconds, axisPosition } from "../charts/crosshair.js";
import { fileName } from "../charts/image.js";
import { entriesToToggle, hiddenEntries } from "../charts/legend_entries.js";
import { bucketAt, datesBetween, joinDates, withDates } from "../charts/periods.js";
import { hoverText, markRows, plainText } from "../charts/rows.js";

const DAYS = ["2026-11-01T00:00:00", "2026-11-02T00:00:00", "2026-11-03T00:00:00"];
const CHART = {
  address: "runs?repo=acme%2Fapi",
  at: DAYS,
  dates: ["2026-11-01T10:19..2026-11-02T00:00", "2026-11-02..2026-11-02", "2026-11-03..2026-11-03"],
};

describe("addresses of marks", () => {
  test("a mark of a bucket opens its runs with the query of its trace", () => {
    assert.equal(
      markAddress(CHART, { query: "conclusion=failure" }, { x: DAYS[1] }),
      "runs?repo=acme%2Fapi&conclusion=failure&dates=2026-11-02..2026-11-02",
    );
    assert.equal(markAddress(CHART, undefined, { x: DAYS[2] }), "runs?repo=acme%2Fapi&dates=2026-11-03..2026-11-03");
    assert.equal(markAddress(CHART, {}, { x: "2026-12-24T00:00:00" }), null);
    assert.equal(markAddress(undefined, {}, { x: DAYS[0] }), null);
  });

  test("a mark with an address or a query of its own", () => {
    assert.equal(markAddress(undefined, { marks: true }, { x: 1, customdata: ["run?run_id=1", "x"] }), "run?run_id=1");
    assert.equal(markAddress({ address: "runs" }, { marks: true }, { x: 1, customdata: "hours=14" }), "runs?hours=14");
    assert.equal(markAddress(CHART, { marks: true }, { x: DAYS[0], customdata: "" }), null);
    assert.equal(joinAddress("", "#job-5"), "#job-5");
  });

  /** @param {string} query @param {number | null} y @param {number} yPixel */
  const bar = (query, y, yPixel) => ({
    data: { type: "bar", x: DAYS, meta: { query } },
    pointNumber: 1,
    y,
    yPixel,
  });
  const STACK = [bar("success", 9, 60), bar("failure", 1, 40), bar("cancelled", 0, 40)];

  test("of stacked bars the one below the pointer, above them all runs of the bucket", () => {
    assert.equal(pointAt(STACK, 100)?.data.meta?.query, "success");
    assert.equal(pointAt(STACK, 50)?.data.meta?.query, "failure");
    assert.equal(pointAt(STACK, 10), null);
    assert.equal(clickAddress(CHART, STACK, 10), "runs?repo=acme%2Fapi&dates=2026-11-02..2026-11-02");
    assert.equal(clickAddress(CHART, [], 10), null);
  });

  test("of lines the closest one", () => {
    const lines = [10, 90].map((yPixel) => ({ data: { type: "scatter", x: DAYS }, pointNumber: 0, yPixel }));
    assert.equal(pointAt(lines, 70), lines[1]);
    assert.equal(pointAt(lines, 20), lines[0]);
  });
});

describe("periods of drags", () => {
  test("a centred bucket is the closest one, another one is that which began before", () => {
    const places = [10, 20, 30];
    assert.deepEqual([0, 14, 16, 99].map((place) => bucketAt(places, place, true)), [0, 0, 1, 2]);
    assert.deepEqual([0, 14, 16, 99].map((place) => bucketAt(places, place, false)), [0, 0, 0, 2]);
  });

  test("days stay days, and become times beside a time", () => {
    assert.equal(joinDates("2026-11-02..2026-11-02", "2026-11-05..2026-11-05"), "2026-11-02..2026-11-05");
    assert.equal(
      joinDates("2026-11-01T10:19..2026-11-02T00:00", "2026-11-30..2026-11-30"),
      "2026-11-01T10:19..2026-12-01T00:00",
    );
  });

  test("a drag may go either way", () => {
    const chart = { ...CHART, centred: true };
    assert.equal(datesBetween(chart, [10, 20, 30], 31, 19), "2026-11-02..2026-11-03");
    assert.equal(datesBetween(chart, [10, 20, 30], 0, 19), "2026-11-01T10:19..2026-11-03T00:00");
  });

  test("the address keeps everything else", () => {
    assert.equal(withDates("?repo=a%2Fb&dates=x", "2026-11-02..2026-11-03"), "repo=a%2Fb&dates=2026-11-02..2026-11-03");
    assert.equal(withDates("?repo=a%2Fb&dates=x", ""), "repo=a%2Fb");
  });
});

describe("legend", () => {
  const traces = /** @type {import("../charts/plot.js").Trace[]} */ ([
    { name: "Success", legendgroup: "Success", visible: true },
    { name: "Success", legendgroup: "Success", visible: true },
    { name: "Failed", legendgroup: "Failed", visible: "legendonly" },
    { name: "so far" },
  ]);

  test("hidden entries are saved once and restored by the first trace of their group", () => {
    assert.deepEqual(hiddenEntries(traces), ["Failed"]);
    assert.deepEqual(entriesToToggle(traces, ["Success"]), [0, 2]);
    assert.deepEqual(entriesToToggle(traces, ["Failed", "Gone"]), []);
  });
});

describe("crosshair", () => {
  test("an axis is in UTC or in the zone of the browser", () => {
    const moment = axisMilliseconds("2026-07-01T12:00:00", "UTC");
    assert.equal(moment, Date.UTC(2026, 6, 1, 12));
    assert.equal(axisPosition(moment, "UTC"), "2026-07-01T12:00:00");
    const local = axisMilliseconds("2026-07-01T12:00:00", "Europe/Berlin");
    assert.equal(axisPosition(local, "Europe/Berlin"), "2026-07-01T12:00:00");
  });
});

describe("marks as a table", () => {
  test("labels become plain text", () => {
    assert.equal(plainText("&lt;b&gt;x&lt;/b&gt; &amp;amp;\u200b\u200c"), "<b>x</b> &amp;");
    assert.equal(plainText("<b>3</b><br>runs"), "3  runs");
  });

  test("hovers contain the values of the mark", () => {
    assert.equal(hoverText("%{customdata[0]} of %{customdata[1]} runs<extra></extra>", { customdata: ["90%", 1200] }),
      "90% of 1,200 runs");
    assert.equal(hoverText("%{y:,} failed%{text}<extra></extra>", { y: 3, text: " · so far" }), "3 failed · so far");
  });

  test("rows are the visible marks with a value, the latest first, with their links", () => {
    const rows = markRows(
      [
        { type: "bar", name: "Failed", x: DAYS, y: [0, 2, 1], meta: { query: "conclusion=failure" }, hovertemplate: "%{y}" },
        { type: "bar", name: "Hidden", x: DAYS, y: [1, 1, 1], visible: "legendonly" },
        { type: "scatter", x: DAYS, y: [null, null, 3], hoverinfo: "skip" },
      ],
      CHART,
    );
    assert.deepEqual(rows.map(({ where, text }) => [where, text]), [["2026-11-03", "1"], ["2026-11-02", "2"]]);
    assert.equal(rows[0].address, "runs?repo=acme%2Fapi&conclusion=failure&dates=2026-11-03..2026-11-03");
  });

  test("cells of a heat map without a value are omitted", () => {
    const trace = { type: "heatmap", x: [0, 1], y: ["Mon"], z: [[null, 0.5]], text: [["", "50%"]],
      customdata: [["", "hours=Mon-01"]], hovertemplate: "%{text}<extra></extra>", meta: { marks: true } };
    assert.deepEqual(markRows([trace], { address: "runs" }), [
      { where: "01:00", name: "Mon", text: "50%", address: "runs?hours=Mon-01" },
    ]);
  });

  test("a file is named after its chart", () => {
    assert.equal(fileName("Median and 95th percentile"), "median-and-95th-percentile");
    assert.equal(fileName("…"), "chart");
  });
});
