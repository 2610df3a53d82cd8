/**
 * The parameters that the browser writes: the order and the columns of tables, open sections, hidden series of charts,
 * and runs selected for a comparison. Streamlit's server writes all others; it may write them from an older address, so that these are taken from
 * the current one.
 */
const BROWSER_PARAMETERS = ["sort", "columns", "open", "hidden", "selected"];

/**
 * The value of a table in a query string; empty without one. `sort=causes.-runs`: the table `causes` has `-runs`.
 * @param {string} search
 * @param {string} parameter
 * @param {string} table
 */
export const tableValue = (search, parameter, table) => namedValues(search, parameter, table)[0] ?? "";

/**
 * The query string with another value for a table; an empty one removes it.
 * @param {string} search
 * @param {string} parameter
 * @param {string} table
 * @param {string} value
 */
export const withTableValue = (search, parameter, table, value) =>
  withNamedValues(search, parameter, table, value ? [value] : []);

/**
 * The values of a parameter of the form `hidden=outcomes.Failed` for one table or chart.
 * @param {string} search
 * @param {string} parameter
 * @param {string} name of the table or chart
 */
export const namedValues = (search, parameter, name) =>
  new URLSearchParams(search)
    .getAll(parameter)
    .filter((item) => item.startsWith(`${name}.`))
    .map((item) => item.slice(name.length + 1));

/**
 * The query string with other values for a table or chart. Values that it has already keep their order, so that a
 * saved view does not differ because of it.
 * @param {string} search
 * @param {string} parameter
 * @param {string} name
 * @param {string[]} values
 */
export const withNamedValues = (search, parameter, name, values) => {
  const parameters = new URLSearchParams(search);
  const before = parameters.getAll(parameter);
  const own = values.map((value) => `${name}.${value}`);
  const kept = before.filter((item) => !item.startsWith(`${name}.`) || own.includes(item));
  const items = [...kept, ...own.filter((item) => !kept.includes(item))];
  if (items.length === before.length && items.every((item, index) => item === before[index])) return search;
  parameters.delete(parameter);
  for (const item of items) parameters.append(parameter, item);
  const text = parameters.toString();
  return text && `?${text}`;
};

const RUNS_PARAMETER = "selected";

/**
 * The ids of the runs that the URL selects for a comparison, `selected=12,15`.
 * @param {string} search
 * @param {number} limit
 */
export const parseRunSelection = (search, limit) =>
  (new URLSearchParams(search).get(RUNS_PARAMETER) ?? "")
    .split(",")
    .filter((id) => /^[1-9]\d{0,18}$/.test(id))
    .slice(0, limit);

/**
 * The query string with other selected runs; without any it has no parameter.
 * @param {string} search
 * @param {string[]} ids
 */
export const withRunSelection = (search, ids) => {
  if ((new URLSearchParams(search).get(RUNS_PARAMETER) ?? "") === ids.join()) return search;
  const parameters = new URLSearchParams(search);
  if (ids.length) parameters.set(RUNS_PARAMETER, ids.join());
  else parameters.delete(RUNS_PARAMETER);
  const text = parameters.toString();
  return text && `?${text}`;
};

/**
 * The query string after the user has opened or closed a section: it names the sections that differ from their default,
 * those that are closed with a minus. So the second change of a section removes it.
 * @param {string} search
 * @param {string} name of the section
 * @param {boolean} isOpen
 */
export const withToggledSection = (search, name, isOpen) => {
  const parameters = new URLSearchParams(search);
  const items = (parameters.get("open") ?? "").split(".").filter(Boolean);
  const others = items.filter((item) => item !== name && item !== `-${name}`);
  if (others.length === items.length) others.push(isOpen ? name : `-${name}`);
  if (others.length) parameters.set("open", others.join("."));
  else parameters.delete("open");
  const text = parameters.toString();
  return text && `?${text}`;
};

/**
 * The address that Streamlit writes, with the browser's parameters of the current address; unchanged for another page.
 * @param {string} address
 * @param {string} current
 */
export const keepBrowserParameters = (address, current) => {
  const [next, now] = [new URL(address, current), new URL(current)];
  if (next.pathname !== now.pathname) return address;
  for (const name of BROWSER_PARAMETERS) {
    next.searchParams.delete(name);
    for (const value of now.searchParams.getAll(name)) next.searchParams.append(name, value);
  }
  return next.pathname + next.search + next.hash;
};
