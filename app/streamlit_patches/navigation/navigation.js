// One set of listeners for the whole document, however often the component is mounted anew.
const shared = (window.__pipelineHealth ??= { pages: {}, keys: {}, listening: false, page: null, waiting: 0, modified: false });

// The dashboard may be served below a path of its own.
const base = () => {
  const path = location.pathname.replace(/\/$/, "");
  const page = Object.keys(shared.pages).find((each) => each && path.endsWith("/" + each));
  return page ? path.slice(0, -page.length) : path + "/";
};

const isPage = (url) => {
  if (url.origin !== location.origin || !(url.pathname + "/").startsWith(base())) return false;
  return Object.hasOwn(shared.pages, url.pathname.slice(base().length).replace(/\/$/, ""));
};

// Streamlit answers a popstate by running the page that the address names: no reload, one entry in the history.
const go = (url) => {
  const moved = url.pathname !== location.pathname;
  url.hash = "";
  pushState({}, "", url);
  dispatchEvent(new PopStateEvent("popstate", { state: {} }));
  if (moved) document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
};

// Streamlit writes the address of each page whose answer begins. One that was asked for before the viewer went on, or
// back, arrives late and would lead there again: until the viewer asks for a page by Streamlit's own links, only the
// page of the last step is written.
const pushState = history.pushState.bind(history);
const pathOf = (url) => new URL(url, location.href).pathname.replace(/\/$/, "");
const guarded = (state, unused, url) => {
  const late = url != null && shared.page !== null && pathOf(url) !== shared.page;
  if (!late) pushState(state, unused, url);
};
const onStep = () => { shared.page = pathOf(location.href); };
const onStreamlitLink = (event) => {
  if (event.target.closest?.("[data-testid=stSidebarNav], [data-testid=stPageLink]")) shared.page = null;
};

const withModifier = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button > 0;

const onClick = (event) => {
  shared.modified = withModifier(event);
  if (event.defaultPrevented || shared.modified) return;
  const link = event.target.closest?.("a[href]");
  if (!link || link.hasAttribute("download") || link.target === "_blank") return;
  if (link.closest("[data-testid=stSidebarNav], [data-testid=stPageLink]")) return;
  const url = new URL(link.href);
  if (!isPage(url)) return;
  event.preventDefault();
  go(url);
};

// Links in tables are drawn on a canvas, which opens every one of them in a new tab.
const openElsewhere = window.open.bind(window);
const open = (address, ...rest) => {
  const url = address ? new URL(address, document.baseURI) : null;
  if (!url || shared.modified || !isPage(url)) return openElsewhere(address, ...rest);
  go(url);
  return null;
};

const typing = (element) =>
  element?.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element?.tagName ?? "");

const search = () =>
  [...document.querySelectorAll("[data-testid=stMain] input[type=text], [data-testid=stMain] input[type=search]")].find(
    (input) => input.offsetParent !== null && !input.closest("[data-baseweb=select], [role=combobox]")
  );

const help = () => {
  document.querySelector("dialog.ph-keys")?.remove();
  const dialog = Object.assign(document.createElement("dialog"), { className: "ph-keys" });
  dialog.setAttribute("aria-label", "Keys");
  const list = document.createElement("dl");
  const row = (keys, what) => {
    const term = document.createElement("dt");
    for (const key of keys) term.append(Object.assign(document.createElement("kbd"), { textContent: key }), " ");
    list.append(term, Object.assign(document.createElement("dd"), { textContent: what }));
  };
  for (const [key, page] of Object.entries(shared.keys)) row(["g", key], shared.pages[page]);
  row(["/"], "Search");
  row(["?"], "This list");
  row(["Esc"], "Close");
  dialog.append(Object.assign(document.createElement("h2"), { textContent: "Keys" }), list);
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.querySelector(".stApp").append(dialog);
  dialog.showModal();
};

const onKey = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const wanted = shared.keys[event.key];
  if (shared.waiting > Date.now() && wanted !== undefined) {
    shared.waiting = 0;
    event.preventDefault();
    event.stopPropagation();
    go(new URL(base() + wanted, location.origin));
  } else if (event.key === "g") {
    shared.waiting = Date.now() + 1500;
  } else if (event.key === "/" && search()) {
    event.preventDefault();
    search().focus();
  } else if (event.key === "?") {
    event.preventDefault();
    help();
  }
};

// Tables: a click on a head sorts; the order outlives rows that are drawn anew.
const sorts = (shared.sorts ??= {});

const compare = (a, b) => {
  if (a === "" || b === "") return (a === "") - (b === "");
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
};

const applySort = (table) => {
  const wanted = sorts[table.dataset.table];
  const mark = wanted ? `${wanted.index} ${wanted.down}` : "";
  if (!wanted || table.dataset.sorted === mark) return;
  table.dataset.sorted = mark;
  const value = (row) => row.cells[wanted.index]?.dataset.value ?? "";
  const rows = [...table.tBodies[0].rows];
  const known = rows.filter((row) => value(row) !== "").sort((a, b) => compare(value(a), value(b)));
  if (wanted.down) known.reverse();
  table.tBodies[0].append(...known, ...rows.filter((row) => value(row) === ""));
  [...table.tHead.rows[0].cells].forEach((head, index) =>
    head.setAttribute("aria-sort", index !== wanted.index ? "none" : wanted.down ? "descending" : "ascending")
  );
};

const onSort = (event) => {
  const head = event.target.closest?.("table.ph-table th");
  if (!head || !event.target.closest("button")) return;
  const table = head.closest("table");
  const before = sorts[table.dataset.table];
  const numbers = [...table.tBodies[0].rows].some((row) => {
    const value = row.cells[head.cellIndex]?.dataset.value ?? "";
    return value !== "" && !Number.isNaN(Number(value));
  });
  const down = before?.index === head.cellIndex ? !before.down : numbers;
  sorts[table.dataset.table] = { index: head.cellIndex, down };
  applySort(table);
};

// Chosen runs: kept while one looks at other pages of the list.
const picked = (shared.picked ??= new Set());

const showPicked = () => {
  for (const box of document.querySelectorAll("input.ph-pick")) {
    box.checked = picked.has(box.value);
    box.disabled = !box.checked && picked.size >= 5;
  }
  for (const bar of document.querySelectorAll(".ph-picked")) {
    const link = bar.querySelector("a");
    bar.classList.toggle("ph-some", picked.size > 1);
    const wanted = `compare?runs=${[...picked].join(",")}`;
    if (link.getAttribute("href") !== wanted) link.setAttribute("href", wanted);
    const label = `Compare ${picked.size} runs`;
    if (link.textContent !== label) link.textContent = label;
  }
};

const onPick = (event) => {
  const box = event.target.closest?.("input.ph-pick");
  if (box) {
    if (box.checked) picked.add(box.value);
    else picked.delete(box.value);
  } else if (event.target.closest?.(".ph-picked button")) {
    picked.clear();
  } else return;
  showPicked();
};

// Charts whose points stand for a page: the first of a point's customdata is its address.
const wire = (plot) => {
  if (plot.dataset.opens || !plot.on) return;
  plot.dataset.opens = "yes";
  plot.on("plotly_click", (event) => {
    const address = event.points?.[0]?.customdata?.[0];
    const url = typeof address === "string" ? new URL(base() + address, location.origin) : null;
    if (!url || !isPage(url)) return;
    if (event.event && withModifier(event.event)) openElsewhere(url.href);
    else go(url);
  });
};

let due = false;
const onChange = () => {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    document.querySelectorAll("table.ph-table").forEach(applySort);
    showPicked();
    document.querySelectorAll("[class*=st-key-opens-] .js-plotly-plot").forEach(wire);
  });
};

export default function ({ data }) {
  shared.pages = data.pages;
  shared.keys = data.keys;
  if (shared.listening) return;
  shared.listening = true;
  history.pushState = guarded;
  addEventListener("popstate", onStep, true);
  document.addEventListener("click", onStreamlitLink, true);
  document.addEventListener("click", onClick, true);
  document.addEventListener("auxclick", (event) => { shared.modified = withModifier(event); }, true);
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("click", onSort);
  document.addEventListener("click", onPick);
  new MutationObserver(onChange).observe(document.querySelector(".stApp"), { childList: true, subtree: true });
  window.open = open;
}
