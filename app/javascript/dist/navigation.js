// Built by `npm run build` from app/javascript; edit the sources, not this file.

// navigation/events.js
var closestTarget = (event, selector) => event.target instanceof Element ? event.target.closest(selector) : null;
var hasModifier = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button > 0;
var isTextInput = (target2) => target2 instanceof HTMLElement && (target2.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target2.tagName));

// navigation/pages.js
var basePath = (pathname, pages) => {
  const path = pathname.replace(/\/$/, "");
  const page = Object.keys(pages).find((name) => name && path.endsWith(`/${name}`));
  return page ? path.slice(0, -page.length) : `${path}/`;
};
var isPage = (url, location2, pages) => {
  const base = basePath(location2.pathname, pages);
  if (url.origin !== location2.origin || !`${url.pathname}/`.startsWith(base)) return false;
  return Object.hasOwn(pages, url.pathname.slice(base.length).replace(/\/$/, ""));
};

// navigation/state.js
var initialState = () => ({
  pages: {},
  keys: {},
  listening: false,
  historyPath: null,
  sequenceEnds: 0,
  modifierPressed: false,
  sortOrders: {},
  selectedRuns: /* @__PURE__ */ new Set()
});
var target = (
  /** @type {Window & { __pipelineHealth?: NavigationState }} */
  /** @type {unknown} */
  globalThis
);
var state = target.__pipelineHealth ??= initialState();

// navigation/router.js
var STREAMLIT_LINKS = "[data-testid=stSidebarNav], [data-testid=stPageLink]";
var pushState = history.pushState.bind(history);
var openWindow = window.open.bind(window);
var pageUrl = (address) => new URL(basePath(location.pathname, state.pages) + address, location.origin);
var isDashboardPage = (url) => isPage(url, location, state.pages);
var navigate = (url) => {
  const isOtherPage = url.pathname !== location.pathname;
  url.hash = "";
  pushState({}, "", url);
  dispatchEvent(new PopStateEvent("popstate", { state: {} }));
  if (isOtherPage) document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
};
var openTab = (url) => openWindow(url);
var pathOf = (url) => new URL(url, location.href).pathname.replace(/\/$/, "");
var pushCurrentState = (data, unused, url) => {
  const isLate = url !== void 0 && url !== null && state.historyPath !== null && pathOf(url) !== state.historyPath;
  if (!isLate) pushState(data, unused, url);
};
var openPage = (address, ...rest) => {
  const url = address ? new URL(address, document.baseURI) : null;
  if (!url || state.modifierPressed || !isDashboardPage(url)) return openWindow(address, ...rest);
  navigate(url);
  return null;
};
var onClick = (event) => {
  if (closestTarget(event, STREAMLIT_LINKS)) state.historyPath = null;
  state.modifierPressed = hasModifier(event);
  if (event.defaultPrevented || state.modifierPressed) return;
  const link = closestTarget(event, "a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.hasAttribute("download") || link.target === "_blank") return;
  if (link.closest(STREAMLIT_LINKS)) return;
  const url = new URL(link.href);
  if (!isDashboardPage(url)) return;
  event.preventDefault();
  navigate(url);
};
var installRouter = () => {
  history.pushState = pushCurrentState;
  window.open = openPage;
  addEventListener("popstate", () => state.historyPath = pathOf(location.href), true);
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
var onClick3 = (event) => {
  const box = closestTarget(event, "input.ph-pick");
  if (box instanceof HTMLInputElement) {
    if (box.checked) state.selectedRuns.add(box.value);
    else state.selectedRuns.delete(box.value);
  } else if (closestTarget(event, ".ph-picked button")) {
    state.selectedRuns.clear();
  } else return;
  showRunSelection();
};
var installRunSelection = () => document.addEventListener("click", onClick3);

// navigation/shortcuts.js
var SEQUENCE_MS = 1500;
var TITLE = "Keyboard shortcuts";
var SEARCH_INPUTS = "[data-testid=stMain] input[type=text], [data-testid=stMain] input[type=search]";
var searchInput = () => [.../** @type {NodeListOf<HTMLInputElement>} */
document.querySelectorAll(SEARCH_INPUTS)].find(
  (input) => input.offsetParent !== null && !input.closest("[data-baseweb=select], [role=combobox]")
);
var showHelp = () => {
  document.querySelector("dialog.ph-keys")?.remove();
  const dialog = Object.assign(document.createElement("dialog"), { className: "ph-keys" });
  dialog.setAttribute("aria-label", TITLE);
  const list = document.createElement("dl");
  const addRow = (keys, description) => {
    const term = document.createElement("dt");
    for (const key of keys) term.append(Object.assign(document.createElement("kbd"), { textContent: key }), " ");
    list.append(term, Object.assign(document.createElement("dd"), { textContent: description }));
  };
  for (const [key, page] of Object.entries(state.keys)) addRow(["g", key], state.pages[page]);
  addRow(["/"], "Search");
  addRow(["?"], "Show keyboard shortcuts");
  addRow(["Esc"], "Close");
  dialog.append(Object.assign(document.createElement("h2"), { textContent: TITLE }), list);
  dialog.addEventListener("click", () => dialog.close());
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
    if (!input) return;
    event.preventDefault();
    input.focus();
  } else if (event.key === "?") {
    event.preventDefault();
    showHelp();
  }
};
var installShortcuts = () => document.addEventListener("keydown", onKey, true);

// navigation/table_sort.js
var compareValues = (a, b) => {
  if (a === "" || b === "") return Number(a === "") - Number(b === "");
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
};
var sortByValue = (items, valueOf, descending) => {
  const known = items.filter((item) => valueOf(item) !== "");
  known.sort((a, b) => compareValues(valueOf(a), valueOf(b)));
  if (descending) known.reverse();
  return [...known, ...items.filter((item) => valueOf(item) === "")];
};
var nextSortOrder = (current, column, isNumeric) => ({
  column,
  descending: current?.column === column ? !current.descending : isNumeric
});
var cellValue = (row, column) => row.cells[column]?.dataset.value ?? "";
var applySortOrder = (table) => {
  const order = state.sortOrders[table.dataset.table ?? ""];
  if (!order) return;
  const mark = `${order.column} ${order.descending}`;
  if (table.dataset.sorted === mark) return;
  table.dataset.sorted = mark;
  const body = table.tBodies[0];
  body.append(...sortByValue([...body.rows], (row) => cellValue(row, order.column), order.descending));
  [...table.tHead?.rows[0].cells ?? []].forEach((head, column) => {
    const direction = order.descending ? "descending" : "ascending";
    head.setAttribute("aria-sort", column === order.column ? direction : "none");
  });
};
var onClick4 = (event) => {
  const head = closestTarget(event, "table.ph-table th");
  const table = head?.closest("table");
  if (!(head instanceof HTMLTableCellElement) || !table || !closestTarget(event, "button")) return;
  const name = table.dataset.table ?? "";
  const isNumeric = [...table.tBodies[0].rows].some((row) => {
    const value = cellValue(row, head.cellIndex);
    return value !== "" && !Number.isNaN(Number(value));
  });
  state.sortOrders[name] = nextSortOrder(state.sortOrders[name], head.cellIndex, isNumeric);
  applySortOrder(table);
};
var installTableSort = () => document.addEventListener("click", onClick4);

// navigation/index.js
var CHARTS = "[class*=st-key-opens-] .js-plotly-plot";
var isScheduled = false;
var onMutation = () => {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    document.querySelectorAll("table.ph-table").forEach(applySortOrder);
    showRunSelection();
    document.querySelectorAll(CHARTS).forEach(linkPoints);
  });
};
function navigation({ data }) {
  state.pages = data.pages;
  state.keys = data.keys;
  if (state.listening) return;
  state.listening = true;
  installRouter();
  installShortcuts();
  installTableSort();
  installRunSelection();
  const app = document.querySelector(".stApp");
  if (app) new MutationObserver(onMutation).observe(app, { childList: true, subtree: true });
}
export {
  navigation as default
};
