/**
 * The heads of a table's columns.
 * @param {HTMLTableElement} table
 */
export const headsOf = (table) => [...(table.tHead?.rows[0].cells ?? [])];

/**
 * The tables of the panel that contains an element; empty for a panel without one.
 * @param {HTMLElement} element
 * @returns {HTMLTableElement[]}
 */
export const tablesOfPanel = (element) => {
  for (let node = element.parentElement; node; node = node.parentElement) {
    if (node.querySelectorAll(".ph-panel").length > 1) return [];
    const tables = [...node.querySelectorAll("table.ph-table")].filter((table) => table instanceof HTMLTableElement);
    if (tables.length) return tables;
  }
  return [];
};
