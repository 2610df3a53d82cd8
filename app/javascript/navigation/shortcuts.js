import { isTextInput } from "./events.js";
import { navigate, pageUrl } from "./router.js";
import { state } from "./state.js";

/** Time for the second key of a sequence. */
const SEQUENCE_MS = 1500;
const TITLE = "Keyboard shortcuts";
const SEARCH_INPUTS = "[data-testid=stMain] input[type=text], [data-testid=stMain] input[type=search]";

/** The first visible search field of the page. Text fields of select boxes are none. */
const searchInput = () =>
  [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll(SEARCH_INPUTS))].find(
    (input) => input.offsetParent !== null && !input.closest("[data-baseweb=select], [role=combobox]"),
  );

const showHelp = () => {
  document.querySelector("dialog.ph-keys")?.remove();
  const dialog = Object.assign(document.createElement("dialog"), { className: "ph-keys" });
  dialog.setAttribute("aria-label", TITLE);
  const list = document.createElement("dl");
  const addRow = (/** @type {string[]} */ keys, /** @type {string} */ description) => {
    const term = document.createElement("dt");
    for (const key of keys) term.append(Object.assign(document.createElement("kbd"), { textContent: key }), " ");
    list.append(term, Object.assign(document.createElement("dd"), { textContent: description }));
  };
  for (const [key, page] of Object.entries(state.keys)) addRow(["g", key], state.pages[page]);
  addRow(["/"], "Search");
  addRow(["?"], "Show keyboard shortcuts");
  addRow(["Esc"], "Close");
  dialog.append(Object.assign(document.createElement("h2"), { textContent: TITLE }), list);
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.querySelector(".stApp")?.append(dialog);
  dialog.showModal();
};

/** @param {KeyboardEvent} event */
const onKey = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTextInput(event.target)) return;
  const page = state.keys[event.key];
  if (state.sequenceEnds > Date.now() && page !== undefined) {
    state.sequenceEnds = 0;
    event.preventDefault();
    event.stopPropagation();
    navigate(pageUrl(page));
  } else if (event.key === "g") {
    state.sequenceEnds = Date.now() + SEQUENCE_MS;
  } else if (event.key === "/") {
    const input = searchInput();
    if (!input) return;
    event.preventDefault();
    input.focus();
  } else if (event.key === "?") {
    event.preventDefault();
    showHelp();
  }
};

export const installShortcuts = () => document.addEventListener("keydown", onKey, true);
