/**
 * The parts of Plotly's elements that the dashboard uses. Streamlit's bundle does not export Plotly itself, and draws a
 * chart into a new element whenever its data changes.
 *
 * @typedef {object} ChartMeta the links of a chart, written by app/charts/links.py
 * @property {string} [address] the page to which a mark adds its query
 * @property {string[]} [at] positions of the time buckets on the axis
 * @property {string[]} [dates] the value of `dates` that selects each bucket
 * @property {boolean} [centred] whether a mark is around the start of its bucket instead of after it
 * @property {string[]} [markers] the address of each change marker
 * @property {string} [zone] the time zone of the axis
 *
 * @typedef {object} TraceMeta
 * @property {string} [query] what the marks of the trace add to the address
 * @property {boolean} [marks] whether the first value of a mark's `customdata` is its own query or address
 *
 * @typedef {object} Trace
 * @property {string} [type]
 * @property {string} [name]
 * @property {string} [orientation]
 * @property {unknown[]} [x]
 * @property {unknown[]} [y]
 * @property {unknown[]} [z]
 * @property {unknown[]} [customdata]
 * @property {unknown[]} [text]
 * @property {string} [hovertemplate]
 * @property {string} [hoverinfo]
 * @property {string} [legendgroup]
 * @property {boolean | "legendonly"} [visible]
 * @property {TraceMeta} [meta]
 *
 * @typedef {object} Point a mark in an event
 * @property {Trace} data
 * @property {number | number[]} pointNumber
 * @property {unknown} [customdata]
 * @property {unknown} [y]
 * @property {number} [yPixel] its vertical position in the plot; of a bar the position of its upper end
 *
 * @typedef {object} Axis
 * @property {string} type
 * @property {number} _offset
 * @property {number} _length
 * @property {(value: unknown) => number} d2p
 *
 * @typedef {object} FullLayout
 * @property {Axis} [xaxis]
 * @property {Axis} [yaxis]
 * @property {boolean} [showlegend]
 * @property {{ t: number }} _size the margins with the room for the legend
 * @property {{ buttons: { name: string, click: (plot: Plot) => void }[][] }} [_modeBar]
 *
 * @typedef {object} PlotEvents
 * @property {{ points?: Point[], event?: MouseEvent }} plotly_click
 * @property {{ points?: Point[], event?: MouseEvent }} plotly_hover
 * @property {undefined} plotly_unhover
 * @property {{ index: number, event?: MouseEvent }} plotly_clickannotation
 * @property {{ curveNumber: number }} plotly_legendclick
 * @property {{ curveNumber: number }} plotly_legenddoubleclick
 * @property {undefined} plotly_restyle
 *
 * @typedef {object} PlotParts
 * @property {<Type extends keyof PlotEvents>(type: Type, listener: (event: PlotEvents[Type]) => void) => void} on
 * @property {Trace[]} data
 * @property {{ meta?: ChartMeta } & Record<string, unknown>} layout
 * @property {Trace[]} _fullData
 * @property {FullLayout} _fullLayout
 * @property {{ doubleClickDelay: number, toImageButtonOptions: Record<string, unknown> }} _context
 * @property {number} _legendMouseDownTime
 * @property {boolean} _dragged
 * @typedef {HTMLElement & PlotParts} Plot
 */

const PLOTS = "[class*=st-key-chart-] .js-plotly-plot";

/** The drawn charts of the page. */
export const drawnPlots = () =>
  [.../** @type {NodeListOf<Plot>} */ (document.querySelectorAll(PLOTS))].filter((plot) => plot._fullLayout && plot.on);

/**
 * Whether all of a chart is drawn, with its legend.
 * @param {Plot} plot
 */
export const isComplete = (plot) =>
  Boolean(plot.querySelector(".main-svg")) && (!plot._fullLayout.showlegend || Boolean(plot.querySelector(".legend .traces")));

/**
 * The key of a chart, the same for its elements before and after new data.
 * @param {HTMLElement} plot
 */
export const chartKey = (plot) => {
  const names = [...(plot.closest("[class*=st-key-chart-]")?.classList ?? [])];
  return names.find((name) => name.startsWith("st-key-chart-"))?.slice("st-key-chart-".length) ?? "";
};

/** @param {HTMLElement} plot */
export const chartTitle = (plot) => plot.closest("[role=figure]")?.getAttribute("aria-label") ?? "Chart";

/**
 * The links of a chart with a time axis; null for other charts.
 * @param {Plot} plot
 * @returns {(ChartMeta & { at: string[], dates: string[] }) | null}
 */
export const timeMeta = (plot) => {
  const meta = plot.layout?.meta;
  if (!meta?.at?.length || !meta.dates || plot._fullLayout.xaxis?.type !== "date") return null;
  return { ...meta, at: meta.at, dates: meta.dates };
};
