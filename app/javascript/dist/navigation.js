// Built by `npm run build` from app/javascript; edit the sources, not this file.

// navigation/events.js
var closestTarget = (event, selector) => event.target instanceof Element ? event.target.closest(selector) : null;
var hasModifier = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button > 0;
var isTextInput = (target2) => target2 instanceof HTMLElement && (target2.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target2.tagName));

// navigation/pages.js
var basePath = (pathname, pages2) => {
  const path = pathname.replace(/\/$/, "");
  const page = Object.keys(pages2).find((name) => name && path.endsWith(`/${name}`));
  return page ? path.slice(0, -page.length) : `${path}/`;
};
var currentPage = (pathname, pages2) => `${pathname.replace(/\/$/, "")}/`.slice(basePath(pathname, pages2).length).replace(/\/$/, "");
var isPage = (url, location2, pages2) => {
  const base = basePath(location2.pathname, pages2);
  if (url.origin !== location2.origin || !`${url.pathname}/`.startsWith(base)) return false;
  return Object.hasOwn(pages2, url.pathname.slice(base.length).replace(/\/$/, ""));
};

// navigation/state.js
var initialState = () => ({
  pages: {},
  keys: {},
  parents: {},
  filters: [],
  palette: "",
  listening: false,
  historyPath: null,
  userActed: false,
  sequenceEnds: 0,
  modifierPressed: false,
  followsStreamlitLink: false,
  selectedRuns: /* @__PURE__ */ new Set()
});
var target = (
  /** @type {Window & { __pipelineHealth?: NavigationState }} */
  /** @type {unknown} */
  globalThis
);
var state = target.__pipelineHealth ??= initialState();

// navigation/url_state.js
var BROWSER_PARAMETERS = ["sort", "columns"];
var tableValue = (search, parameter, table) => {
  const prefix = `${table}.`;
  const value = new URLSearchParams(search).getAll(parameter).find((item) => item.startsWith(prefix));
  return value?.slice(prefix.length) ?? "";
};
var withTableValue = (search, parameter, table, value) => {
  const parameters = new URLSearchParams(search);
  const others = parameters.getAll(parameter).filter((item) => !item.startsWith(`${table}.`));
  parameters.delete(parameter);
  for (const item of value ? [...others, `${table}.${value}`] : others) parameters.append(parameter, item);
  const text = parameters.toString();
  return text && `?${text}`;
};
var keepBrowserParameters = (address, current) => {
  const [next, now] = [new URL(address, current), new URL(current)];
  if (next.pathname !== now.pathname) return address;
  for (const name of BROWSER_PARAMETERS) {
    next.searchParams.delete(name);
    for (const value of now.searchParams.getAll(name)) next.searchParams.append(name, value);
  }
  return next.pathname + next.search + next.hash;
};

// navigation/router.js
var STREAMLIT_LINKS = "[data-testid=stSidebarNav], [data-testid=stPageLink]";
var pushState = history.pushState.bind(history);
var replaceState = history.replaceState.bind(history);
var openWindow = window.open.bind(window);
var pageUrl = (address) => new URL(basePath(location.pathname, state.pages) + address, location.origin);
var isDashboardPage = (url) => isPage(url, location, state.pages);
var navigate = (url) => {
  const isOtherPage = url.pathname !== location.pathname;
  url.hash = "";
  pushState({}, "", url);
  state.userActed = false;
  dispatchEvent(new PopStateEvent("popstate", { state: {} }));
  if (isOtherPage) document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
};
var replaceSearch = (search, { rerun = false } = {}) => {
  if (search === location.search) return;
  replaceState(history.state, "", location.pathname + search + location.hash);
  if (rerun) dispatchEvent(new PopStateEvent("popstate", { state: {} }));
};
var openTab = (url) => openWindow(url);
var pathOf = (url) => new URL(url, location.href).pathname.replace(/\/$/, "");
var pushCurrentState = (data, unused, url) => {
  const isLate = url !== void 0 && url !== null && state.historyPath !== null && pathOf(url) !== state.historyPath;
  if (isLate) return;
  const address = currentAddress(url);
  const isSamePage = address !== void 0 && address !== null && pathOf(address) === pathOf(location.href);
  if (isSamePage && !state.userActed) replaceState(data, unused, address);
  else pushState(data, unused, address);
  state.userActed = false;
};
var replaceCurrentState = (data, unused, url) => replaceState(data, unused, currentAddress(url));
var currentAddress = (url) => {
  if (url === void 0 || url === null) return url;
  if (state.historyPath === null && state.followsStreamlitLink) {
    state.followsStreamlitLink = false;
    return url;
  }
  return keepBrowserParameters(String(url), location.href);
};
var openPage = (address, ...rest) => {
  const url = address ? new URL(address, document.baseURI) : null;
  if (!url || state.modifierPressed || !isDashboardPage(url)) return openWindow(address, ...rest);
  navigate(url);
  return null;
};
var onClick = (event) => {
  if (closestTarget(event, STREAMLIT_LINKS)) {
    state.historyPath = null;
    state.followsStreamlitLink = true;
  }
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
var installRouter = () => {
  history.pushState = pushCurrentState;
  history.replaceState = replaceCurrentState;
  window.open = openPage;
  addEventListener("popstate", () => state.historyPath = pathOf(location.href), true);
  for (const type of ["pointerdown", "keydown"]) addEventListener(type, () => state.userActed = true, true);
  document.addEventListener("click", onClick, true);
  document.addEventListener("auxclick", (event) => state.modifierPressed = hasModifier(event), true);
};

// navigation/chart_links.js
var onClick2 = (event) => {
  const address = event.points?.[0]?.customdata?.[0];
  const url = typeof address === "string" ? pageUrl(address) : null;
  if (!url || !isDashboardPage(url)) return;
  if (event.event && hasModifier(event.event)) openTab(url.href);
  else navigate(url);
};
var linkPoints = (plot) => {
  if (plot.dataset.opens || !plot.on) return;
  plot.dataset.opens = "yes";
  plot.on("plotly_click", onClick2);
};

// navigation/column_choice.js
var KEY = /^-?[a-z0-9-]{1,60}$/;
var parseChoice = (text) => new Map(
  text.split(".").filter((item) => KEY.test(item) && item !== "-").map((item) => [item.replace(/^-/, ""), !item.startsWith("-")])
);
var formatChoice = (choice) => [...choice].map(([key, isShown]) => isShown ? key : `-${key}`).join(".");
var columnRules = (table, keys, choice) => keys.map((key, index) => {
  const isShown = choice.get(key);
  if (!key || isShown === void 0) return "";
  const cells = `table.ph-table[data-table="${table}"] > * > tr > :nth-child(${index + 1})`;
  return `${cells} { display: ${isShown ? "table-cell" : "none"} !important; }`;
}).filter(Boolean).join("\n");

// navigation/columns.js
var STORAGE_KEY = "ph-columns";
var TITLE = "Columns";
var storedChoices = () => {
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}");
    return stored && typeof stored === "object" ? stored : {};
  } catch {
    return {};
  }
};
var storeChoice = (table, text) => {
  const stored = storedChoices();
  if (text) stored[table] = text;
  else delete stored[table];
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(stored));
  } catch {
  }
};
var headsOf = (table) => [...table.tHead?.rows[0].cells ?? []];
var isShownByDefault = (head) => {
  if (head.classList.contains("ph-off")) return false;
  if (head.classList.contains("ph-wide-only")) return !matchMedia("(max-width: 640px)").matches;
  return !(head.classList.contains("ph-desk-only") && matchMedia("(max-width: 1100px)").matches);
};
var styleElement = () => {
  const known = document.getElementById("ph-column-rules");
  return known ?? document.head.appendChild(Object.assign(document.createElement("style"), { id: "ph-column-rules" }));
};
var applyColumns = (tables) => {
  const stored = storedChoices();
  const rules = [];
  for (const table of tables) {
    const name = table.dataset.table ?? "";
    let text = tableValue(location.search, "columns", name);
    if (!text && typeof stored[name] === "string" && stored[name]) {
      text = stored[name];
      replaceSearch(withTableValue(location.search, "columns", name, text));
    }
    const keys = headsOf(table).map((head) => head.dataset.key ?? "");
    if (text) rules.push(columnRules(CSS.escape(name), keys, parseChoice(text)));
  }
  const css = rules.join("\n");
  const style = styleElement();
  if (style.textContent !== css) style.textContent = css;
};
var tableOf = (element) => {
  for (let node = element.parentElement; node; node = node.parentElement) {
    if (node.querySelectorAll(".ph-panel").length > 1) return null;
    const table = node.querySelector("table.ph-table");
    if (table instanceof HTMLTableElement) return table;
  }
  return null;
};
var choose = (table, choice) => {
  const [name, text] = [table.dataset.table ?? "", formatChoice(choice)];
  storeChoice(name, text);
  replaceSearch(withTableValue(location.search, "columns", name, text));
  applyColumns(document.querySelectorAll("table.ph-table"));
};
var showMenu = (table, button) => {
  document.querySelector(".ph-column-menu")?.remove();
  const menu = Object.assign(document.createElement("div"), { className: "ph-column-menu" });
  menu.setAttribute("popover", "auto");
  menu.setAttribute("role", "group");
  menu.setAttribute("aria-label", TITLE);
  const fill = () => {
    const choice = parseChoice(tableValue(location.search, "columns", table.dataset.table ?? ""));
    menu.replaceChildren();
    for (const head of headsOf(table).filter((item) => item.dataset.key && !item.classList.contains("ph-fluid"))) {
      const [key, isDefault] = [head.dataset.key ?? "", isShownByDefault(head)];
      const box = Object.assign(document.createElement("input"), { type: "checkbox" });
      box.checked = choice.get(key) ?? isDefault;
      box.addEventListener("change", () => {
        if (box.checked === isDefault) choice.delete(key);
        else choice.set(key, box.checked);
        choose(table, choice);
      });
      const label = document.createElement("label");
      label.append(box, head.dataset.label ?? head.textContent ?? "");
      menu.append(label);
    }
    const reset = Object.assign(document.createElement("button"), { type: "button", textContent: "Reset" });
    reset.addEventListener("click", () => {
      choose(table, /* @__PURE__ */ new Map());
      fill();
      menu.querySelector("input")?.focus();
    });
    menu.append(reset);
  };
  fill();
  menu.addEventListener("toggle", (event) => {
    if (
      /** @type {ToggleEvent} */
      event.newState !== "closed"
    ) return;
    if (menu.contains(document.activeElement)) button.focus();
    menu.remove();
  });
  document.querySelector(".stApp")?.append(menu);
  const { right, bottom } = button.getBoundingClientRect();
  menu.style.setProperty("top", `${Math.max(Math.min(bottom + 4, innerHeight - 320), 8)}px`);
  menu.style.setProperty("right", `${Math.max(innerWidth - right, 8)}px`);
  menu.showPopover();
  menu.querySelector("input")?.focus();
};
var onClick3 = (event) => {
  const button = closestTarget(event, "button.ph-columns");
  const table = button && tableOf(button);
  if (button && table) showMenu(table, button);
};
var installColumns = () => {
  document.addEventListener("click", onClick3);
  addEventListener("popstate", () => applyColumns(document.querySelectorAll("table.ph-table")));
};

// navigation/default_view.js
var KEY2 = "pipeline_health_default_view ";
var BUTTONS = "button[data-default-view]";
var MENU = ".st-key-views-active";
var storageKey = () => KEY2 + basePath(location.pathname, state.pages);
var parseDefaultView = (text) => {
  try {
    const view = JSON.parse(text ?? "null");
    const isView = ["id", "name", "address"].every((name) => typeof view?.[name] === "string");
    return isView ? view : null;
  } catch {
    return null;
  }
};
var defaultView = () => {
  try {
    return parseDefaultView(localStorage.getItem(storageKey()));
  } catch {
    return null;
  }
};
var setDefaultView = (view) => {
  try {
    if (view) localStorage.setItem(storageKey(), JSON.stringify(view));
    else localStorage.removeItem(storageKey());
  } catch {
  }
  showDefaultView();
};
var showDefaultView = () => {
  const view = defaultView();
  for (
    const button of
    /** @type {NodeListOf<HTMLElement>} */
    document.querySelectorAll(BUTTONS)
  ) {
    const isDefault2 = button.dataset.defaultView === view?.id;
    if (button.getAttribute("aria-pressed") === String(isDefault2)) continue;
    button.setAttribute("aria-pressed", String(isDefault2));
    button.textContent = isDefault2 ? "★" : "☆";
    button.title = isDefault2 ? "Do not open by default" : "Open by default in this browser";
  }
  const shown = document.querySelector(`${MENU} [data-view]`);
  if (!(shown instanceof HTMLElement)) return;
  const isDefault = shown.dataset.view === view?.id;
  if (shown.hidden === isDefault) shown.hidden = !isDefault;
  const address = shown.dataset.address ?? "";
  if (view && isDefault && address && address !== view.address) setDefaultView({ ...view, address });
};
var onClick4 = (event) => {
  const button = closestTarget(event, BUTTONS);
  if (!button) return;
  const { defaultView: id = "", name = "", address = "" } = button.dataset;
  setDefaultView(button.getAttribute("aria-pressed") === "true" ? null : { id, name, address });
};
var installDefaultView = () => document.addEventListener("click", onClick4);

// navigation/frame.js
var MENU_LINKS = "a[data-testid=stSidebarNavLink]";
var CONTENT_ID = "content";
var markMenuItem = () => {
  const parent = state.parents[currentPage(location.pathname, state.pages)];
  for (
    const link of
    /** @type {NodeListOf<HTMLAnchorElement>} */
    document.querySelectorAll(MENU_LINKS)
  ) {
    const url = new URL(link.href);
    const isParent = parent !== void 0 && isPage(url, location, state.pages) && currentPage(url.pathname, state.pages) === parent;
    link.toggleAttribute("data-contains-page", isParent);
    if (isParent) link.setAttribute("aria-current", "true");
    else if (link.getAttribute("aria-current") === "true") link.removeAttribute("aria-current");
  }
};
var markHeading = () => {
  const heading = document.querySelector("[data-testid=stMain] h1");
  if (!heading || heading.id === CONTENT_ID) return;
  document.getElementById(CONTENT_ID)?.removeAttribute("id");
  heading.id = CONTENT_ID;
  heading.setAttribute("tabindex", "-1");
};
var onClick5 = (event) => {
  if (!closestTarget(event, "a.ph-skip")) return;
  event.preventDefault();
  const heading = document.getElementById(CONTENT_ID);
  heading?.scrollIntoView({ block: "center" });
  heading?.focus();
};
var installSkipLink = () => document.addEventListener("click", onClick5, true);

// navigation/kiosk_layout.js
var MIN_WIDTH = 8.2;
var MIN_HEIGHT = 1.6;
var MAX_HEIGHT = 13;
var ASPECT = 3.4;
var fieldGrid = (count, { width, height, gap, unit }) => {
  const maxColumns = Math.max(1, Math.floor((width + gap) / (MIN_WIDTH * unit + gap)));
  const maxRows = Math.max(1, Math.floor((height + gap) / (MIN_HEIGHT * unit + gap)));
  let best = { columns: maxColumns, size: 0 };
  for (let columns = 1; columns <= maxColumns; columns++) {
    const rows2 = Math.ceil(count / columns);
    if (rows2 > maxRows) continue;
    const fieldWidth = (width - gap * (columns - 1)) / columns;
    const fieldHeight = Math.min((height - gap * (rows2 - 1)) / rows2, MAX_HEIGHT * unit);
    const size = Math.min(fieldWidth / ASPECT, fieldHeight);
    if (size > best.size) best = { columns, size };
  }
  const shown = Math.min(count, best.columns * maxRows);
  const rows = Math.max(1, Math.ceil(shown / best.columns));
  return {
    columns: best.columns,
    rowHeight: Math.floor(Math.min((height - gap * (rows - 1)) / rows, MAX_HEIGHT * unit)),
    shown
  };
};
var viewAt = (views, seconds, now) => {
  const shown = views.filter(({ isEmpty }) => !isEmpty);
  const candidates = shown.length > 0 ? shown : views;
  return candidates[seconds > 0 ? Math.floor(now / 1e3 / seconds) % candidates.length : 0]?.name;
};
var updatedText = (seconds) => {
  if (seconds < 60) return "updated just now";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `updated ${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `updated ${hours} h ago` : `updated ${Math.floor(hours / 24)} d ago`;
};

// navigation/kiosk.js
var WALL = ".ph-wall";
var PARAMETERS = ["wall", "rotate", "theme"];
var POINTER_MS = 3e3;
var OLD_SECONDS = 900;
var wall = () => document.querySelector(WALL);
var fit = (fields) => {
  const { clientWidth: width, clientHeight: height } = fields;
  const style = getComputedStyle(fields);
  const unit = Number.parseFloat(style.fontSize);
  if (!width || !height || !unit) return;
  const children = [.../** @type {HTMLCollectionOf<HTMLElement>} */
  fields.children];
  const area = { width, height, gap: Number.parseFloat(style.columnGap) || 0, unit };
  const { columns, rowHeight, shown } = fieldGrid(children.length, area);
  fields.style.setProperty("--ph-columns", String(columns));
  fields.style.setProperty("--ph-row", `${rowHeight}px`);
  children.forEach((field, index) => field.hidden = index >= shown);
  const rest = fields.nextElementSibling;
  if (!(rest instanceof HTMLElement)) return;
  const total = Number(fields.dataset.total);
  const hidden = children.slice(shown);
  const failing = hidden.filter((field) => field.classList.contains("ph-red")).length;
  const text = `${(total - shown).toLocaleString("en")} more${failing ? `, ${failing} of them failing` : ""}`;
  setText(rest, text);
  if (rest.hidden === total <= shown) return;
  rest.hidden = total <= shown;
  fit(fields);
};
var showKiosk = () => {
  const root = wall();
  if (!root) return;
  const now = Date.now();
  const sections = (
    /** @type {NodeListOf<HTMLElement>} */
    root.querySelectorAll("section[data-view]")
  );
  const views = [...sections].map(({ dataset }) => ({ name: dataset.view ?? "", isEmpty: "empty" in dataset }));
  const current = viewAt(views, Number(root.dataset.rotate), now);
  for (const section2 of sections) {
    section2.hidden = section2.dataset.view !== current;
    if (!section2.hidden) section2.querySelectorAll(".ph-wall-fields").forEach((fields) => fit(
      /** @type {HTMLElement} */
      fields
    ));
    const name = root.querySelector(".ph-wall-view");
    if (name && !section2.hidden && views.length > 1) setText(name, section2.ariaLabel ?? "");
  }
  const clock = root.querySelector("[data-clock]");
  if (clock) setText(clock, new Date(now).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }));
  const updated = (
    /** @type {HTMLElement | null} */
    root.querySelector("[data-updated]")
  );
  if (!updated) return;
  const age = now / 1e3 - Number(updated.dataset.updated);
  setText(updated, updatedText(age));
  updated.classList.toggle("ph-red", age > OLD_SECONDS);
};
var setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
var leave = () => {
  const url = new URL(location.href);
  for (const name of PARAMETERS) url.searchParams.delete(name);
  navigate(url);
};
var pointerTimer;
var showPointer = () => {
  if (!wall()) return;
  document.documentElement.classList.add("ph-pointer");
  clearTimeout(pointerTimer);
  pointerTimer = setTimeout(() => document.documentElement.classList.remove("ph-pointer"), POINTER_MS);
};
var installKiosk = () => {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && wall() && !document.querySelector("dialog[open]")) leave();
  });
  document.addEventListener("click", (event) => closestTarget(event, ".ph-wall-exit") && leave());
  document.addEventListener("pointermove", showPointer, { passive: true });
  addEventListener("resize", showKiosk);
  setInterval(showKiosk, 1e3);
};

// navigation/list_pages.js
var PAGERS = ".st-key-pager, .st-key-alerts-pager, .st-key-firing-pager";
var onClick6 = (event) => {
  if (!closestTarget(event, "button:not(:disabled)")) return;
  let block = closestTarget(event, PAGERS);
  while (block && !block.querySelector(".ph-panel")) block = block.parentElement;
  const head = block?.querySelector(".ph-panel");
  if (head && head.getBoundingClientRect().top < 0) head.scrollIntoView({ block: "start" });
};
var installListPages = () => document.addEventListener("click", onClick6);

// log_viewer/dom.js
var createElement = (name, className = "", text = void 0) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== void 0) element.textContent = text;
  return element;
};
var copyToClipboard = async (text) => {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  const area = createElement("textarea", "", text);
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("The browser does not allow this page to copy.");
  return void 0;
};

// navigation/shortcut_list.js
var SECTIONS = [
  [
    "All pages",
    [
      ["Ctrl K", "Open the command palette (macOS: ⌘ K)"],
      ["/", "Search the page"],
      ["?", "Show keyboard shortcuts"],
      ["Tab", "Next link, button or field; in tables, arrow keys move between explanations"],
      ["Esc", "Close a dialog or an explanation; leave kiosk mode"]
    ]
  ],
  [
    "Log",
    [
      ["n", "Next error or warning"],
      ["p", "Previous error or warning"],
      ["Ctrl F", "Search the log"],
      ["Enter", "Next match; fold or unfold a group"],
      ["Shift Enter", "Previous match"]
    ]
  ]
];
var helpSections = ({ keys, pages: pages2 }) => [
  ["Go to", Object.entries(keys).map(([key, page]) => [`g ${key}`, pages2[page]])],
  ...SECTIONS
];

// navigation/shortcuts.js
var SEQUENCE_MS = 1500;
var TITLE2 = "Keyboard shortcuts";
var PALETTE_EVENT = "ph:palette";
var SEARCH_INPUTS = "[data-testid=stMain] input[type=text], [data-testid=stMain] input[type=search]";
var searchInput = () => [.../** @type {NodeListOf<HTMLInputElement>} */
document.querySelectorAll(SEARCH_INPUTS)].find(
  (input) => input.offsetParent !== null && !input.closest("[data-baseweb=select], [role=combobox]")
);
var section = (title, rows) => {
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
var showHelp = () => {
  document.querySelector("dialog.ph-keys")?.remove();
  const dialog = Object.assign(document.createElement("dialog"), { className: "ph-keys" });
  dialog.setAttribute("aria-label", TITLE2);
  const lists = Object.assign(document.createElement("div"), { className: "ph-key-lists" });
  for (const [title, rows] of helpSections(state)) lists.append(section(title, rows));
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "Close" });
  close.addEventListener("click", () => dialog.close());
  dialog.append(Object.assign(document.createElement("h2"), { textContent: TITLE2 }), lists, close);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.querySelector(".stApp")?.append(dialog);
  dialog.showModal();
};
var onKey = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTextInput(event.target)) return;
  const page = state.keys[event.key];
  if (state.sequenceEnds > Date.now() && page !== void 0) {
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
    else document.dispatchEvent(new CustomEvent(PALETTE_EVENT, { bubbles: true }));
  } else if (event.key === "?") {
    event.preventDefault();
    showHelp();
  }
};
var installShortcuts = () => {
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("click", (event) => closestTarget(event, "button.ph-help") && showHelp());
};

// theme/choice.js
var THEMES = ["system", "light", "dark"];
var parseTheme = (value) => THEMES.find((theme) => theme === value) ?? null;

// navigation/theme_switch.js
var BUTTONS2 = "button[data-theme]";
var showTheme = () => {
  const current = window.__pipelineHealthTheme?.current ?? "system";
  for (
    const button of
    /** @type {NodeListOf<HTMLButtonElement>} */
    document.querySelectorAll(BUTTONS2)
  ) {
    const pressed = String(button.dataset.theme === current);
    if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
  }
};
var onClick7 = (event) => {
  const theme = parseTheme(closestTarget(event, BUTTONS2)?.dataset.theme);
  if (!theme) return;
  window.__pipelineHealthTheme?.choose(theme);
  showTheme();
};
var installThemeSwitch = () => document.addEventListener("click", onClick7);

// navigation/palette.js
var IS_MAC = /^(Mac|iP)/.test(navigator.platform);
var BUTTONS3 = "[data-palette]";
var palette = null;
var attempts = 0;
var loadPalette = () => {
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
var urlWithoutFilters = () => {
  const url = new URL(location.href);
  for (const name of state.filters) url.searchParams.delete(name);
  return url;
};
var kioskUrl = (isOn) => {
  const url = isOn ? pageUrl("") : new URL(location.href);
  if (isOn) url.search = location.search;
  if (isOn) url.searchParams.set("wall", "1");
  else for (const name of ["wall", "rotate", "theme"]) url.searchParams.delete(name);
  return url;
};
var actions = () => {
  const isKiosk = new URLSearchParams(location.search).has("wall");
  const view = defaultView();
  const menus = (
    /** @type {NodeListOf<HTMLElement>} */
    document.querySelectorAll(".st-key-views-open button")
  );
  const menu = [...menus].find((button) => button.offsetParent !== null);
  const ofViews = [];
  if (menu) ofViews.push({
    kind: "action",
    label: "Save view",
    detail: "the page with its filters",
    keywords: "bookmark views",
    run: () => menu.click()
  });
  if (view) ofViews.push({ kind: "action", label: "Clear default view", detail: view.name, run: () => setDefaultView(null) });
  return [
    ...ofViews,
    { kind: "action", label: "Clear filters", keywords: "reset", run: () => navigate(urlWithoutFilters()) },
    {
      kind: "action",
      label: "Copy link to this page",
      keywords: "url share",
      run: () => void copyToClipboard(location.href).catch(() => {
      })
    },
    {
      kind: "action",
      label: isKiosk ? "Leave kiosk mode" : "Kiosk mode",
      keywords: "wall screen tv fullscreen",
      run: () => navigate(kioskUrl(!isKiosk))
    },
    { kind: "action", label: "Keyboard shortcuts", keywords: "help keys", run: showHelp }
  ];
};
var THEMES2 = [["light", "Light theme"], ["dark", "Dark theme"], ["system", "Theme of the system"]];
var themes = () => THEMES2.map(([theme, label]) => ({ kind: "action", label, keywords: "colour mode", run: () => {
  window.__pipelineHealthTheme?.choose(theme);
  showTheme();
} }));
var pages = () => Object.entries(state.keys).map(([key, page]) => ({ kind: "page", label: state.pages[page], detail: `g ${key}`, address: page }));
var destination = (address) => {
  const url = pageUrl(address);
  const current = new URLSearchParams(location.search);
  if (url.searchParams.get("saved") === "") {
    for (const name of ["period", "dates"]) {
      const value = current.get(name);
      if (value) url.searchParams.set(name, value);
    }
  }
  return url;
};
var showFailure = () => {
  const dialog = Object.assign(document.createElement("dialog"), { className: "ph-keys" });
  dialog.textContent = "The command palette could not be loaded: check the connection, or reload the page.";
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.querySelector(".stApp")?.append(dialog);
  dialog.showModal();
};
var togglePalette = () => {
  const opened = document.querySelector("dialog.ph-palette");
  if (opened instanceof HTMLDialogElement) return opened.close();
  const context = {
    entries: [...pages(), ...actions(), ...themes()],
    searchUrl: (query) => pageUrl(`palette.json?q=${encodeURIComponent(query)}`),
    open: (address) => navigate(destination(address)),
    openTab: (address) => void openTab(destination(address).href)
  };
  return loadPalette().then(({ open }) => {
    if (!document.querySelector("dialog.ph-palette")) open(context);
  }, showFailure);
};
var onKey2 = (event) => {
  const hasKey = IS_MAC ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
  if (!hasKey || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
  event.preventDefault();
  event.stopPropagation();
  togglePalette();
};
var showPaletteKey = () => {
  for (const key of document.querySelectorAll(`${BUTTONS3} kbd`)) {
    const text = IS_MAC ? "⌘ K" : "Ctrl K";
    if (key.textContent !== text) key.textContent = text;
  }
};
var installPalette = () => {
  document.addEventListener("keydown", onKey2, true);
  document.addEventListener("click", (event) => closestTarget(event, BUTTONS3) && togglePalette());
  document.addEventListener("ph:palette", togglePalette);
  const load = () => void loadPalette().catch(() => {
  });
  if ("requestIdleCallback" in globalThis) requestIdleCallback(load, { timeout: 5e3 });
  else setTimeout(load, 2e3);
};

// navigation/print.js
var scaleCharts = () => {
  for (
    const svg of
    /** @type {NodeListOf<SVGSVGElement>} */
    document.querySelectorAll(".js-plotly-plot svg.main-svg")
  ) {
    const [width, height] = [svg.getAttribute("width"), svg.getAttribute("height")];
    if (!width || !height) continue;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const container = svg.closest(".svg-container");
    if (container instanceof HTMLElement) container.style.setProperty("--ph-ratio", `${width} / ${height}`);
  }
};
var writeSource = () => {
  const time = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" }).format(/* @__PURE__ */ new Date());
  for (const element of document.querySelectorAll(".ph-print-source")) {
    element.textContent = ` · printed ${time} · ${location.href}`;
  }
};
var installPrint = () => {
  const prepare = () => {
    scaleCharts();
    writeSource();
  };
  addEventListener("beforeprint", prepare);
  matchMedia("print").addEventListener("change", (event) => event.matches && prepare());
};

// navigation/run_selection.js
var MAX_RUNS = 5;
var showRunSelection = () => {
  const { selectedRuns } = state;
  for (
    const box of
    /** @type {NodeListOf<HTMLInputElement>} */
    document.querySelectorAll("input.ph-pick")
  ) {
    box.checked = selectedRuns.has(box.value);
    box.disabled = !box.checked && selectedRuns.size >= MAX_RUNS;
  }
  for (const bar of document.querySelectorAll(".ph-picked")) {
    bar.classList.toggle("ph-some", selectedRuns.size > 1);
    const link = bar.querySelector("a");
    if (!link) continue;
    const address = `compare?runs=${[...selectedRuns].join(",")}`;
    if (link.getAttribute("href") !== address) link.setAttribute("href", address);
    const label = `Compare ${selectedRuns.size} runs`;
    if (link.textContent !== label) link.textContent = label;
  }
};
var onClick8 = (event) => {
  const box = closestTarget(event, "input.ph-pick");
  if (box instanceof HTMLInputElement) {
    if (box.checked) state.selectedRuns.add(box.value);
    else state.selectedRuns.delete(box.value);
  } else if (closestTarget(event, ".ph-picked button")) {
    state.selectedRuns.clear();
  } else return;
  showRunSelection();
};
var installRunSelection = () => document.addEventListener("click", onClick8);

// navigation/sort_order.js
var compareValues = (a, b) => {
  if (a === "" || b === "") return Number(a === "") - Number(b === "");
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
};
var sortByValue = (items, valueOf, descending) => {
  const known = items.filter((item) => valueOf(item) !== "");
  const sign = descending ? -1 : 1;
  known.sort((a, b) => sign * compareValues(valueOf(a), valueOf(b)));
  return [...known, ...items.filter((item) => valueOf(item) === "")];
};
var nextSortOrder = (current, column, isNumeric) => {
  if (current?.column !== column) return { column, descending: isNumeric };
  return current.descending === isNumeric ? { column, descending: !isNumeric } : null;
};
var parseSortOrder = (text) => text.replace("-", "") ? { column: text.replace(/^-/, ""), descending: text.startsWith("-") } : null;
var formatSortOrder = (order) => order ? (order.descending ? "-" : "") + order.column : "";

// navigation/table_sort.js
var cellValue = (row, column) => row.cells[column]?.dataset.value ?? "";
var headsOf2 = (table) => [...table.tHead?.rows[0].cells ?? []];
var applySortOrder = (table) => {
  const text = tableValue(location.search, "sort", table.dataset.table ?? "");
  if (text === (table.dataset.sorted ?? "")) return;
  const heads = headsOf2(table);
  const order = parseSortOrder(text);
  const index = heads.findIndex((head) => head.dataset.key === order?.column);
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const isOriginal = rows.every((row) => row.dataset.position === void 0);
  if (order && index >= 0 && heads[index].dataset.server === void 0) {
    if (isOriginal) rows.forEach((row, position) => row.dataset.position = String(position));
    const original = sortByValue(rows, (row) => row.dataset.position ?? "", false);
    body.append(...sortByValue(original, (row) => cellValue(row, index), order.descending));
  } else if (!order && !isOriginal) {
    body.append(...sortByValue(rows, (row) => row.dataset.position ?? "", false));
  } else return;
  table.dataset.sorted = text;
  for (const head of heads.filter((item) => item.dataset.key)) {
    const direction = order?.descending ? "descending" : "ascending";
    head.setAttribute("aria-sort", order && head === heads[index] ? direction : "none");
  }
};
var onClick9 = (event) => {
  const head = closestTarget(event, "table.ph-table th");
  const table = head?.closest("table");
  if (!(head instanceof HTMLTableCellElement) || !table || !closestTarget(event, "button")) return;
  const [name, column] = [table.dataset.table ?? "", head.dataset.key ?? ""];
  const isNumeric = [...table.tBodies[0].rows].some((row) => {
    const value = cellValue(row, head.cellIndex);
    return value !== "" && !Number.isNaN(Number(value));
  });
  const current = parseSortOrder(tableValue(location.search, "sort", name));
  const text = formatSortOrder(nextSortOrder(current, column, isNumeric));
  const sorted = headsOf2(table).find((item) => item.dataset.key === (text ? column : current?.column));
  const isServer = sorted?.dataset.server !== void 0;
  let search = withTableValue(location.search, "sort", name, text);
  if (isServer) search = withTableValue(search, "page", name, "");
  const isRestorable = text || [...table.tBodies[0].rows].some((row) => row.dataset.position !== void 0);
  replaceSearch(search, { rerun: isServer || !isRestorable });
  applySortOrder(table);
};
var onPageClick = (event) => {
  const pager = closestTarget(event, "[class*=st-key-pager-], [class*=st-key-pages-]");
  if (!pager || !closestTarget(event, "button")) return;
  for (let node = pager.parentElement; node; node = node.parentElement) {
    const head = node.querySelector(".ph-panel");
    if (!head) continue;
    if (head.getBoundingClientRect().top < 0) head.scrollIntoView();
    return;
  }
};
var onChange = (event) => {
  const select = closestTarget(event, "select.ph-order");
  if (!(select instanceof HTMLSelectElement)) return;
  const name = select.dataset.for ?? "";
  const search = withTableValue(location.search, "sort", name, select.value);
  replaceSearch(withTableValue(search, "page", name, ""), { rerun: true });
};
var installTableSort = () => {
  document.addEventListener("click", onClick9);
  document.addEventListener("click", onPageClick);
  document.addEventListener("change", onChange);
};

// navigation/tooltip_layout.js
var GAP = 6;
var EDGE = 8;
var placeTip = (element, tip, window2) => {
  const below = element.bottom + GAP;
  const above = element.top - GAP - tip.height;
  const fitsBelow = below + tip.height + EDGE <= window2.height;
  const left = Math.min(element.left, window2.width - tip.width - EDGE);
  return { left: Math.max(left, EDGE), top: fitsBelow || above < EDGE ? below : above };
};
var neighbour = (tips, current, key) => {
  const { x, y } = tips[current];
  switch (key) {
    case "ArrowRight":
      return tips[current + 1];
    case "ArrowLeft":
      return tips[current - 1];
    case "ArrowDown":
      return tips.find((tip) => tip.x === x && tip.y > y);
    case "ArrowUp":
      return tips.findLast((tip) => tip.x === x && tip.y < y);
    default:
      return void 0;
  }
};

// navigation/tooltip.js
var TIPPED = "[data-tip]";
var TITLED = ".stApp [data-testid=stHtml] [title]";
var FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";
var TIP_ID = "ph-tooltip";
var LEAVE_MS = 200;
var owner = null;
var described = null;
var leaving;
var tooltip = () => {
  const existing = document.getElementById(TIP_ID);
  if (existing) return existing;
  const created = Object.assign(document.createElement("div"), { id: TIP_ID, className: "ph-tooltip" });
  created.setAttribute("role", "tooltip");
  created.setAttribute("popover", "manual");
  document.querySelector(".stApp")?.append(created);
  return created;
};
var hide = () => {
  clearTimeout(leaving);
  if (!owner) return;
  described?.removeAttribute("aria-describedby");
  owner = described = null;
  document.getElementById(TIP_ID)?.hidePopover?.();
};
var place = () => {
  if (!owner) return;
  const tip = tooltip();
  const bounds = owner.getBoundingClientRect();
  if (!owner.isConnected || bounds.bottom < 0 || bounds.top > innerHeight) {
    hide();
    return;
  }
  const { left, top } = placeTip(bounds, tip.getBoundingClientRect(), { width: innerWidth, height: innerHeight });
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
};
var show = (element, target2 = element) => {
  clearTimeout(leaving);
  const text = element.dataset.tip;
  if (element === owner || !text) return;
  hide();
  owner = element;
  described = target2;
  const tip = tooltip();
  tip.textContent = text;
  target2.setAttribute("aria-describedby", TIP_ID);
  tip.showPopover?.();
  place();
};
var tipped = (target2) => target2 instanceof Element ? (
  /** @type {HTMLElement | null} */
  target2.closest(TIPPED)
) : null;
var isTip = (target2) => target2 instanceof Element && target2.closest(`#${TIP_ID}`) !== null;
var onPointerOver = (event) => {
  if (event.pointerType === "touch") return;
  const element = tipped(event.target);
  if (element) show(element);
  else if (isTip(event.target)) clearTimeout(leaving);
  else if (owner && !described?.matches(":focus-visible")) {
    clearTimeout(leaving);
    leaving = setTimeout(hide, LEAVE_MS);
  }
};
var onFocusIn = (event) => {
  const target2 = event.target instanceof Element && event.target.matches(":focus-visible") ? event.target : null;
  const element = tipped(target2);
  if (target2 && element) show(element, target2);
  else if (owner && !isTip(event.target)) hide();
};
var onPointerUp = (event) => {
  if (event.pointerType !== "touch") return;
  const element = tipped(event.target);
  if (element && !element.closest("a[href], th button")) show(element);
  else if (!isTip(event.target)) hide();
};
var tableTips = (table) => [...table.tBodies].flatMap(
  (body) => [...body.rows].flatMap(
    (row, y) => [...row.cells].flatMap(
      (cell, x) => [.../** @type {NodeListOf<HTMLElement>} */
      cell.querySelectorAll(TIPPED)].map((element) => ({ element, x, y }))
    )
  )
);
var onKey3 = (event) => {
  if (event.key === "Escape" && owner) {
    event.stopImmediatePropagation();
    event.preventDefault();
    hide();
    return;
  }
  const element = event.target instanceof HTMLElement && event.target.matches(TIPPED) ? event.target : null;
  if (!element) return;
  if (element.getAttribute("role") === "button" && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    if (owner) hide();
    else show(element);
    return;
  }
  const table = element.closest("tbody")?.closest("table");
  if (!table || event.ctrlKey || event.metaKey || event.altKey) return;
  const tips = tableTips(table);
  const next = neighbour(tips, tips.findIndex((tip) => tip.element === element), event.key);
  if (!next) return;
  event.preventDefault();
  if (element.getAttribute("tabindex") === "0") element.setAttribute("tabindex", "-1");
  if (!next.element.matches("a, button")) next.element.setAttribute("tabindex", "0");
  next.element.focus();
};
var upgradeTitles = () => {
  for (
    const element of
    /** @type {NodeListOf<HTMLElement>} */
    document.querySelectorAll(TITLED)
  ) {
    element.dataset.tip = element.title;
    element.removeAttribute("title");
    if (!element.dataset.tip || element.matches(FOCUSABLE) || element.querySelector(FOCUSABLE)) continue;
    const body = element.closest("tbody");
    const isStop = !body || !body.querySelector(`${TIPPED}[tabindex="0"]`);
    element.setAttribute("tabindex", isStop ? "0" : "-1");
    if (element.matches(".ph-label")) element.setAttribute("role", "button");
  }
};
var installTooltips = () => {
  document.addEventListener("pointerover", onPointerOver);
  document.addEventListener("pointerup", onPointerUp);
  document.addEventListener("focusin", onFocusIn);
  document.addEventListener("keydown", onKey3, true);
  addEventListener("popstate", hide);
  addEventListener("scroll", place, { capture: true, passive: true });
};

// navigation/index.js
var CHARTS = "[class*=st-key-opens-] .js-plotly-plot";
var isScheduled = false;
var onMutation = () => {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    const tables = (
      /** @type {NodeListOf<HTMLTableElement>} */
      document.querySelectorAll("table.ph-table")
    );
    tables.forEach(applySortOrder);
    applyColumns(tables);
    showRunSelection();
    markMenuItem();
    markHeading();
    showTheme();
    upgradeTitles();
    showKiosk();
    showPaletteKey();
    showDefaultView();
    document.querySelectorAll(CHARTS).forEach(linkPoints);
  });
};
function navigation({ data }) {
  Object.assign(state, data);
  if (state.listening) return;
  state.listening = true;
  installRouter();
  installShortcuts();
  installPalette();
  installDefaultView();
  installTableSort();
  installColumns();
  installRunSelection();
  installSkipLink();
  installThemeSwitch();
  installTooltips();
  installKiosk();
  installPrint();
  installListPages();
  const app = document.querySelector(".stApp");
  if (app) new MutationObserver(onMutation).observe(app, { childList: true, subtree: true });
  onMutation();
}
export {
  navigation as default
};
