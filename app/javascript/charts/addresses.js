/** @import { ChartMeta, Point, TraceMeta } from "./plot.js" */

/**
 * An address with further query parameters. An empty address returns the parameters, which are then an address.
 * @param {string} address
 * @param {(string | undefined)[]} queries
 */
export const joinAddress = (address, ...queries) => {
  const query = queries.filter(Boolean).join("&");
  if (!query || !address) return address || query;
  return `${address}${address.includes("?") ? "&" : "?"}${query}`;
};

/**
 * The address that a mark opens: its own, or the runs of its time bucket; null without one.
 * @param {ChartMeta | undefined} chart
 * @param {TraceMeta | undefined} trace
 * @param {{ x: unknown, customdata?: unknown }} mark
 */
export const markAddress = (chart, trace, mark) => {
  if (trace?.marks) {
    const own = Array.isArray(mark.customdata) ? mark.customdata[0] : mark.customdata;
    return typeof own === "string" && own ? joinAddress(chart?.address ?? "", own) : null;
  }
  if (!chart?.address || !chart.at || !chart.dates) return null;
  const bucket = chart.at.indexOf(String(mark.x));
  return bucket < 0 ? null : joinAddress(chart.address, trace?.query, `dates=${chart.dates[bucket]}`);
};

/**
 * The mark below the pointer. In a chart with one hover for all traces, an event has a point of each of them: of
 * stacked bars, the pointer is in the one with the lowest upper end above it; of lines, it is at the closest one.
 * @param {Point[]} points
 * @param {number} y vertical position of the pointer in the plot
 * @returns {Point | null} null above all bars
 */
export const pointAt = (points, y) => {
  const bars = points.filter(({ data }) => data.type === "bar" && data.orientation !== "h");
  if (points.length === 1 && bars.length === 0) return points[0];
  const distance = (/** @type {Point} */ point) => y - (point.yPixel ?? Infinity);
  if (bars.length === 0)
    return points.reduce((best, point) => (Math.abs(distance(point)) < Math.abs(distance(best)) ? point : best));
  const around = bars.filter((point) => Boolean(point.y) && distance(point) >= 0);
  return around.length ? around.reduce((best, point) => (distance(point) < distance(best) ? point : best)) : null;
};

/**
 * The address that a click in a chart opens.
 * @param {ChartMeta | undefined} chart
 * @param {Point[]} points
 * @param {number} y
 */
export const clickAddress = (chart, points, y) => {
  if (points.length === 0) return null;
  const point = pointAt(points, y);
  const { data, pointNumber, customdata } = point ?? points[0];
  const x = typeof pointNumber === "number" ? data.x?.[pointNumber] : undefined;
  return markAddress(chart, point ? data.meta : {}, { x, customdata });
};
