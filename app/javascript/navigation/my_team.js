import { closestTarget } from "./events.js";
import { basePath } from "./pages.js";
import { navigate } from "./router.js";
import { state } from "./state.js";
import { buttonState, urlOfTeam } from "./team_button.js";

/**
 * "My team" of this browser: the team that the dashboard shows when it is opened without any filter. The script in the
 * document (app/streamlit_patches/document.py) reads it before the page is loaded, so that nothing is loaded twice.
 */

const KEY = "pipeline_health_my_team ";
const BUTTON = "button[data-my-team]";
const MAX_LENGTH = 200;

const storageKey = () => KEY + basePath(location.pathname, state.pages);

/** @returns {string} empty without one */
export const myTeam = () => {
  try {
    return (localStorage.getItem(storageKey()) ?? "").slice(0, MAX_LENGTH);
  } catch {
    // The browser blocks storage for this site.
    return "";
  }
};

/** @param {string} team empty clears it */
export const setMyTeam = (team) => {
  try {
    if (team) localStorage.setItem(storageKey(), team);
    else localStorage.removeItem(storageKey());
  } catch {
    // Without storage there is no team of this browser.
  }
  showMyTeam();
};

/** Writes the state of the button. Only changes are written: an observer calls this function. */
export const showMyTeam = () => {
  const button = document.querySelector(BUTTON);
  if (!(button instanceof HTMLElement)) return;
  const { myTeam: shown = "", unknownTeam: unknown = "" } = button.dataset;
  // The team was renamed or deleted.
  if (unknown && unknown === myTeam()) return setMyTeam("");
  const now = buttonState(shown, myTeam());
  if (button.hidden !== !now) button.hidden = !now;
  if (!now || button.title === now.title) return;
  button.title = now.title;
  button.textContent = now.text;
  if (shown) button.setAttribute("aria-pressed", String(now.isPressed));
  else button.removeAttribute("aria-pressed");
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  const button = closestTarget(event, BUTTON);
  if (!button) return;
  const shown = button.dataset.myTeam ?? "";
  if (shown) setMyTeam(shown === myTeam() ? "" : shown);
  else navigate(urlOfTeam(myTeam(), location.href));
};

export const installMyTeam = () => document.addEventListener("click", onClick);
