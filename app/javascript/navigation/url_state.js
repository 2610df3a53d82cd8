/**
 * The parameters that the browser writes: the order and the columns of tables. Streamlit's server writes all others; it
 * may write them from an older address, so that these are taken from the current one.
 */
const BROWSER_PARAMETERS = ["sort", "columns"];

/**
 * The value of a table in a query string; empty without one. `sort=causes.-runs`: the table `causes` has `-runs`.
 * @param {string} search
 * @param {string} parameter
 * @param {string} table
 */
export const tableValue = (search, parameter, table) => {
  const prefix = `${table}.`;
  const value = new URLSearchParams(search).getAll(parameter).find((item) => item.startsWith(prefix));
  return value?.slice(prefix.length) ?? "";
};

/**
 * The query string with another value for a table; an empty one removes it.
 * @param {string} search
 * @param {string} parameter
 * @param {string} table
 * @param {string} value
 */
export const withTableValue = (search, parameter, table, value) => {
  const parameters = new URLSearchParams(search);
  const others = parameters.getAll(parameter).filter((item) => !item.startsWith(`${table}.`));
  parameters.delete(parameter);
  for (const item of value ? [...others, `${table}.${value}`] : others) parameters.append(parameter, item);
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
