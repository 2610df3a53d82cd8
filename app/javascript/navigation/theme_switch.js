import { parseTheme } from "../theme/choice.js";
import { closestTarget } from "./events.js";

const BUTTONS = "button[data-theme]";

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
};

export const installThemeSwitch = () => document.addEventListener("click", onClick);
