/** @typedef {{ column: string, descending: boolean }} SortOrder the column by its key */

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
 * Sorts items by their values. Equal items keep their order; items without a value come last in either order.
 * @template Item
 * @param {Item[]} items
 * @param {(item: Item) => string} valueOf
 * @param {boolean} descending
 * @returns {Item[]}
 */
export const sortByValue = (items, valueOf, descending) => {
  const known = items.filter((item) => valueOf(item) !== "");
  const sign = descending ? -1 : 1;
  known.sort((a, b) => sign * compareValues(valueOf(a), valueOf(b)));
  return [...known, ...items.filter((item) => valueOf(item) === "")];
};

/**
 * The order after a click on a column's head: numbers from the largest and text from A, then the reverse, then the
 * table's own order, which is null.
 * @param {SortOrder | null} current
 * @param {string} column
 * @param {boolean} isNumeric
 * @returns {SortOrder | null}
 */
export const nextSortOrder = (current, column, isNumeric) => {
  if (current?.column !== column) return { column, descending: isNumeric };
  return current.descending === isNumeric ? { column, descending: !isNumeric } : null;
};

/**
 * @param {string} text such as `runs`, or `-runs` for descending
 * @returns {SortOrder | null}
 */
export const parseSortOrder = (text) =>
  text.replace("-", "") ? { column: text.replace(/^-/, ""), descending: text.startsWith("-") } : null;

/** @param {SortOrder | null} order */
export const formatSortOrder = (order) => (order ? (order.descending ? "-" : "") + order.column : "");
