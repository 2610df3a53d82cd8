import { hasModifier } from "../navigation/events.js";
import { openAddress } from "../navigation/router.js";
import { state } from "../navigation/state.js";
import { clickAddress } from "./addresses.js";
import { hideCrosshair, showCrosshair } from "./crosshair.js";

/** @import { Plot, Point } from "./plot.js" */

/** Time in which a second click makes the first one half of a double click. */
const DOUBLE_CLICK_MS = 280;

/**
 * @param {Plot} plot
 * @param {MouseEvent | undefined} event
 */
const pointerY = (plot, event) => (event?.clientY ?? 0) - plot.getBoundingClientRect().top;

/**
 * Makes the marks of a chart links.
 * @param {Plot} plot
 */
export const linkMarks = (plot) => {
  const addressAt = (/** @type {Point[] | undefined} */ points, /** @type {MouseEvent | undefined} */ event) =>
    clickAddress(plot.layout?.meta, points ?? [], pointerY(plot, event));
  plot.on("plotly_click", ({ points, event }) => {
    // The second click of a double click resets the period.
    const address = event && event.detail > 1 ? null : addressAt(points, event);
    if (address) openMark(address, event, isResettable(plot));
  });
  plot.on("plotly_clickannotation", ({ index, event }) => {
    const address = plot.layout?.meta?.markers?.[index];
    if (address) openMark(address, event, false);
  });
  plot.on("plotly_hover", ({ points, event }) => {
    plot.classList.toggle("ph-mark", Boolean(addressAt(points, event)));
    showCrosshair(plot, points?.[0]);
  });
  plot.on("plotly_unhover", () => {
    plot.classList.remove("ph-mark");
    hideCrosshair();
  });
};

/**
 * Whether a double click in the chart does something: a period was selected.
 * @param {Plot} plot
 */
const isResettable = (plot) => Boolean(plot.layout?.meta?.at) && new URLSearchParams(location.search).has("dates");

/**
 * @param {string} address
 * @param {MouseEvent | undefined} event
 * @param {boolean} waits whether a second click may follow, which resets the period instead
 */
const openMark = (address, event, waits) => {
  const newTab = Boolean(event && hasModifier(event));
  if (newTab || !waits) return openAddress(address, newTab);
  clearTimeout(state.clickTimer);
  state.clickTimer = setTimeout(() => openAddress(address, false), DOUBLE_CLICK_MS);
};
