import { closestTarget } from "./events.js";
import { currentPage } from "./pages.js";
import { replaceSearch } from "./router.js";
import { state } from "./state.js";
import { parseRunSelection, withRunSelection } from "./url_state.js";

/** Number of runs that can be compared. */
const MAX_RUNS = 5;

/**
 * Shows the selected runs, which are kept while the user looks at other pages of the list, and has them in the URL of
 * the list. A URL that selects runs by itself, such as a shared link, replaces the selection.
 */
export const showRunSelection = () => {
  // While another page is loaded, the list is still shown.
  const isList = currentPage(location.pathname, state.pages) === "runs" && document.querySelector(".ph-picked") !== null;
  const inUrl = parseRunSelection(location.search, MAX_RUNS);
  if (isList && inUrl.length > 0 && inUrl.join() !== state.writtenRuns) state.selectedRuns = new Set(inUrl);
  const { selectedRuns } = state;
  if (isList) {
    state.writtenRuns = [...selectedRuns].join();
    replaceSearch(withRunSelection(location.search, [...selectedRuns]));
  }
  for (const box of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input.ph-pick"))) {
    box.checked = selectedRuns.has(box.value);
    box.disabled = !box.checked && selectedRuns.size >= MAX_RUNS;
  }
  for (const bar of document.querySelectorAll(".ph-picked")) {
    bar.classList.toggle("ph-some", selectedRuns.size > 1);
    const link = bar.querySelector("a");
    if (!link) continue;
    // Only changes are written: every write would call the observer that calls this function.
    const address = `compare?runs=${[...selectedRuns].join(",")}`;
    if (link.getAttribute("href") !== address) link.setAttribute("href", address);
    const label = `Compare ${selectedRuns.size} runs`;
    if (link.textContent !== label) link.textContent = label;
  }
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  const box = closestTarget(event, "input.ph-pick");
  if (box instanceof HTMLInputElement) {
    if (box.checked) state.selectedRuns.add(box.value);
    else state.selectedRuns.delete(box.value);
  } else if (closestTarget(event, ".ph-picked button")) {
    state.selectedRuns.clear();
  } else return;
  showRunSelection();
};

export const installRunSelection = () => document.addEventListener("click", onClick);
