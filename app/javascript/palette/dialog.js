import { createElement } from "../log_viewer/dom.js";
import { KINDS, logSearchEntry, rankEntries, splitLabel } from "./entries.js";
import { NameSearch } from "./names.js";

/**
 * @import { Entry, RankedEntry } from "./entries.js"
 *
 * @typedef {object} Context what the palette needs from the page
 * @property {Entry[]} entries pages and actions
 * @property {(query: string) => URL} searchUrl
 * @property {(address: string) => void} open
 * @property {(address: string) => void} openTab
 */

const MAX_SHOWN = 50;
const PAGE_ROWS = 8;
const LIST_ID = "ph-palette-list";
const HINTS = [["↑ ↓", "Select"], ["Enter", "Open"], ["Ctrl Enter", "New tab"], ["Esc", "Close"]];

/** A modal dialog with a search field and a list of entries; the field keeps the focus. */
export class PaletteDialog {
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
    Object.assign(this.input, { type: "text", autocomplete: "off", spellcheck: false, maxLength: 200,
      placeholder: "Page, team, repository, workflow, branch, #run, saved view or action" });
    const attributes = { role: "combobox", "aria-label": "Search", "aria-expanded": "true", "aria-controls": LIST_ID,
      "aria-autocomplete": "list", autocapitalize: "off" };
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
      // The backdrop belongs to the dialog, whose content covers all of the dialog itself.
      if (event.target === element) this.close();
    });
    element.addEventListener("close", () => this.close());
    // A press would take the focus from the field.
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
    // No shortcut of the page applies while the palette is open.
    event.stopPropagation();
    if (event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE_ROWS, PageUp: -PAGE_ROWS }[event.key];
    if (steps !== undefined) {
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
      // The best entry may be on its way. A new tab must be opened at once: later the browser would block it.
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
    const active = this.#active > 0 ? this.#shown[this.#active]?.entry : undefined;
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
    const next = isAtEnd ? (steps > 0 ? 0 : count - 1) : Math.min(Math.max(this.#active + steps, 0), count - 1);
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
}
