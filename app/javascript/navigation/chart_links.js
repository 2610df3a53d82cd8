import { hasModifier } from "./events.js";
import { isDashboardPage, navigate, openTab, pageUrl } from "./router.js";

/**
 * @typedef {object} PlotlyClick
 * @property {{ customdata?: unknown[] }[]} [points]
 * @property {MouseEvent} [event]
 * @typedef {HTMLElement & { on?: (type: "plotly_click", listener: (event: PlotlyClick) => void) => void }} Plot
 */

/** @param {PlotlyClick} event */
const onClick = (event) => {
  const address = event.points?.[0]?.customdata?.[0];
  const url = typeof address === "string" ? pageUrl(address) : null;
  if (!url || !isDashboardPage(url)) return;
  if (event.event && hasModifier(event.event)) openTab(url.href);
  else navigate(url);
};

/**
 * Makes the points of a chart links: the first item of a point's `customdata` is the address of a page.
 * @param {Plot} plot
 */
export const linkPoints = (plot) => {
  if (plot.dataset.opens || !plot.on) return;
  plot.dataset.opens = "yes";
  plot.on("plotly_click", onClick);
};
