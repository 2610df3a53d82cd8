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
  focusedHead: null,
  userActed: false,
  sequenceEnds: 0,
  modifierPressed: false,
  followsStreamlitLink: false,
  selectedRuns: /* @__PURE__ */ new Set(),
  writtenRuns: "",
  selectedAlerts: /* @__PURE__ */ new Set(),
  writtenAlerts: "",
  alertChanges: null,
  section: null,
  clickTimer: void 0,
  replacedDates: []
});
var target = (
  /** @type {Window & { __pipelineHealth?: NavigationState }} */
  /** @type {unknown} */
  globalThis
);
var state = target.__pipelineHealth ??= initialState();

// navigation/sections.js
var WAIT_MS = 15e3;
var NAME = /^#([a-z][a-z0-9-]{0,60})$/;
var requestSection = (hash) => {
  const name = NAME.exec(hash)?.[1];
  state.section = name ? { name, until: Date.now() + WAIT_MS } : null;
};
var showSection = () => {
  if (!state.section) return;
  const { name, until } = state.section;
  const section2 = document.querySelector(`.st-key-${name}`);
  if (Date.now() > until || section2) state.section = null;
  if (!section2) return;
  const details = section2.matches("details") ? section2 : section2.querySelector("details");
  if (details instanceof HTMLDetailsElement && !details.open) details.querySelector("summary")?.click();
  section2.scrollIntoView({ block: "start" });
};

// navigation/url_state.js
var BROWSER_PARAMETERS = ["sort", "columns", "open", "hidden", "selected"];
var tableValue = (search, parameter, table) => namedValues(search, parameter, table)[0] ?? "";
var withTableValue = (search, parameter, table, value) => withNamedValues(search, parameter, table, value ? [value] : []);
var namedValues = (search, parameter, name) => new URLSearchParams(search).getAll(parameter).filter((item) => item.startsWith(`${name}.`)).map((item) => item.slice(name.length + 1));
var withNamedValues = (search, parameter, name, values) => {
  const parameters = new URLSearchParams(search);
  const before = parameters.getAll(parameter);
  const own = values.map((value) => `${name}.${value}`);
  const kept = before.filter((item) => !item.startsWith(`${name}.`) || own.includes(item));
  const items = [...kept, ...own.filter((item) => !kept.includes(item))];
  if (items.length === before.length && items.every((item, index) => item === before[index])) return search;
  parameters.delete(parameter);
  for (const item of items) parameters.append(parameter, item);
  const text = parameters.toString();
  return text && `?${text}`;
};
var RUNS_PARAMETER = "selected";
var parseRunSelection = (search, limit) => (new URLSearchParams(search).get(RUNS_PARAMETER) ?? "").split(",").filter((id) => /^[1-9]\d{0,18}$/.test(id)).slice(0, limit);
var withRunSelection = (search, ids) => {
  if ((new URLSearchParams(search).get(RUNS_PARAMETER) ?? "") === ids.join()) return search;
  const parameters = new URLSearchParams(search);
  if (ids.length) parameters.set(RUNS_PARAMETER, ids.join());
  else parameters.delete(RUNS_PARAMETER);
  const text = parameters.toString();
  return text && `?${text}`;
};
var withToggledSection = (search, name, isOpen) => {
  const parameters = new URLSearchParams(search);
  const items = (parameters.get("open") ?? "").split(".").filter(Boolean);
  const others = items.filter((item) => item !== name && item !== `-${name}`);
  if (others.length === items.length) others.push(isOpen ? name : `-${name}`);
  if (others.length) parameters.set("open", others.join("."));
  else parameters.delete("open");
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
  requestSection(url.hash);
  url.hash = "";
  if (url.href === location.href) replaceState({}, "", url);
  else pushState({}, "", url);
  state.userActed = false;
  runPage();
  if (isOtherPage) document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
};
var replaceSearch = (search, { rerun = false } = {}) => {
  if (search === location.search) return;
  replaceState(history.state, "", location.pathname + search + location.hash);
  if (rerun) runPage();
};
var runPage = () => dispatchEvent(new PopStateEvent("popstate", { state: {} }));
var openTab = (url) => openWindow(url);
var openAddress = (address, newTab) => {
  if (address.startsWith("#")) {
    requestSection(address);
    return showSection();
  }
  const url = pageUrl(address);
  if (!isDashboardPage(url)) return;
  if (newTab) openTab(url.href);
  else navigate(url);
};
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
  if (link.closest(STREAMLIT_LINKS)) return;
  const section2 = link.getAttribute("href")?.startsWith("#");
  if (section2 && !link.closest(".ph-marks")) return;
  const url = new URL(link.href);
  if (!section2 && !isDashboardPage(url)) return;
  event.preventDefault();
  if (section2) openAddress(url.hash, false);
  else navigate(url);
};
var installRouter = () => {
  history.pushState = pushCurrentState;
  history.replaceState = replaceCurrentState;
  window.open = openPage;
  addEventListener("popstate", () => state.historyPath = pathOf(location.href), true);
  for (const type of ["pointerdown", "keydown", "input"]) addEventListener(type, () => state.userActed = true, true);
  document.addEventListener("click", onClick, true);
  document.addEventListener("auxclick", (event) => state.modifierPressed = hasModifier(event), true);
};

// charts/legend_entries.js
var entryOf = (trace) => trace.legendgroup || trace.name || "";
var hiddenEntries = (traces) => [
  ...new Set(traces.filter(({ visible }) => visible === "legendonly").map(entryOf))
];
var entriesToToggle = (traces, hidden) => {
  const seen = /* @__PURE__ */ new Set();
  return traces.flatMap((trace, index) => {
    const entry = entryOf(trace);
    if (seen.has(entry)) return [];
    seen.add(entry);
    return trace.visible === "legendonly" !== hidden.includes(entry) ? [index] : [];
  });
};

// charts/plot.js
var PLOTS = "[class*=st-key-chart-] .js-plotly-plot";
var drawnPlots = () => [.../** @type {NodeListOf<Plot>} */
document.querySelectorAll(PLOTS)].filter((plot) => plot._fullLayout && plot.on);
var isComplete = (plot) => Boolean(plot.querySelector(".main-svg")) && (!plot._fullLayout.showlegend || Boolean(plot.querySelector(".legend .traces")));
var chartKey = (plot) => {
  const names = [...plot.closest("[class*=st-key-chart-]")?.classList ?? []];
  return names.find((name) => name.startsWith("st-key-chart-"))?.slice("st-key-chart-".length) ?? "";
};
var chartTitle = (plot) => plot.closest("[role=figure]")?.getAttribute("aria-label") ?? "Chart";
var timeMeta = (plot) => {
  const meta = plot.layout?.meta;
  if (!meta?.at?.length || !meta.dates || plot._fullLayout.xaxis?.type !== "date") return null;
  return { ...meta, at: meta.at, dates: meta.dates };
};

// charts/legend.js
var PARAMETER = "hidden";
var VIEW_PARAMETER = "saved";
var toggle = (plot, entries) => {
  const delay = plot._context.doubleClickDelay;
  plot._context.doubleClickDelay = 0;
  for (const item of plot.querySelectorAll(".legend .traces")) {
    const label = item.querySelector(".legendtext")?.getAttribute("data-unformatted") ?? "";
    const target2 = item.querySelector(".legendtoggle");
    if (!target2 || !entries.includes(label)) continue;
    plot._legendMouseDownTime = 0;
    for (const type of ["mousedown", "mouseup"]) target2.dispatchEvent(new MouseEvent(type, { bubbles: true }));
  }
  setTimeout(() => plot._context.doubleClickDelay = delay, 50);
};
var keepLegend = (plot) => {
  const key = chartKey(plot);
  const hidden = namedValues(location.search, PARAMETER, key);
  if (hidden.length) {
    const traces = plot._fullData;
    toggle(
      plot,
      entriesToToggle(traces, hidden).map((index) => traces[index].name ?? "")
    );
  }
  plot.on("plotly_restyle", () => {
    const entries = new Set(plot._fullData.map(entryOf));
    const absent = namedValues(location.search, PARAMETER, key).filter((entry) => !entries.has(entry));
    const search = withNamedValues(location.search, PARAMETER, key, [...hiddenEntries(plot._fullData), ...absent]);
    replaceSearch(search, { rerun: Boolean(new URLSearchParams(search).get(VIEW_PARAMETER)) });
  });
};

// charts/addresses.js
var joinAddress = (address, ...queries) => {
  const query = queries.filter(Boolean).join("&");
  if (!query || !address) return address || query;
  return `${address}${address.includes("?") ? "&" : "?"}${query}`;
};
var markAddress = (chart, trace, mark) => {
  if (trace?.marks) {
    const own = Array.isArray(mark.customdata) ? mark.customdata[0] : mark.customdata;
    return typeof own === "string" && own ? joinAddress(chart?.address ?? "", own) : null;
  }
  if (!chart?.address || !chart.at || !chart.dates) return null;
  const bucket = chart.at.indexOf(String(mark.x));
  return bucket < 0 ? null : joinAddress(chart.address, trace?.query, `dates=${chart.dates[bucket]}`);
};
var pointAt = (points, y) => {
  const bars = points.filter(({ data }) => data.type === "bar" && data.orientation !== "h");
  if (points.length === 1 && bars.length === 0) return points[0];
  const distance = (point) => y - (point.yPixel ?? Infinity);
  if (bars.length === 0)
    return points.reduce((best, point) => Math.abs(distance(point)) < Math.abs(distance(best)) ? point : best);
  const around = bars.filter((point) => Boolean(point.y) && distance(point) >= 0);
  return around.length ? around.reduce((best, point) => distance(point) < distance(best) ? point : best) : null;
};
var clickAddress = (chart, points, y) => {
  if (points.length === 0) return null;
  const point = pointAt(points, y);
  const { data, pointNumber, customdata } = point ?? points[0];
  const x = typeof pointNumber === "number" ? data.x?.[pointNumber] : void 0;
  return markAddress(chart, point ? data.meta : {}, { x, customdata });
};

// charts/crosshair.js
var frame = null;
var axisMilliseconds = (at, zone) => Date.parse(zone === "UTC" ? `${at}Z` : at);
var axisPosition = (moment, zone) => {
  const local = zone === "UTC" ? 0 : new Date(moment).getTimezoneOffset() * 6e4;
  return new Date(moment - local).toISOString().slice(0, 19);
};
var lineOf = (plot) => {
  const line = plot.querySelector(".ph-crosshair");
  if (line instanceof HTMLElement) return line;
  const added = Object.assign(document.createElement("div"), { className: "ph-crosshair" });
  plot.append(added);
  return added;
};
var showCrosshair = (source, point) => {
  const at = typeof point?.pointNumber === "number" ? point.data.x?.[point.pointNumber] : void 0;
  if (typeof at !== "string" || source._fullLayout.xaxis?.type !== "date") return hideCrosshair();
  const moment = axisMilliseconds(at, source.layout?.meta?.zone);
  if (frame !== null) cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => {
    frame = null;
    for (const plot of drawnPlots()) {
      const { xaxis, yaxis } = plot._fullLayout;
      if (plot === source || xaxis?.type !== "date" || !yaxis || Number.isNaN(moment)) continue;
      const place = xaxis.d2p(axisPosition(moment, plot.layout?.meta?.zone));
      const line = lineOf(plot);
      line.hidden = !(place >= 0 && place <= xaxis._length);
      Object.assign(line.style, {
        top: `${yaxis._offset}px`,
        height: `${yaxis._length}px`,
        transform: `translateX(${xaxis._offset + place}px)`
      });
    }
  });
};
var hideCrosshair = () => {
  if (frame !== null) cancelAnimationFrame(frame);
  frame = null;
  for (
    const line of
    /** @type {NodeListOf<HTMLElement>} */
    document.querySelectorAll(".ph-crosshair")
  )
    line.hidden = true;
};

// charts/marks.js
var DOUBLE_CLICK_MS = 280;
var pointerY = (plot, event) => (event?.clientY ?? 0) - plot.getBoundingClientRect().top;
var linkMarks = (plot) => {
  const addressAt = (points, event) => clickAddress(plot.layout?.meta, points ?? [], pointerY(plot, event));
  plot.on("plotly_click", ({ points, event }) => {
    const address = event && event.detail > 1 ? null : addressAt(points, event);
    if (address) openMark(address, event, isResettable(plot));
  });
  plot.on("plotly_clickannotation", ({ index, event }) => {
    const address = plot.layout?.meta?.markers?.[index];
    if (address) openMark(address, event, false);
  });
  plot.on("plotly_hover", ({ points, event }) => {
    plot.classList.toggle("ph-mark", Boolean(addressAt(points, event)));
    showCrosshair(plot, points?.[0]);
  });
  plot.on("plotly_unhover", () => {
    plot.classList.remove("ph-mark");
    hideCrosshair();
  });
};
var isResettable = (plot) => Boolean(plot.layout?.meta?.at) && new URLSearchParams(location.search).has("dates");
var openMark = (address, event, waits) => {
  const newTab = Boolean(event && hasModifier(event));
  if (newTab || !waits) return openAddress(address, newTab);
  clearTimeout(state.clickTimer);
  state.clickTimer = setTimeout(() => openAddress(address, false), DOUBLE_CLICK_MS);
};

// charts/image.js
var TITLE_HEIGHT = 34;
var fileName = (title) => title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "chart";
var saveImage = (plot, format) => {
  const button = plot._fullLayout._modeBar?.buttons.flat().find(({ name }) => name === "toImage");
  const app = document.querySelector(".stApp");
  if (!button || !app) return;
  const { layout } = plot;
  const margin = (
    /** @type {Record<string, number>} */
    layout.margin ?? {}
  );
  const [width, height] = [plot.clientWidth, plot.clientHeight + TITLE_HEIGHT];
  const background = getComputedStyle(app).backgroundColor;
  plot._context.toImageButtonOptions = { format, width, height, scale: 2, filename: fileName(chartTitle(plot)) };
  plot.layout = {
    ...layout,
    height,
    paper_bgcolor: background,
    plot_bgcolor: background,
    margin: { ...margin, t: plot._fullLayout._size.t + TITLE_HEIGHT, l: Math.max(margin.l ?? 0, 12), r: 16, b: Math.max(margin.b ?? 0, 12) },
    title: { text: chartTitle(plot), x: 0, xref: "paper", xanchor: "left", y: 1, yref: "container", yanchor: "top", pad: { t: 12 }, font: { size: 15 } }
  };
  try {
    button.click(plot);
  } finally {
    plot.layout = layout;
  }
};

// charts/rows.js
var ENTITIES = (
  /** @type {Record<string, string>} */
  { "&lt;": "<", "&gt;": ">", "&amp;": "&" }
);
var plainText = (label) => label.replace(/<[^>]*>/g, " ").replace(/&(?:lt|gt|amp);/g, (entity) => ENTITIES[entity]).replace(/[\u200b\u200c]/g, "").trim();
var asText = (value) => typeof value === "number" ? value.toLocaleString("en") : String(value ?? "");
var hoverText = (template, { y, text, customdata }) => plainText(
  (template ?? "%{y}").replace(/<extra>.*?<\/extra>/s, "").replace(/%\{(\w+)(?:\[(\d)\])?(?::[^}]*)?\}/g, (_, name, index) => {
    const value = name === "customdata" ? customdata : name === "text" ? text : name === "y" ? y : "";
    return asText(index !== void 0 && Array.isArray(value) ? value[Number(index)] : value);
  })
);
var cell = (values, row, column) => (
  /** @type {unknown[][] | undefined} */
  values?.[row]?.[column]
);
var heatMapRows = (trace, chart) => (trace.y ?? []).flatMap(
  (name, row) => (trace.x ?? []).flatMap((hour, column) => {
    const [value, customdata] = [cell(trace.z, row, column), cell(trace.customdata, row, column)];
    if (value === null || value === void 0) return [];
    const text = hoverText(trace.hovertemplate, { text: cell(trace.text, row, column), customdata });
    const address = markAddress(chart, trace.meta, { x: hour, customdata });
    return [{ where: `${String(hour).padStart(2, "0")}:00`, name: plainText(String(name)), text, address }];
  })
);
var markRows = (traces, chart) => {
  const rows = traces.flatMap((trace) => {
    if (trace.type === "heatmap") return heatMapRows(trace, chart);
    if (trace.hoverinfo === "skip" || trace.visible === "legendonly") return [];
    const isHorizontal = trace.orientation === "h";
    return (trace.x ?? []).flatMap((x, index) => {
      const [y, customdata] = [trace.y?.[index], trace.customdata?.[index]];
      if (y === null || y === void 0 || trace.type === "bar" && (isHorizontal ? x : y) === 0) return [];
      const text = hoverText(trace.hovertemplate, { y, text: trace.text?.[index], customdata });
      const where = isHorizontal ? plainText(String(y)) : String(x).replace("T", " ").slice(0, 16);
      return [{ where, name: trace.name ?? "", text, address: markAddress(chart, trace.meta, { x, customdata }) }];
    });
  });
  if (!chart?.at) return rows;
  const isDaily = rows.every(({ where }) => where.endsWith(" 00:00"));
  const shown = isDaily ? rows.map((row) => ({ ...row, where: row.where.slice(0, 10) })) : rows;
  return shown.sort((a, b) => b.where.localeCompare(a.where));
};
var columnLabels = (traces) => {
  if (traces.some(({ type }) => type === "heatmap")) return ["Hour", "Row", "Value"];
  return [traces.some(({ orientation }) => orientation === "h") ? "Job" : "Time", "Series", "Value"];
};

// charts/tools.js
var element = (name, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};
var markTable = (plot) => {
  const rows = markRows(plot.data, plot.layout?.meta).map(({ where, name, text, address }) => {
    const shown = address ? element("a", { href: address.startsWith("#") ? address : pageUrl(address).href, target: "_self" }, text) : text;
    return element("tr", {}, element("td", {}, where), element("td", {}, name), element("td", {}, shown));
  });
  const head = columnLabels(plot.data).map((label) => element("th", { scope: "col" }, label));
  const table = element("table", { className: "ph-table" });
  table.append(element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
  return table;
};
var showTable = (plot) => {
  document.querySelector("dialog.ph-marks")?.remove();
  const close = element("button", { type: "button", className: "ph-close" }, "Close");
  const dialog = element("dialog", { className: "ph-marks" });
  const title = chartTitle(plot);
  dialog.setAttribute("aria-label", title);
  const body = element("div", { className: "ph-marks-body", tabIndex: "0" }, markTable(plot));
  dialog.append(element("header", {}, element("h2", {}, title), close), body);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target instanceof Element && event.target.closest("a")) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.querySelector(".stApp")?.append(dialog);
  dialog.showModal();
};
var addTools = (plot) => {
  const menu = element("details", { className: "ph-tools" });
  const summary = element("summary", {}, "⋯");
  summary.setAttribute("aria-label", `Chart menu: ${chartTitle(plot)}`);
  const actions2 = (
    /** @type {[string, () => void][]} */
    [
      ["Show as table", () => showTable(plot)],
      ["Save as PNG", () => saveImage(plot, "png")],
      ["Save as SVG", () => saveImage(plot, "svg")]
    ]
  );
  const list = element("div", { className: "ph-tools-list" });
  for (const [label, run] of actions2) {
    const button = element("button", { type: "button" }, label);
    button.addEventListener("click", () => {
      menu.open = false;
      run();
    });
    list.append(button);
  }
  menu.append(summary, list);
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    summary.focus();
  });
  menu.addEventListener("focusout", ({ relatedTarget }) => {
    if (!(relatedTarget instanceof Node) || !menu.contains(relatedTarget)) menu.open = false;
  });
  plot.append(menu);
};

// charts/periods.js
var bucketAt = (places, place, centred) => {
  let bucket = places.findLastIndex((start) => start <= place);
  if (bucket < 0) return 0;
  if (centred && bucket + 1 < places.length && places[bucket + 1] - place < place - places[bucket]) bucket += 1;
  return bucket;
};
var nextDay = (day) => new Date(Date.parse(`${day}T00:00Z`) + 864e5).toISOString().slice(0, 10);
var joinDates = (first, last) => {
  const [since] = first.split("..");
  const [, until] = last.split("..");
  if (!since.includes("T") && !until.includes("T")) return `${since}..${until}`;
  const begin = since.includes("T") ? since : `${since}T00:00`;
  const end = until.includes("T") ? until : `${nextDay(until)}T00:00`;
  return `${begin}..${end}`;
};
var datesBetween = ({ dates, centred }, places, from, to) => {
  const [first, last] = [Math.min(from, to), Math.max(from, to)].map((place) => bucketAt(places, place, centred ?? true));
  return joinDates(dates[first], dates[last]);
};
var withDates = (search, dates) => {
  const query = new URLSearchParams(search);
  if (dates) query.set("dates", dates);
  else query.delete("dates");
  query.delete("page");
  return query.toString();
};

// charts/time_selection.js
var MIN_DRAG_PX = 9;
var PLOT_AREA = ".js-plotly-plot .nsewdrag";
var MAX_PERIODS = 20;
var drag = null;
var pointerX = ({ axis, left }, clientX) => Math.min(Math.max(clientX - left, axis._offset), axis._offset + axis._length);
var endDrag = () => {
  drag?.band?.remove();
  drag = null;
};
var selectDates = (dates) => {
  const url = new URL(location.href);
  url.search = withDates(url.search, dates);
  navigate(url);
};
var resetDates = () => {
  clearTimeout(state.clickTimer);
  const current = new URLSearchParams(location.search).get("dates");
  if (!current) return;
  const before = state.replacedDates.at(-1);
  if (before?.page === location.pathname && before.selected === current) {
    state.replacedDates.pop();
    selectDates(before.dates);
  } else selectDates("");
};
var onMouseDown = (event) => {
  endDrag();
  const plot = (
    /** @type {Plot | null} */
    closestTarget(event, PLOT_AREA)?.closest(".js-plotly-plot") ?? null
  );
  const axis = plot?._fullLayout?.xaxis;
  if (!plot || !axis || hasModifier(event) || !timeMeta(plot)) return;
  if (event.detail === 2) return resetDates();
  const { left } = plot.getBoundingClientRect();
  drag = { plot, axis, left, from: event.clientX - left, band: null };
};
var onMouseMove = (event) => {
  if (!drag) return;
  if (!(event.buttons & 1) || !drag.plot.isConnected) return endDrag();
  const to = pointerX(drag, event.clientX);
  const width = Math.abs(to - drag.from);
  if (!drag.band) {
    if (width < MIN_DRAG_PX) return;
    drag.band = Object.assign(document.createElement("div"), { className: "ph-band" });
    const { yaxis } = drag.plot._fullLayout;
    Object.assign(drag.band.style, { top: `${yaxis?._offset ?? 0}px`, height: `${yaxis?._length ?? 0}px` });
    drag.plot.append(drag.band);
    drag.plot._dragged = true;
    hideCrosshair();
  }
  Object.assign(drag.band.style, { left: `${Math.min(to, drag.from)}px`, width: `${width}px` });
  event.preventDefault();
};
var onMouseUp = (event) => {
  if (!drag) return;
  const { plot, axis, from, band } = drag;
  const to = pointerX(drag, event.clientX);
  const chart = timeMeta(plot);
  endDrag();
  if (!band || !chart) return;
  const places = chart.at.map((at) => axis.d2p(at) + axis._offset);
  const selected = datesBetween(chart, places, from, to);
  const dates = new URLSearchParams(location.search).get("dates") ?? "";
  if (selected === dates) return;
  state.replacedDates.push({ page: location.pathname, dates, selected });
  state.replacedDates.splice(0, state.replacedDates.length - MAX_PERIODS);
  selectDates(selected);
};
var installTimeSelection = () => {
  document.addEventListener("mousedown", onMouseDown, true);
  document.addEventListener("mousemove", onMouseMove, true);
  document.addEventListener("mouseup", onMouseUp, true);
  document.addEventListener("keydown", (event) => event.key === "Escape" && endDrag(), true);
};

// charts/index.js
var prepareCharts = () => {
  for (const plot of drawnPlots()) {
    if (plot.dataset.prepared || !isComplete(plot)) continue;
    plot.dataset.prepared = "yes";
    linkMarks(plot);
    if (plot.data.length === 0) continue;
    keepLegend(plot);
    addTools(plot);
  }
};

// navigation/alert_selection.js
var MAX_ALERTS = 200;
var boxes = () => [...document.querySelectorAll("input.ph-choose")].filter((box) => box instanceof HTMLInputElement);
var showAlertSelection = () => {
  const bar = (
    /** @type {HTMLElement | null} */
    document.querySelector(".ph-choices")
  );
  if (!bar || currentPage(location.pathname, state.pages) !== "alerts") return;
  const inUrl = parseRunSelection(location.search, MAX_ALERTS);
  if (inUrl.length > 0 && inUrl.join() !== state.writtenAlerts) state.selectedAlerts = new Set(inUrl);
  const { selectedAlerts } = state;
  const changes = bar.dataset.changes ?? "";
  if (state.alertChanges !== null && state.alertChanges !== changes) selectedAlerts.clear();
  state.alertChanges = changes;
  state.writtenAlerts = [...selectedAlerts].join();
  replaceSearch(withRunSelection(location.search, [...selectedAlerts]));
  const shown = boxes();
  for (const box of shown) {
    box.checked = selectedAlerts.has(box.value);
    box.disabled = !box.checked && selectedAlerts.size >= MAX_ALERTS;
  }
  const checked = shown.filter((box) => box.checked).length;
  const all = bar.querySelector("input");
  if (all) {
    all.checked = checked > 0 && checked === shown.length;
    all.indeterminate = checked > 0 && checked < shown.length;
  }
  bar.classList.toggle("ph-some", selectedAlerts.size > 0);
  const count = bar.querySelector("b");
  const text = `${selectedAlerts.size} selected`;
  if (count && count.textContent !== text) count.textContent = text;
};
var onClick2 = (event) => {
  const box = closestTarget(event, "input.ph-choose, .ph-choices input, .ph-choices button");
  const { selectedAlerts } = state;
  if (!box) return;
  if (box instanceof HTMLInputElement && box.matches(".ph-choose")) {
    if (box.checked) selectedAlerts.add(box.value);
    else selectedAlerts.delete(box.value);
  } else if (box instanceof HTMLInputElement) {
    for (const { value } of boxes()) {
      if (!box.checked) selectedAlerts.delete(value);
      else if (selectedAlerts.size < MAX_ALERTS) selectedAlerts.add(value);
    }
  } else selectedAlerts.clear();
  showAlertSelection();
};
var onOpen = (event) => {
  if (closestTarget(event, ".st-key-bulk-open button")) runPage();
};
var installAlertSelection = () => {
  document.addEventListener("click", onClick2);
  document.addEventListener("click", onOpen, true);
};

// navigation/announcements_text.js
var newItems = (before, now) => {
  const added = [...now].filter((title) => !before.has(title));
  if (added.length === 0) return "";
  return added.length === 1 ? `Needs attention: ${added[0]}` : `${added.length} more items need attention`;
};

// navigation/announcements.js
var ITEMS = ".ph-attention .ph-need > div > a:first-child";
var REGION = "ph-announcements";
var known = null;
var liveRegion = () => {
  const present = document.getElementById(REGION);
  if (present) return present;
  const region = document.createElement("div");
  region.id = REGION;
  region.className = "ph-hidden";
  region.setAttribute("role", "status");
  region.setAttribute("aria-live", "polite");
  document.body.append(region);
  return region;
};
var announceProblems = () => {
  if (!document.querySelector(".ph-attention[role=region], .ph-attention .ph-calm, .ph-wall")) return;
  const items = new Set([...document.querySelectorAll(ITEMS)].map((link) => link.textContent ?? ""));
  const list = (
    /** @type {HTMLElement | null} */
    document.querySelector(".ph-attention[data-selection]")
  );
  const path = `${location.pathname} ${list?.dataset.selection ?? ""}`;
  const region = liveRegion();
  if (known?.path === path) {
    const text = newItems(known.items, items);
    if (text && region.textContent !== text) region.textContent = text;
  }
  known = { path, items };
};

// navigation/attention_rest.js
var TOLERANCE = 1;
var restLabel = (titles, content, height) => {
  if (content <= height + TOLERANCE) return "";
  const hidden = titles.filter((bottom) => bottom > height + TOLERANCE).length;
  return hidden ? `Show ${hidden} more` : "Show more";
};

// navigation/attention.js
var BOX = ".st-key-attention";
var LIST = ".ph-attention[data-selection]";
var REST = "ph-attention-rest";
var HEIGHT = "--ph-attention-height";
var measured = null;
var observedBox = null;
var measure = (box, list) => {
  const { style } = document.documentElement;
  style.removeProperty(HEIGHT);
  measured = { list, selection: list.dataset.selection, width: box.clientWidth };
  style.setProperty(HEIGHT, `${box.getBoundingClientRect().height}px`);
};
var showRest = (list) => {
  const items = [...list.children].filter((child) => !child.classList.contains(REST));
  const top = list.getBoundingClientRect().top + list.clientTop;
  const titles = items.map((item) => (item.querySelector("a, summary") ?? item).getBoundingClientRect().bottom - top);
  const end = items.at(-1)?.getBoundingClientRect().bottom ?? top;
  const label = restLabel(titles, end - top, list.clientHeight);
  const button = list.querySelector(`.${REST}`) ?? document.createElement("button");
  if (!label) {
    button.remove();
    return;
  }
  if (button.textContent !== label) button.textContent = label;
  if (button.isConnected) return;
  button.className = REST;
  button.setAttribute("type", "button");
  list.append(button);
};
var keepAttentionHeight = () => {
  const box = (
    /** @type {HTMLElement | null} */
    document.querySelector(BOX)
  );
  const list = (
    /** @type {HTMLElement | null | undefined} */
    box?.querySelector(LIST)
  );
  if (!box) {
    measured = null;
    document.documentElement.style.removeProperty(HEIGHT);
  }
  if (!box || !list || list.closest(".ph-reserved")) return;
  if (measured?.list === list && measured.width === box.clientWidth) return;
  if (observedBox !== box) {
    sizes.disconnect();
    sizes.observe(box);
    observedBox = box;
  }
  const isSame = measured?.selection === list.dataset.selection && measured?.width === box.clientWidth;
  const isUnseen = document.hidden || box.getBoundingClientRect().bottom <= 0;
  if (measured && isSame && !isUnseen) measured.list = list;
  else measure(box, list);
  showRest(list);
};
var sizes = new ResizeObserver(keepAttentionHeight);
var firstHidden = (list) => {
  const { bottom } = list.getBoundingClientRect();
  const links = (
    /** @type {NodeListOf<HTMLElement>} */
    list.querySelectorAll("a, summary")
  );
  return [...links].find((link) => link.getBoundingClientRect().bottom > bottom + 1);
};
var onClick3 = (event) => {
  const list = closestTarget(event, `${BOX} ${LIST}`);
  const box = (
    /** @type {HTMLElement | null | undefined} */
    list?.closest(BOX)
  );
  const target2 = closestTarget(event, `summary, .${REST}`);
  if (!list || !box || !target2) return;
  setTimeout(() => {
    const next = target2.matches(`.${REST}`) ? firstHidden(list) : void 0;
    measure(box, list);
    showRest(list);
    next?.focus({ preventScroll: true });
  });
};
var onScroll = ({ target: target2 }) => {
  if (!(target2 instanceof HTMLElement) || !target2.matches(`${BOX} ${LIST}`) || !target2.scrollTop) return;
  const box = (
    /** @type {HTMLElement | null} */
    target2.closest(BOX)
  );
  if (!box) return;
  measure(box, target2);
  showRest(target2);
};
var installAttention = () => {
  document.addEventListener("click", onClick3);
  document.addEventListener("scroll", onScroll, true);
};

// navigation/column_choice.js
var VIEW_PARAMETER2 = "saved";
var KEY = /^-?[a-z0-9-]{1,60}$/;
var parseChoice = (text) => new Map(
  text.split(".").filter((item) => KEY.test(item) && item !== "-").map((item) => [item.replace(/^-/, ""), !item.startsWith("-")])
);
var formatChoice = (choice) => [...choice].map(([key, isShown]) => isShown ? key : `-${key}`).join(".");
var knownColumns = (choice, keys) => new Map([...choice].filter(([key]) => keys.includes(key)));
var activeChoice = (search, fromUrl, stored, keys) => {
  const choice = fromUrl ? parseChoice(fromUrl) : knownColumns(parseChoice(stored), keys);
  return { choice, isMissing: !fromUrl && choice.size > 0 && !new URLSearchParams(search).get(VIEW_PARAMETER2) };
};
var columnRules = (name, keys, choice) => keys.map((key, index) => {
  const isShown = choice.get(key);
  if (!key || isShown === void 0) return "";
  const cells = `table.ph-table[data-columns="${name}"] > * > tr > :nth-child(${index + 1})`;
  return `${cells} { display: ${isShown ? "table-cell" : "none"} !important; }`;
}).filter(Boolean).join("\n");

// navigation/tables.js
var headsOf = (table) => [...table.tHead?.rows[0].cells ?? []];
var tablesOfPanel = (element2) => {
  for (let node = element2.parentElement; node; node = node.parentElement) {
    if (node.querySelectorAll(".ph-panel").length > 1) return [];
    const tables = [...node.querySelectorAll("table.ph-table")].filter((table) => table instanceof HTMLTableElement);
    if (tables.length) return tables;
  }
  return [];
};

// navigation/columns.js
var STORAGE_KEY = "ph-columns";
var TITLE = "Columns";
var choices = null;
var readChoices = () => {
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}");
    return stored && typeof stored === "object" ? stored : {};
  } catch {
    return {};
  }
};
var storedChoices = () => choices ??= readChoices();
var storeChoice = (name, text) => {
  const stored = choices = readChoices();
  if (text) stored[name] = text;
  else delete stored[name];
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(stored));
  } catch {
  }
};
var choiceName = (table) => table.dataset.columns ?? "";
var choiceOf = (table, stored) => {
  const [name, keys] = [choiceName(table), headsOf(table).map((head) => head.dataset.key ?? "")];
  const fromUrl = tableValue(location.search, "columns", name);
  return { name, keys, ...activeChoice(location.search, fromUrl, String(stored[name] ?? ""), keys) };
};
var isShownByDefault = (head) => {
  if (head.classList.contains("ph-off")) return false;
  if (head.classList.contains("ph-wide-only")) return !matchMedia("(max-width: 640px)").matches;
  if (head.classList.contains("ph-large-only")) return !matchMedia("(max-width: 1599px)").matches;
  return !(head.classList.contains("ph-desk-only") && matchMedia("(max-width: 1100px)").matches);
};
var styleElement = () => {
  const style = document.getElementById("ph-column-rules");
  return style ?? document.head.appendChild(Object.assign(document.createElement("style"), { id: "ph-column-rules" }));
};
var applyColumns = (tables) => {
  const stored = storedChoices();
  const rules = [];
  const names = /* @__PURE__ */ new Set();
  for (const table of tables) {
    if (names.has(choiceName(table))) continue;
    const { name, keys, choice, isMissing } = choiceOf(table, stored);
    names.add(name);
    if (isMissing) replaceSearch(withTableValue(location.search, "columns", name, formatChoice(choice)));
    if (choice.size) rules.push(columnRules(CSS.escape(name), keys, choice));
  }
  const css = rules.join("\n");
  const style = styleElement();
  if (style.textContent !== css) style.textContent = css;
};
var showColumnButtons = () => {
  for (
    const button of
    /** @type {NodeListOf<HTMLElement>} */
    document.querySelectorAll("button.ph-columns")
  ) {
    const isHidden = tablesOfPanel(button).length === 0;
    if (button.hidden !== isHidden) button.hidden = isHidden;
  }
};
var choose = (name, choice) => {
  const text = formatChoice(choice);
  storeChoice(name, text);
  replaceSearch(withTableValue(location.search, "columns", name, text));
  applyColumns(document.querySelectorAll("table.ph-table"));
};
var showMenu = (table, button) => {
  document.querySelector(".ph-column-menu")?.remove();
  const menu = Object.assign(document.createElement("div"), { className: "ph-column-menu" });
  menu.setAttribute("popover", "auto");
  menu.setAttribute("role", "dialog");
  menu.setAttribute("aria-label", TITLE);
  const before = location.search;
  const fill = () => {
    const { name, choice } = choiceOf(table, storedChoices());
    menu.replaceChildren();
    for (const head of headsOf(table).filter((item) => item.dataset.key && !item.classList.contains("ph-fluid"))) {
      const [key, isDefault] = [head.dataset.key ?? "", isShownByDefault(head)];
      const box = Object.assign(document.createElement("input"), { type: "checkbox" });
      box.checked = choice.get(key) ?? isDefault;
      box.addEventListener("change", () => {
        if (box.checked === isDefault) choice.delete(key);
        else choice.set(key, box.checked);
        choose(name, choice);
      });
      const label = document.createElement("label");
      label.append(box, head.dataset.label ?? head.textContent ?? "");
      menu.append(label);
    }
    const reset = Object.assign(document.createElement("button"), { type: "button", textContent: "Reset" });
    reset.addEventListener("click", () => {
      choose(choiceName(table), /* @__PURE__ */ new Map());
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
    if (location.search !== before) runPage();
  });
  document.querySelector(".stApp")?.append(menu);
  const { right, bottom } = button.getBoundingClientRect();
  menu.style.setProperty("right", `${Math.max(innerWidth - right, 8)}px`);
  menu.showPopover();
  menu.style.setProperty("top", `${Math.max(Math.min(bottom + 4, innerHeight - menu.offsetHeight - 8), 8)}px`);
  menu.querySelector("input")?.focus();
};
var onClick4 = (event) => {
  const button = closestTarget(event, "button.ph-columns");
  const table = button && tablesOfPanel(button)[0];
  if (button && table) showMenu(table, button);
};
var installColumns = () => {
  document.addEventListener("click", onClick4);
  addEventListener("popstate", () => applyColumns(document.querySelectorAll("table.ph-table")));
  addEventListener("storage", () => choices = null);
};

// navigation/default_view.js
var KEY2 = "pipeline_health_default_view ";
var BUTTONS = "button[data-default-view]";
var MENU = ".st-key-views-active";
var DELETED = "[data-deleted-view]";
var applied = /* @__PURE__ */ new Set();
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
  const buttons = (
    /** @type {NodeListOf<HTMLElement>} */
    document.querySelectorAll(BUTTONS)
  );
  const shown = document.querySelector(`${MENU} [data-view]`);
  const deleted = (
    /** @type {HTMLElement | null} */
    document.querySelector(DELETED)
  );
  if (!buttons.length && !shown && !deleted) return;
  applyNewDefault(shown);
  const view = defaultView();
  if (deleted && deleted.dataset.deletedView === view?.id) setDefaultView(null);
  for (const button of buttons) {
    const isDefault2 = button.dataset.defaultView === view?.id;
    if (button.getAttribute("aria-pressed") === String(isDefault2)) continue;
    button.setAttribute("aria-pressed", String(isDefault2));
    button.textContent = isDefault2 ? "★" : "☆";
    button.title = isDefault2 ? "Do not open by default" : "Open by default in this browser";
  }
  if (!(shown instanceof HTMLElement)) return;
  const isDefault = shown.dataset.view === view?.id;
  if (shown.hidden === isDefault) shown.hidden = !isDefault;
  const address = shown.dataset.address ?? "";
  if (view && isDefault && address && address !== view.address) setDefaultView({ ...view, address });
};
var applyNewDefault = (shown) => {
  if (!(shown instanceof HTMLElement)) return;
  const { view: id = "", newDefault: name, address = "" } = shown.dataset;
  if (name === void 0 || applied.has(id)) return;
  applied.add(id);
  setDefaultView({ id, name, address });
};
var onClick5 = (event) => {
  const button = closestTarget(event, BUTTONS);
  if (!button) return;
  const { defaultView: id = "", name = "", address = "" } = button.dataset;
  setDefaultView(button.getAttribute("aria-pressed") === "true" ? null : { id, name, address });
};
var installDefaultView = () => document.addEventListener("click", onClick5);

// navigation/focus.js
var LINKS = "[data-testid=stMain] a[href]";
var focusedLink = null;
var linksTo = (address) => [...document.querySelectorAll(LINKS)].filter((link) => link.getAttribute("href") === address);
var onFocusIn = (event) => {
  const link = event.target instanceof Element && event.target.matches(LINKS) ? event.target : null;
  const address = link?.getAttribute("href");
  focusedLink = link && address ? { link, address, index: linksTo(address).indexOf(link) } : null;
};
var replacedLink = () => {
  if (!focusedLink || focusedLink.link.isConnected) return null;
  const { address, index } = focusedLink;
  focusedLink = null;
  return linksTo(address)[index];
};
var replacedHead = () => {
  if (!state.focusedHead) return null;
  const { table, column } = state.focusedHead;
  state.focusedHead = null;
  return document.querySelector(
    `table.ph-table[data-table="${CSS.escape(table)}"] th[data-key="${CSS.escape(column)}"] button`
  );
};
var restoreFocus = () => {
  if (document.activeElement !== document.body) return;
  const element2 = replacedHead() ?? replacedLink();
  if (element2 instanceof HTMLElement) element2.focus({ preventScroll: true });
};
var installFocus = () => {
  document.addEventListener("focusin", onFocusIn);
  document.addEventListener("pointerdown", () => focusedLink = null, true);
};

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
var onClick6 = (event) => {
  if (!closestTarget(event, "a.ph-skip")) return;
  event.preventDefault();
  const heading = document.getElementById(CONTENT_ID);
  heading?.scrollIntoView({ block: "center" });
  heading?.focus();
};
var installSkipLink = () => document.addEventListener("click", onClick6, true);

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
var isKiosk = (search) => !["", "0"].includes(new URLSearchParams(search).get("wall") ?? "");
var restText = (count, failing) => `${count.toLocaleString("en")} more${failing > 0 ? `, ${failing.toLocaleString("en")} of them failing` : ""}`;
var updatedText = (seconds) => {
  if (seconds < 60) return "updated just now";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `updated ${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `updated ${hours} h ago` : `updated ${Math.floor(hours / 24)} d ago`;
};

// navigation/kiosk.js
var WALL = ".ph-wall";
var PARAMETERS = ["wall", "rotate", "view", "theme"];
var POINTER_MS = 3e3;
var OLD_SECONDS = 900;
var wall = () => document.querySelector(WALL);
var fit = (fields) => {
  const { clientWidth: width, clientHeight: height } = fields;
  const style = getComputedStyle(fields);
  const unit = Number.parseFloat(style.fontSize);
  if (!width || !unit) return;
  if (!height) {
    fields.style.setProperty("--ph-columns", "1");
    return;
  }
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
  const shownFailing = children.slice(0, shown).filter((field) => field.classList.contains("ph-red")).length;
  setText(rest, restText(total - shown, Number(fields.dataset.failing) - shownFailing));
  if (rest.hidden === total <= shown) return;
  rest.hidden = total <= shown;
  fit(fields);
};
var showHead = (root, section2) => {
  for (
    const part of
    /** @type {NodeListOf<HTMLElement>} */
    root.querySelectorAll("[data-head]")
  )
    setText(part, section2.dataset[part.dataset.head ?? ""] ?? "");
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
    if (!section2.hidden) showHead(root, section2);
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
var setText = (element2, text) => {
  if (element2.textContent !== text) element2.textContent = text;
};
var urlWithoutKiosk = () => {
  const url = new URL(location.href);
  for (const name of PARAMETERS) url.searchParams.delete(name);
  return url;
};
var leave = () => navigate(urlWithoutKiosk());
var pointerTimer;
var showPointer = () => {
  if (!wall()) return;
  document.documentElement.classList.add("ph-pointer");
  clearTimeout(pointerTimer);
  pointerTimer = setTimeout(() => document.documentElement.classList.remove("ph-pointer"), POINTER_MS);
};
var installKiosk = () => {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (isKiosk(location.search)) leave();
  });
  document.addEventListener("click", (event) => closestTarget(event, ".ph-wall-exit") && leave());
  document.addEventListener("pointermove", showPointer, { passive: true });
  addEventListener("resize", showKiosk);
  setInterval(showKiosk, 1e3);
};

// navigation/team_button.js
var buttonState = (shown, mine) => {
  if (shown && shown === mine)
    return { text: "★ My team", title: "This browser opens with this team. Click to clear", isPressed: true };
  if (shown) return { text: "☆ My team", title: "Open with this team in this browser", isPressed: false };
  return mine ? { text: "My team", title: `Show ${mine}`, isPressed: false } : null;
};
var urlOfTeam = (team, href) => {
  const url = new URL(href);
  url.searchParams.delete("team");
  url.searchParams.set("team", team);
  return url;
};

// navigation/my_team.js
var KEY3 = "pipeline_health_my_team ";
var BUTTON = "button[data-my-team]";
var MAX_LENGTH = 200;
var storageKey2 = () => KEY3 + basePath(location.pathname, state.pages);
var myTeam = () => {
  try {
    return (localStorage.getItem(storageKey2()) ?? "").slice(0, MAX_LENGTH);
  } catch {
    return "";
  }
};
var setMyTeam = (team) => {
  try {
    if (team) localStorage.setItem(storageKey2(), team);
    else localStorage.removeItem(storageKey2());
  } catch {
  }
  showMyTeam();
};
var showMyTeam = () => {
  const button = document.querySelector(BUTTON);
  if (!(button instanceof HTMLElement)) return;
  const { myTeam: shown = "", unknownTeam: unknown = "" } = button.dataset;
  if (unknown && unknown === myTeam()) return setMyTeam("");
  const now = buttonState(shown, myTeam());
  if (button.hidden !== !now) button.hidden = !now;
  if (!now || button.title === now.title) return;
  button.title = now.title;
  button.textContent = now.text;
  if (shown) button.setAttribute("aria-pressed", String(now.isPressed));
  else button.removeAttribute("aria-pressed");
};
var onClick7 = (event) => {
  const button = closestTarget(event, BUTTON);
  if (!button) return;
  const shown = button.dataset.myTeam ?? "";
  if (shown) setMyTeam(shown === myTeam() ? "" : shown);
  else navigate(urlOfTeam(myTeam(), location.href));
};
var installMyTeam = () => document.addEventListener("click", onClick7);

// navigation/open_sections.js
var SECTIONS = "[data-testid=stExpander] details, details[data-section]";
var KEY_CLASS = "st-key-";
var clicked = /* @__PURE__ */ new WeakSet();
var nameOf = (details) => {
  if (details.dataset.section) return details.dataset.section;
  const names = [...details.closest(`[class*=${KEY_CLASS}]`)?.classList ?? []];
  return names.find((name) => name.startsWith(KEY_CLASS))?.slice(KEY_CLASS.length) ?? "";
};
var sectionOf = (event) => {
  const details = event.target instanceof Element ? event.target.closest("details") : null;
  return details instanceof HTMLDetailsElement && details.matches(SECTIONS) ? details : null;
};
var onClick8 = (event) => {
  const details = event.target instanceof Element && event.target.closest("summary") ? sectionOf(event) : null;
  if (details) clicked.add(details);
};
var onToggle = (event) => {
  const details = sectionOf(event);
  if (!details || !clicked.delete(details)) return;
  const name = nameOf(details);
  if (name) replaceSearch(withToggledSection(location.search, name, details.open));
};
var installOpenSections = () => {
  document.addEventListener("click", onClick8, true);
  document.addEventListener("toggle", onToggle, true);
};

// log_viewer/dom.js
var createElement = (name, className = "", text = void 0) => {
  const element2 = document.createElement(name);
  if (className) element2.className = className;
  if (text !== void 0) element2.textContent = text;
  return element2;
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

// theme/choice.js
var THEMES = ["system", "light", "dark"];
var parseTheme = (value) => THEMES.find((theme) => theme === value) ?? null;

// navigation/shortcut_list.js
var SECTIONS2 = [
  [
    "All pages",
    [
      ["Ctrl K", "Open the command palette (macOS: ⌘ K)"],
      ["/", "Search the page; on a page without search, search all logs"],
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
  ...SECTIONS2
];

// navigation/shortcuts.js
var SEQUENCE_MS = 1500;
var TITLE2 = "Keyboard shortcuts";
var SEARCH_PAGE = "search";
var [POLL_MS, MAX_POLLS] = [100, 50];
var SEARCH_INPUTS = "[data-testid=stMain] input[type=text], [data-testid=stMain] input[type=search]";
var searchInput = () => [.../** @type {NodeListOf<HTMLInputElement>} */
document.querySelectorAll(SEARCH_INPUTS)].find(
  (input) => input.offsetParent !== null && !input.closest("[data-baseweb=select], [role=combobox]")
);
var openLogSearch = () => {
  navigate(pageUrl(SEARCH_PAGE));
  let polls = 0;
  const timer = setInterval(() => {
    const input = location.pathname.endsWith(`/${SEARCH_PAGE}`) ? searchInput() : void 0;
    if (input && !isTextInput(document.activeElement)) input.focus();
    if (input || ++polls === MAX_POLLS) clearInterval(timer);
  }, POLL_MS);
};
var section = (title, rows) => {
  const element2 = document.createElement("section");
  const list = document.createElement("dl");
  for (const [keys, action] of rows) {
    const term = document.createElement("dt");
    for (const key of keys.split(" ")) term.append(Object.assign(document.createElement("kbd"), { textContent: key }), " ");
    list.append(term, Object.assign(document.createElement("dd"), { textContent: action }));
  }
  element2.append(Object.assign(document.createElement("h3"), { textContent: title }), list);
  return element2;
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
  if (document.querySelector("dialog[open]")) return;
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
    else openLogSearch();
  } else if (event.key === "?") {
    event.preventDefault();
    showHelp();
  }
};
var installShortcuts = () => {
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("click", (event) => closestTarget(event, "button.ph-help") && showHelp());
};

// navigation/theme_switch.js
var BUTTONS2 = "button[data-theme]";
var APPLY_MS = 100;
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
var chooseTheme = (theme) => {
  const url = new URL(location.href);
  if (url.searchParams.has("theme")) {
    url.searchParams.delete("theme");
    replaceSearch(url.search);
  }
  window.__pipelineHealthTheme?.choose(theme);
  showTheme();
  setTimeout(runPage, APPLY_MS);
};
var onClick9 = (event) => {
  const theme = parseTheme(closestTarget(event, BUTTONS2)?.dataset.theme);
  if (theme) chooseTheme(theme);
};
var installThemeSwitch = () => document.addEventListener("click", onClick9);

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
  if (!isOn) return urlWithoutKiosk();
  const url = pageUrl("");
  url.searchParams.set("wall", "1");
  for (const [name, value] of new URLSearchParams(location.search))
    if (state.filters.includes(name)) url.searchParams.append(name, value);
  return url;
};
var actions = () => {
  const isOn = isKiosk(location.search);
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
  const team = myTeam();
  if (team) ofViews.push(
    { kind: "action", label: "Show my team", detail: team, run: () => navigate(urlOfTeam(team, location.href)) },
    { kind: "action", label: "Clear my team", detail: team, run: () => setMyTeam("") }
  );
  const triage = (
    /** @type {HTMLElement | null} */
    document.querySelector(".st-key-triage-open button")
  );
  const ofCauses = triage ? [{
    kind: "action",
    label: "Mark failure cause as known",
    detail: "or change its mark",
    keywords: "triage ticket owner",
    run: () => triage.click()
  }] : [];
  return [
    ...ofCauses,
    ...ofViews,
    { kind: "action", label: "Clear filters", keywords: "reset", run: () => navigate(urlWithoutFilters()) },
    {
      kind: "action",
      label: "Rules for failure causes",
      keywords: "own rule classify class",
      run: () => navigate(pageUrl("failures?show=rules"))
    },
    {
      kind: "action",
      label: "Copy link to this page",
      keywords: "url share",
      run: () => void copyToClipboard(location.href).catch(() => {
      })
    },
    {
      kind: "action",
      label: isOn ? "Leave kiosk mode" : "Kiosk mode",
      keywords: "wall screen tv fullscreen",
      run: () => navigate(kioskUrl(!isOn))
    },
    { kind: "action", label: "Keyboard shortcuts", keywords: "help keys", run: showHelp }
  ];
};
var THEME_LABELS = { system: "Theme of the system", light: "Light theme", dark: "Dark theme" };
var themes = () => THEMES.map((theme) => ({
  kind: "action",
  label: THEME_LABELS[theme],
  keywords: "colour mode",
  run: () => chooseTheme(theme)
}));
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
  const dialog = document.querySelector("dialog.ph-palette");
  if (dialog instanceof HTMLDialogElement) return dialog.close();
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
  for (const element2 of document.querySelectorAll(".ph-print-source")) {
    element2.textContent = ` ${element2.previousSibling ? "· " : ""}printed ${time} · ${location.href}`;
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
  const isList = currentPage(location.pathname, state.pages) === "runs" && document.querySelector(".ph-picked") !== null;
  const inUrl = parseRunSelection(location.search, MAX_RUNS);
  if (isList && inUrl.length > 0 && inUrl.join() !== state.writtenRuns) state.selectedRuns = new Set(inUrl);
  const { selectedRuns } = state;
  if (isList) {
    state.writtenRuns = [...selectedRuns].join();
    replaceSearch(withRunSelection(location.search, [...selectedRuns]));
  }
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
var onClick10 = (event) => {
  const box = closestTarget(event, "input.ph-pick");
  if (box instanceof HTMLInputElement) {
    if (box.checked) state.selectedRuns.add(box.value);
    else state.selectedRuns.delete(box.value);
  } else if (closestTarget(event, ".ph-picked button")) {
    state.selectedRuns.clear();
  } else return;
  showRunSelection();
};
var installRunSelection = () => document.addEventListener("click", onClick10);

// navigation/sort_order.js
var compareValues = (a, b, isNumeric) => {
  if (isNumeric) return Number(a) - Number(b);
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  return Number(x > y) - Number(x < y);
};
var sortByValue = (items, valueOf, isNumeric, descending) => {
  const valued = items.filter((item) => valueOf(item) !== "");
  const sign = descending ? -1 : 1;
  valued.sort((a, b) => sign * compareValues(valueOf(a), valueOf(b), isNumeric));
  return [...valued, ...items.filter((item) => valueOf(item) === "")];
};
var nextSortOrder = (current, column, isNumeric) => {
  if (current?.column !== column) return { column, descending: isNumeric };
  return current.descending === isNumeric ? { column, descending: !isNumeric } : null;
};
var parseSortOrder = (text) => text.replace("-", "") ? { column: text.replace(/^-/, ""), descending: text.startsWith("-") } : null;
var formatSortOrder = (order) => order ? (order.descending ? "-" : "") + order.column : "";

// navigation/table_sort.js
var cellValue = (row, column) => row.cells[column]?.dataset.value ?? "";
var isNumericColumn = (head) => head.dataset.numeric !== void 0;
var applySortOrder = (table) => {
  const text = tableValue(location.search, "sort", table.dataset.table ?? "");
  if (text === (table.dataset.sorted ?? "")) return;
  const heads = headsOf(table);
  const order = parseSortOrder(text);
  const index = heads.findIndex((head) => head.dataset.key === order?.column);
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const isOriginal = rows.every((row) => row.dataset.position === void 0);
  if (order && index >= 0 && heads[index].dataset.server === void 0) {
    if (isOriginal) rows.forEach((row, position) => row.dataset.position = String(position));
    const original = sortByValue(rows, (row) => row.dataset.position ?? "", true, false);
    const isNumeric = isNumericColumn(heads[index]);
    body.append(...sortByValue(original, (row) => cellValue(row, index), isNumeric, order.descending));
  } else if (!order && !isOriginal) {
    body.append(...sortByValue(rows, (row) => row.dataset.position ?? "", true, false));
  } else return;
  table.dataset.sorted = text;
  for (const head of heads.filter((item) => item.dataset.key)) {
    const direction = order?.descending ? "descending" : "ascending";
    head.setAttribute("aria-sort", order && head === heads[index] ? direction : "none");
  }
};
var onClick11 = (event) => {
  const head = closestTarget(event, "table.ph-table th");
  const table = head?.closest("table");
  if (!(head instanceof HTMLTableCellElement) || !table || !closestTarget(event, "button")) return;
  const [name, column] = [table.dataset.table ?? "", head.dataset.key ?? ""];
  const current = parseSortOrder(tableValue(location.search, "sort", name));
  const text = formatSortOrder(nextSortOrder(current, column, isNumericColumn(head)));
  const sorted = headsOf(table).find((item) => item.dataset.key === (text ? column : current?.column));
  const isServer = sorted?.dataset.server !== void 0;
  let search = withTableValue(location.search, "sort", name, text);
  if (isServer) search = withTableValue(search, "page", name, "");
  state.focusedHead = { table: name, column };
  replaceSearch(search, { rerun: true });
  applySortOrder(table);
};
var onPageClick = (event) => {
  const pager = closestTarget(event, "[class*=st-key-pager-], [class*=st-key-pages-], [class*=-pager]");
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
  document.addEventListener("click", onClick11);
  document.addEventListener("click", onPageClick);
  document.addEventListener("change", onChange);
};

// navigation/tooltip_layout.js
var GAP = 6;
var EDGE = 8;
var placeTip = (element2, tip, window2) => {
  const below = element2.bottom + GAP;
  const above = element2.top - GAP - tip.height;
  const fitsBelow = below + tip.height + EDGE <= window2.height;
  const left = Math.min(element2.left, window2.width - tip.width - EDGE);
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
var placeTooltip = () => {
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
var show = (element2, target2 = element2) => {
  clearTimeout(leaving);
  const text = element2.dataset.tip;
  if (element2 === owner || !text) return;
  hide();
  owner = element2;
  described = target2;
  const tip = tooltip();
  tip.textContent = text;
  target2.setAttribute("aria-describedby", TIP_ID);
  tip.showPopover?.();
  placeTooltip();
};
var tipped = (target2) => target2 instanceof Element ? (
  /** @type {HTMLElement | null} */
  target2.closest(TIPPED)
) : null;
var isTip = (target2) => target2 instanceof Element && target2.closest(`#${TIP_ID}`) !== null;
var onPointerOver = (event) => {
  if (event.pointerType === "touch") return;
  const element2 = tipped(event.target);
  if (element2) show(element2);
  else if (isTip(event.target)) clearTimeout(leaving);
  else if (owner && !described?.matches(":focus-visible")) {
    clearTimeout(leaving);
    leaving = setTimeout(hide, LEAVE_MS);
  }
};
var onFocusIn2 = (event) => {
  const target2 = event.target instanceof Element && event.target.matches(":focus-visible") ? event.target : null;
  const element2 = tipped(target2);
  if (target2 && element2) show(element2, target2);
  else if (owner && event.target instanceof Node && !owner.contains(event.target) && !isTip(event.target)) hide();
};
var onPointerUp = (event) => {
  if (event.pointerType !== "touch") return;
  const element2 = tipped(event.target);
  if (element2 && !(event.target instanceof Element && event.target.closest("a[href], th button"))) show(element2);
  else if (!isTip(event.target)) hide();
};
var tableTips = (table) => [...table.tBodies].flatMap(
  (body) => [...body.rows].flatMap(
    (row, y) => [...row.cells].flatMap(
      (cell2, x) => [.../** @type {NodeListOf<HTMLElement>} */
      cell2.querySelectorAll(TIPPED)].map((element2) => ({ element: element2, x, y }))
    )
  )
);
var onKey3 = (event) => {
  if (event.key === "Escape" && owner) {
    const focused = document.activeElement;
    if (!focused || focused === document.body || described?.contains(focused)) {
      event.stopImmediatePropagation();
      event.preventDefault();
    }
    hide();
    return;
  }
  const element2 = event.target instanceof HTMLElement && event.target.matches(TIPPED) ? event.target : null;
  if (!element2) return;
  if (element2.getAttribute("role") === "button" && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    if (owner) hide();
    else show(element2);
    return;
  }
  const table = element2.closest("tbody")?.closest("table");
  if (!table || event.ctrlKey || event.metaKey || event.altKey) return;
  const tips = tableTips(table);
  const next = neighbour(tips, tips.findIndex((tip) => tip.element === element2), event.key);
  if (!next) return;
  event.preventDefault();
  if (element2.getAttribute("tabindex") === "0") element2.setAttribute("tabindex", "-1");
  if (!next.element.matches("a, button")) next.element.setAttribute("tabindex", "0");
  next.element.focus();
};
var upgradeTitles = () => {
  for (
    const element2 of
    /** @type {NodeListOf<HTMLElement>} */
    document.querySelectorAll(TITLED)
  ) {
    element2.dataset.tip = element2.title;
    element2.removeAttribute("title");
    if (!element2.dataset.tip || element2.matches(FOCUSABLE) || element2.querySelector(FOCUSABLE)) continue;
    const body = element2.closest("tbody");
    const isStop = !body || !body.querySelector(`${TIPPED}[tabindex="0"]`);
    element2.setAttribute("tabindex", isStop ? "0" : "-1");
    if (element2.matches(".ph-label")) element2.setAttribute("role", "button");
  }
};
var installTooltips = () => {
  document.addEventListener("pointerover", onPointerOver);
  document.addEventListener("pointerup", onPointerUp);
  document.addEventListener("focusin", onFocusIn2);
  document.addEventListener("keydown", onKey3, true);
  addEventListener("popstate", hide);
  addEventListener("scroll", placeTooltip, { capture: true, passive: true });
};

// navigation/index.js
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
    const steps = [
      // Before the page is painted with the new list.
      keepAttentionHeight,
      announceProblems,
      () => tables.forEach(applySortOrder),
      () => applyColumns(tables),
      showColumnButtons,
      restoreFocus,
      showRunSelection,
      showAlertSelection,
      markMenuItem,
      markHeading,
      showTheme,
      upgradeTitles,
      placeTooltip,
      showKiosk,
      showPaletteKey,
      showDefaultView,
      showMyTeam,
      prepareCharts,
      showSection
    ];
    for (const step of steps) {
      try {
        step();
      } catch (error) {
        reportError(error);
      }
    }
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
  installMyTeam();
  installAttention();
  installTableSort();
  installFocus();
  installColumns();
  installOpenSections();
  installRunSelection();
  installAlertSelection();
  installSkipLink();
  installThemeSwitch();
  installTooltips();
  installKiosk();
  installPrint();
  installTimeSelection();
  requestSection(location.hash);
  new MutationObserver(onMutation).observe(document.body, { childList: true, subtree: true });
  onMutation();
}
export {
  navigation as default
};
