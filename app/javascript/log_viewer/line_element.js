/** @import { Line, Piece, Style } from "./types.d.ts" */
import { createButton, createElement, formatCount } from "./dom.js";
import { splitMatches } from "./matches.js";

/** @type {Record<string, string>} */
export const SYMBOLS = { error: "✕", warning: "!", notice: "i" };
/** For screen readers, which skip the symbols. @type {Record<string, string>} */
export const LABELS = { error: "Error: ", warning: "Warning: ", notice: "Notice: " };
const FLAGS = /** @type {const} */ (["bold", "dim", "italic", "underline", "strike"]);

/**
 * @typedef {object} Fold
 * @property {boolean} folded
 * @property {number} size number of lines below the group's first line
 * @property {() => void} toggle
 */

/**
 * @typedef {object} LineOptions
 * @property {string[]} classes
 * @property {boolean} times whether the time of the line is displayed
 * @property {string} searchText in lower case
 * @property {Fold | null} fold null unless the line is the first of a group
 * @property {(line: number, extend: boolean) => void} onNumberClick `extend`: with the Shift key
 */

/**
 * @param {string | Node} text
 * @param {Style} style
 */
const styledSpan = (text, style) => {
  const classes = FLAGS.filter((flag) => style[flag]).map((flag) => `ph-lv-${flag}`);
  const span = createElement("span", classes.join(" "));
  if (style.text) span.style.color = `light-dark(${style.text[0]}, ${style.text[1]})`;
  if (style.ground) span.style.backgroundColor = style.ground[0];
  span.append(text);
  return span;
};

/**
 * @param {Line} line
 * @param {string} searchText
 */
const textElement = (line, searchText) => {
  const element = createElement("span", "ph-lv-text");
  /** @type {Piece[]} */
  const pieces = typeof line.content === "string" ? [[line.content, -1]] : line.content;
  for (const [text, index, match] of splitMatches(pieces, searchText)) {
    // Text of a log only ever becomes a text node.
    const content = match ? createElement("mark", "", text) : text;
    const style = index >= 0 ? line.styles[index] : undefined;
    element.append(style ? styledSpan(content, style) : content);
  }
  if (line.cut) element.append(createElement("i", "ph-lv-cut", ` … ${formatCount(line.cut)} more characters`));
  return element;
};

/** @param {number | null} at milliseconds since 1970 UTC */
const timeElement = (at) => {
  const time = at ? new Date(at).toISOString() : "";
  const element = createElement("time", "ph-lv-time", time.slice(11, 23));
  if (time) element.dateTime = element.title = time;
  return element;
};

/**
 * The row of a line.
 * @param {number} number
 * @param {Line | null} line null while it is not loaded
 * @param {LineOptions} options
 */
export const lineElement = (number, line, { classes, times, searchText, fold, onNumberClick }) => {
  const kind = line?.kind ?? "";
  const row = createElement("div", ["ph-lv-row", kind && `ph-lv-${kind}`, ...classes].filter(Boolean).join(" "));
  row.dataset.line = String(number);
  const numberButton = createButton("ph-lv-n", String(number), `Line ${number}`, (event) =>
    onNumberClick(number, event.shiftKey),
  );
  numberButton.tabIndex = -1;
  const symbol = createElement("span", "ph-lv-sign", classes.includes("ph-lv-cause") ? "▶" : (SYMBOLS[kind] ?? ""));
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
