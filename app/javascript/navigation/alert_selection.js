import { closestTarget } from "./events.js";
import { currentPage } from "./pages.js";
import { replaceSearch, runPage } from "./router.js";
import { state } from "./state.js";
import { parseRunSelection, withRunSelection } from "./url_state.js";

/** Number of alerts that can be changed together. */
const MAX_ALERTS = 200;

/** @returns {HTMLInputElement[]} */
const boxes = () =>
  [...document.querySelectorAll("input.ph-choose")].filter((box) => box instanceof HTMLInputElement);

/**
 * Shows the selected alerts, which are kept on other pages of the list and are in its URL, from which the server reads
 * them. A URL that selects alerts by itself, such as a shared link, replaces the selection. The server counts its changes
 * of the selected alerts: then they are no longer selected.
 */
export const showAlertSelection = () => {
  const bar = /** @type {HTMLElement | null} */ (document.querySelector(".ph-choices"));
  if (!bar || currentPage(location.pathname, state.pages) !== "alerts") return;
  const inUrl = parseRunSelection(location.search, MAX_ALERTS);
  if (inUrl.length > 0 && inUrl.join() !== state.writtenAlerts) state.selectedAlerts = new Set(inUrl);
  const { selectedAlerts } = state;
  const changes = bar.dataset.changes ?? "";
  if (state.alertChanges !== null && state.alertChanges !== changes) selectedAlerts.clear();
  state.alertChanges = changes;
  state.writtenAlerts = [...selectedAlerts].join();
  replaceSearch(withRunSelection(location.search, [...selectedAlerts]));
  const shown = boxes();
  for (const box of shown) {
    box.checked = selectedAlerts.has(box.value);
    box.disabled = !box.checked && selectedAlerts.size >= MAX_ALERTS;
  }
  const checked = shown.filter((box) => box.checked).length;
  const all = bar.querySelector("input");
  if (all) {
    all.checked = checked > 0 && checked === shown.length;
    all.indeterminate = checked > 0 && checked < shown.length;
  }
  bar.classList.toggle("ph-some", selectedAlerts.size > 0);
  const count = bar.querySelector("b");
  const text = `${selectedAlerts.size} selected`;
  // Only changes are written: every write would call the observer that calls this function.
  if (count && count.textContent !== text) count.textContent = text;
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  const box = closestTarget(event, "input.ph-choose, .ph-choices input, .ph-choices button");
  const { selectedAlerts } = state;
  if (!box) return;
  if (box instanceof HTMLInputElement && box.matches(".ph-choose")) {
    if (box.checked) selectedAlerts.add(box.value);
    else selectedAlerts.delete(box.value);
  } else if (box instanceof HTMLInputElement) {
    for (const { value } of boxes()) {
      if (!box.checked) selectedAlerts.delete(value);
      else if (selectedAlerts.size < MAX_ALERTS) selectedAlerts.add(value);
    }
  } else selectedAlerts.clear();
  showAlertSelection();
};

/**
 * Streamlit sends the query string of the last run of the page with an event of a button: before that event, the page
 * is run with the current one.
 * @param {MouseEvent} event
 */
const onOpen = (event) => {
  if (closestTarget(event, ".st-key-bulk-open button")) runPage();
};

export const installAlertSelection = () => {
  document.addEventListener("click", onClick);
  document.addEventListener("click", onOpen, true);
};
