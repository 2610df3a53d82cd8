import { parseTheme } from "../theme/choice.js";
import { closestTarget } from "./events.js";
import { replaceSearch, runPage } from "./router.js";

const BUTTONS = "button[data-theme]";
/** Time in which Streamlit takes over the theme. */
const APPLY_MS = 100;

/** Marks the chosen theme in the sidebar. */
export const showTheme = () => {
  const current = window.__pipelineHealthTheme?.current ?? "system";
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll(BUTTONS))) {
    const pressed = String(button.dataset.theme === current);
    if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
  }
};

/**
 * Changes the theme of all pages. A theme in the URL of this page would precede it.
 * @param {import("../theme/choice.js").Theme} theme
 */
export const chooseTheme = (theme) => {
  const url = new URL(location.href);
  if (url.searchParams.has("theme")) {
    url.searchParams.delete("theme");
    replaceSearch(url.search);
  }
  window.__pipelineHealthTheme?.choose(theme);
  showTheme();
  // The server draws heat maps in the colours of the theme.
  setTimeout(runPage, APPLY_MS);
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  const theme = parseTheme(closestTarget(event, BUTTONS)?.dataset.theme);
  if (theme) chooseTheme(theme);
};

export const installThemeSwitch = () => document.addEventListener("click", onClick);
