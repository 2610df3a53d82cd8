/** @typedef {Map<string, boolean>} Choice whether a column is shown, by key; columns in their default state are absent */

const KEY = /^-?[a-z0-9-]{1,60}$/;

/**
 * @param {string} text such as `cost.-trend`: shows the column `cost`, hides `trend`
 * @returns {Choice}
 */
export const parseChoice = (text) =>
  new Map(
    text
      .split(".")
      .filter((item) => KEY.test(item) && item !== "-")
      .map((item) => [item.replace(/^-/, ""), !item.startsWith("-")]),
  );

/** @param {Choice} choice */
export const formatChoice = (choice) => [...choice].map(([key, isShown]) => (isShown ? key : `-${key}`)).join(".");

/**
 * The part of a choice whose columns the table has.
 * @param {Choice} choice
 * @param {string[]} keys
 * @returns {Choice}
 */
export const knownColumns = (choice, keys) => new Map([...choice].filter(([key]) => keys.includes(key)));

/**
 * The style rules that show and hide the chosen columns of a table.
 * @param {string} table
 * @param {string[]} keys of the table's columns, in their order
 * @param {Choice} choice
 */
export const columnRules = (table, keys, choice) =>
  keys
    .map((key, index) => {
      const isShown = choice.get(key);
      if (!key || isShown === undefined) return "";
      const cells = `table.ph-table[data-table="${table}"] > * > tr > :nth-child(${index + 1})`;
      return `${cells} { display: ${isShown ? "table-cell" : "none"} !important; }`;
    })
    .filter(Boolean)
    .join("\n");
