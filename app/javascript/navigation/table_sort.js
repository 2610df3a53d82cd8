import { closestTarget } from "./events.js";
import { replaceSearch } from "./router.js";
import { formatSortOrder, nextSortOrder, parseSortOrder, sortByValue } from "./sort_order.js";
import { state } from "./state.js";
import { headsOf } from "./tables.js";
import { tableValue, withTableValue } from "./url_state.js";

/**
 * @param {HTMLTableRowElement} row
 * @param {number} column
 */
const cellValue = (row, column) => row.cells[column]?.dataset.value ?? "";

/** @param {HTMLElement} head */
const isNumericColumn = (head) => head.dataset.numeric !== undefined;

/**
 * Shows the order that the URL has for a table, unless the table is in this order already: the server sorts as well,
 * and alone where the page has only some of the rows.
 * @param {HTMLTableElement} table
 */
export const applySortOrder = (table) => {
  const text = tableValue(location.search, "sort", table.dataset.table ?? "");
  if (text === (table.dataset.sorted ?? "")) return;
  const heads = headsOf(table);
  const order = parseSortOrder(text);
  const index = heads.findIndex((head) => head.dataset.key === order?.column);
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const isOriginal = rows.every((row) => row.dataset.position === undefined);
  if (order && index >= 0 && heads[index].dataset.server === undefined) {
    if (isOriginal) rows.forEach((row, position) => (row.dataset.position = String(position)));
    const original = sortByValue(rows, (row) => row.dataset.position ?? "", true, false);
    const isNumeric = isNumericColumn(heads[index]);
    body.append(...sortByValue(original, (row) => cellValue(row, index), isNumeric, order.descending));
  } else if (!order && !isOriginal) {
    body.append(...sortByValue(rows, (row) => row.dataset.position ?? "", true, false));
  } else return;
  table.dataset.sorted = text;
  for (const head of heads.filter((item) => item.dataset.key)) {
    const direction = order?.descending ? "descending" : "ascending";
    head.setAttribute("aria-sort", order && head === heads[index] ? direction : "none");
  }
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  const head = closestTarget(event, "table.ph-table th");
  const table = head?.closest("table");
  if (!(head instanceof HTMLTableCellElement) || !table || !closestTarget(event, "button")) return;
  const [name, column] = [table.dataset.table ?? "", head.dataset.key ?? ""];
  const current = parseSortOrder(tableValue(location.search, "sort", name));
  const text = formatSortOrder(nextSortOrder(current, column, isNumericColumn(head)));
  // The table's own order is that of the server if the server has sorted the rows.
  const sorted = headsOf(table).find((item) => item.dataset.key === (text ? column : current?.column));
  const isServer = sorted?.dataset.server !== undefined;
  let search = withTableValue(location.search, "sort", name, text);
  // The rows of the first page in the new order.
  if (isServer) search = withTableValue(search, "page", name, "");
  state.focusedHead = { table: name, column };
  // The server renders the table in this order from now on.
  replaceSearch(search, { rerun: true });
  applySortOrder(table);
};

/**
 * Shows the beginning of a list after a click on a button below or above it that opens another page.
 * @param {MouseEvent} event
 */
const onPageClick = (event) => {
  const pager = closestTarget(event, "[class*=st-key-pager-], [class*=st-key-pages-], [class*=-pager]");
  if (!pager || !closestTarget(event, "button")) return;
  for (let node = pager.parentElement; node; node = node.parentElement) {
    const head = node.querySelector(".ph-panel");
    if (!head) continue;
    if (head.getBoundingClientRect().top < 0) head.scrollIntoView();
    return;
  }
};

/** @param {Event} event of a choice of an order, whose values are orders */
const onChange = (event) => {
  const select = closestTarget(event, "select.ph-order");
  if (!(select instanceof HTMLSelectElement)) return;
  const name = select.dataset.for ?? "";
  const search = withTableValue(location.search, "sort", name, select.value);
  replaceSearch(withTableValue(search, "page", name, ""), { rerun: true });
};

export const installTableSort = () => {
  document.addEventListener("click", onClick);
  document.addEventListener("click", onPageClick);
  document.addEventListener("change", onChange);
};
