/** @import { Outline, ViewerData } from "./types.d.ts" */
/** @import { LogViewer } from "./viewer.js" */
import { createButton, createElement, formatCount } from "./dom.js";
import { LABELS, SYMBOLS } from "./line_element.js";
import { storePreference } from "./preferences.js";

/** Search, the list of problems, and the actions of a log. */
export class Toolbar {
  /** @param {LogViewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.element = createElement("div", "ph-lv-bar");
    this.problems = createElement("span", "ph-lv-problems");
    this.actions = createElement("span", "ph-lv-tools");
    this.element.append(viewer.search.element, this.problems, this.actions);
    /** Expanded below the toolbar. */
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
      toggleButton("Times", "Show the time of every line (UTC)", "times", viewport.times, (times) =>
        viewport.setTimes(times),
      ),
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
      () => viewer.copyLink(link),
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
      createButton("", "↓", "Next problem (n)", () => viewer.jumpToProblem(1)),
    );
    for (const [line, kind, text] of marks) {
      const item = createButton(`ph-lv-mark ph-lv-${kind}`, "", "", () => viewer.select(line, line));
      item.append(
        createElement("b", "", SYMBOLS[kind]),
        createElement("span", "ph-lv-hidden", LABELS[kind]),
        createElement("span", "ph-lv-where", formatCount(line)),
        createElement("span", "", text || "(no text)"),
      );
      this.problemList.append(item);
    }
    const total = errors + warnings;
    if (total > marks.length) {
      const note = `Showing the first ${formatCount(marks.length)} of ${formatCount(total)}.`;
      this.problemList.append(createElement("p", "", note));
    }
  }
}

/**
 * A button with two states; the browser remembers the state.
 * @param {string} text
 * @param {string} label
 * @param {"wrap" | "times"} key
 * @param {boolean} initial
 * @param {(pressed: boolean) => void} onChange
 */
const toggleButton = (text, label, key, initial, onChange) => {
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

/**
 * @param {number} count
 * @param {string} noun
 */
const plural = (count, noun) => `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
