import { chartTitle } from "./plot.js";

/** @import { Plot } from "./plot.js" */

const TITLE_HEIGHT = 34;

/** @param {string} title */
export const fileName = (title) => title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "chart";

/**
 * Saves a chart as a file, with its title and the background of the page. Streamlit's bundle does not export Plotly, so
 * this is the button of Plotly's mode bar, which the dashboard hides. Plotly copies the figure before the button's
 * function returns, so the plot on the page is not changed.
 * @param {Plot} plot
 * @param {"png" | "svg"} format
 */
export const saveImage = (plot, format) => {
  const button = plot._fullLayout._modeBar?.buttons.flat().find(({ name }) => name === "toImage");
  const app = document.querySelector(".stApp");
  if (!button || !app) return;
  const { layout } = plot;
  const margin = /** @type {Record<string, number>} */ (layout.margin ?? {});
  const [width, height] = [plot.clientWidth, plot.clientHeight + TITLE_HEIGHT];
  const background = getComputedStyle(app).backgroundColor;
  plot._context.toImageButtonOptions = { format, width, height, scale: 2, filename: fileName(chartTitle(plot)) };
  plot.layout = {
    ...layout,
    height,
    paper_bgcolor: background,
    plot_bgcolor: background,
    margin: { ...margin, t: plot._fullLayout._size.t + TITLE_HEIGHT, l: Math.max(margin.l ?? 0, 12), r: 16, b: Math.max(margin.b ?? 0, 12) },
    title: { text: chartTitle(plot), x: 0, xref: "paper", xanchor: "left", y: 1, yref: "container", yanchor: "top", pad: { t: 12 }, font: { size: 15 } },
  };
  try {
    button.click(plot);
  } finally {
    plot.layout = layout;
  }
};
