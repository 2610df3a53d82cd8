import { columnRules, formatChoice, knownColumns, parseChoice } from "./column_choice.js";
import { closestTarget } from "./events.js";
import { replaceSearch, runPage } from "./router.js";
import { headsOf } from "./tables.js";
import { tableValue, withTableValue } from "./url_state.js";

/** @typedef {import("./column_choice.js").Choice} Choice */

const STORAGE_KEY = "ph-columns";
const TITLE = "Columns";

/** @returns {Record<string, string>} */
const storedChoices = () => {
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}");
    return stored && typeof stored === "object" ? stored : {};
  } catch {
    return {};
  }
};

/**
 * @param {string} table
 * @param {string} text
 */
const storeChoice = (table, text) => {
  const stored = storedChoices();
  if (text) stored[table] = text;
  else delete stored[table];
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(stored));
  } catch {
    // Without storage, the choice is in the URL only.
  }
};

/** @param {HTMLElement} head */
const isShownByDefault = (head) => {
  if (head.classList.contains("ph-off")) return false;
  if (head.classList.contains("ph-wide-only")) return !matchMedia("(max-width: 640px)").matches;
  return !(head.classList.contains("ph-desk-only") && matchMedia("(max-width: 1100px)").matches);
};

const styleElement = () => {
  const known = document.getElementById("ph-column-rules");
  return known ?? document.head.appendChild(Object.assign(document.createElement("style"), { id: "ph-column-rules" }));
};

/**
 * Shows the columns that the URL selects, else those of the browser's storage, which are then added to the URL: its link
 * reproduces the view.
 * @param {Iterable<HTMLTableElement>} tables
 */
export const applyColumns = (tables) => {
  const stored = storedChoices();
  const rules = [];
  for (const table of tables) {
    const name = table.dataset.table ?? "";
    const keys = headsOf(table).map((head) => head.dataset.key ?? "");
    let text = tableValue(location.search, "columns", name);
    // A stored choice may name columns that the table no longer has.
    const own = formatChoice(knownColumns(parseChoice(String(stored[name] ?? "")), keys));
    if (!text && own) {
      text = own;
      replaceSearch(withTableValue(location.search, "columns", name, text));
    }
    if (text) rules.push(columnRules(CSS.escape(name), keys, parseChoice(text)));
  }
  const css = rules.join("\n");
  const style = styleElement();
  if (style.textContent !== css) style.textContent = css;
};

/**
 * The table of the panel that contains an element.
 * @param {HTMLElement} element
 * @returns {HTMLTableElement | null}
 */
const tableOf = (element) => {
  for (let node = element.parentElement; node; node = node.parentElement) {
    if (node.querySelectorAll(".ph-panel").length > 1) return null;
    const table = node.querySelector("table.ph-table");
    if (table instanceof HTMLTableElement) return table;
  }
  return null;
};

/**
 * @param {HTMLTableElement} table
 * @param {Choice} choice
 */
const choose = (table, choice) => {
  const [name, text] = [table.dataset.table ?? "", formatChoice(choice)];
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
  menu.setAttribute("role", "group");
  menu.setAttribute("aria-label", TITLE);
  const fill = () => {
    const choice = parseChoice(tableValue(location.search, "columns", table.dataset.table ?? ""));
    menu.replaceChildren();
    // The first column names the row.
    for (const head of headsOf(table).filter((item) => item.dataset.key && !item.classList.contains("ph-fluid"))) {
      const [key, isDefault] = [head.dataset.key ?? "", isShownByDefault(head)];
      const box = Object.assign(document.createElement("input"), { type: "checkbox" });
      box.checked = choice.get(key) ?? isDefault;
      box.addEventListener("change", () => {
        if (box.checked === isDefault) choice.delete(key);
        else choice.set(key, box.checked);
        choose(table, choice);
      });
      const label = document.createElement("label");
      label.append(box, head.dataset.label ?? head.textContent ?? "");
      menu.append(label);
    }
    const reset = Object.assign(document.createElement("button"), { type: "button", textContent: "Reset" });
    reset.addEventListener("click", () => {
      choose(table, new Map());
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
    runPage();
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
  const table = button && tableOf(button);
  if (button && table) showMenu(table, button);
};

export const installColumns = () => {
  document.addEventListener("click", onClick);
  // Another entry of the history may select other columns.
  addEventListener("popstate", () => applyColumns(document.querySelectorAll("table.ph-table")));
};
