import { pageUrl } from "../navigation/router.js";
import { saveImage } from "./image.js";
import { chartTitle } from "./plot.js";
import { columnLabels, markRows } from "./rows.js";

/** @import { Plot } from "./plot.js" */

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} [properties]
 * @param {(Node | string)[]} children
 */
const element = (name, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};

/** @param {Plot} plot */
const markTable = (plot) => {
  const rows = markRows(plot.data, plot.layout?.meta).map(({ where, name, text, address }) => {
    const shown = address
      ? element("a", { href: address.startsWith("#") ? address : pageUrl(address).href, target: "_self" }, text)
      : text;
    return element("tr", {}, element("td", {}, where), element("td", {}, name), element("td", {}, shown));
  });
  const head = columnLabels(plot.data).map((label) => element("th", { scope: "col" }, label));
  const table = element("table", { className: "ph-table" });
  table.append(element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
  return table;
};

/**
 * The marks of a chart as a table with the links of the marks, for keyboards and screen readers.
 * @param {Plot} plot
 */
const showTable = (plot) => {
  document.querySelector("dialog.ph-marks")?.remove();
  const close = element("button", { type: "button", className: "ph-close" }, "Close");
  const dialog = element("dialog", { className: "ph-marks" });
  const title = chartTitle(plot);
  dialog.setAttribute("aria-label", title);
  const body = element("div", { className: "ph-marks-body", tabIndex: "0" }, markTable(plot));
  dialog.append(element("header", {}, element("h2", {}, title), close), body);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || (event.target instanceof Element && event.target.closest("a"))) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.querySelector(".stApp")?.append(dialog);
  dialog.showModal();
};

/**
 * Adds the menu of a chart: its marks as a table, and files of its image.
 * @param {Plot} plot
 */
export const addTools = (plot) => {
  const menu = element("details", { className: "ph-tools" });
  const summary = element("summary", {}, "⋯");
  summary.setAttribute("aria-label", `Chart menu: ${chartTitle(plot)}`);
  const actions = /** @type {[string, () => void][]} */ ([
    ["Show as table", () => showTable(plot)],
    ["Save as PNG", () => saveImage(plot, "png")],
    ["Save as SVG", () => saveImage(plot, "svg")],
  ]);
  const list = element("div", { className: "ph-tools-list" });
  for (const [label, run] of actions) {
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
