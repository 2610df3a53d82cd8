/** @typedef {{ column: string, descending: boolean }} SortOrder the column by its key */

/**
 * Compares numbers, or texts in lower case by their code units, as the server does (`sort_key` in app/widgets/columns.py).
 * @param {string} a
 * @param {string} b
 * @param {boolean} isNumeric
 */
export const compareValues = (a, b, isNumeric) => {
  if (isNumeric) return Number(a) - Number(b);
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  return Number(x > y) - Number(x < y);
};

/**
 * Sorts items by their values. Equal items keep their order; items without a value come last in either order.
 * @template Item
 * @param {Item[]} items
 * @param {(item: Item) => string} valueOf
 * @param {boolean} isNumeric
 * @param {boolean} descending
 * @returns {Item[]}
 */
export const sortByValue = (items, valueOf, isNumeric, descending) => {
  const valued = items.filter((item) => valueOf(item) !== "");
  const sign = descending ? -1 : 1;
  valued.sort((a, b) => sign * compareValues(valueOf(a), valueOf(b), isNumeric));
  return [...valued, ...items.filter((item) => valueOf(item) === "")];
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
