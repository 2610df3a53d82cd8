import { activeChoice, columnRules, formatChoice } from "./column_choice.js";
import { closestTarget } from "./events.js";
import { replaceSearch, runPage } from "./router.js";
import { headsOf, tablesOfPanel } from "./tables.js";
import { tableValue, withTableValue } from "./url_state.js";

/** @typedef {import("./column_choice.js").Choice} Choice */

const STORAGE_KEY = "ph-columns";
const TITLE = "Columns";

/** The choices of the browser's storage by name, which every change of the page needs; null if they are not read yet.
 * @type {Record<string, string> | null} */
let choices = null;

/** @returns {Record<string, string>} */
const readChoices = () => {
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}");
    return stored && typeof stored === "object" ? stored : {};
  } catch {
    return {};
  }
};

const storedChoices = () => (choices ??= readChoices());

/**
 * @param {string} name
 * @param {string} text
 */
const storeChoice = (name, text) => {
  // Another tab may have stored choices of other tables.
  const stored = (choices = readChoices());
  if (text) stored[name] = text;
  else delete stored[name];
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(stored));
  } catch {
    // Without storage, the choice is in the URL only.
  }
};

/**
 * The name of the choice of a table's columns in the URL, which similar tables share.
 * @param {HTMLTableElement} table
 */
const choiceName = (table) => table.dataset.columns ?? "";

/**
 * @param {HTMLTableElement} table
 * @param {Record<string, string>} stored
 */
const choiceOf = (table, stored) => {
  const [name, keys] = [choiceName(table), headsOf(table).map((head) => head.dataset.key ?? "")];
  const fromUrl = tableValue(location.search, "columns", name);
  return { name, keys, ...activeChoice(location.search, fromUrl, String(stored[name] ?? ""), keys) };
};

/** @param {HTMLElement} head */
const isShownByDefault = (head) => {
  if (head.classList.contains("ph-off")) return false;
  if (head.classList.contains("ph-wide-only")) return !matchMedia("(max-width: 640px)").matches;
  if (head.classList.contains("ph-large-only")) return !matchMedia("(max-width: 1599px)").matches;
  return !(head.classList.contains("ph-desk-only") && matchMedia("(max-width: 1100px)").matches);
};

const styleElement = () => {
  const style = document.getElementById("ph-column-rules");
  return style ?? document.head.appendChild(Object.assign(document.createElement("style"), { id: "ph-column-rules" }));
};

/**
 * Shows the columns that the URL selects, else those of the browser's storage, which are then added to the URL: its link
 * reproduces the page.
 * @param {Iterable<HTMLTableElement>} tables
 */
export const applyColumns = (tables) => {
  const stored = storedChoices();
  const rules = [];
  const names = new Set();
  for (const table of tables) {
    if (names.has(choiceName(table))) continue;
    const { name, keys, choice, isMissing } = choiceOf(table, stored);
    names.add(name);
    if (isMissing) replaceSearch(withTableValue(location.search, "columns", name, formatChoice(choice)));
    if (choice.size) rules.push(columnRules(CSS.escape(name), keys, choice));
  }
  const css = rules.join("\n");
  const style = styleElement();
  if (style.textContent !== css) style.textContent = css;
};

/** Hides the buttons of panels that have no table. */
export const showColumnButtons = () => {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("button.ph-columns"))) {
    const isHidden = tablesOfPanel(button).length === 0;
    if (button.hidden !== isHidden) button.hidden = isHidden;
  }
};

/**
 * @param {string} name
 * @param {Choice} choice
 */
const choose = (name, choice) => {
  const text = formatChoice(choice);
  storeChoice(name, text);
  replaceSearch(withTableValue(location.search, "columns", name, text));
  applyColumns(document.querySelectorAll("table.ph-table"));
};

/**
 * @param {HTMLTableElement} table
 * @param {HTMLElement} button
 */
const showMenu = (table, button) => {
  document.querySelector(".ph-column-menu")?.remove();
  const menu = Object.assign(document.createElement("div"), { className: "ph-column-menu" });
  menu.setAttribute("popover", "auto");
  menu.setAttribute("role", "dialog");
  menu.setAttribute("aria-label", TITLE);
  const before = location.search;
  const fill = () => {
    const { name, choice } = choiceOf(table, storedChoices());
    menu.replaceChildren();
    // The first column names the row.
    for (const head of headsOf(table).filter((item) => item.dataset.key && !item.classList.contains("ph-fluid"))) {
      const [key, isDefault] = [head.dataset.key ?? "", isShownByDefault(head)];
      const box = Object.assign(document.createElement("input"), { type: "checkbox" });
      box.checked = choice.get(key) ?? isDefault;
      box.addEventListener("change", () => {
        if (box.checked === isDefault) choice.delete(key);
        else choice.set(key, box.checked);
        choose(name, choice);
      });
      const label = document.createElement("label");
      label.append(box, head.dataset.label ?? head.textContent ?? "");
      menu.append(label);
    }
    const reset = Object.assign(document.createElement("button"), { type: "button", textContent: "Reset" });
    reset.addEventListener("click", () => {
      choose(choiceName(table), new Map());
      fill();
      menu.querySelector("input")?.focus();
    });
    menu.append(reset);
  };
  fill();
  menu.addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState !== "closed") return;
    if (menu.contains(document.activeElement)) button.focus();
    menu.remove();
    // The server compares the URL with the saved view.
    if (location.search !== before) runPage();
  });
  document.querySelector(".stApp")?.append(menu);
  const { right, bottom } = button.getBoundingClientRect();
  menu.style.setProperty("right", `${Math.max(innerWidth - right, 8)}px`);
  menu.showPopover();
  menu.style.setProperty("top", `${Math.max(Math.min(bottom + 4, innerHeight - menu.offsetHeight - 8), 8)}px`);
  menu.querySelector("input")?.focus();
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  const button = closestTarget(event, "button.ph-columns");
  const table = button && tablesOfPanel(button)[0];
  if (button && table) showMenu(table, button);
};

export const installColumns = () => {
  document.addEventListener("click", onClick);
  // Another entry of the history may select other columns.
  addEventListener("popstate", () => applyColumns(document.querySelectorAll("table.ph-table")));
  addEventListener("storage", () => (choices = null));
};
