import { closestTarget } from "./events.js";
import { state } from "./state.js";

/** @typedef {{ column: number, descending: boolean }} SortOrder */

/**
 * Compares numbers as numbers and everything else as text.
 * @param {string} a
 * @param {string} b
 */
export const compareValues = (a, b) => {
  if (a === "" || b === "") return Number(a === "") - Number(b === "");
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
};

/**
 * Sorts items by their values; items without a value come last in either order.
 * @template Item
 * @param {Item[]} items
 * @param {(item: Item) => string} valueOf
 * @param {boolean} descending
 * @returns {Item[]}
 */
export const sortByValue = (items, valueOf, descending) => {
  const known = items.filter((item) => valueOf(item) !== "");
  known.sort((a, b) => compareValues(valueOf(a), valueOf(b)));
  if (descending) known.reverse();
  return [...known, ...items.filter((item) => valueOf(item) === "")];
};

/**
 * The order after a click on a column's head: the reverse of the current order of that column, else numbers from the
 * largest and text from A.
 * @param {SortOrder | undefined} current
 * @param {number} column
 * @param {boolean} isNumeric
 * @returns {SortOrder}
 */
export const nextSortOrder = (current, column, isNumeric) => ({
  column,
  descending: current?.column === column ? !current.descending : isNumeric,
});

/**
 * @param {HTMLTableRowElement} row
 * @param {number} column
 */
const cellValue = (row, column) => row.cells[column]?.dataset.value ?? "";

/**
 * Sorts a table in its chosen order, unless it is sorted already: Streamlit may have rendered its rows again.
 * @param {HTMLTableElement} table
 */
export const applySortOrder = (table) => {
  const order = state.sortOrders[table.dataset.table ?? ""];
  if (!order) return;
  const mark = `${order.column} ${order.descending}`;
  if (table.dataset.sorted === mark) return;
  table.dataset.sorted = mark;
  const body = table.tBodies[0];
  body.append(...sortByValue([...body.rows], (row) => cellValue(row, order.column), order.descending));
  [...(table.tHead?.rows[0].cells ?? [])].forEach((head, column) => {
    const direction = order.descending ? "descending" : "ascending";
    head.setAttribute("aria-sort", column === order.column ? direction : "none");
  });
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  const head = closestTarget(event, "table.ph-table th");
  const table = head?.closest("table");
  if (!(head instanceof HTMLTableCellElement) || !table || !closestTarget(event, "button")) return;
  const name = table.dataset.table ?? "";
  const isNumeric = [...table.tBodies[0].rows].some((row) => {
    const value = cellValue(row, head.cellIndex);
    return value !== "" && !Number.isNaN(Number(value));
  });
  state.sortOrders[name] = nextSortOrder(state.sortOrders[name], head.cellIndex, isNumeric);
  applySortOrder(table);
};

export const installTableSort = () => document.addEventListener("click", onClick);
