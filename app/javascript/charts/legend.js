import { state } from "../navigation/state.js";
import { chartKey } from "./plot.js";

/** @import { Plot, Trace } from "./plot.js" */

/** @param {Trace} trace */
const entryOf = (trace) => trace.legendgroup || trace.name || "";

/**
 * The legend entries whose traces are hidden.
 * @param {Trace[]} traces
 */
export const hiddenEntries = (traces) => [
  ...new Set(traces.filter(({ visible }) => visible === "legendonly").map(entryOf)),
];

/**
 * The indices of the first trace of each entry that is hidden, or visible, against the saved choice.
 * @param {Trace[]} traces
 * @param {string[]} hidden
 */
export const entriesToToggle = (traces, hidden) => {
  const seen = new Set();
  return traces.flatMap((trace, index) => {
    const entry = entryOf(trace);
    if (seen.has(entry)) return [];
    seen.add(entry);
    return (trace.visible === "legendonly") !== hidden.includes(entry) ? [index] : [];
  });
};

/**
 * Plotly is not reachable, so an entry is toggled as a click does, without the time in which Plotly waits for a second
 * click.
 * @param {Plot} plot
 * @param {string[]} entries
 */
const toggle = (plot, entries) => {
  const delay = plot._context.doubleClickDelay;
  plot._context.doubleClickDelay = 0;
  for (const item of plot.querySelectorAll(".legend .traces")) {
    const label = item.querySelector(".legendtext")?.getAttribute("data-unformatted") ?? "";
    const target = item.querySelector(".legendtoggle");
    if (!target || !entries.includes(label)) continue;
    plot._legendMouseDownTime = 0;
    for (const type of ["mousedown", "mouseup"]) target.dispatchEvent(new MouseEvent(type, { bubbles: true }));
  }
  setTimeout(() => (plot._context.doubleClickDelay = delay), 50);
};

/**
 * The key of a chart's hidden entries: those of a workflow's chart apply to this workflow only.
 * @param {Plot} plot
 */
const legendKey = (plot) => `${chartKey(plot)} ${new URLSearchParams(location.search).get("id") ?? ""}`;

/**
 * Restores the hidden legend entries of a chart, which Streamlit draws anew with new data, and saves later changes.
 * @param {Plot} plot
 */
export const keepLegend = (plot) => {
  const saved = state.hiddenEntries[legendKey(plot)];
  if (saved?.length) {
    const traces = plot._fullData;
    toggle(
      plot,
      entriesToToggle(traces, saved).map((index) => traces[index].name ?? ""),
    );
  }
  plot.on("plotly_restyle", () => (state.hiddenEntries[legendKey(plot)] = hiddenEntries(plot._fullData)));
};
