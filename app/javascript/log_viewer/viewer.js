/** @import { Outline, ViewerData } from "./types.d.ts" */
import { copyToClipboard, createElement, formatCount } from "./dom.js";
import { formatLineRange, parseLineRange } from "./line_range.js";
import { LineSource, toError } from "./line_source.js";
import { nextProblem } from "./matches.js";
import { SearchBar } from "./search_bar.js";
import { Toolbar } from "./toolbar.js";
import { Viewport } from "./viewport.js";

/** Distance from the visible part of the page at which a log is loaded: a run may have a hundred failed jobs. */
const LOAD_MARGIN = "1500px 0px";
const COPIED_MS = 1500;

/** The viewer of one log: search, toolbar, lines and footer, the selected lines, and the keyboard shortcuts. */
export class LogViewer {
  /**
   * @param {HTMLElement} root
   * @param {ViewerData} data
   */
  constructor(root, data) {
    this.data = data;
    /** Null until it is loaded. @type {Outline | null} */
    this.outline = null;
    this.source = new LineSource(data.base, (error) => this.onLoad(error));
    this.viewport = new Viewport({
      name: data.name,
      embedded: data.embedded,
      source: this.source,
      onNumberClick: (line, extend) => this.onNumberClick(line, extend),
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
      { root: root.closest("[data-testid=stMain]"), rootMargin: LOAD_MARGIN },
    );
    this.intersectionObserver.observe(root);
  }

  close() {
    this.intersectionObserver.disconnect();
    this.viewport.close();
  }

  async open() {
    this.intersectionObserver.disconnect();
    /** @type {Outline} */
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
    const anchor = (extend && this.viewport.selection?.anchor) || line;
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
    const problems = (this.outline?.marks ?? []).map(([line]) => line);
    if (!problems.length) return;
    // The topmost line itself counts as a next problem.
    const from = this.viewport.selection?.from ?? this.viewport.topLine() - (direction > 0 ? 1 : 0);
    const line = nextProblem(problems, from, direction);
    this.select(line, line);
  }

  /** @param {HTMLElement} button */
  async copy(button) {
    const { selection } = this.viewport;
    await this.runCopy(button, async () =>
      copyToClipboard(
        selection
          ? await this.source.text(selection.from, selection.to)
          : await (await this.source.request("text", { plain: 1 })).text(),
      ),
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
    if (isFind || (event.key === "/" && !isTyping)) {
      event.preventDefault();
      event.stopPropagation();
      this.search.input.select();
    } else if (!isTyping && !hasModifier && (event.key === "n" || event.key === "p")) {
      event.preventDefault();
      this.jumpToProblem(event.key === "n" ? 1 : -1);
    }
  }
}
