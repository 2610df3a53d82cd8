/** @typedef {Map<string, boolean>} Choice whether a column is shown, by key; columns in their default state are absent */

const VIEW_PARAMETER = "saved";
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
 * The choice that a table shows, and whether the URL lacks it: that of the URL, else the stored one, which is not added
 * to the URL of a saved view, as it would be a change of the view.
 * @param {string} search
 * @param {string} fromUrl the table's choice in the URL
 * @param {string} stored
 * @param {string[]} keys
 */
export const activeChoice = (search, fromUrl, stored, keys) => {
  const choice = fromUrl ? parseChoice(fromUrl) : knownColumns(parseChoice(stored), keys);
  return { choice, isMissing: !fromUrl && choice.size > 0 && !new URLSearchParams(search).get(VIEW_PARAMETER) };
};

/**
 * The style rules that show and hide the chosen columns of tables.
 * @param {string} name of the choice
 * @param {string[]} keys of the tables' columns, in their order
 * @param {Choice} choice
 */
export const columnRules = (name, keys, choice) =>
  keys
    .map((key, index) => {
      const isShown = choice.get(key);
      if (!key || isShown === undefined) return "";
      const cells = `table.ph-table[data-columns="${name}"] > * > tr > :nth-child(${index + 1})`;
      return `${cells} { display: ${isShown ? "table-cell" : "none"} !important; }`;
    })
    .filter(Boolean)
    .join("\n");
