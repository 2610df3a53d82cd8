/** @import { Line, Outline, Selection } from "./types.d.ts" */
/** @import { LineSource } from "./line_source.js" */
import { createButton, createElement, formatCount } from "./dom.js";
import { lineElement } from "./line_element.js";
import { CHUNK_SIZE } from "./line_source.js";
import { readPreference } from "./preferences.js";
import { RowHeights } from "./row_heights.js";
import { RowLayout } from "./row_layout.js";

const ROW_HEIGHT = 20;
/** Rows rendered above and below the visible ones. */
const OVERSCAN = 15;
/** Lines displayed before the cause when the beginning of the log is collapsed. */
const LINES_BEFORE_CAUSE = 8;
const MAX_CACHED_ELEMENTS = 2000;

/**
 * @typedef {object} ViewportOptions
 * @property {string} name name of the job
 * @property {boolean} embedded
 * @property {LineSource} source
 * @property {(line: number, extend: boolean) => void} onNumberClick
 */

/** The scrollable list of lines. Only the visible rows, and a few around them, are in the document. */
export class Viewport {
  /** The line that explains the failure, if there is one. @type {number | undefined} */
  #initialLine;

  /** @param {ViewportOptions} options */
  constructor({ name, embedded, source, onNumberClick }) {
    this.embedded = embedded;
    this.source = source;
    this.onNumberClick = onNumberClick;
    this.wrap = readPreference("wrap");
    this.times = readPreference("times");
    /** In lower case; its matches are highlighted. */
    this.searchText = "";
    /** The line of the current search match; 0 for none. */
    this.currentLine = 0;
    /** @type {number | null} */
    this.causeLine = null;
    /** @type {Selection | null} */
    this.selection = null;
    this.layout = new RowLayout(0, []);
    this.heights = new RowHeights(0, ROW_HEIGHT);
    /** Rendered rows by line; 0 is the gap. @type {Map<number, HTMLElement>} */
    this.elements = new Map();
    /**
     * The row that keeps its distance from the top while rows are measured, until the user scrolls.
     * @type {{ row: number, distance: number } | null}
     */
    this.pinned = null;
    /** @type {number | null} */
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
    if (this.isOpen && this.wrap && this.width !== this.element.clientWidth) this.#relayout(() => {});
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
    const distance =
      this.embedded && this.layout.gap ? ROW_HEIGHT * (LINES_BEFORE_CAUSE + 1) : this.element.clientHeight / 3;
    this.element.scrollLeft = 0;
    this.#pin(row, Math.max(distance, 0));
  }

  render() {
    // On paper the view is as high as its rows: it would render more and more of them.
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
    // Without wrapping, the width only grows: it would otherwise change while the user scrolls past long lines.
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
    /** @type {Set<Element>} */
    const visible = new Set(rows);
    for (const child of [...this.body.children]) if (!visible.has(child)) child.remove();
    /** @type {ChildNode | null} */
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
    for (const child of /** @type {HTMLCollectionOf<HTMLElement>} */ (this.body.children)) {
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
    // The placeholder of a line that is not loaded is not kept.
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
    /** @type {HTMLElement | null} */
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
}
