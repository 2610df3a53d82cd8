import { closestTarget, isTextInput } from "./events.js";
import { navigate, pageUrl } from "./router.js";
import { helpSections } from "./shortcut_list.js";
import { state } from "./state.js";

/** Time for the second key of a sequence. */
const SEQUENCE_MS = 1500;
const TITLE = "Keyboard shortcuts";
/** The page that searches all logs, and how often and how long its field is awaited. */
const SEARCH_PAGE = "search";
const [POLL_MS, MAX_POLLS] = [100, 50];
const SEARCH_INPUTS = "[data-testid=stMain] input[type=text], [data-testid=stMain] input[type=search]";

/** The first visible search field of the page. Text fields of select boxes are none. */
const searchInput = () =>
  [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll(SEARCH_INPUTS))].find(
    (input) => input.offsetParent !== null && !input.closest("[data-baseweb=select], [role=combobox]"),
  );

/** Opens the search over all logs and moves the focus to its field. */
const openLogSearch = () => {
  navigate(pageUrl(SEARCH_PAGE));
  let polls = 0;
  const timer = setInterval(() => {
    const input = location.pathname.endsWith(`/${SEARCH_PAGE}`) ? searchInput() : undefined;
    if (input && !isTextInput(document.activeElement)) input.focus();
    if (input || ++polls === MAX_POLLS) clearInterval(timer);
  }, POLL_MS);
};

/**
 * @param {string} title
 * @param {[keys: string, action: string][]} rows
 */
const section = (title, rows) => {
  const element = document.createElement("section");
  const list = document.createElement("dl");
  for (const [keys, action] of rows) {
    const term = document.createElement("dt");
    for (const key of keys.split(" ")) term.append(Object.assign(document.createElement("kbd"), { textContent: key }), " ");
    list.append(term, Object.assign(document.createElement("dd"), { textContent: action }));
  }
  element.append(Object.assign(document.createElement("h3"), { textContent: title }), list);
  return element;
};

export const showHelp = () => {
  document.querySelector("dialog.ph-keys")?.remove();
  const dialog = Object.assign(document.createElement("dialog"), { className: "ph-keys" });
  dialog.setAttribute("aria-label", TITLE);
  const lists = Object.assign(document.createElement("div"), { className: "ph-key-lists" });
  for (const [title, rows] of helpSections(state)) lists.append(section(title, rows));
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "Close" });
  close.addEventListener("click", () => dialog.close());
  dialog.append(Object.assign(document.createElement("h2"), { textContent: TITLE }), lists, close);
  // A click beside the dialog has the dialog itself as its target.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.querySelector(".stApp")?.append(dialog);
  dialog.showModal();
};

/** @param {KeyboardEvent} event */
const onKey = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTextInput(event.target)) return;
  // The page below a modal dialog is inert.
  if (document.querySelector("dialog[open]")) return;
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
    event.preventDefault();
    if (input) input.focus();
    else openLogSearch();
  } else if (event.key === "?") {
    event.preventDefault();
    showHelp();
  }
};

export const installShortcuts = () => {
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("click", (event) => closestTarget(event, "button.ph-help") && showHelp());
};
