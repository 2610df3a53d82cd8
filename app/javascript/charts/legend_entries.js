/** @import { Trace } from "./plot.js" */

/** @param {Trace} trace */
export const entryOf = (trace) => trace.legendgroup || trace.name || "";

/**
 * The legend entries whose traces are hidden.
 * @param {Trace[]} traces
 */
export const hiddenEntries = (traces) => [
  ...new Set(traces.filter(({ visible }) => visible === "legendonly").map(entryOf)),
];

/**
 * The indices of the first trace of each entry that is hidden, or visible, against the saved choice.
 * @param {Trace[]} traces
 * @param {string[]} hidden
 */
export const entriesToToggle = (traces, hidden) => {
  const seen = new Set();
  return traces.flatMap((trace, index) => {
    const entry = entryOf(trace);
    if (seen.has(entry)) return [];
    seen.add(entry);
    return (trace.visible === "legendonly") !== hidden.includes(entry) ? [index] : [];
  });
};
