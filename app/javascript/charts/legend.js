import { replaceSearch } from "../navigation/router.js";
import { namedValues, withNamedValues } from "../navigation/url_state.js";
import { entriesToToggle, entryOf, hiddenEntries } from "./legend_entries.js";
import { chartKey } from "./plot.js";

/** @import { Plot } from "./plot.js" */

const PARAMETER = "hidden";
const VIEW_PARAMETER = "saved";

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
 * Hides the legend entries that the URL names, also when Streamlit draws the chart anew with new data, and writes later
 * changes to the URL. Entries that the chart does not have now stay in the URL.
 * @param {Plot} plot
 */
export const keepLegend = (plot) => {
  const key = chartKey(plot);
  const hidden = namedValues(location.search, PARAMETER, key);
  if (hidden.length) {
    const traces = plot._fullData;
    toggle(
      plot,
      entriesToToggle(traces, hidden).map((index) => traces[index].name ?? ""),
    );
  }
  plot.on("plotly_restyle", () => {
    const entries = new Set(plot._fullData.map(entryOf));
    const absent = namedValues(location.search, PARAMETER, key).filter((entry) => !entries.has(entry));
    const search = withNamedValues(location.search, PARAMETER, key, [...hiddenEntries(plot._fullData), ...absent]);
    // The server compares the URL with the saved view.
    replaceSearch(search, { rerun: Boolean(new URLSearchParams(search).get(VIEW_PARAMETER)) });
  });
};
