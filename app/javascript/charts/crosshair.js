import { drawnPlots } from "./plot.js";

/** @import { Plot, Point } from "./plot.js" */

/** @type {number | null} */
let frame = null;

/**
 * A position on an axis as milliseconds since 1970. Axes have no time zone: theirs is UTC or that of the browser.
 * @param {string} at
 * @param {string | undefined} zone
 */
export const axisMilliseconds = (at, zone) => Date.parse(zone === "UTC" ? `${at}Z` : at);

/**
 * The position of a moment on an axis.
 * @param {number} moment
 * @param {string | undefined} zone
 */
export const axisPosition = (moment, zone) => {
  const local = zone === "UTC" ? 0 : new Date(moment).getTimezoneOffset() * 60_000;
  return new Date(moment - local).toISOString().slice(0, 19);
};

/** @param {Plot} plot */
const lineOf = (plot) => {
  const line = plot.querySelector(".ph-crosshair");
  if (line instanceof HTMLElement) return line;
  const added = Object.assign(document.createElement("div"), { className: "ph-crosshair" });
  plot.append(added);
  return added;
};

/**
 * Draws a line at the time of a point in all other time charts of the page.
 * @param {Plot} source
 * @param {Point | undefined} point
 */
export const showCrosshair = (source, point) => {
  const at = typeof point?.pointNumber === "number" ? point.data.x?.[point.pointNumber] : undefined;
  if (typeof at !== "string" || source._fullLayout.xaxis?.type !== "date") return hideCrosshair();
  const moment = axisMilliseconds(at, source.layout?.meta?.zone);
  if (frame !== null) cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => {
    frame = null;
    for (const plot of drawnPlots()) {
      const { xaxis, yaxis } = plot._fullLayout;
      if (plot === source || xaxis?.type !== "date" || !yaxis || Number.isNaN(moment)) continue;
      const place = xaxis.d2p(axisPosition(moment, plot.layout?.meta?.zone));
      const line = lineOf(plot);
      line.hidden = !(place >= 0 && place <= xaxis._length);
      Object.assign(line.style, {
        top: `${yaxis._offset}px`,
        height: `${yaxis._length}px`,
        transform: `translateX(${xaxis._offset + place}px)`,
      });
    }
  });
};

export const hideCrosshair = () => {
  if (frame !== null) cancelAnimationFrame(frame);
  frame = null;
  for (const line of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".ph-crosshair")))
    line.hidden = true;
};
