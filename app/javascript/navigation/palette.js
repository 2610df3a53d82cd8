import { copyToClipboard } from "../log_viewer/dom.js";
import { THEMES } from "../theme/choice.js";
import { defaultView, setDefaultView } from "./default_view.js";
import { closestTarget } from "./events.js";
import { urlWithoutKiosk } from "./kiosk.js";
import { isKiosk } from "./kiosk_layout.js";
import { myTeam, setMyTeam } from "./my_team.js";
import { navigate, openTab, pageUrl } from "./router.js";
import { showHelp } from "./shortcuts.js";
import { state } from "./state.js";
import { urlOfTeam } from "./team_button.js";
import { chooseTheme } from "./theme_switch.js";

/** @import { Entry } from "../palette/entries.js" */

const IS_MAC = /^(Mac|iP)/.test(navigator.platform);
const BUTTONS = "[data-palette]";

/** @type {Promise<typeof import("../palette/index.js")> | null} */
let palette = null;
let attempts = 0;

/** Loads the palette once; after a failure the next call tries again, under an address that the browser has not cached. */
const loadPalette = () => {
  if (!palette) {
    const address = pageUrl(`${state.palette}${attempts ? `?retry=${attempts}` : ""}`).href;
    palette = import(address);
    palette.catch(() => {
      palette = null;
      attempts++;
    });
  }
  return palette;
};

/** @returns {URL} the current page without its filters */
const urlWithoutFilters = () => {
  const url = new URL(location.href);
  for (const name of state.filters) url.searchParams.delete(name);
  return url;
};

/** @param {boolean} isOn */
const kioskUrl = (isOn) => {
  if (!isOn) return urlWithoutKiosk();
  const url = pageUrl("");
  url.searchParams.set("wall", "1");
  for (const [name, value] of new URLSearchParams(location.search))
    if (state.filters.includes(name)) url.searchParams.append(name, value);
  return url;
};

/** @returns {Entry[]} */
const actions = () => {
  const isOn = isKiosk(location.search);
  const view = defaultView();
  const menus = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".st-key-views-open button"));
  const menu = [...menus].find((button) => button.offsetParent !== null);
  /** @type {Entry[]} */
  const ofViews = [];
  if (menu) ofViews.push({ kind: "action", label: "Save view", detail: "the page with its filters", keywords: "bookmark views",
    run: () => menu.click() });
  if (view) ofViews.push({ kind: "action", label: "Clear default view", detail: view.name, run: () => setDefaultView(null) });
  const team = myTeam();
  if (team) ofViews.push(
    { kind: "action", label: "Show my team", detail: team, run: () => navigate(urlOfTeam(team, location.href)) },
    { kind: "action", label: "Clear my team", detail: team, run: () => setMyTeam("") });
  const triage = /** @type {HTMLElement | null} */ (document.querySelector(".st-key-triage-open button"));
  /** @type {Entry[]} */
  const ofCauses = triage ? [{ kind: "action", label: "Mark failure cause as known", detail: "or change its mark",
    keywords: "triage ticket owner", run: () => triage.click() }] : [];
  return [
    ...ofCauses,
    ...ofViews,
    { kind: "action", label: "Clear filters", keywords: "reset", run: () => navigate(urlWithoutFilters()) },
    { kind: "action", label: "Rules for failure causes", keywords: "own rule classify class",
      run: () => navigate(pageUrl("failures?show=rules")) },
    { kind: "action", label: "Copy link to this page", keywords: "url share",
      run: () => void copyToClipboard(location.href).catch(() => {}) },
    { kind: "action", label: isOn ? "Leave kiosk mode" : "Kiosk mode", keywords: "wall screen tv fullscreen",
      run: () => navigate(kioskUrl(!isOn)) },
    { kind: "action", label: "Keyboard shortcuts", keywords: "help keys", run: showHelp },
  ];
};

/** @type {Record<import("../theme/choice.js").Theme, string>} */
const THEME_LABELS = { system: "Theme of the system", light: "Light theme", dark: "Dark theme" };

/** @returns {Entry[]} */
const themes = () =>
  THEMES.map((theme) => ({ kind: "action", label: THEME_LABELS[theme], keywords: "colour mode",
    run: () => chooseTheme(theme) }));

/** @returns {Entry[]} */
const pages = () =>
  Object.entries(state.keys).map(([key, page]) => (
    { kind: "page", label: state.pages[page], detail: `g ${key}`, address: page }));

/** @param {string} address of a page, with the period of the current page unless it has one */
const destination = (address) => {
  const url = pageUrl(address);
  const current = new URLSearchParams(location.search);
  // Names lead to a URL that names all filters; what the reader looks for does not change the period.
  if (url.searchParams.get("saved") === "") {
    for (const name of ["period", "dates"]) {
      const value = current.get(name);
      if (value) url.searchParams.set(name, value);
    }
  }
  return url;
};

const showFailure = () => {
  const dialog = Object.assign(document.createElement("dialog"), { className: "ph-keys" });
  dialog.textContent = "The command palette could not be loaded: check the connection, or reload the page.";
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.querySelector(".stApp")?.append(dialog);
  dialog.showModal();
};

const togglePalette = () => {
  const dialog = document.querySelector("dialog.ph-palette");
  if (dialog instanceof HTMLDialogElement) return dialog.close();
  const context = {
    entries: [...pages(), ...actions(), ...themes()],
    searchUrl: (/** @type {string} */ query) => pageUrl(`palette.json?q=${encodeURIComponent(query)}`),
    open: (/** @type {string} */ address) => navigate(destination(address)),
    openTab: (/** @type {string} */ address) => void openTab(destination(address).href),
  };
  return loadPalette().then(({ open }) => {
    if (!document.querySelector("dialog.ph-palette")) open(context);
  }, showFailure);
};

/** @param {KeyboardEvent} event */
const onKey = (event) => {
  const hasKey = IS_MAC ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
  if (!hasKey || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
  event.preventDefault();
  event.stopPropagation();
  togglePalette();
};

/** Shows the key of this system on the buttons that open the palette. */
export const showPaletteKey = () => {
  for (const key of document.querySelectorAll(`${BUTTONS} kbd`)) {
    const text = IS_MAC ? "⌘ K" : "Ctrl K";
    if (key.textContent !== text) key.textContent = text;
  }
};

export const installPalette = () => {
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("click", (event) => closestTarget(event, BUTTONS) && togglePalette());
  // Other shortcuts open it as well.
  // What is typed right after the shortcut belongs to the palette, so it is loaded before.
  const load = () => void loadPalette().catch(() => {});
  if ("requestIdleCallback" in globalThis) requestIdleCallback(load, { timeout: 5_000 });
  else setTimeout(load, 2_000);
};
