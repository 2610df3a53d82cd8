// Built by `npm run build` from app/javascript; edit the sources, not this file.

// log_viewer/viewer.css
var viewer_default = `.ph-lv { display: flex; flex-direction: column; gap: 6px; font-size: 12.5px; color: var(--ph-lv-text);
  --ph-lv-text: light-dark(#0F1720, #E4E9F0); --ph-lv-ground: light-dark(#FFFFFF, #0B1016);
  --ph-lv-edge: light-dark(#DDE3EA, #2A323D); --ph-lv-soft: light-dark(#F4F6F9, #171D26);
  --ph-lv-muted: light-dark(#55606C, #A3ACB8); --ph-lv-red: light-dark(#B91C12, #FF8A80);
  --ph-lv-orange: light-dark(#8A4F05, #F6BE6B); --ph-lv-blue: light-dark(#145DB5, #6DB1F7); }
.ph-lv :is(button, a, input) { font: inherit; color: inherit; }
.ph-lv button { cursor: pointer; background: none; border: 0; padding: 0; }
.ph-lv :is(button, a, input, .ph-lv-view):focus-visible { outline: 2px solid var(--ph-lv-blue); outline-offset: 1px; }

.ph-lv-bar { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; }
.ph-lv-bar > span { display: flex; flex-wrap: wrap; gap: 4px; align-items: center; }
.ph-lv-find { flex: 1 1 260px; min-width: 0; }
.ph-lv-everywhere { white-space: nowrap; font-size: 12.5px; }
.ph-lv-search { flex: 0 1 260px; min-width: 110px; height: 28px; padding: 0 9px; border-radius: 6px;
  background: var(--ph-lv-ground); border: 1px solid var(--ph-lv-edge); }
.ph-lv-search::placeholder { color: var(--ph-lv-muted); opacity: 1; }
.ph-lv-status { color: var(--ph-lv-muted); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.ph-lv-bar :is(button, a) { height: 28px; min-width: 28px; padding: 0 8px; border-radius: 6px; border: 1px solid transparent;
  color: var(--ph-lv-muted); text-decoration: none; display: inline-flex; align-items: center; justify-content: center; }
.ph-lv-bar :is(button, a):hover { background: var(--ph-lv-soft); color: var(--ph-lv-text); }
.ph-lv-bar button[aria-pressed="true"] { border-color: var(--ph-lv-edge); background: var(--ph-lv-soft); color: var(--ph-lv-text); }
.ph-lv-bar .ph-lv-count { color: var(--ph-lv-orange); font-weight: 600; border-color: var(--ph-lv-edge); }
.ph-lv-bar .ph-lv-count.ph-lv-bad { color: var(--ph-lv-red); }
.ph-lv [hidden] { display: none !important; }

.ph-lv-list { max-height: 168px; overflow: auto; border: 1px solid var(--ph-lv-edge); border-radius: 6px; padding: 4px 0; }
.ph-lv-list p { margin: 4px 12px; color: var(--ph-lv-muted); }
.ph-lv-mark { display: flex; gap: 8px; width: 100%; padding: 3px 12px !important; text-align: left; align-items: baseline; }
.ph-lv-mark:hover { background: var(--ph-lv-soft) !important; }
.ph-lv-mark b { flex: 0 0 12px; color: var(--ph-lv-orange); }
.ph-lv-mark.ph-lv-error b { color: var(--ph-lv-red); }
.ph-lv-where { flex: 0 0 auto; min-width: 52px; text-align: right; color: var(--ph-lv-muted); font-variant-numeric: tabular-nums; }
.ph-lv-mark span:last-child { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  font-family: 'JetBrains Mono', monospace; font-size: 12px; font-variant-ligatures: none; }
.ph-lv-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.ph-lv-view { overflow: auto; overflow-anchor: none; height: fit-content; max-height: 60vh; position: relative;
  contain: content; border: 1px solid var(--ph-lv-edge); border-radius: 6px; background: var(--ph-lv-ground); padding: 6px 0; }
.ph-lv-embedded .ph-lv-view { max-height: 420px; }
/* Until the size of the log is known: the height of most logs, and nothing that would move. */
.ph-lv-loading { min-height: 60vh; } .ph-lv-loading.ph-lv-embedded { min-height: 470px; }
.ph-lv-loading > :not(.ph-lv-foot) { display: none; }
.ph-lv-space { position: relative; min-height: 20px; }
.ph-lv-rows { position: absolute; top: 0; left: 0; min-width: 100%; width: max-content; will-change: transform; }
.ph-lv-wrap .ph-lv-rows { width: 100%; }
.ph-lv-row { display: flex; min-height: 20px; line-height: 20px; padding-right: 14px; tab-size: 4;
  font-family: 'JetBrains Mono', monospace; font-size: 12px; font-variant-ligatures: none; }
.ph-lv-row:hover { background: var(--ph-lv-soft); }
.ph-lv-n { flex: 0 0 62px; align-self: flex-start; line-height: 20px; text-align: right; user-select: none; color: var(--ph-lv-muted) !important; font-variant-numeric: tabular-nums; }
.ph-lv-n:hover { color: var(--ph-lv-blue) !important; text-decoration: underline; }
.ph-lv-sign { flex: 0 0 22px; text-align: center; font-weight: 700; user-select: none; }
.ph-lv-time { flex: 0 0 98px; color: var(--ph-lv-muted); user-select: none; }
.ph-lv-text { white-space: pre; position: relative; }
.ph-lv-wrap .ph-lv-text { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 0; }
.ph-lv-waiting, .ph-lv-cut { color: var(--ph-lv-muted); }
.ph-lv-fold { display: flex; min-width: 0; text-align: left; font-weight: 600; }
.ph-lv-fold::before { content: "▾"; flex: 0 0 16px; color: var(--ph-lv-muted); font-weight: 400; }
.ph-lv-fold[aria-expanded="false"]::before { content: "▸"; }
.ph-lv-size { color: var(--ph-lv-muted); font-weight: 400; white-space: pre; }
.ph-lv-size::before { content: " "; }
.ph-lv-gap { padding-left: 68px; background: var(--ph-lv-soft); color: var(--ph-lv-muted); }
.ph-lv-gap .ph-lv-fold { font-weight: 400; color: var(--ph-lv-muted); width: 100%; }

.ph-lv-row.ph-lv-error { background: light-dark(#D3261C17, #D3261C26); } .ph-lv-row.ph-lv-error .ph-lv-sign { color: var(--ph-lv-red); }
.ph-lv-row.ph-lv-warning { background: light-dark(#DC861C1A, #DC861C1A); } .ph-lv-row.ph-lv-warning .ph-lv-sign { color: var(--ph-lv-orange); }
.ph-lv-row.ph-lv-notice .ph-lv-sign { color: var(--ph-lv-blue); }
.ph-lv-row.ph-lv-command .ph-lv-text { color: var(--ph-lv-blue); }
.ph-lv-row:is(.ph-lv-debug, .ph-lv-section) .ph-lv-text { color: var(--ph-lv-muted); }
.ph-lv-row.ph-lv-cause { background: light-dark(#D3261C17, #D3261C30); box-shadow: inset 3px 0 0 #D3261C; }
.ph-lv-row.ph-lv-cause .ph-lv-sign { color: var(--ph-lv-red); } .ph-lv-row.ph-lv-cause .ph-lv-text { font-weight: 600; }
.ph-lv-row.ph-lv-selected { background: light-dark(#FFF3C4, #231E0B); box-shadow: inset 3px 0 0 #DC861C; }
.ph-lv-row.ph-lv-current { background: light-dark(#E2EEFB, #0D1F33); box-shadow: inset 3px 0 0 #1A6FCB; }
.ph-lv mark { background: light-dark(#FFD54F, #FFCA28); color: #0F1720; border-radius: 2px; }

.ph-lv-bold { font-weight: 700; } .ph-lv-italic { font-style: italic; } .ph-lv-underline { text-decoration: underline; }
.ph-lv-strike { text-decoration: line-through; } .ph-lv-dim { color: var(--ph-lv-muted); }
.ph-lv-foot { color: var(--ph-lv-muted); font-size: 12px; }

@media (max-width: 640px) {
  .ph-lv-search { flex: 1 1 150px; } .ph-lv-find { flex: 1 1 100%; }
  .ph-lv-bar :is(button, a) { padding: 0 6px; min-width: 26px; }
  .ph-lv-n { flex-basis: 48px; } .ph-lv-sign { flex-basis: 18px; } .ph-lv-row { padding-right: 8px; }
  .ph-lv-gap { padding-left: 50px; } .ph-lv-time { flex-basis: 92px; }
}

/* On paper nothing scrolls: the rendered lines are wrapped and as high as they are. */
@media print {
  .ph-lv .ph-lv-view { overflow: visible; max-height: none !important; contain: none; }
  .ph-lv .ph-lv-space { height: auto !important; min-width: 0 !important; }
  .ph-lv .ph-lv-rows { position: static; width: 100%; min-width: 0; transform: none !important; }
  .ph-lv .ph-lv-row { break-inside: avoid; }
  .ph-lv .ph-lv-text { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 0; }
}
`;

// log_viewer/dom.js
var createElement = (name, className = "", text = void 0) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== void 0) element.textContent = text;
  return element;
};
var createButton = (className, text, label, onClick) => {
  const element = createElement("button", className, text);
  element.type = "button";
  element.title = label;
  if (label && !/[a-z]/i.test(text)) element.setAttribute("aria-label", label);
  element.onclick = onClick;
  return element;
};
var formatCount = (number) => number.toLocaleString("en");
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

// log_viewer/line_range.js
var parseLineRange = (text) => {
  const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text ?? "");
  if (!match) return null;
  const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])].sort((a, b) => a - b);
  return from > 0 ? { from, to } : null;
};
var formatLineRange = (from, to) => from === to ? String(from) : `${from}-${to}`;

// log_viewer/line_source.js
var CHUNK_SIZE = 250;
var MAX_CHUNKS = 60;
var MAX_LINES_PER_REQUEST = 1e3;
var LineSource = class {
  /** By chunk number, the most recently displayed last. @type {Map<number, Chunk>} */
  #chunks = /* @__PURE__ */ new Map();
  /** Pending requests by chunk number. @type {Map<number, AbortController>} */
  #requests = /* @__PURE__ */ new Map();
  /**
   * @param {string} base URL of the log's endpoints
   * @param {(error: Error | null) => void} onLoad called after every loaded chunk, or with the reason for a failure
   */
  constructor(base, onLoad) {
    this.base = base;
    this.onLoad = onLoad;
  }
  /**
   * Requests a part of the log. Throws an error with the server's explanation if the request fails.
   * @param {string} part
   * @param {Record<string, string | number>} [query]
   * @param {AbortSignal} [signal]
   */
  async request(part, query = {}, signal = void 0) {
    const parameters = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
    const response = await fetch(`${this.base}/${part}?${parameters}`, { signal });
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail ?? `The request failed with status ${response.status}.`);
  }
  /**
   * @param {string} part
   * @param {Record<string, string | number>} [query]
   * @param {AbortSignal} [signal]
   */
  async json(part, query, signal) {
    return (await this.request(part, query, signal)).json();
  }
  /**
   * A line, or null while it is not loaded.
   * @param {number} number
   * @returns {Line | null}
   */
  line(number) {
    const chunk = this.#chunks.get(chunkOf(number));
    const line = chunk?.lines[(number - 1) % CHUNK_SIZE];
    if (!chunk || !line) return null;
    const [at, kind, content, cut] = line;
    return { at, kind, content, cut, styles: chunk.styles };
  }
  /**
   * Loads the missing chunks of these line ranges and aborts the requests of all other chunks.
   * @param {[from: number, to: number][]} ranges
   */
  prefetch(ranges) {
    const needed = /* @__PURE__ */ new Set();
    for (const [from, to] of ranges) {
      for (let number = chunkOf(from); number <= chunkOf(to); number++) needed.add(number);
    }
    for (const [number, request] of this.#requests) {
      if (needed.has(number)) continue;
      request.abort();
      this.#requests.delete(number);
    }
    for (const number of needed) {
      const chunk = this.#chunks.get(number);
      if (chunk) {
        this.#chunks.delete(number);
        this.#chunks.set(number, chunk);
      } else if (!this.#requests.has(number)) void this.#load(number);
    }
  }
  /** @param {number} number */
  async #load(number) {
    const request = new AbortController();
    this.#requests.set(number, request);
    try {
      const query = { from: number * CHUNK_SIZE + 1, count: CHUNK_SIZE };
      this.#chunks.set(number, await this.json("lines", query, request.signal));
      if (this.#chunks.size > MAX_CHUNKS) this.#chunks.delete(this.#chunks.keys().next().value ?? -1);
      this.onLoad(null);
    } catch (error) {
      const reason = toError(error);
      if (reason.name !== "AbortError") this.onLoad(reason);
    } finally {
      if (this.#requests.get(number) === request) this.#requests.delete(number);
    }
  }
  /**
   * The text of a range of lines.
   * @param {number} first
   * @param {number} last
   */
  async text(first, last) {
    const texts = [];
    for (let from = first; from <= last; from += MAX_LINES_PER_REQUEST) {
      const count = Math.min(MAX_LINES_PER_REQUEST, last - from + 1);
      const { lines } = await this.json("lines", { from, count });
      for (const [, , content] of lines)
        texts.push(typeof content === "string" ? content : content.map(([text]) => text).join(""));
    }
    return texts.join("\n");
  }
};
var chunkOf = (line) => Math.floor((line - 1) / CHUNK_SIZE);
var toError = (caught) => caught instanceof Error ? caught : new Error(String(caught));

// log_viewer/matches.js
var splitMatches = (pieces, searchText) => {
  const line = pieces.map(([text]) => text).join("");
  const lower = line.toLowerCase();
  if (!searchText || lower.length !== line.length) return pieces.map(([text, style]) => [text, style, false]);
  const matches = [];
  for (let at = lower.indexOf(searchText); at >= 0; at = lower.indexOf(searchText, at + searchText.length))
    matches.push([at, at + searchText.length]);
  const parts = [];
  let pieceStart = 0;
  let next = 0;
  for (const [text, style] of pieces) {
    let position = 0;
    while (position < text.length) {
      while (next < matches.length && matches[next][1] <= pieceStart + position) next++;
      const [start, end] = matches[next] ?? [Infinity, Infinity];
      const match = start <= pieceStart + position;
      const until = Math.min(text.length, (match ? end : start) - pieceStart);
      parts.push([text.slice(position, until), style, match]);
      position = until;
    }
    pieceStart += text.length;
  }
  return parts;
};
var firstMatchFrom = (lines, line) => Math.max(lines.findIndex((match) => match >= line), 0);
var nextProblem = (problems, line, direction) => direction > 0 ? problems.find((problem) => problem > line) ?? problems[0] : problems.findLast((problem) => problem < line) ?? problems[problems.length - 1];

// log_viewer/search_bar.js
var DELAY_MS = 250;
var PLACEHOLDER = "Search the whole log";
var SearchBar = class {
  /** @type {SearchResult | null} */
  #result = null;
  /** Index of the current match. */
  #index = -1;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {AbortController | undefined} */
  #request;
  /**
   * @param {LineSource} source
   * @param {Viewport} viewport
   * @param {() => void} onSearch is called when another text is searched for
   */
  constructor(source, viewport, onSearch) {
    this.source = source;
    this.viewport = viewport;
    this.onSearch = onSearch;
    this.input = createElement("input", "ph-lv-search");
    Object.assign(this.input, { type: "search", placeholder: PLACEHOLDER, maxLength: 200, spellcheck: false });
    this.input.setAttribute("aria-label", PLACEHOLDER);
    this.input.setAttribute("autocomplete", "off");
    this.input.oninput = () => this.#schedule();
    this.input.onkeydown = (event) => this.#onKey(event);
    this.status = createElement("span", "ph-lv-status");
    this.status.setAttribute("role", "status");
    this.buttons = createElement("span", "ph-lv-steps");
    this.buttons.append(
      createButton("", "↑", "Previous match (Shift+Enter)", () => this.previous()),
      createButton("", "↓", "Next match (Enter)", () => this.next())
    );
    this.buttons.hidden = true;
    this.everywhere = createElement("a", "ph-lv-everywhere", "Search all logs");
    Object.assign(this.everywhere, { target: "_self", title: "Search all stored logs for this text", hidden: true });
    this.element = createElement("span", "ph-lv-find");
    this.element.append(this.input, this.buttons, this.status, this.everywhere);
  }
  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      if (this.#timer) void this.search().then(() => event.shiftKey && this.previous());
      else if (event.shiftKey) this.previous();
      else this.next();
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.input.value = "";
      void this.search();
      this.viewport.element.focus();
    }
  }
  #schedule() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.search(), DELAY_MS);
  }
  /** Searches the text of the input field and shows the first match at or below the visible lines. */
  async search() {
    clearTimeout(this.#timer);
    this.#timer = void 0;
    this.#request?.abort();
    const text = this.input.value;
    this.onSearch();
    this.#result = null;
    this.buttons.hidden = true;
    this.status.textContent = "";
    this.everywhere.hidden = !text.trim();
    this.everywhere.href = `search?${new URLSearchParams({ text })}`;
    if (!text) {
      this.viewport.highlight("");
      return;
    }
    this.#request = new AbortController();
    let result;
    try {
      result = await this.source.json("search", { q: text }, this.#request.signal);
    } catch (error) {
      const reason = toError(error);
      if (reason.name !== "AbortError") this.status.textContent = reason.message;
      return;
    }
    this.#result = result;
    this.viewport.highlight(text.toLowerCase());
    this.buttons.hidden = !result.count;
    this.#show(firstMatchFrom(result.lines, this.viewport.topLine()));
  }
  /**
   * Searches for a text as if it had been typed.
   * @param {string} text
   */
  async open(text) {
    this.input.value = text;
    await this.search();
  }
  next() {
    this.#show(this.#index + 1);
  }
  previous() {
    this.#show(this.#index - 1);
  }
  /** @param {number} index of a match; continues at the other end of the log */
  #show(index) {
    if (!this.#result) return;
    const { lines, count, more } = this.#result;
    if (!lines.length) {
      this.status.textContent = "Not found";
      return;
    }
    this.#index = (index + lines.length) % lines.length;
    const total = `${formatCount(count)}${more ? "+" : ""} ${count === 1 ? "line" : "lines"}`;
    this.status.textContent = `${formatCount(this.#index + 1)} of ${total}`;
    this.viewport.show(lines[this.#index], true);
  }
};

// log_viewer/line_element.js
var SYMBOLS = { error: "✕", warning: "!", notice: "i" };
var LABELS = { error: "Error: ", warning: "Warning: ", notice: "Notice: " };
var FLAGS = (
  /** @type {const} */
  ["bold", "dim", "italic", "underline", "strike"]
);
var styledSpan = (text, style) => {
  const classes = FLAGS.filter((flag) => style[flag]).map((flag) => `ph-lv-${flag}`);
  const span = createElement("span", classes.join(" "));
  if (style.text) span.style.color = `light-dark(${style.text[0]}, ${style.text[1]})`;
  if (style.ground) span.style.backgroundColor = style.ground[0];
  span.append(text);
  return span;
};
var textElement = (line, searchText) => {
  const element = createElement("span", "ph-lv-text");
  const pieces = typeof line.content === "string" ? [[line.content, -1]] : line.content;
  for (const [text, index, match] of splitMatches(pieces, searchText)) {
    const content = match ? createElement("mark", "", text) : text;
    const style = index >= 0 ? line.styles[index] : void 0;
    element.append(style ? styledSpan(content, style) : content);
  }
  if (line.cut) element.append(createElement("i", "ph-lv-cut", ` … ${formatCount(line.cut)} more characters`));
  return element;
};
var timeElement = (at) => {
  const time = at ? new Date(at).toISOString() : "";
  const element = createElement("time", "ph-lv-time", time.slice(11, 23));
  if (time) element.dateTime = element.title = time;
  return element;
};
var lineElement = (number, line, { classes, times, searchText, fold, onNumberClick }) => {
  const kind = line?.kind ?? "";
  const row = createElement("div", ["ph-lv-row", kind && `ph-lv-${kind}`, ...classes].filter(Boolean).join(" "));
  row.dataset.line = String(number);
  const numberButton = createButton(
    "ph-lv-n",
    String(number),
    `Line ${number}`,
    (event) => onNumberClick(number, event.shiftKey)
  );
  numberButton.tabIndex = -1;
  const symbol = createElement("span", "ph-lv-sign", classes.includes("ph-lv-cause") ? "▶" : SYMBOLS[kind] ?? "");
  symbol.setAttribute("aria-hidden", "true");
  row.append(numberButton, symbol);
  if (!line) {
    row.append(createElement("span", "ph-lv-text ph-lv-waiting", "…"));
    return row;
  }
  if (times) row.append(timeElement(line.at));
  const text = textElement(line, searchText);
  if (LABELS[kind]) text.prepend(createElement("span", "ph-lv-hidden", LABELS[kind]));
  if (fold) {
    const toggle = createButton("ph-lv-fold", "", "", fold.toggle);
    toggle.title = fold.folded ? "Unfold" : "Fold";
    toggle.setAttribute("aria-expanded", String(!fold.folded));
    toggle.append(text, createElement("span", "ph-lv-size", ` ${formatCount(fold.size)} lines`));
    row.append(toggle);
  } else row.append(text);
  return row;
};

// log_viewer/preferences.js
var PREFIX = "pipeline-health-log-";
var readPreference = (key) => {
  try {
    return localStorage.getItem(PREFIX + key) === "true";
  } catch {
    return false;
  }
};
var storePreference = (key, value) => {
  try {
    localStorage.setItem(PREFIX + key, String(value));
  } catch {
    return;
  }
};

// log_viewer/toolbar.js
var Toolbar = class {
  /** @param {LogViewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.element = createElement("div", "ph-lv-bar");
    this.problems = createElement("span", "ph-lv-problems");
    this.actions = createElement("span", "ph-lv-tools");
    this.element.append(viewer.search.element, this.problems, this.actions);
    this.problemList = createElement("div", "ph-lv-list");
    this.problemList.hidden = true;
  }
  /**
   * Adds what depends on the log.
   * @param {Outline} outline
   * @param {ViewerData} data
   */
  fill(outline, data) {
    const { viewer } = this;
    const { viewport } = viewer;
    this.actions.append(
      toggleButton("Wrap", "Wrap long lines", "wrap", viewport.wrap, (wrap) => viewport.setWrap(wrap)),
      toggleButton(
        "Times",
        "Show the time of every line (UTC)",
        "times",
        viewport.times,
        (times) => viewport.setTimes(times)
      )
    );
    if (outline.groups.length) {
      const foldAll = createButton("", "Unfold all", "Unfold or fold all groups", () => {
        const folded = foldAll.textContent === "Fold all";
        viewport.foldAll(folded);
        foldAll.textContent = folded ? "Unfold all" : "Fold all";
      });
      this.actions.append(foldAll);
    }
    const copy = createButton("", "Copy", "Copy the selected lines, or the whole log", () => viewer.copy(copy));
    const link = createButton(
      "",
      "Link",
      "Copy a link to the selected lines: click a line number to select, Shift+click to extend",
      () => viewer.copyLink(link)
    );
    const download = createElement("a", "", "Download");
    download.href = `${data.base}/text`;
    download.setAttribute("download", "");
    download.title = "Download the whole log";
    this.actions.append(copy, link, download);
    if (data.embedded) {
      const open = createElement("a", "", "Open");
      Object.assign(open, { href: data.page, target: "_self", title: "Open this log on its own page" });
      this.actions.append(open);
    }
    if (outline.marks.length) this.#fillProblems(outline);
  }
  /** @param {Outline} outline */
  #fillProblems({ marks, errors, warnings }) {
    const { viewer } = this;
    const parts = [];
    if (errors) parts.push(`✕ ${plural(errors, "error")}`);
    if (warnings) parts.push(`! ${plural(warnings, "warning")}`);
    const toggle = createButton("ph-lv-count", parts.join(", "), "List errors and warnings", () => {
      this.problemList.hidden = !this.problemList.hidden;
      toggle.setAttribute("aria-expanded", String(!this.problemList.hidden));
      viewer.viewport.fit();
      viewer.viewport.render();
    });
    toggle.classList.toggle("ph-lv-bad", errors > 0);
    toggle.setAttribute("aria-expanded", "false");
    this.problems.append(
      toggle,
      createButton("", "↑", "Previous problem (p)", () => viewer.jumpToProblem(-1)),
      createButton("", "↓", "Next problem (n)", () => viewer.jumpToProblem(1))
    );
    for (const [line, kind, text] of marks) {
      const item = createButton(`ph-lv-mark ph-lv-${kind}`, "", "", () => viewer.select(line, line));
      item.append(
        createElement("b", "", SYMBOLS[kind]),
        createElement("span", "ph-lv-hidden", LABELS[kind]),
        createElement("span", "ph-lv-where", formatCount(line)),
        createElement("span", "", text || "(no text)")
      );
      this.problemList.append(item);
    }
    const total = errors + warnings;
    if (total > marks.length) {
      const note = `Showing the first ${formatCount(marks.length)} of ${formatCount(total)}.`;
      this.problemList.append(createElement("p", "", note));
    }
  }
};
var toggleButton = (text, label, key, initial, onChange) => {
  let pressed = initial;
  const button = createButton("", text, label, () => {
    pressed = !pressed;
    button.setAttribute("aria-pressed", String(pressed));
    storePreference(key, pressed);
    onChange(pressed);
  });
  button.setAttribute("aria-pressed", String(pressed));
  return button;
};
var plural = (count, noun) => `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;

// log_viewer/row_heights.js
var RowHeights = class {
  /** Measured heights by row. @type {Map<number, number>} */
  #measured = /* @__PURE__ */ new Map();
  /** @type {Float64Array} */
  #tree;
  /** The largest power of two that is not above the number of rows. */
  #largestStep = 1;
  /**
   * @param {number} rowCount
   * @param {number} defaultHeight
   */
  constructor(rowCount, defaultHeight) {
    this.rowCount = rowCount;
    this.defaultHeight = defaultHeight;
    this.#tree = new Float64Array(rowCount + 1);
    while (this.#largestStep * 2 <= rowCount) this.#largestStep *= 2;
  }
  /** The height of all rows together. */
  get total() {
    return this.offset(this.rowCount);
  }
  /**
   * Stores the measured height of a row. Returns whether it differs from the stored one.
   * @param {number} row
   * @param {number} height
   */
  set(row, height) {
    const change = height - (this.#measured.get(row) ?? this.defaultHeight);
    if (!change) return false;
    this.#measured.set(row, height);
    for (let node = row + 1; node <= this.rowCount; node += node & -node) this.#tree[node] += change;
    return true;
  }
  /**
   * The distance from the top of the first row to the top of `row`.
   * @param {number} row
   */
  offset(row) {
    let sum = row * this.defaultHeight;
    for (let node = row; node > 0; node -= node & -node) sum += this.#tree[node];
    return sum;
  }
  /**
   * The row at a distance from the top of the first row.
   * @param {number} offset
   */
  find(offset) {
    let row = 0;
    let rest = offset;
    for (let step = this.#largestStep; step > 0; step >>= 1) {
      if (row + step > this.rowCount) continue;
      const height = step * this.defaultHeight + this.#tree[row + step];
      if (height <= rest) {
        row += step;
        rest -= height;
      }
    }
    return Math.min(row, Math.max(this.rowCount - 1, 0));
  }
};

// log_viewer/row_layout.js
var RowLayout = class {
  /**
   * @param {number} lineCount
   * @param {Group[]} groups sorted and not overlapping
   */
  constructor(lineCount, groups) {
    this.lineCount = lineCount;
    this.groups = groups;
    this.groupEnds = new Map(groups);
    this.folded = /* @__PURE__ */ new Set();
    this.gap = 0;
    this.rowCount = 0;
    this.segments = [];
    this.#computeSegments();
  }
  #computeSegments() {
    const segments = [];
    let row = 0;
    let line = 1;
    const append = (lastLine, gap) => {
      segments.push({ row, line, gap });
      row += gap ? 1 : lastLine - line + 1;
      line = lastLine + 1;
    };
    if (this.gap) append(this.gap, true);
    for (const [first, last] of this.groups) {
      if (first < line || !this.folded.has(first)) continue;
      append(first, false);
      line = last + 1;
    }
    if (line <= this.lineCount) append(this.lineCount, false);
    this.segments = segments;
    this.rowCount = row;
  }
  /**
   * Index of the last segment that starts at or before `value`.
   * @param {number} value
   * @param {"row" | "line"} key
   */
  #segmentIndex(value, key) {
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = low + high + 1 >> 1;
      if (this.segments[middle][key] <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  }
  /**
   * The line of a row; 0 for the gap.
   * @param {number} row
   */
  lineAt(row) {
    const segment = this.segments[this.#segmentIndex(row, "row")];
    return segment.gap ? 0 : segment.line + row - segment.row;
  }
  /**
   * The row of a line. For a hidden line, the row of the folded group or the gap that contains it.
   * @param {number} line
   */
  rowOf(line) {
    const index = this.#segmentIndex(line, "line");
    const segment = this.segments[index];
    if (segment.gap) return segment.row;
    const nextRow = this.segments[index + 1]?.row ?? this.rowCount;
    return Math.min(segment.row + line - segment.line, nextRow - 1);
  }
  /**
   * @param {number} first first line of the group
   * @param {boolean} folded
   */
  fold(first, folded) {
    if (folded) this.folded.add(first);
    else this.folded.delete(first);
    this.#computeSegments();
  }
  /**
   * Folds or unfolds all groups.
   * @param {boolean} folded
   * @param {(group: Group) => boolean} [except] groups to leave unfolded
   */
  foldAll(folded, except = () => false) {
    this.folded = new Set(folded ? this.groups.filter((group) => !except(group)).map(([first]) => first) : []);
    this.#computeSegments();
  }
  /** @param {number} lines number of lines to collapse at the beginning of the log */
  setGap(lines) {
    this.gap = lines;
    this.#computeSegments();
  }
  /**
   * Unfolds whatever hides a line. Returns whether the layout has changed.
   * @param {number} line
   */
  reveal(line) {
    let changed = false;
    if (line <= this.gap) {
      this.gap = 0;
      changed = true;
    }
    for (const [first, last] of this.groups) {
      if (first < line && line <= last && this.folded.delete(first)) changed = true;
    }
    if (changed) this.#computeSegments();
    return changed;
  }
  /**
   * Line ranges of the rows from `first` to `last`. Ranges that are at most `maxGap` lines apart are merged.
   * @param {number} first
   * @param {number} last
   * @param {number} maxGap
   */
  lineRanges(first, last, maxGap) {
    let from = 0;
    let to = 0;
    const ranges = [];
    for (let row = first; row <= last; row++) {
      const line = this.lineAt(row);
      if (!line) continue;
      if (!from) from = line;
      else if (line - to > maxGap) {
        ranges.push([from, to]);
        from = line;
      }
      to = line;
    }
    if (from) ranges.push([from, to]);
    return ranges;
  }
};

// log_viewer/viewport.js
var ROW_HEIGHT = 20;
var OVERSCAN = 15;
var LINES_BEFORE_CAUSE = 8;
var MAX_CACHED_ELEMENTS = 2e3;
var Viewport = class {
  /** The line that explains the failure, if there is one. @type {number | undefined} */
  #initialLine;
  /** @param {ViewportOptions} options */
  constructor({ name, embedded, source, onNumberClick }) {
    this.embedded = embedded;
    this.source = source;
    this.onNumberClick = onNumberClick;
    this.wrap = readPreference("wrap");
    this.times = readPreference("times");
    this.searchText = "";
    this.currentLine = 0;
    this.causeLine = null;
    this.selection = null;
    this.layout = new RowLayout(0, []);
    this.heights = new RowHeights(0, ROW_HEIGHT);
    this.elements = /* @__PURE__ */ new Map();
    this.pinned = null;
    this.frame = null;
    this.width = 0;
    this.element = createElement("div", "ph-lv-view");
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "region");
    this.element.setAttribute("aria-label", `Log of ${name}`);
    this.space = createElement("div", "ph-lv-space");
    this.body = createElement("div", "ph-lv-rows");
    this.space.append(this.body);
    this.element.append(this.space);
    this.element.addEventListener("scroll", () => this.scheduleRender(), { passive: true });
    const unpin = () => {
      this.pinned = null;
    };
    for (const type of ["wheel", "touchstart", "pointerdown", "keydown"])
      this.element.addEventListener(type, unpin, { passive: true });
    this.resizeObserver = new ResizeObserver(() => this.#onResize());
    this.resizeObserver.observe(this.element);
    this.resizeObserver.observe(document.documentElement);
  }
  close() {
    this.resizeObserver.disconnect();
  }
  /** Whether there are lines to display. */
  get isOpen() {
    return this.layout.rowCount > 0;
  }
  /** @param {Outline} outline with at least one line */
  open({ lines, groups, cause, marks }) {
    this.causeLine = cause;
    this.layout = new RowLayout(lines, groups);
    const errors = marks.filter(([, kind]) => kind === "error").map(([line]) => line);
    if (cause) errors.unshift(cause);
    this.layout.foldAll(true, ([first, last]) => errors.some((line) => first <= line && line <= last));
    this.#initialLine = cause ?? errors.at(-1);
  }
  /** Shows the line that explains the failure; without one, the end of an embedded log or the start of any other. */
  showInitialLine() {
    const line = this.#initialLine;
    if (line && this.embedded && line > LINES_BEFORE_CAUSE + 2) this.layout.setGap(line - LINES_BEFORE_CAUSE - 1);
    this.reset();
    this.show(line ?? (this.embedded ? this.layout.lineCount : 1));
  }
  /** Discards measured heights and rendered rows, and renders again. */
  reset() {
    this.heights = new RowHeights(this.layout.rowCount, ROW_HEIGHT);
    this.redraw();
  }
  /** Discards rendered rows and renders again. */
  redraw() {
    this.elements.clear();
    this.render();
  }
  /** Limits the height to the part of the window below the viewport's top, but never to a small slit. */
  fit() {
    if (this.embedded) return;
    const main = this.element.closest("[data-testid=stMain]");
    const top = this.element.getBoundingClientRect().top + (main?.scrollTop ?? 0);
    this.element.style.maxHeight = `${Math.round(Math.max(innerHeight - top - 48, innerHeight * 0.6, 320))}px`;
  }
  #onResize() {
    if (matchMedia("print").matches) return;
    this.fit();
    if (this.isOpen && this.wrap && this.width !== this.element.clientWidth) this.#relayout(() => {
    });
    else this.scheduleRender();
    this.width = this.element.clientWidth;
  }
  scheduleRender() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.render();
    });
  }
  /**
   * Applies a change to the layout and keeps the topmost line at its distance from the top.
   * @param {() => void} change
   */
  #relayout(change) {
    this.#relayoutAround(this.topLine(), change);
  }
  /**
   * @param {number} line
   * @param {() => void} change
   */
  #relayoutAround(line, change) {
    const distance = this.isOpen ? this.heights.offset(this.layout.rowOf(line)) - this.element.scrollTop : 0;
    change();
    if (!this.isOpen) return;
    this.heights = new RowHeights(this.layout.rowCount, ROW_HEIGHT);
    this.elements.clear();
    this.#pin(this.layout.rowOf(line), distance);
  }
  /**
   * Scrolls a row to a distance from the top and keeps it there.
   * @param {number} row
   * @param {number} distance
   */
  #pin(row, distance) {
    this.pinned = { row, distance };
    this.#setHeight();
    this.element.scrollTop = this.heights.offset(row) - distance;
    this.render();
  }
  #setHeight() {
    this.space.style.height = `${this.heights.total}px`;
  }
  /** The topmost visible line. */
  topLine() {
    if (!this.isOpen) return 1;
    return this.layout.lineAt(this.heights.find(this.element.scrollTop)) || this.layout.gap + 1;
  }
  /**
   * Scrolls to a line and unfolds what hides it.
   * @param {number} line
   * @param {boolean} [current] whether to mark it as the current search match
   */
  show(line, current = false) {
    this.currentLine = current ? line : 0;
    if (this.layout.reveal(line)) this.heights = new RowHeights(this.layout.rowCount, ROW_HEIGHT);
    this.elements.clear();
    const row = this.layout.rowOf(line);
    const distance = this.embedded && this.layout.gap ? ROW_HEIGHT * (LINES_BEFORE_CAUSE + 1) : this.element.clientHeight / 3;
    this.element.scrollLeft = 0;
    this.#pin(row, Math.max(distance, 0));
  }
  render() {
    if (!this.isOpen || matchMedia("print").matches) return;
    const { element, heights, layout } = this;
    element.classList.toggle("ph-lv-wrap", this.wrap);
    this.#setHeight();
    const top = heights.find(element.scrollTop);
    const first = Math.max(top - OVERSCAN, 0);
    const last = Math.min(heights.find(element.scrollTop + element.clientHeight) + OVERSCAN, layout.rowCount - 1);
    const anchor = this.pinned ?? { row: top, distance: heights.offset(top) - element.scrollTop };
    this.source.prefetch(layout.lineRanges(first, last, CHUNK_SIZE));
    this.#place(first, last);
    if (this.wrap && this.#measure(first)) {
      this.#setHeight();
      element.scrollTop = heights.offset(anchor.row) - anchor.distance;
      this.scheduleRender();
    }
    this.body.style.transform = `translateY(${heights.offset(first)}px)`;
    const { style } = this.space;
    style.minWidth = this.wrap ? "" : `${Math.max(this.body.scrollWidth, parseFloat(style.minWidth) || 0)}px`;
  }
  /**
   * Puts the rows from `first` to `last` into the document and keeps the elements that are there already.
   * @param {number} first
   * @param {number} last
   */
  #place(first, last) {
    const rows = [];
    for (let row = first; row <= last; row++) rows.push(this.#rowElement(this.layout.lineAt(row)));
    const visible = new Set(rows);
    for (const child of [...this.body.children]) if (!visible.has(child)) child.remove();
    let position = this.body.firstChild;
    for (const row of rows) {
      if (row === position) position = row.nextSibling;
      else this.body.insertBefore(row, position);
    }
    if (this.elements.size > MAX_CACHED_ELEMENTS) this.elements.clear();
  }
  /**
   * Stores the heights of the rendered rows. Returns whether one has changed.
   * @param {number} first the first rendered row
   */
  #measure(first) {
    let changed = false;
    let row = first;
    for (
      const child of
      /** @type {HTMLCollectionOf<HTMLElement>} */
      this.body.children
    ) {
      changed = this.heights.set(row, Math.max(child.offsetHeight, ROW_HEIGHT)) || changed;
      row += 1;
    }
    return changed;
  }
  /** @param {number} number the line; 0 for the gap */
  #rowElement(number) {
    const cached = this.elements.get(number);
    if (cached) return cached;
    const line = number ? this.source.line(number) : null;
    const element = number ? this.#lineElement(number, line) : this.#gapElement();
    if (line || !number) this.elements.set(number, element);
    return element;
  }
  /**
   * @param {number} number
   * @param {Line | null} line
   */
  #lineElement(number, line) {
    const classes = [];
    if (this.selection && this.selection.from <= number && number <= this.selection.to) classes.push("ph-lv-selected");
    if (number === this.causeLine) classes.push("ph-lv-cause");
    if (number === this.currentLine) classes.push("ph-lv-current");
    const groupEnd = this.layout.groupEnds.get(number);
    const folded = this.layout.folded.has(number);
    const fold = groupEnd ? { folded, size: groupEnd - number, toggle: () => this.#fold(number, !folded) } : null;
    const { times, searchText, onNumberClick } = this;
    return lineElement(number, line, { classes, fold, times, searchText, onNumberClick });
  }
  #gapElement() {
    const row = createElement("div", "ph-lv-row ph-lv-gap");
    const expand = () => this.#relayout(() => this.layout.setGap(0));
    const button = createButton("ph-lv-fold", `${formatCount(this.layout.gap)} lines before`, "", expand);
    button.setAttribute("aria-expanded", "false");
    row.append(button);
    return row;
  }
  /**
   * @param {number} first first line of the group
   * @param {boolean} folded
   */
  #fold(first, folded) {
    this.#relayoutAround(first, () => this.layout.fold(first, folded));
    const button = this.body.querySelector(`[data-line="${first}"] .ph-lv-fold`);
    button?.focus({ preventScroll: true });
  }
  /** @param {boolean} folded */
  foldAll(folded) {
    this.#relayout(() => this.layout.foldAll(folded));
  }
  /** @param {boolean} wrap */
  setWrap(wrap) {
    this.#relayout(() => {
      this.wrap = wrap;
    });
  }
  /** @param {boolean} times */
  setTimes(times) {
    this.#relayout(() => {
      this.times = times;
    });
  }
  /** @param {string} searchText in lower case */
  highlight(searchText) {
    this.searchText = searchText;
    this.currentLine = 0;
    this.redraw();
  }
};

// log_viewer/viewer.js
var LOAD_MARGIN = "1500px 0px";
var COPIED_MS = 1500;
var LogViewer = class {
  /**
   * @param {HTMLElement} root
   * @param {ViewerData} data
   */
  constructor(root, data) {
    this.data = data;
    this.outline = null;
    this.source = new LineSource(data.base, (error) => this.onLoad(error));
    this.viewport = new Viewport({
      name: data.name,
      embedded: data.embedded,
      source: this.source,
      onNumberClick: (line, extend) => this.onNumberClick(line, extend)
    });
    this.search = new SearchBar(this.source, this.viewport, () => this.updateAddress());
    this.toolbar = new Toolbar(this);
    this.footer = createElement("div", "ph-lv-foot", "Loading the log …");
    this.root = root;
    root.classList.toggle("ph-lv-embedded", data.embedded);
    root.classList.add("ph-lv-loading");
    root.append(this.toolbar.element, this.toolbar.problemList, this.viewport.element, this.footer);
    root.addEventListener("keydown", (event) => this.onKey(event));
    this.intersectionObserver = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) void this.open();
      },
      { root: root.closest("[data-testid=stMain]"), rootMargin: LOAD_MARGIN }
    );
    this.intersectionObserver.observe(root);
  }
  close() {
    this.intersectionObserver.disconnect();
    this.viewport.close();
  }
  async open() {
    this.intersectionObserver.disconnect();
    let outline;
    try {
      outline = await this.source.json("outline");
    } catch (error) {
      this.reportError(error);
      return;
    } finally {
      this.root.classList.remove("ph-lv-loading");
    }
    this.outline = outline;
    this.footer.textContent = this.summary();
    this.toolbar.fill(outline, this.data);
    this.viewport.fit();
    if (!outline.lines) return;
    this.viewport.open(outline);
    const range = parseLineRange(this.data.line);
    if (range && range.from <= outline.lines) {
      this.viewport.reset();
      this.select(range.from, range.to);
    } else this.viewport.showInitialLine();
    if (this.data.find) void this.search.open(this.data.find);
  }
  /** The text of the footer. */
  summary() {
    if (!this.outline) return "";
    const { lines, left_out: leftOut, truncated } = this.outline;
    const parts = [`${formatCount(lines)} lines`];
    if (leftOut) parts.push(`${formatCount(leftOut)} more in the download`);
    if (truncated) parts.push("GitHub's log is longer than the stored copy");
    return parts.join(" · ");
  }
  /**
   * Streamlit has sent the data again; selects the lines that it names if they have changed.
   * @param {ViewerData} data
   */
  update(data) {
    const changed = data.line !== this.data.line;
    this.data = data;
    const range = changed && this.viewport.isOpen ? parseLineRange(data.line) : null;
    const selection = this.viewport.selection;
    if (range && (range.from !== selection?.from || range.to !== selection.to)) this.select(range.from, range.to);
  }
  /** @param {Error | null} error */
  onLoad(error) {
    if (error) this.reportError(error);
    else if (this.footer.textContent !== this.summary()) this.footer.textContent = this.summary();
    this.viewport.scheduleRender();
  }
  /** @param {unknown} error */
  reportError(error) {
    this.footer.textContent = toError(error).message;
  }
  /**
   * Selects lines and scrolls to the first of them.
   * @param {number} from
   * @param {number} to
   */
  select(from, to) {
    const { lineCount } = this.viewport.layout;
    const first = Math.min(from, lineCount);
    this.viewport.selection = { from: first, to: Math.min(to, lineCount), anchor: first };
    this.viewport.show(first);
    this.updateAddress();
  }
  /**
   * Selects a line, or extends the selection to it. The line is visible already, so nothing is scrolled.
   * @param {number} line
   * @param {boolean} extend
   */
  onNumberClick(line, extend) {
    const anchor = extend && this.viewport.selection?.anchor || line;
    this.viewport.selection = { from: Math.min(anchor, line), to: Math.max(anchor, line), anchor };
    this.viewport.redraw();
    this.updateAddress();
  }
  /** On the log's own page, the address names the selected lines and the text that is searched for. */
  updateAddress() {
    if (!this.data.embedded) history.replaceState(history.state, "", this.address());
  }
  /** The address of the log's own page with the selected lines and the text that is searched for. */
  address() {
    const url = new URL(this.data.page, document.baseURI);
    const { selection } = this.viewport;
    if (selection) url.searchParams.set("line", formatLineRange(selection.from, selection.to));
    const text = this.search.input.value;
    if (text) url.searchParams.set("find", text);
    return url.href;
  }
  /** @param {1 | -1} direction */
  jumpToProblem(direction) {
    const problems = (this.outline?.marks ?? []).map(([line2]) => line2);
    if (!problems.length) return;
    const from = this.viewport.selection?.from ?? this.viewport.topLine() - (direction > 0 ? 1 : 0);
    const line = nextProblem(problems, from, direction);
    this.select(line, line);
  }
  /** @param {HTMLElement} button */
  async copy(button) {
    const { selection } = this.viewport;
    await this.runCopy(
      button,
      async () => copyToClipboard(
        selection ? await this.source.text(selection.from, selection.to) : await (await this.source.request("text", { plain: 1 })).text()
      )
    );
  }
  /** @param {HTMLElement} button */
  async copyLink(button) {
    await this.runCopy(button, () => copyToClipboard(this.address()));
  }
  /**
   * Runs an action and shows its result on the button.
   * @param {HTMLElement} button
   * @param {() => Promise<void>} action
   */
  async runCopy(button, action) {
    const label = button.textContent;
    try {
      await action();
      button.textContent = "Copied";
      setTimeout(() => {
        button.textContent = label;
      }, COPIED_MS);
    } catch (error) {
      this.reportError(error);
    }
  }
  /** @param {KeyboardEvent} event */
  onKey(event) {
    const isTyping = event.target instanceof HTMLInputElement;
    const isFind = (event.ctrlKey || event.metaKey) && event.key === "f";
    const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
    if (isFind || event.key === "/" && !isTyping) {
      event.preventDefault();
      event.stopPropagation();
      this.search.input.select();
    } else if (!isTyping && !hasModifier && (event.key === "n" || event.key === "p")) {
      event.preventDefault();
      this.jumpToProblem(event.key === "n" ? 1 : -1);
    }
  }
};

// log_viewer/index.js
var viewers = /* @__PURE__ */ new WeakMap();
function show(component) {
  const { data } = component;
  const root = rootOf(component);
  if (!root) return;
  const viewer = viewers.get(root);
  if (viewer?.data.base === data.base) viewer.update(data);
  else {
    viewer?.close();
    root.replaceChildren();
    viewers.set(root, new LogViewer(root, data));
  }
}
function close(component) {
  const root = rootOf(component);
  if (root) viewers.get(root)?.close();
}
function rootOf(component) {
  return component.parentElement.querySelector(".ph-lv");
}
var sheet = new CSSStyleSheet();
sheet.replaceSync(viewer_default);
document.adoptedStyleSheets.push(sheet);
export {
  close,
  show
};
