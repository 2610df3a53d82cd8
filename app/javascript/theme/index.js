/**
 * The colour theme, as an inline script of the document that runs before Streamlit's scripts.
 *
 * Streamlit follows the system's colour scheme by a media query, also while a page is open, but keeps a theme that the
 * user has selected in its menu for each path separately. Here its media query reports the user's choice, which the
 * browser keeps for all pages, so that text and charts change at once and pages load without a flash. Written for
 * Streamlit 1.67.
 */
import { isDark, parseTheme } from "./choice.js";

const KEY = "pipeline-health-theme";
const STREAMLIT_KEY = "stActiveTheme-";
const QUERY = "(prefers-color-scheme: dark)";
/** Background of the page until its styles are loaded: those of `.streamlit/config.toml`. */
const BACKGROUNDS = { light: "#FFFFFF", dark: "#0F141B" };

const matchMedia = window.matchMedia.bind(window);
const system = matchMedia(QUERY);
const print = matchMedia("print");

/** A browser may refuse access to its storage. */
const readStored = () => {
  try {
    return parseTheme(localStorage.getItem(KEY));
  } catch {
    return null;
  }
};

/** @param {import("./choice.js").Theme} theme */
const store = (theme) => {
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // The theme applies until the page is closed.
  }
};

/** A theme that was selected in Streamlit's menu would precede the media query. */
const forgetStreamlitThemes = () => {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(STREAMLIT_KEY)) localStorage.removeItem(key);
  } catch {
    // Nothing is stored.
  }
};

let stored = readStored();

const readDark = () =>
  isDark({
    parameter: parseTheme(new URLSearchParams(location.search).get("theme")),
    stored,
    systemIsDark: system.matches,
    isPrinting: print.matches,
  });

let dark = readDark();

/** The media query list that Streamlit gets. */
class ColourScheme extends EventTarget {
  media = QUERY;
  /** @type {((event: Event) => void) | null} */
  onchange = null;

  get matches() {
    return dark;
  }

  /** @param {EventListener} listener */
  addListener(listener) {
    this.addEventListener("change", listener);
  }

  /** @param {EventListener} listener */
  removeListener(listener) {
    this.removeEventListener("change", listener);
  }
}

const scheme = new ColourScheme();

const paint = () => {
  const root = document.documentElement;
  root.style.colorScheme = dark ? "dark" : "light";
  root.style.backgroundColor = dark ? BACKGROUNDS.dark : BACKGROUNDS.light;
};

const update = () => {
  const before = dark;
  dark = readDark();
  if (dark === before) return;
  paint();
  const event = new MediaQueryListEvent("change", { media: QUERY, matches: dark });
  scheme.dispatchEvent(event);
  scheme.onchange?.(event);
};

forgetStreamlitThemes();
paint();
window.matchMedia = (query) =>
  query === QUERY ? /** @type {MediaQueryList} */ (/** @type {unknown} */ (scheme)) : matchMedia(query);
system.addEventListener("change", update);
print.addEventListener("change", update);
addEventListener("popstate", update);
addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  stored = parseTheme(event.newValue);
  update();
});
window.__pipelineHealthTheme = {
  get current() {
    return stored ?? "system";
  },
  /** @param {import("./choice.js").Theme} theme */
  choose(theme) {
    stored = theme;
    store(theme);
    update();
  },
};
