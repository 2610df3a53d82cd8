// Built by `npm run build` from app/javascript; edit the sources, not this file.

// theme/choice.js
var THEMES = ["system", "light", "dark"];
var parseTheme = (value) => THEMES.find((theme) => theme === value) ?? null;
var isDark = ({ parameter, stored: stored2, systemIsDark, isPrinting }) => {
  if (isPrinting) return false;
  const theme = parameter ?? stored2 ?? "system";
  return theme === "system" ? systemIsDark : theme === "dark";
};

// theme/index.js
var KEY = "pipeline-health-theme";
var STREAMLIT_KEY = "stActiveTheme-";
var QUERY = "(prefers-color-scheme: dark)";
var BACKGROUNDS = { light: "#FFFFFF", dark: "#0F141B" };
var matchMedia = window.matchMedia.bind(window);
var system = matchMedia(QUERY);
var print = matchMedia("print");
var readStored = () => {
  try {
    return parseTheme(localStorage.getItem(KEY));
  } catch {
    return null;
  }
};
var store = (theme) => {
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
  }
};
var forgetStreamlitThemes = () => {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(STREAMLIT_KEY)) localStorage.removeItem(key);
  } catch {
  }
};
var stored = readStored();
var readDark = () => isDark({
  parameter: parseTheme(new URLSearchParams(location.search).get("theme")),
  stored,
  systemIsDark: system.matches,
  isPrinting: print.matches
});
var dark = readDark();
var ColourScheme = class extends EventTarget {
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
};
var scheme = new ColourScheme();
var paint = () => {
  const root = document.documentElement;
  root.style.colorScheme = dark ? "dark" : "light";
  root.style.backgroundColor = dark ? BACKGROUNDS.dark : BACKGROUNDS.light;
};
var update = () => {
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
window.matchMedia = (query) => query === QUERY ? (
  /** @type {MediaQueryList} */
  /** @type {unknown} */
  scheme
) : matchMedia(query);
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
  }
};
