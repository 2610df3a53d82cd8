// Built by `npm run build` from app/javascript; edit the sources, not this file.

// log_viewer/dom.js
var createElement = (name, className = "", text = void 0) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== void 0) element.textContent = text;
  return element;
};

// palette/score.js
var MAX_TERMS = 8;
var MAX_TERM_LENGTH = 60;
var WHOLE_TEXT = 100;
var WHOLE_WORD = 80;
var WORD_START = 60;
var INSIDE = 40;
var SCATTERED = 30;
var LENGTH_BONUS = 9;
var LETTER = /\p{L}/u;
var DIGIT = /\p{N}/u;
var lowerCase = (letter) => {
  const lower = letter.toLowerCase();
  return lower.length === letter.length ? lower : letter;
};
var parseQuery = (query) => query.split(/\s+/).filter(Boolean).slice(0, MAX_TERMS).map((part) => parseTerm(part.slice(0, MAX_TERM_LENGTH)));
var parseTerm = (part) => {
  const letters = [...Array(part.length).keys()].map((index) => lowerCase(part[index])).join("");
  const failures = [0];
  for (let index = 1, length = 0; index < letters.length; index++) {
    while (length > 0 && letters[index] !== letters[length]) length = failures[length - 1];
    if (letters[index] === letters[length]) length++;
    failures.push(length);
  }
  return { letters, failures };
};
var prepareText = (text) => {
  const lower = [];
  const starts = [];
  let previous = "";
  for (let index = 0; index < text.length; index++) {
    const letter = text[index];
    const kind = LETTER.test(letter) ? "letter" : DIGIT.test(letter) ? "digit" : "";
    const isCapital = kind === "letter" && letter !== lowerCase(letter);
    const continues = isCapital ? ["capital"] : kind === "letter" ? ["letter", "capital"] : ["digit"];
    starts.push(kind !== "" && !continues.includes(previous));
    lower.push(lowerCase(letter));
    previous = isCapital ? "capital" : kind;
  }
  return { lower, starts };
};
var findContiguous = ({ letters, failures }, { lower, starts }) => {
  let best = 0;
  let at = 0;
  for (let index = 0, length = 0; index < lower.length; index++) {
    const letter = lower[index];
    while (length > 0 && letter !== letters[length]) length = failures[length - 1];
    if (letter === letters[length]) length++;
    if (length < letters.length) continue;
    const start = index + 1 - length;
    const endsWord = index + 1 === lower.length || starts[index + 1] || !isWordLetter(lower[index + 1]);
    const atStart = starts[start] || !isWordLetter(letters[0]);
    const quality = atStart ? endsWord ? length === lower.length ? WHOLE_TEXT : WHOLE_WORD : WORD_START : INSIDE;
    if (quality > best) [best, at] = [quality, start];
    length = failures[length - 1];
  }
  return best ? { score: best, ranges: [[at, at + letters.length]] } : null;
};
var isWordLetter = (letter) => LETTER.test(letter) || DIGIT.test(letter);
var findScattered = ({ letters }, { lower, starts }) => {
  if (letters.length < 2) return null;
  let next = 0;
  let index = 0;
  for (; index < lower.length && next < letters.length; index++) {
    if (lower[index] === letters[next] && (next > 0 || starts[index])) next++;
  }
  if (next < letters.length) return null;
  const places = [];
  for (index--; index >= 0 && next > 0; index--) {
    if (lower[index] === letters[next - 1] && (next > 1 || starts[index])) {
      places.push(index);
      next--;
    }
  }
  places.reverse();
  const joined = places.filter((place, number) => starts[place] || place === places[number - 1] + 1).length;
  const span = places[places.length - 1] - places[0] + 1;
  const score = SCATTERED * (2 * joined / letters.length + letters.length / span) / 3;
  return { score, ranges: joinRanges(places.map((place) => [place, place + 1])) };
};
var joinRanges = (ranges) => {
  const joined = [];
  for (const [start, end] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else joined.push([start, end]);
  }
  return joined;
};
var scoreText = (terms, text) => {
  if (terms.length === 0) return { score: 0, ranges: [] };
  let sum = 0;
  let matched = 0;
  const ranges = [];
  for (const term of terms) {
    const match = findContiguous(term, text) ?? findScattered(term, text);
    if (!match) return null;
    sum += match.score;
    matched += term.letters.length;
    ranges.push(...match.ranges);
  }
  const coverage = Math.min(matched / Math.max(text.lower.length, 1), 1);
  return { score: sum / terms.length + LENGTH_BONUS * coverage, ranges: joinRanges(ranges) };
};

// palette/entries.js
var KINDS = {
  page: "Page",
  view: "Saved view",
  team: "Team",
  repository: "Repository",
  workflow: "Workflow",
  branch: "Branch",
  run: "Run",
  action: "Action"
};
var KIND_ORDER = Object.keys(KINDS);
var BEYOND_LABEL = 0.7;
var prepared = /* @__PURE__ */ new WeakMap();
var textsOf = (entry) => {
  let texts = prepared.get(entry);
  if (!texts) {
    const more = [entry.detail, entry.keywords].filter(Boolean).join(" ");
    const label = prepareText(entry.label);
    texts = { label, all: more ? prepareText(`${entry.label} ${more}`) : label };
    prepared.set(entry, texts);
  }
  return texts;
};
var comparePlaces = (a, b) => b.score - a.score || KIND_ORDER.indexOf(a.entry.kind) - KIND_ORDER.indexOf(b.entry.kind) || a.entry.label.length - b.entry.label.length;
var rankEntries = (entries, query, limit) => {
  const terms = parseQuery(query);
  if (terms.length === 0) return entries.slice(0, limit).map((entry) => ({ entry, score: 0, ranges: [] }));
  const best = [];
  for (const entry of entries) {
    const { label, all } = textsOf(entry);
    const ofLabel = scoreText(terms, label);
    const match = ofLabel ?? (all === label ? null : scoreText(terms, all));
    if (!match) continue;
    const visible = match.ranges.filter(([start]) => start < entry.label.length);
    const ranked = { entry, score: ofLabel ? match.score : match.score * BEYOND_LABEL, ranges: visible };
    if (best.length === limit && comparePlaces(ranked, best[limit - 1]) >= 0) continue;
    best.splice(placeOf(best, ranked), 0, ranked);
    if (best.length > limit) best.pop();
  }
  return best;
};
var placeOf = (sorted, ranked) => {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = low + high >> 1;
    if (comparePlaces(ranked, sorted[middle]) < 0) high = middle;
    else low = middle + 1;
  }
  return low;
};
var logSearchEntry = (text) => {
  const query = text.trim();
  if (!query) return null;
  return { kind: "action", label: `Search logs for “${query}”`, address: `search?${new URLSearchParams({ text: query })}` };
};
var splitLabel = (label, ranges) => {
  const parts = [];
  let end = 0;
  for (const range of ranges) {
    const until = Math.min(range[1], label.length);
    parts.push(label.slice(end, range[0]), label.slice(range[0], until));
    end = until;
  }
  parts.push(label.slice(end));
  return parts;
};

// palette/names.js
var DELAY_MS = 90;
var NameSearch = class {
  /** @type {AbortController | null} */
  #request = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /**
   * @param {(query: string) => URL} urlOf
   * @param {(entries: Entry[]) => void} onEntries
   * @param {(message: string) => void} onError
   */
  constructor(urlOf, onEntries, onError) {
    this.urlOf = urlOf;
    this.onEntries = onEntries;
    this.onError = onError;
    this.isPending = false;
  }
  /**
   * @param {string} query
   * @param {{ delay?: number }} [options]
   */
  search(query, { delay = DELAY_MS } = {}) {
    this.stop();
    this.isPending = true;
    this.#timer = setTimeout(() => this.#load(query), delay);
  }
  stop() {
    clearTimeout(this.#timer);
    this.#request?.abort();
    this.#request = null;
    this.isPending = false;
  }
  /** @param {string} query */
  async #load(query) {
    const request = this.#request = new AbortController();
    let entries = null;
    let message = "The dashboard's server does not respond; only pages and actions are searched.";
    try {
      const response = await fetch(this.urlOf(query), { signal: request.signal });
      const body = await response.json();
      if (response.ok) entries = body.entries;
      else message = String(body.detail ?? message);
    } catch {
    }
    if (request.signal.aborted) return;
    this.isPending = false;
    if (entries) this.onEntries(entries);
    else this.onError(message);
  }
};

// palette/dialog.js
var MAX_SHOWN = 50;
var PAGE_ROWS = 8;
var LIST_ID = "ph-palette-list";
var HINTS = [["↑ ↓", "Select"], ["Enter", "Open"], ["Ctrl Enter", "New tab"], ["Esc", "Close"]];
var PaletteDialog = class {
  /** @type {RankedEntry[]} */
  #shown = [];
  /** @type {Entry[]} */
  #names = [];
  /** The number of shown entries without the search over all logs. */
  #results = 0;
  #active = 0;
  #opensFirst = false;
  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    this.element = createElement("dialog", "ph-palette");
    this.element.setAttribute("aria-label", "Command palette");
    this.input = createElement("input");
    Object.assign(this.input, {
      type: "text",
      autocomplete: "off",
      spellcheck: false,
      maxLength: 200,
      placeholder: "Page, team, repository, workflow, branch, #run, saved view or action"
    });
    const attributes = {
      role: "combobox",
      "aria-label": "Search",
      "aria-expanded": "true",
      "aria-controls": LIST_ID,
      "aria-autocomplete": "list",
      autocapitalize: "off"
    };
    for (const [name, value] of Object.entries(attributes)) this.input.setAttribute(name, value);
    this.list = createElement("ul");
    this.list.id = LIST_ID;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Results");
    this.status = createElement("p", "ph-palette-status");
    this.status.setAttribute("role", "status");
    this.element.append(this.input, this.list, this.status, this.#hints());
    this.search = new NameSearch(context.searchUrl, (entries) => this.#onNames(entries), (text) => this.#onError(text));
    this.#listen();
  }
  show() {
    document.querySelector(".stApp")?.append(this.element);
    this.element.showModal();
    this.#draw();
    this.#setStatus("");
    this.search.search("", { delay: 0 });
  }
  /** Chromium sends no `close` event after a new tab was opened, so that closing does not depend on it. */
  close() {
    this.search.stop();
    if (this.element.open) this.element.close();
    this.element.remove();
  }
  #hints() {
    const hints = createElement("footer", "");
    hints.setAttribute("aria-hidden", "true");
    for (const [keys, action] of HINTS) {
      const hint = createElement("span", "");
      hint.append(createElement("kbd", "", keys), ` ${action}`);
      hints.append(hint);
    }
    return hints;
  }
  #listen() {
    const { element, input, list } = this;
    input.addEventListener("input", () => this.#onInput());
    element.addEventListener("keydown", (event) => this.#onKey(event));
    element.addEventListener("click", (event) => {
      if (event.target === element) this.close();
    });
    element.addEventListener("close", () => this.close());
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("mousemove", (event) => this.#select(this.#indexOf(event), { scroll: false }));
    list.addEventListener("click", (event) => this.#openAt(event, event.ctrlKey || event.metaKey));
    list.addEventListener("auxclick", (event) => event.button === 1 && this.#openAt(event, true));
  }
  #onInput() {
    this.#active = 0;
    this.#opensFirst = false;
    this.search.search(this.input.value);
    this.#draw();
    this.#setStatus("");
  }
  /** @param {KeyboardEvent} event */
  #onKey(event) {
    event.stopPropagation();
    if (event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE_ROWS, PageUp: -PAGE_ROWS }[event.key];
    if (steps !== void 0) {
      event.preventDefault();
      this.#move(steps);
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.#onEnter(event.ctrlKey || event.metaKey);
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.close();
    } else if (event.key === "Tab") {
      event.preventDefault();
    }
  }
  /** @param {boolean} inTab */
  #onEnter(inTab) {
    const isFallback = this.#results === 0;
    if (this.search.isPending && this.#active === 0 && (isFallback || !inTab)) {
      this.#opensFirst = !inTab;
      this.#setStatus("Searching…");
    } else {
      this.#open(this.#active, inTab);
    }
  }
  /** @param {Entry[]} entries */
  #onNames(entries) {
    this.#names = entries;
    this.#draw();
    this.#setStatus("");
    if (this.#opensFirst) this.#open(0, false);
  }
  /** @param {string} message */
  #onError(message) {
    this.#names = [];
    this.#opensFirst = false;
    this.#draw();
    this.#setStatus(message);
  }
  #draw() {
    const active = this.#active > 0 ? this.#shown[this.#active]?.entry : void 0;
    this.#shown = rankEntries(this.#candidates(), this.input.value, MAX_SHOWN);
    this.#results = this.#shown.length;
    const search = logSearchEntry(this.input.value);
    if (search) this.#shown.push({ entry: search, score: 0, ranges: [] });
    const again = this.#shown.findIndex(({ entry }) => entry.address === active?.address && entry.label === active?.label);
    this.#active = active && again > 0 ? again : 0;
    this.list.replaceChildren(...this.#shown.map((ranked, index) => this.#option(ranked, index)));
    this.#select(this.#active, { scroll: true });
  }
  /** Pages, then names, then actions. */
  #candidates() {
    const { entries } = this.context;
    const actions = entries.filter((entry) => entry.kind === "action");
    return [...entries.filter((entry) => entry.kind !== "action"), ...this.#names, ...actions];
  }
  /**
   * @param {RankedEntry} ranked
   * @param {number} index
   */
  #option({ entry, ranges }, index) {
    const option = createElement("li", "");
    option.id = `${LIST_ID}-${index}`;
    option.setAttribute("role", "option");
    const label = createElement("span", "ph-palette-label");
    if (entry.sign) label.append(createElement("b", `ph-${entry.tone ?? "gray"}`, entry.sign), " ");
    splitLabel(entry.label, ranges).forEach((part, number) => {
      if (part) label.append(number % 2 ? createElement("mark", "", part) : part);
    });
    option.append(label);
    if (entry.detail) option.append(createElement("span", "ph-palette-detail", entry.detail));
    option.append(createElement("span", "ph-palette-kind", KINDS[entry.kind] ?? ""));
    return option;
  }
  /** @param {number} steps */
  #move(steps) {
    const count = this.#shown.length;
    if (!count) return;
    const isAtEnd = steps > 0 ? this.#active === count - 1 : this.#active === 0;
    const next = isAtEnd ? steps > 0 ? 0 : count - 1 : Math.min(Math.max(this.#active + steps, 0), count - 1);
    this.#select(next, { scroll: true });
  }
  /**
   * @param {number} index
   * @param {{ scroll: boolean }} options
   */
  #select(index, { scroll }) {
    if (index < 0) return;
    this.list.children[this.#active]?.setAttribute("aria-selected", "false");
    this.#active = index;
    const option = this.list.children[index];
    option?.setAttribute("aria-selected", "true");
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
    if (scroll) option?.scrollIntoView({ block: "nearest" });
  }
  /** @param {Event} event */
  #indexOf(event) {
    const option = event.target instanceof Element ? event.target.closest("[role=option]") : null;
    return option ? [...this.list.children].indexOf(option) : -1;
  }
  /**
   * @param {Event} event
   * @param {boolean} inTab
   */
  #openAt(event, inTab) {
    const index = this.#indexOf(event);
    if (index >= 0) this.#open(index, inTab);
  }
  /**
   * @param {number} index
   * @param {boolean} inTab
   */
  #open(index, inTab) {
    const entry = this.#shown[index]?.entry;
    if (!entry) return;
    this.close();
    if (entry.run) entry.run();
    else if (inTab) this.context.openTab(entry.address ?? "");
    else this.context.open(entry.address ?? "");
  }
  /** @param {string} message an error; empty for the number of results */
  #setStatus(message) {
    const count = this.#results;
    const results = count === 1 ? "1 result" : `${count} results`;
    const empty = this.search.isPending ? "Searching…" : "No results. Abbreviations work: svc13 matches service-13.";
    this.status.textContent = message || (count ? results : empty);
    this.status.classList.toggle("ph-palette-quiet", !message && count > 0);
  }
};

// palette/palette.css
var palette_default = "dialog.ph-palette { width: min(660px, calc(100vw - 24px)); max-width: none; margin: 11vh auto 0; padding: 0; border-radius: 10px;\n  border: 1px solid var(--ph-border); background: var(--ph-ground); color: var(--ph-text); overflow: hidden;\n  font: 14px/1.45 Inter, sans-serif; box-shadow: 0 16px 48px #0B101633; }\ndialog.ph-palette::backdrop { background: #0B101680; }\n.ph-palette > input { width: 100%; box-sizing: border-box; border: 0; border-bottom: 1px solid var(--ph-border);\n  background: transparent; color: inherit; font: 16px/1.4 Inter, sans-serif; padding: 14px 18px; outline: none; }\n.ph-palette > input::placeholder { color: var(--ph-muted); opacity: 1; text-overflow: ellipsis; }\n.ph-palette > ul { list-style: none; margin: 0; padding: 6px; max-height: min(52vh, 440px); overflow-y: auto;\n  overscroll-behavior: contain; }\n.ph-palette > ul:empty { display: none; }\n.ph-palette li { display: flex; gap: 10px; align-items: baseline; margin: 0; padding: 7px 12px; border-radius: 6px;\n  cursor: pointer; }\n.ph-palette li[aria-selected=true] { background: light-dark(#E3EEFA, #1E2C3D); box-shadow: inset 3px 0 0 var(--ph-blue); }\n.ph-palette-label { flex: 0 1 auto; min-width: 0; overflow-wrap: anywhere; font-weight: 500; }\n.ph-palette mark { background: none; color: var(--ph-blue); font-weight: 700; }\n.ph-palette-detail { flex: 1 1 0; min-width: 40px; color: var(--ph-muted); font-size: 12.5px; overflow: hidden;\n  text-overflow: ellipsis; white-space: nowrap; }\n.ph-palette-kind { margin-left: auto; flex: none; color: var(--ph-muted); font-size: 12px; }\n.ph-palette-status { margin: 0; padding: 10px 18px; font-size: 13px; color: var(--ph-muted); }\n.ph-palette-status.ph-palette-quiet { position: absolute; width: 1px; height: 1px; padding: 0; overflow: hidden;\n  clip-path: inset(50%); }\n.ph-palette > footer { display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 8px 18px; font-size: 12px; color: var(--ph-muted);\n  border-top: 1px solid var(--ph-border); background: var(--ph-soft); }\n.ph-palette kbd { font: 11.5px 'JetBrains Mono', monospace; border: 1px solid var(--ph-border); border-bottom-width: 2px;\n  border-radius: 4px; padding: 0 5px; background: var(--ph-ground); color: var(--ph-text); }\n@media (max-width: 600px) {\n  dialog.ph-palette { margin-top: 12px; }\n  .ph-palette > ul { max-height: 60dvh; }\n  .ph-palette li { min-height: 28px; align-items: center; }\n  .ph-palette-detail { display: none; }\n}\n@media (pointer: coarse) { .ph-palette > footer { display: none; } }\n";

// palette/index.js
var open = (context) => new PaletteDialog(context).show();
var sheet = new CSSStyleSheet();
sheet.replaceSync(palette_default);
document.adoptedStyleSheets.push(sheet);
export {
  open
};
