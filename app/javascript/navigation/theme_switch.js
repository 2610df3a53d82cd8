import { parseTheme } from "../theme/choice.js";
import { closestTarget } from "./events.js";
import { rerun } from "./router.js";

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

/** @param {MouseEvent} event */
const onClick = (event) => {
  const theme = parseTheme(closestTarget(event, BUTTONS)?.dataset.theme);
  if (!theme) return;
  window.__pipelineHealthTheme?.choose(theme);
  showTheme();
  // The server draws heat maps in the colours of the theme.
  setTimeout(rerun, APPLY_MS);
};

export const installThemeSwitch = () => document.addEventListener("click", onClick);
