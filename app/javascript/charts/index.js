import { keepLegend } from "./legend.js";
import { linkMarks } from "./marks.js";
import { drawnPlots, isComplete } from "./plot.js";
import { addTools } from "./tools.js";

export { installTimeSelection } from "./time_selection.js";

/** Prepares the charts that Streamlit has drawn since the last call. */
export const prepareCharts = () => {
  for (const plot of drawnPlots()) {
    if (plot.dataset.prepared || !isComplete(plot)) continue;
    plot.dataset.prepared = "yes";
    linkMarks(plot);
    if (plot.data.length === 0) continue;
    keepLegend(plot);
    addTools(plot);
  }
};
