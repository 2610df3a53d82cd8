import { closestTarget, hasModifier } from "./events.js";
import { basePath, isPage } from "./pages.js";
import { state } from "./state.js";

/** Links that Streamlit handles itself. */
const STREAMLIT_LINKS = "[data-testid=stSidebarNav], [data-testid=stPageLink]";

const pushState = history.pushState.bind(history);
const openWindow = window.open.bind(window);

/** @param {string} address relative to the base path */
export const pageUrl = (address) => new URL(basePath(location.pathname, state.pages) + address, location.origin);

/** @param {URL} url */
export const isDashboardPage = (url) => isPage(url, location, state.pages);

/**
 * Goes to a page without a reload: Streamlit answers a popstate event by running the page that the address names. The
 * history gets one entry.
 * @param {URL} url
 */
export const navigate = (url) => {
  const isOtherPage = url.pathname !== location.pathname;
  url.hash = "";
  pushState({}, "", url);
  dispatchEvent(new PopStateEvent("popstate", { state: {} }));
  if (isOtherPage) document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
};

/** @param {string} url */
export const openTab = (url) => openWindow(url);

/** @param {string | URL} url */
const pathOf = (url) => new URL(url, location.href).pathname.replace(/\/$/, "");

/**
 * Replaces `history.pushState`. Streamlit pushes the address of a page when the page's response begins. If the user has
 * stepped through the history meanwhile, that response is late and would lead back to its page. Until the user follows
 * one of Streamlit's own links, only the address of the last step is pushed.
 * @type {History["pushState"]}
 */
const pushCurrentState = (data, unused, url) => {
  const isLate = url !== undefined && url !== null && state.historyPath !== null && pathOf(url) !== state.historyPath;
  if (!isLate) pushState(data, unused, url);
};

/**
 * Replaces `window.open`: links in tables are drawn on a canvas, and Streamlit opens all of them in a new tab.
 * @type {typeof window.open}
 */
const openPage = (address, ...rest) => {
  const url = address ? new URL(address, document.baseURI) : null;
  if (!url || state.modifierPressed || !isDashboardPage(url)) return openWindow(address, ...rest);
  navigate(url);
  return null;
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  if (closestTarget(event, STREAMLIT_LINKS)) state.historyPath = null;
  state.modifierPressed = hasModifier(event);
  if (event.defaultPrevented || state.modifierPressed) return;
  const link = closestTarget(event, "a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.hasAttribute("download") || link.target === "_blank") return;
  if (link.closest(STREAMLIT_LINKS) || link.getAttribute("href")?.startsWith("#")) return;
  const url = new URL(link.href);
  if (!isDashboardPage(url)) return;
  event.preventDefault();
  navigate(url);
};

export const installRouter = () => {
  history.pushState = pushCurrentState;
  window.open = openPage;
  addEventListener("popstate", () => (state.historyPath = pathOf(location.href)), true);
  document.addEventListener("click", onClick, true);
  document.addEventListener("auxclick", (event) => (state.modifierPressed = hasModifier(event)), true);
};
