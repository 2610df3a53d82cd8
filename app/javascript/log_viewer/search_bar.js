/** @import { SearchResult } from "./types.d.ts" */
/** @import { LineSource } from "./line_source.js" */
/** @import { Viewport } from "./viewport.js" */
import { createButton, createElement, formatCount } from "./dom.js";
import { toError } from "./line_source.js";
import { firstMatchFrom } from "./matches.js";

/** Delay after the last key before a search starts. */
const DELAY_MS = 250;
const PLACEHOLDER = "Search the whole log";

/** Searches the whole log on the server and steps through the matching lines. */
export class SearchBar {
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
      createButton("", "↓", "Next match (Enter)", () => this.next()),
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
    this.#timer = undefined;
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
    /** @type {SearchResult} */
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
}
