import { closestTarget, hasModifier } from "./events.js";
import { basePath, isPage } from "./pages.js";
import { requestSection, showSection } from "./sections.js";
import { state } from "./state.js";
import { keepBrowserParameters } from "./url_state.js";

/** Links that Streamlit handles itself. */
const STREAMLIT_LINKS = "[data-testid=stSidebarNav], [data-testid=stPageLink]";

const pushState = history.pushState.bind(history);
const replaceState = history.replaceState.bind(history);
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
  requestSection(url.hash);
  url.hash = "";
  if (url.href === location.href) replaceState({}, "", url);
  else pushState({}, "", url);
  state.userActed = false;
  runPage();
  if (isOtherPage) document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
};

/**
 * Replaces the query string of the current history entry.
 * @param {string} search
 * @param {{ rerun?: boolean }} [options] `rerun`: Streamlit runs the page with the new query string
 */
export const replaceSearch = (search, { rerun = false } = {}) => {
  if (search === location.search) return;
  replaceState(history.state, "", location.pathname + search + location.hash);
  if (rerun) runPage();
};

/** Streamlit runs the page of the current address. */
export const runPage = () => dispatchEvent(new PopStateEvent("popstate", { state: {} }));

/** @param {string} url */
export const openTab = (url) => openWindow(url);

/**
 * Opens an address of the dashboard: a page, or with `#` at its beginning a section of the current page.
 * @param {string} address relative to the base path
 * @param {boolean} newTab
 */
export const openAddress = (address, newTab) => {
  if (address.startsWith("#")) {
    requestSection(address);
    return showSection();
  }
  const url = pageUrl(address);
  if (!isDashboardPage(url)) return;
  if (newTab) openTab(url.href);
  else navigate(url);
};

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
  if (isLate) return;
  const address = currentAddress(url);
  const isSamePage = address !== undefined && address !== null && pathOf(address) === pathOf(location.href);
  // Streamlit pushes an address for every parameter that it writes: one action of the user makes one history entry.
  if (isSamePage && !state.userActed) replaceState(data, unused, address);
  else pushState(data, unused, address);
  state.userActed = false;
};

/**
 * Replaces `history.replaceState`.
 * @type {History["replaceState"]}
 */
const replaceCurrentState = (data, unused, url) => replaceState(data, unused, currentAddress(url));

/**
 * The address that Streamlit writes, with the parameters that the browser has written since, unless the user has
 * followed a link of Streamlit: it leads to the page's defaults.
 * @param {string | URL | null | undefined} url
 */
const currentAddress = (url) => {
  if (url === undefined || url === null) return url;
  if (state.historyPath === null && state.followsStreamlitLink) {
    state.followsStreamlitLink = false;
    return url;
  }
  return keepBrowserParameters(String(url), location.href);
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
  if (closestTarget(event, STREAMLIT_LINKS)) {
    state.historyPath = null;
    state.followsStreamlitLink = true;
  }
  state.modifierPressed = hasModifier(event);
  if (event.defaultPrevented || state.modifierPressed) return;
  const link = closestTarget(event, "a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.hasAttribute("download") || link.target === "_blank") return;
  if (link.closest(STREAMLIT_LINKS)) return;
  const section = link.getAttribute("href")?.startsWith("#");
  if (section && !link.closest(".ph-marks")) return;
  const url = new URL(link.href);
  if (!section && !isDashboardPage(url)) return;
  event.preventDefault();
  if (section) openAddress(url.hash, false);
  else navigate(url);
};

export const installRouter = () => {
  history.pushState = pushCurrentState;
  history.replaceState = replaceCurrentState;
  window.open = openPage;
  addEventListener("popstate", () => (state.historyPath = pathOf(location.href)), true);
  for (const type of ["pointerdown", "keydown", "input"]) addEventListener(type, () => (state.userActed = true), true);
  document.addEventListener("click", onClick, true);
  document.addEventListener("auxclick", (event) => (state.modifierPressed = hasModifier(event)), true);
};
