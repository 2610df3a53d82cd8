import { markAddress } from "./addresses.js";

/** @import { ChartMeta, Trace } from "./plot.js" */

/**
 * A mark as a row of a table.
 *
 * @typedef {object} MarkRow
 * @property {string} where its time bucket, or its position on the other axis
 * @property {string} name of its trace
 * @property {string} text of its hover
 * @property {string | null} address
 */

/** What Python's html.escape has written. */
const ENTITIES = /** @type {Record<string, string>} */ ({ "&lt;": "<", "&gt;": ">", "&amp;": "&" });

/**
 * The text of a label that Plotly reads as HTML.
 * @param {string} label
 */
export const plainText = (label) =>
  label.replace(/<[^>]*>/g, " ").replace(/&(?:lt|gt|amp);/g, (entity) => ENTITIES[entity]).replace(/[\u200b\u200c]/g, "").trim();

/** @param {unknown} value */
const asText = (value) => (typeof value === "number" ? value.toLocaleString("en") : String(value ?? ""));

/**
 * The hover of a mark. Only the values that the dashboard's templates contain are replaced.
 * @param {string | undefined} template
 * @param {{ y?: unknown, text?: unknown, customdata?: unknown }} mark
 */
export const hoverText = (template, { y, text, customdata }) =>
  plainText(
    (template ?? "%{y}").replace(/<extra>.*?<\/extra>/s, "").replace(/%\{(\w+)(?:\[(\d)\])?(?::[^}]*)?\}/g, (_, name, index) => {
      const value = name === "customdata" ? customdata : name === "text" ? text : name === "y" ? y : "";
      return asText(index !== undefined && Array.isArray(value) ? value[Number(index)] : value);
    }),
  );

/**
 * @param {unknown[] | undefined} values
 * @param {number} row
 * @param {number} column
 */
const cell = (values, row, column) => /** @type {unknown[][] | undefined} */ (values)?.[row]?.[column];

/**
 * @param {Trace} trace
 * @param {ChartMeta | undefined} chart
 * @returns {MarkRow[]}
 */
const heatMapRows = (trace, chart) =>
  (trace.y ?? []).flatMap((name, row) =>
    (trace.x ?? []).flatMap((hour, column) => {
      const [value, customdata] = [cell(trace.z, row, column), cell(trace.customdata, row, column)];
      if (value === null || value === undefined) return [];
      const text = hoverText(trace.hovertemplate, { text: cell(trace.text, row, column), customdata });
      const address = markAddress(chart, trace.meta, { x: hour, customdata });
      return [{ where: `${String(hour).padStart(2, "0")}:00`, name: plainText(String(name)), text, address }];
    }),
  );

/**
 * The marks of a chart as rows, the latest first. Points without a value and hidden traces are omitted.
 * @param {Trace[]} traces
 * @param {ChartMeta | undefined} chart
 * @returns {MarkRow[]}
 */
export const markRows = (traces, chart) => {
  const rows = traces.flatMap((trace) => {
    if (trace.type === "heatmap") return heatMapRows(trace, chart);
    if (trace.hoverinfo === "skip" || trace.visible === "legendonly") return [];
    const isHorizontal = trace.orientation === "h";
    return (trace.x ?? []).flatMap((x, index) => {
      const [y, customdata] = [trace.y?.[index], trace.customdata?.[index]];
      if (y === null || y === undefined || (trace.type === "bar" && (isHorizontal ? x : y) === 0)) return [];
      const text = hoverText(trace.hovertemplate, { y, text: trace.text?.[index], customdata });
      const where = isHorizontal ? plainText(String(y)) : String(x).replace("T", " ").slice(0, 16);
      return [{ where, name: trace.name ?? "", text, address: markAddress(chart, trace.meta, { x, customdata }) }];
    });
  });
  if (!chart?.at) return rows;
  const isDaily = rows.every(({ where }) => where.endsWith(" 00:00"));
  const shown = isDaily ? rows.map((row) => ({ ...row, where: row.where.slice(0, 10) })) : rows;
  return shown.sort((a, b) => b.where.localeCompare(a.where));
};

/**
 * The heads of the table's columns.
 * @param {Trace[]} traces
 */
export const columnLabels = (traces) => {
  if (traces.some(({ type }) => type === "heatmap")) return ["Hour", "Row", "Value"];
  return [traces.some(({ orientation }) => orientation === "h") ? "Job" : "Time", "Series", "Value"];
};
