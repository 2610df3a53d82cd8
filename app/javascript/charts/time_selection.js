import { closestTarget, hasModifier } from "../navigation/events.js";
import { navigate } from "../navigation/router.js";
import { state } from "../navigation/state.js";
import { hideCrosshair } from "./crosshair.js";
import { datesBetween, withDates } from "./periods.js";
import { timeMeta } from "./plot.js";

/** @import { Axis, Plot } from "./plot.js" */

/** A shorter movement is a click. */
const MIN_DRAG_PX = 9;
const PLOT_AREA = ".js-plotly-plot .nsewdrag";
const MAX_PERIODS = 20;

/**
 * @typedef {object} Drag
 * @property {Plot} plot
 * @property {Axis} axis
 * @property {number} left position of the plot in the window
 * @property {number} from position of the pointer in the plot
 * @property {HTMLElement | null} band
 */

/** @type {Drag | null} */
let drag = null;

/**
 * @param {Drag} current
 * @param {number} clientX
 */
const pointerX = ({ axis, left }, clientX) =>
  Math.min(Math.max(clientX - left, axis._offset), axis._offset + axis._length);

const endDrag = () => {
  drag?.band?.remove();
  drag = null;
};

/** @param {string} dates */
const selectDates = (dates) => {
  const url = new URL(location.href);
  url.search = withDates(url.search, dates);
  navigate(url);
};

/** Goes back to the dates before the last drag on this page, or to the period. */
const resetDates = () => {
  clearTimeout(state.clickTimer);
  const current = new URLSearchParams(location.search).get("dates");
  if (!current) return;
  const before = state.replacedDates.at(-1);
  if (before?.page === location.pathname && before.selected === current) {
    state.replacedDates.pop();
    selectDates(before.dates);
  } else selectDates("");
};

/** @param {MouseEvent} event */
const onMouseDown = (event) => {
  endDrag();
  const plot = /** @type {Plot | null} */ (closestTarget(event, PLOT_AREA)?.closest(".js-plotly-plot") ?? null);
  const axis = plot?._fullLayout?.xaxis;
  if (!plot || !axis || hasModifier(event) || !timeMeta(plot)) return;
  if (event.detail === 2) return resetDates();
  const { left } = plot.getBoundingClientRect();
  drag = { plot, axis, left, from: event.clientX - left, band: null };
};

/** @param {MouseEvent} event */
const onMouseMove = (event) => {
  if (!drag) return;
  if (!(event.buttons & 1) || !drag.plot.isConnected) return endDrag();
  const to = pointerX(drag, event.clientX);
  const width = Math.abs(to - drag.from);
  if (!drag.band) {
    if (width < MIN_DRAG_PX) return;
    drag.band = Object.assign(document.createElement("div"), { className: "ph-band" });
    const { yaxis } = drag.plot._fullLayout;
    Object.assign(drag.band.style, { top: `${yaxis?._offset ?? 0}px`, height: `${yaxis?._length ?? 0}px` });
    drag.plot.append(drag.band);
    // Without a drag mode of its own, Plotly would take the end of the drag for a click.
    drag.plot._dragged = true;
    hideCrosshair();
  }
  Object.assign(drag.band.style, { left: `${Math.min(to, drag.from)}px`, width: `${width}px` });
  event.preventDefault();
};

/** @param {MouseEvent} event */
const onMouseUp = (event) => {
  if (!drag) return;
  const { plot, axis, from, band } = drag;
  const to = pointerX(drag, event.clientX);
  const chart = timeMeta(plot);
  endDrag();
  if (!band || !chart) return;
  const places = chart.at.map((at) => axis.d2p(at) + axis._offset);
  const selected = datesBetween(chart, places, from, to);
  const dates = new URLSearchParams(location.search).get("dates") ?? "";
  if (selected === dates) return;
  state.replacedDates.push({ page: location.pathname, dates, selected });
  state.replacedDates.splice(0, state.replacedDates.length - MAX_PERIODS);
  selectDates(selected);
};

/**
 * A drag along a time axis with the mouse selects the period, a double click goes back. Fingers scroll the page. During
 * a drag Plotly covers the page, so the listeners are those of the document.
 */
export const installTimeSelection = () => {
  document.addEventListener("mousedown", onMouseDown, true);
  document.addEventListener("mousemove", onMouseMove, true);
  document.addEventListener("mouseup", onMouseUp, true);
  document.addEventListener("keydown", (event) => event.key === "Escape" && endDrag(), true);
};
