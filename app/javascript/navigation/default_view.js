import { closestTarget } from "./events.js";
import { basePath } from "./pages.js";
import { state } from "./state.js";

/**
 * The saved view that this browser opens when the dashboard is opened without any filter. The script in the document
 * (app/streamlit_patches/document.py) reads it before the page is loaded.
 *
 * @typedef {{ id: string, name: string, address: string }} DefaultView `address`: relative to the base path
 */

const KEY = "pipeline_health_default_view ";
const BUTTONS = "button[data-default-view]";
const MENU = ".st-key-views-active";
const DELETED = "[data-deleted-view]";
/** Views that were saved as the default since the page was loaded: the user may clear it again. @type {Set<string>} */
const applied = new Set();

const storageKey = () => KEY + basePath(location.pathname, state.pages);

/**
 * @param {string | null} text
 * @returns {DefaultView | null}
 */
export const parseDefaultView = (text) => {
  try {
    const view = JSON.parse(text ?? "null");
    const isView = ["id", "name", "address"].every((name) => typeof view?.[name] === "string");
    return isView ? view : null;
  } catch {
    return null;
  }
};

/** @returns {DefaultView | null} */
export const defaultView = () => {
  try {
    return parseDefaultView(localStorage.getItem(storageKey()));
  } catch {
    // The browser blocks storage for this site.
    return null;
  }
};

/** @param {DefaultView | null} view */
export const setDefaultView = (view) => {
  try {
    if (view) localStorage.setItem(storageKey(), JSON.stringify(view));
    else localStorage.removeItem(storageKey());
  } catch {
    // Without storage there is no default.
  }
  showDefaultView();
};

/** Marks the default view in the dialog and in the header. Only changes are written: an observer calls this function. */
export const showDefaultView = () => {
  const buttons = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(BUTTONS));
  const shown = document.querySelector(`${MENU} [data-view]`);
  const deleted = /** @type {HTMLElement | null} */ (document.querySelector(DELETED));
  if (!buttons.length && !shown && !deleted) return;
  applyNewDefault(shown);
  const view = defaultView();
  if (deleted && deleted.dataset.deletedView === view?.id) setDefaultView(null);
  for (const button of buttons) {
    const isDefault = button.dataset.defaultView === view?.id;
    if (button.getAttribute("aria-pressed") === String(isDefault)) continue;
    button.setAttribute("aria-pressed", String(isDefault));
    button.textContent = isDefault ? "★" : "☆";
    button.title = isDefault ? "Do not open by default" : "Open by default in this browser";
  }
  if (!(shown instanceof HTMLElement)) return;
  const isDefault = shown.dataset.view === view?.id;
  if (shown.hidden === isDefault) shown.hidden = !isDefault;
  const address = shown.dataset.address ?? "";
  // Its owner has changed the view since.
  if (view && isDefault && address && address !== view.address) setDefaultView({ ...view, address });
};

/** @param {Element | null} shown the view of the page */
const applyNewDefault = (shown) => {
  if (!(shown instanceof HTMLElement)) return;
  const { view: id = "", newDefault: name, address = "" } = shown.dataset;
  if (name === undefined || applied.has(id)) return;
  applied.add(id);
  setDefaultView({ id, name, address });
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  const button = closestTarget(event, BUTTONS);
  if (!button) return;
  const { defaultView: id = "", name = "", address = "" } = button.dataset;
  setDefaultView(button.getAttribute("aria-pressed") === "true" ? null : { id, name, address });
};

export const installDefaultView = () => document.addEventListener("click", onClick);
